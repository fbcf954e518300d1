//! The way of runs and pages into the log: an injected delay, if any, the gap buffer, the log, and
//! the answer.

use std::time::Instant;

use acklog_types::{IdRange, LogEnd, Records, RequestId};
use rand_chacha::ChaCha8Rng;

use super::buffer::Arrived;
use super::catch_up::Page;
use super::pending_answers::RunRequest;
use super::{Follower, FollowerAction};
use crate::ProtocolError;
use crate::events::{Detail, Events, FrameEvent, FrameStage, MessageEvent};
use crate::faults::StoreFaults;
use crate::frame::{ErrorCode, FrameKind, Response};

/// A page that answers a request of this node.
#[derive(Debug)]
pub(in crate::secondary) struct PageAnswer {
    /// The request.
    pub(in crate::secondary) request: RequestId,
    /// Whether the request had timed out.
    pub(in crate::secondary) is_late: bool,
    /// The messages.
    pub(in crate::secondary) run: Records,
    /// The end of the master's log.
    pub(in crate::secondary) log_end: LogEnd,
}

/// Outcome of the arrival of a run or a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Arrival {
    /// It is stored, buffered or delayed, or was here before.
    Taken,
    /// It was dropped, since the buffer is full: it holds this many bytes.
    BufferFull(usize),
}

impl<L> Follower<L> {
    /// Takes the run of an `AddMessage` request, which is answered once the run is durable.
    ///
    /// # Errors
    /// When the run is empty, or no run can come yet.
    pub(in crate::secondary) fn take_run(
        &mut self,
        now: Instant,
        request: RequestId,
        run: Records,
        events: &mut Events,
    ) -> Result<(), ProtocolError> {
        let range = run.range();
        if range.is_empty() {
            return Err(ProtocolError::BadRun(range));
        }
        // The master sends runs only once it knows that this node is ready, so the answer that says
        // so is on its way.
        self.note_ready(request, events).map_err(|_| ProtocolError::BadRun(range))?;
        self.note_master_end(range.end());
        let frame = (FrameKind::AddMessage, Some(range));
        events.emit(Detail::Frames, || {
            FrameEvent::new(None, request, frame, FrameStage::Received { log_end: None })
        });
        if let Arrival::BufferFull(held) = self.arrive(now, Some(request), run, events) {
            events.emit(Detail::Frames, || {
                FrameEvent::new(None, request, frame, FrameStage::BufferFull { held })
            });
            let detail = format!("{held} bytes wait above a gap or for a delay already");
            self.answer(request, Response::Failed { code: ErrorCode::NoRoom, detail });
        }
        Ok(())
    }

    /// Takes a page. What is damaged here is repaired from it.
    ///
    /// # Errors
    /// When no correct master sends such a page, or none can come yet.
    pub(in crate::secondary) fn take_page(
        &mut self,
        now: Instant,
        answer: PageAnswer,
        rng: &mut ChaCha8Rng,
        events: &mut Events,
    ) -> Result<(), ProtocolError> {
        let PageAnswer { request, is_late, run, log_end: master_end } = answer;
        if self.is_ready()
            && let Some(run) = self.disk.repair_from(now, &run, rng)
        {
            self.actions.push_back(FollowerAction::Mend(run));
        }
        let range = run.range();
        // An empty page with more to come would be requested again without end.
        let is_stuck = range.is_empty() && range.end() < master_end;
        if range.end() > master_end || is_stuck {
            return Err(ProtocolError::BadRun(range));
        }
        self.note_master_end(master_end);
        if self.intake.is_none() {
            return Err(ProtocolError::BadRun(range));
        }
        let frame = (FrameKind::Page, Some(range));
        events.emit(Detail::Frames, || {
            let stage = FrameStage::Received { log_end: Some(master_end) };
            FrameEvent::new(None, request, frame, stage)
        });
        let page = Page { range, bytes: run.bytes(), master_end };
        let arrival = match range.is_empty() {
            true => Arrival::Taken,
            false => self.arrive(now, None, run, events),
        };
        if let Some(intake) = &mut self.intake {
            if let Arrival::BufferFull(held) = arrival {
                events.emit(Detail::Frames, || {
                    FrameEvent::new(None, request, frame, FrameStage::BufferFull { held })
                });
                intake.catch_up.on_buffer_full(now, rng);
            }
            let late = is_late.then_some(request);
            intake.catch_up.on_page(now, page, late, self.log_end);
        }
        Ok(())
    }

    /// Stores a run now or, with a store delay, later. `request`: what is answered; none for a
    /// page.
    fn arrive(
        &mut self,
        now: Instant,
        request: Option<RequestId>,
        run: Records,
        events: &mut Events,
    ) -> Arrival {
        let Some(intake) = &mut self.intake else { return Arrival::Taken };
        let range = run.range();
        if range.end() <= self.log_end {
            events.emit(Detail::Messages, || MessageEvent::Duplicate { ids: range });
            let request = request.map(|id| RunRequest { id, run: range });
            self.answer_when_durable(request, range.end(), events);
            return Arrival::Taken;
        }
        let kind = if request.is_some() { FrameKind::AddMessage } else { FrameKind::Page };
        let delay = self.store_faults.store_delay(kind);
        if !intake.buffer.fits(&run, delay, self.log_end) {
            return Arrival::BufferFull(intake.buffer.bytes());
        }
        if delay.is_zero() {
            self.store(request, run, events);
        } else {
            events.emit(Detail::Messages, || MessageEvent::StoreDelayed { ids: range, delay });
            intake.buffer.delay(now + delay, Arrived { run, request });
        }
        Arrival::Taken
    }

