//! What arrives, on its way into the log: an artificial delay if asked for, the gap buffer, the log, and the answer.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd, MESSAGE_BYTES_LIMIT, MESSAGE_TARGET, Records, RequestId, Run};
use tracing::debug;

use super::link::Stage;
use super::{Connection, Secondary};
use crate::ProtocolError;
use crate::frame::{ErrorCode, Frame, FrameKind, Response};
use crate::progress::WINDOW_BYTES_MAX;

/// Most bytes that wait above a gap or for a store delay, unless it is a single run. A master's whole window and some
/// of it sent again have room; a run beyond that is answered with an error and comes again.
pub const HELD_BYTES_MAX: usize = 4 * WINDOW_BYTES_MAX + MESSAGE_BYTES_LIMIT;

/// A run or a page that waits for its store delay.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) run: Records,
    /// The request to answer; none for a page.
    request: Option<RequestId>,
}

impl<L: LogView> Secondary<L> {
    /// An `AddMessage` request arrived.
    pub(super) fn take_run(
        &mut self,
        now: Instant,
        request: RequestId,
        run: Records,
    ) -> Result<(), ProtocolError> {
        if run.range().is_empty() {
            return Err(ProtocolError::BadRun(run.range()));
        }
        // The master sends runs only once it knows that this node is ready, so the answer that says so is on its way.
        self.become_ready(request).map_err(|_| ProtocolError::BadRun(run.range()))?;
        self.note_master_end(run.range().end());
        debug!(%request, id = %run.range(), "AddMessage received");
        self.arrive(now, Some(request), run);
        Ok(())
    }

    /// A run is here: it is stored now or, with a store delay, later.
    pub(super) fn arrive(&mut self, now: Instant, request: Option<RequestId>, run: Records) {
        let Connection::Up(link) = &mut self.connection else { return };
        if run.range().end() <= self.log_end {
            // Also an empty page comes here: there is nothing to store.
            if !run.range().is_empty() {
                debug!(target: MESSAGE_TARGET, id = %run.range(), "already present");
            }
            return self.answer_when_durable(request, run.range().end());
        }
        let kind = if request.is_some() { FrameKind::AddMessage } else { FrameKind::Page };
        let delay = self.store_faults.store_delay(kind);
        // What continues the log needs no room, and is what makes room where a gap keeps it: stored at once, or the one
        // such run that waits for its delay.
        let end = self.log_end;
        let continues = |run: &Records| run.range().start() <= end;
        let is_next = continues(&run)
            && (delay.is_zero() || !link.arrived.iter().any(|arrived| continues(&arrived.run)));
        let held = link.gaps.bytes() + link.arrived_bytes;
        if !is_next && held > 0 && held + run.bytes() > HELD_BYTES_MAX {
            return self.answer_no_room(now, request, held);
        }
        if delay.is_zero() {
            return self.store(request, run);
        }
        debug!(id = %run.range(), ?delay, "storing is delayed");
        link.arrived_bytes += run.bytes();
        link.arrived.insert(now + delay, Arrived { run, request });
    }

    /// Stores what has waited long enough.
    pub(super) fn store_due(&mut self, now: Instant) {
        loop {
            let Connection::Up(link) = &mut self.connection else { return };
            let Some(Arrived { run, request }) = link.arrived.pop(now) else { return };
            link.arrived_bytes -= run.bytes();
            self.store(request, run);
        }
    }

    /// Puts a run where it belongs: into the log what continues it, into the gap buffer what does not yet.
    fn store(&mut self, request: Option<RequestId>, run: Records) {
        let range = run.range();
        if range.start() > self.log_end {
            let Connection::Up(link) = &mut self.connection else { return };
            link.gaps.insert(run);
            debug!(target: MESSAGE_TARGET, id = %range, end = %self.log_end, "above a gap: held back");
            return self.answer_now(request);
        }
        let new = range.from(self.log_end);
        if new != range {
            debug!(target: MESSAGE_TARGET, id = %range.until(self.log_end), "already present");
        }
        let mut end = range.end();
        if !new.is_empty() {
            self.append(run.slice(new));
            self.close_gaps();
            // The runs that waited above the gap were answered when they came, with an end below it: this answer is
            // the one that tells that they count now.
            end = self.log_end;
        }
        self.answer_when_durable(request, end);
    }

    fn close_gaps(&mut self) {
        loop {
            let Connection::Up(link) = &mut self.connection else { return };
            let Some(run) = link.gaps.pop(self.log_end) else { return };
            debug!(target: MESSAGE_TARGET, id = %run.range(), "the gap is closed");
            self.append(run);
        }
    }

    /// The answer says what is durable, so it waits until the run is.
    fn answer_when_durable(&mut self, request: Option<RequestId>, end: LogEnd) {
        if end <= self.contiguous_end {
            return self.answer_now(request);
        }
        if let (Some(request), Connection::Up(link)) = (request, &mut self.connection) {
            link.unanswered.push_back((end, request));
        }
    }

    /// The log got durable further: answers what waited for it.
    pub(super) fn answer_durable(&mut self) {
        let Connection::Up(link) = &mut self.connection else { return };
        let mut unanswered = std::mem::take(&mut link.unanswered);
        let end = self.contiguous_end;
        unanswered.retain(|&(until, request)| {
            if until <= end {
                self.answer_now(Some(request));
            }
            until > end
        });
        if let Connection::Up(link) = &mut self.connection {
            link.unanswered = unanswered;
        }
    }

    fn answer_now(&mut self, request: Option<RequestId>) {
        // A page has nobody who waits for an answer, and so no error either.
        if let Some(id) = request
            && self.store_faults.answers_with_error()
        {
            debug!(request = %id, "a fault: what is stored is answered with an error");
            let detail = "an error on demand, after the messages were stored".to_owned();
            return self.answer(request, Response::Failed { code: ErrorCode::Internal, detail });
        }
        let contiguous_end = self.contiguous_end;
        self.answer(request, Response::Added { contiguous_end });
    }

    fn answer_no_room(&mut self, now: Instant, request: Option<RequestId>, held: usize) {
        let detail = format!("{held} bytes wait above a gap or for a delay already");
        debug!(held, "no room for one more run");
        if let (None, Connection::Up(link)) = (request, &mut self.connection) {
            link.pages.lose();
            let pause = link.backoff.pause(&mut self.rng);
            link.hold(now + pause);
        }
        self.answer(request, Response::Failed { code: ErrorCode::NoRoom, detail });
    }

    fn answer(&mut self, request: Option<RequestId>, response: Response<IdRange>) {
        if let (Some(request), Connection::Up(link)) = (request, &self.connection) {
            debug_assert!(link.stage == Stage::Ready);
            self.send(link.session, Frame::Response(request, response));
        }
    }
}
