//! The connection to the master: handshake, requests in flight, and liveness.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd, Records, RequestId, SessionId};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info, warn};

use super::buffer::Buffer;
use super::catch_up::{CatchUp, LocalLog, Page, request_retry};
use super::liveness::Liveness;
use super::{Connection, Secondary};
use crate::backoff::Retry;
use crate::frame::{Frame, FrameKind, Handshake, Request, Response};
use crate::in_flight::{Completed, InFlight};
use crate::line::{Line, LineView};
use crate::repair::Repair;
use crate::status::SecondaryPhase;
use crate::{CloseReason, ProtocolError};

/// A connection and all that dies with it.
#[derive(Debug)]
pub(super) struct Link {
    session: SessionId,
    stage: Stage,
    liveness: Liveness,
    in_flight: InFlight<FrameKind>,
    line: Line,
    /// The master's request for a page that is being read.
    reading_for: Option<RequestId>,
    /// What has arrived and is not in the log yet.
    pub(super) buffer: Buffer,
    /// `AddMessage` requests to be answered once the log is durable up to there.
    pub(super) unanswered: VecDeque<(LogEnd, RequestId)>,
}

/// How far the connection is.
#[derive(Debug)]
enum Stage {
    /// The handshake is not answered yet.
    Handshake(Retry),
    /// The master has accepted this node.
    Joined(CatchUp),
}

impl Link {
    pub(super) fn new(now: Instant, session: SessionId, request_timeout: Duration) -> Self {
        Self {
            session,
            stage: Stage::Handshake(request_retry()),
            liveness: Liveness::new(now),
            in_flight: InFlight::new(request_timeout),
            line: Line::new(request_timeout),
            reading_for: None,
            buffer: Buffer::new(),
            unanswered: VecDeque::new(),
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the catch-up; none before the handshake is done.
    pub(super) fn catch_up(&self) -> Option<&CatchUp> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Joined(catch_up) => Some(catch_up),
        }
    }

    /// Returns the catch-up; none before the handshake is done.
    pub(super) fn catch_up_mut(&mut self) -> Option<&mut CatchUp> {
        match &mut self.stage {
            Stage::Handshake(_) => None,
            Stage::Joined(catch_up) => Some(catch_up),
        }
    }

    /// Returns the phase that `/health` shows; none before the handshake is done.
    pub(super) fn phase(&self) -> Option<SecondaryPhase> {
        self.catch_up().map(|catch_up| match catch_up.is_ready() {
            true => SecondaryPhase::Ready,
            false => SecondaryPhase::CatchingUp,
        })
    }

    /// Returns whether the master sends new messages to this node.
    pub(super) fn is_ready(&self) -> bool {
        self.catch_up().is_some_and(CatchUp::is_ready)
    }

    /// Ends the handshake: the master accepted this node, and its heartbeats come at this interval.
    pub(super) fn join(&mut self, heartbeat_interval: Duration, request_timeout: Duration) {
        self.stage = Stage::Joined(CatchUp::new(request_timeout));
        self.liveness.on_welcome(heartbeat_interval);
    }

    /// Notes that the master was heard from.
    pub(super) fn note_contact(&mut self, now: Instant) {
        self.liveness.note_contact(now);
    }

    /// Looks at how far this node's requests have got, if that is due.
    pub(super) fn look(&mut self, now: Instant, look: impl FnOnce(SessionId) -> LineView) {
        let (session, awaits) = (self.session, self.in_flight.next_deadline().is_some());
        if let Some(seen) = self.line.look(now, awaits, || look(session))
            && let Some(first) = seen.view.request
        {
            self.in_flight.postpone(first, now);
        }
    }

    /// Notes that a page is read for this request of the master.
    pub(super) fn start_read(&mut self, request: RequestId) {
        self.reading_for = Some(request);
    }

    /// Returns whether a page is read or sent for the master.
    pub(super) fn is_giving_page(&self) -> bool {
        self.reading_for.is_some() || self.line.view().has_page
    }

    /// Ends the read of a page. Returns the request that it is for.
    pub(super) fn finish_read(&mut self) -> Option<RequestId> {
        self.reading_for.take()
    }