    /// Stores the runs whose store delay is over.
    pub(in crate::secondary) fn store_due(&mut self, now: Instant, events: &mut Events) {
        while let Some(intake) = &mut self.intake
            && let Some(Arrived { run, request }) = intake.buffer.pop_due(now)
        {
            self.store(request, run, events);
        }
    }

    /// Appends a run to the log if it continues it, or else puts it into the gap buffer.
    fn store(&mut self, request: Option<RequestId>, run: Records, events: &mut Events) {
        let range = run.range();
        let request = request.map(|id| RunRequest { id, run: range });
        if range.start() > self.log_end {
            if let Some(intake) = &mut self.intake {
                intake.buffer.hold(run);
            }
            let log_end = self.log_end;
            events.emit(Detail::Messages, || MessageEvent::Held { ids: range, log_end });
            return self.answer_now(request, events);
        }
        let new = range.from(self.log_end);
        if new != range {
            let ids = range.until(self.log_end);
            events.emit(Detail::Messages, || MessageEvent::Duplicate { ids });
        }
        let mut end = range.end();
        if !new.is_empty() {
            self.append(run.slice(new));
            self.close_gaps(events);
            // The runs above the gap were answered when they came, with an end below it. This
            // answer is the one that acks them.
            end = self.log_end;
        }
        self.answer_when_durable(request, end, events);
    }

    fn close_gaps(&mut self, events: &mut Events) {
        while let Some(intake) = &mut self.intake
            && let Some(run) = intake.buffer.pop_next(self.log_end)
        {
            events.emit(Detail::Messages, || MessageEvent::GapClosed { ids: run.range() });
            self.append(run);
        }
    }

    fn append(&mut self, run: Records) {
        assert_eq!(run.range().start(), self.log_end, "only what continues the log is appended");
        self.log_end = run.range().end();
        if let Some(intake) = &mut self.intake {
            intake.catch_up.on_append(self.log_end, run.bytes());
        }
        self.actions.push_back(FollowerAction::Append(run));
    }

    /// Notes that the log is durable up to `end`.
    ///
    /// # Panics
    /// When `end` lies beyond what was appended, or below an earlier one.
    pub(in crate::secondary) fn note_durable(&mut self, end: LogEnd, events: &mut Events) {
        assert!(self.durable_end <= end && end <= self.log_end, "durable up to {end}");
        if end > self.durable_end {
            let ids = IdRange::new(self.durable_end, end);
            events.emit(Detail::Messages, || MessageEvent::Stored { ids });
            self.durable_end = end;
            if let Some(intake) = &mut self.intake {
                intake.catch_up.on_durable(end);
            }
        }
    }

    /// Answers the requests whose messages are durable by now.
    pub(in crate::secondary) fn answer_due(&mut self, events: &mut Events) {
        let Self { intake: Some(intake), store_faults, durable_end, actions, .. } = self else {
            return;
        };
        intake.pending_answers.take_due(*durable_end, |request| {
            let response = response_to_stored(request, *durable_end, store_faults, events);
            actions.push_back(FollowerAction::Answer(request.id, response));
        });
    }

    /// Answers once the log is durable up to `end`, which the answer reports.
    fn answer_when_durable(
        &mut self,
        request: Option<RunRequest>,
        end: LogEnd,
        events: &mut Events,
    ) {
        if end <= self.durable_end {
            return self.answer_now(request, events);
        }
        if let (Some(request), Some(intake)) = (request, &mut self.intake) {
            intake.pending_answers.add(end, request);
        }
    }

    /// A page has no request that waits for an answer, and so no injected error either.
    fn answer_now(&mut self, request: Option<RunRequest>, events: &mut Events) {
        if let Some(request) = request {
            let faults = &mut self.store_faults;
            let response = response_to_stored(request, self.durable_end, faults, events);
            self.answer(request.id, response);
        }
    }

    fn answer(&mut self, request: RequestId, response: Response<IdRange>) {
        self.actions.push_back(FollowerAction::Answer(request, response));
    }
}

/// Returns the durable end as an answer to a run that is stored or held, or an injected error.
fn response_to_stored(
    RunRequest { id, run }: RunRequest,
    durable_end: LogEnd,
    faults: &mut StoreFaults,
    events: &mut Events,
) -> Response<IdRange> {
    if !faults.answers_with_error() {
        return Response::Added { contiguous_end: durable_end };
    }
    events.emit(Detail::Frames, || {
        let frame = (FrameKind::AddMessage, Some(run));
        FrameEvent::new(None, id, frame, FrameStage::ErrorInjected)
    });
    let detail = "an error on demand, after the messages were stored".to_owned();
    Response::Failed { code: ErrorCode::Internal, detail }
}
