//! What arrives, on its way into the log: an artificial delay if asked for, the gap buffer, the
//! log, and the answer.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd, MESSAGE_TARGET, Records, RequestId};
use tracing::debug;

use super::buffer::Arrived;
use super::{Connection, FollowerEffect, Secondary};
use crate::ProtocolError;
use crate::frame::{ErrorCode, Frame, FrameKind, Response};

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
        // The master sends runs only once it knows that this node is ready, so the answer that says
        // so is on its way.
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
        if !link.buffer.has_room(&run, !delay.is_zero(), self.log_end) {
            let held = link.buffer.bytes();
            return self.answer_no_room(now, request, held);
        }
        if delay.is_zero() {
            return self.store(request, run);
        }
        debug!(id = %run.range(), ?delay, "storing is delayed");
        link.buffer.delay(now + delay, Arrived { run, request });
    }

    /// Stores what has waited long enough.
    pub(super) fn store_due(&mut self, now: Instant) {
        loop {
            let Connection::Up(link) = &mut self.connection else { return };
            let Some(Arrived { run, request }) = link.buffer.pop_due(now) else { return };
            self.store(request, run);
        }
    }

    /// Puts a run where it belongs: into the log what continues it, into the gap buffer what does
    /// not yet.
    fn store(&mut self, request: Option<RequestId>, run: Records) {
        let range = run.range();
        if range.start() > self.log_end {
            let Connection::Up(link) = &mut self.connection else { return };
            link.buffer.hold(run);
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
            // The runs that waited above the gap were answered when they came, with an end below
            // it: this answer is the one that tells that they count now.
            end = self.log_end;
        }
        self.answer_when_durable(request, end);
    }

    fn close_gaps(&mut self) {
        loop {
            let Connection::Up(link) = &mut self.connection else { return };
            let Some(run) = link.buffer.pop_next(self.log_end) else { return };
            debug!(target: MESSAGE_TARGET, id = %run.range(), "the gap is closed");
            self.append(run);
        }
    }

    fn append(&mut self, run: Records) {
        assert_eq!(run.range().start(), self.log_end, "only what continues the log is appended");
        let end = run.range().end();
        self.log_end = end;
        if let Some(catch_up) = self.catch_up_mut() {
            catch_up.on_append(end, run.bytes());
        }
        self.effects.push_back(FollowerEffect::Append(run).into());
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

    /// The log is durable up to `end`.
    pub(super) fn durable(&mut self, now: Instant, end: LogEnd) {
        assert!(self.contiguous_end <= end && end <= self.log_end, "durable up to {end}");
        if end > self.contiguous_end {
            let id = IdRange::new(self.contiguous_end, end);
            debug!(target: MESSAGE_TARGET, %id, "stored");
            self.contiguous_end = end;
            if let Some(catch_up) = self.catch_up_mut() {
                catch_up.on_durable(end);
            }
        }
        self.act_on_durable(now);
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
        if let (None, Connection::Up(link)) = (request, &mut self.connection)
            && let Some(catch_up) = link.catch_up_mut()
        {
            catch_up.on_buffer_full(now, &mut self.rng);
        }
        self.answer(request, Response::Failed { code: ErrorCode::NoRoom, detail });
    }

    fn answer(&mut self, request: Option<RequestId>, response: Response<IdRange>) {
        if let (Some(request), Some(link)) = (request, self.link()) {
            debug_assert!(link.is_ready());
            self.send(link.session(), Frame::Response(request, response));
        }
    }
}