    /// Notes that a request or a page is sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.line.sent(now);
    }

    /// Takes out a request that timed out, after which requests pause.
    fn expire(
        &mut self,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) -> Option<(RequestId, FrameKind, Duration)> {
        let (request, kind) = self.in_flight.expire(now)?;
        let pause = match &mut self.stage {
            Stage::Handshake(retry) => retry.back_off(now, rng),
            Stage::Joined(catch_up) => catch_up.on_timeout(now, kind, rng),
        };
        Some((request, kind, pause))
    }

    fn on_error(&mut self, now: Instant, kind: FrameKind, rng: &mut ChaCha8Rng) {
        match &mut self.stage {
            Stage::Handshake(retry) => retry.restart(now, rng),
            Stage::Joined(catch_up) => catch_up.on_error(now, kind, rng),
        }
    }

    fn on_answer(&mut self, answered: Option<(FrameKind, Duration)>) {
        match &mut self.stage {
            Stage::Handshake(retry) => retry.reset(),
            Stage::Joined(catch_up) => catch_up.on_answer(answered),
        }
    }

    fn wake(&mut self, now: Instant) {
        match &mut self.stage {
            Stage::Handshake(retry) => retry.wake(now),
            Stage::Joined(catch_up) => catch_up.wake(now),
        }
    }

    /// Returns when something is due on this connection next.
    pub(super) fn next_deadline(&self) -> Instant {
        let retry_at = match &self.stage {
            Stage::Handshake(retry) => retry.retry_at(),
            Stage::Joined(catch_up) => catch_up.next_deadline(),
        };
        [
            self.line.next_look(),
            self.buffer.next_deadline(),
            self.in_flight.next_deadline(),
            retry_at,
        ]
        .into_iter()
        .flatten()
        .fold(self.liveness.next_deadline(), Instant::min)
    }
}

impl<L: LogView> Secondary<L> {
    /// Returns why the connection is given up now, if it is.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<CloseReason> {
        let Connection::Up(link) = &mut self.connection else { return None };
        if link.liveness.is_handshake_late(now) {
            return Some(CloseReason::HandshakeTimeout);
        }
        if let Some(late) = link.liveness.note_local_stall(now) {
            info!(?late, "this node stood still; listening again before it judges the master");
        }
        link.liveness.is_silent(now).then_some(CloseReason::Silent)
    }

    /// Sends what is due on the connection.
    pub(super) fn link_timeout(&mut self, now: Instant) {
        let Connection::Up(link) = &mut self.connection else { return };
        while let Some((request, kind, pause)) = link.expire(now, &mut self.rng) {
            if kind == FrameKind::GetMessages && link.is_ready() {
                self.repair.iter_mut().for_each(|repair| repair.failed(now, &mut self.rng));
            }
            debug!(%request, ?kind, ?pause, "request to the master timed out; making it again");
        }
        link.wake(now);
        self.make_requests(now);
    }

    /// Bytes came of a frame that is not whole yet.
    pub(super) fn part_came(&mut self, now: Instant) {
        let Connection::Up(link) = &mut self.connection else { return };
        if let Some(catch_up) = link.catch_up_mut() {
            catch_up.on_partial(now, self.log_end, self.repair.is_some());
        }
    }

    /// Makes the requests that are due.
    pub(super) fn make_requests(&mut self, now: Instant) {
        while let Some(request) = self.next_request() {
            self.make_request(now, request);
        }
    }

    fn next_request(&mut self) -> Option<Request<IdRange>> {
        let Connection::Up(link) = &mut self.connection else { return None };
        match &mut link.stage {
            Stage::Handshake(retry) => {
                let is_due = retry.retry_at().is_none() && self.contiguous_end == self.log_end;
                is_due.then(|| self.handshake()).flatten()
            }
            Stage::Joined(catch_up) => {
                let damaged = self.repair.as_ref().and_then(Repair::due);
                let local = LocalLog {
                    log_end: self.log_end,
                    durable_end: self.contiguous_end,
                    buffered: link.buffer.buffered(self.log_end),
                    damaged_from: damaged.map(IdRange::start),
                };
                catch_up.poll_request(link.in_flight.next_id(), local)
            }
        }
    }

    /// Returns the handshake, unless it is in flight.
    fn handshake(&self) -> Option<Request<IdRange>> {
        let end = self.contiguous_end;
        let checksum = match self.log.checksum_below(end) {
            Ok(checksum) => checksum,
            Err(error) => {
                // The disk's fault is on its way as an input of its own, and ends the connection.
                warn!(%end, %error, "cannot introduce this node: its last message is unreadable");
                return None;
            }
        };
        let in_flight = self.link()?.in_flight.count(|kind| *kind == FrameKind::Handshake);
        (in_flight == 0).then(|| {
            Request::Handshake(Handshake {
                name: self.options.name.clone(),
                instance: self.options.instance,
                log: self.log_id,
                end,
                checksum,
            })
        })
    }

    fn make_request(&mut self, now: Instant, request: Request<IdRange>) {
        let Connection::Up(link) = &mut self.connection else { return };
        let (end, kind) = (self.contiguous_end, request.kind());
        let id = link.in_flight.make(now, kind);
        debug!(request = %id, %end, "sending {kind:?}");
        if !self.delays_requests {
            link.note_sent(now);
        }
        let session = link.session;
        self.send(session, Frame::Request(id, request));
    }

    /// Takes in a response. It counts whether its request is still in flight or not: what it says
    /// is true.
    pub(super) fn take_response(
        &mut self,
        now: Instant,
        id: RequestId,
        response: Response<Records>,
    ) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        let is_error = matches!(response, Response::Failed { .. });
        let answered = match link.in_flight.complete(now, id) {
            Completed::Unknown => return Err(ProtocolError::UnexpectedResponse(id)),
            Completed::Late => {
                debug!(request = %id, "late answer: the request is no longer pending");
                None
            }
            Completed::InTime { what, took } => {
                debug!(request = %id, kind = ?what, ?took, "answered");
                Some((what, took))
            }
        };
        match answered {
            _ if !is_error => link.on_answer(answered),
            Some((kind, _)) => {
                link.on_error(now, kind, &mut self.rng);
                if kind == FrameKind::GetMessages && link.is_ready() {
                    self.repair.iter_mut().for_each(|repair| repair.failed(now, &mut self.rng));
                }
            }
            None => {}
        }
        match response {
            Response::Welcome(welcome) => self.welcomed(welcome)?,
            Response::Refused { code, detail } => {
                self.refused(now, code, &detail);
                return Ok(());
            }
            Response::Page { run, log_end } => {
                self.mend(now, &run);
                let late = answered.is_none().then_some(id);
                self.take_page(now, late, run, log_end)?;
            }
            Response::ReadyNoted => self.become_ready(id)?,
            Response::Failed { code, detail } => {
                warn!(repeats = true, request = %id, ?code, detail, "the request failed at the master");
                self.failed_at_master(now, &detail);
            }
            Response::Added { .. } | Response::Alive => {
                return Err(ProtocolError::UnexpectedResponse(id));
            }
        }
        self.make_requests(now);
        Ok(())
    }

    fn take_page(
        &mut self,
        now: Instant,
        late: Option<RequestId>,
        run: Records,
        master_end: LogEnd,
    ) -> Result<(), ProtocolError> {
        let range = run.range();
        // An empty page with more to come would be requested again without end.
        let is_stuck = range.is_empty() && range.end() < master_end;
        if range.end() > master_end || is_stuck {
            return Err(ProtocolError::BadRun(range));
        }
        self.note_master_end(master_end);
        if self.link().is_none_or(|link| link.catch_up().is_none()) {
            return Err(ProtocolError::BadRun(range));
        }
        debug!(id = %range, log_end = %master_end, "a page of messages");
        self.page_losses.passed();
        let page = Page { range, bytes: run.bytes(), master_end };
        if !range.is_empty() {
            self.arrive(now, None, run);
        }
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        if let Some(catch_up) = link.catch_up_mut() {
            catch_up.on_page(now, page, late, self.log_end);
        }
        Ok(())
    }
}
