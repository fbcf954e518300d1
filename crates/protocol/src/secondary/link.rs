//! The connection to the master: introduction, catching up, and the secondary's own requests.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::LogView;
use acklog_types::{IdRange, LogEnd, Records, RequestId, Run, SessionId};
use tracing::{debug, info, warn};

use super::pages::{COMING_PAUSE, Pages};
use super::store::Arrived;
use super::{Connection, RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX, Secondary};
use crate::ProtocolError;
use crate::backoff::Backoff;
use crate::delayed::Delayed;
use crate::frame::{Frame, FrameKind, Handshake, Request, Response};
use crate::gap_buffer::GapBuffer;
use crate::health::SILENT_AFTER;
use crate::in_flight::{Completed, InFlight};
use crate::line::{Line, LineView};
use crate::master::HANDSHAKE_TIMEOUT;
use crate::progress::WINDOW_BYTES_MAX;
use crate::repair::Repair;

/// A connection and all that dies with it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: SessionId,
    pub(super) stage: Stage,
    pub(super) last_heard: Instant,
    /// When the handshake must be done, whatever comes meanwhile.
    introduced_by: Instant,
    /// Without a byte for this long the connection is given up.
    silence_max: Duration,
    in_flight: InFlight<FrameKind>,
    pub(super) line: Line,
    pub(super) pages: Pages,
    /// Pauses between attempts at the same request.
    pub(super) backoff: Backoff,
    /// No request is made before.
    hold_until: Option<Instant>,
    /// Runs and pages that wait for their artificial store delay.
    pub(super) arrived: Delayed<Arrived>,
    pub(super) arrived_bytes: usize,
    pub(super) gaps: GapBuffer<Records>,
    /// `AddMessage` requests to be answered once the log is durable up to there.
    pub(super) unanswered: VecDeque<(LogEnd, RequestId)>,
}

/// How far the connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake is not answered yet.
    Introducing,
    /// Fetching pages.
    CatchingUp {
        /// The master's end as the last page told it; none before the first page.
        goal: Option<LogEnd>,
        /// Whether `SecondaryNodeReady` was sent, so that runs may come.
        told_ready: bool,
    },
    /// The master sends new messages as they come.
    Ready,
}

impl Link {
    pub(super) fn new(now: Instant, session: SessionId, request_timeout: Duration) -> Self {
        Self {
            session,
            stage: Stage::Introducing,
            last_heard: now,
            introduced_by: now + HANDSHAKE_TIMEOUT,
            silence_max: HANDSHAKE_TIMEOUT,
            in_flight: InFlight::new(request_timeout),
            line: Line::new(request_timeout),
            pages: Pages::new(),
            backoff: Backoff::new(RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX),
            hold_until: None,
            arrived: Delayed::new(),
            arrived_bytes: 0,
            gaps: GapBuffer::new(),
            unanswered: VecDeque::new(),
        }
    }

    fn waiting(&self, kind: FrameKind) -> usize {
        self.in_flight.count(|waiting| *waiting == kind)
    }

    /// Whether a node whose log ends at `log_end` lacks something that pages bring.
    fn wants_pages(&self, log_end: LogEnd) -> bool {
        let Stage::CatchingUp { goal, .. } = self.stage else { return false };
        goal.is_none_or(|goal| log_end < goal)
    }

    /// Whether a page is to be asked for by a node whose log ends at `log_end`, and if so, whether it is for what was
    /// asked for before and lost.
    fn asks_for_page(&self, log_end: LogEnd) -> Option<bool> {
        let Stage::CatchingUp { goal, .. } = self.stage else { return None };
        // What has arrived and waits to be stored need not be asked for again.
        let continues = |run: IdRange| run.start() <= log_end && log_end < run.end();
        if self.arrived.iter().any(|arrived| continues(arrived.run.range())) {
            return None;
        }
        let waiting = self.waiting(FrameKind::GetMessages);
        let reached = self.pages.reached.max(log_end);
        let missing = goal.map_or(1, |goal| goal.get().saturating_sub(reached.get()));
        // A page may still close a gap, or come late, while others are under way.
        let again = waiting == 0 && (self.gaps.bytes() > 0 || missing == 0);
        match self.pages.lost || again {
            true => (waiting == 0).then_some(true),
            // What a gap holds up is not to fill the room of what closes it.
            false if self.gaps.bytes() + self.arrived_bytes > WINDOW_BYTES_MAX => None,
            false => (waiting < self.pages.allowed(missing)).then_some(false),
        }
    }

    /// Whether the master may take this node for a ready one: its answer to that may be on its way, or lost.
    pub(super) fn has_told_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready | Stage::CatchingUp { told_ready: true, .. })
    }

    /// Makes no request before `until`, or before a later time that was set already.
    pub(super) fn hold(&mut self, until: Instant) {
        self.hold_until = self.hold_until.max(Some(until));
    }

    fn silent_until(&self) -> Instant {
        self.last_heard + self.silence_max
    }

    /// Whether the master was not heard from for too long.
    ///
    /// Where that was so long ago already, it was this node that stood still (stopped, starved), and what the master
    /// sent meanwhile waits to be read: then the master gets its time again.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        let Some(late) = now.checked_duration_since(self.silent_until()) else { return false };
        let stood_still = late >= self.silence_max / SILENT_AFTER;
        if stood_still {
            info!(?late, "this node stood still; listening again before it judges the master");
            self.last_heard = now;
        }
        !stood_still
    }

    /// The master let this node in, and its heartbeats come at this interval.
    pub(super) fn be_welcome(&mut self, heartbeat_interval: Duration) {
        self.stage = Stage::CatchingUp { goal: None, told_ready: false };
        self.silence_max = heartbeat_interval * SILENT_AFTER;
    }

    /// Whether the handshake took too long: bytes that come now and then do not help.
    pub(super) fn is_introduction_over(&self, now: Instant) -> bool {
        self.stage == Stage::Introducing && self.introduced_by <= now
    }

    /// Whether the master was asked for a page, and none has come on this connection.
    pub(super) fn lacks_first_page(&self) -> bool {
        matches!(self.stage, Stage::CatchingUp { goal: None, .. })
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

    pub(super) fn next_deadline(&self) -> Instant {
        [
            (self.stage == Stage::Introducing).then_some(self.introduced_by),
            self.line.next_look(),
            self.arrived.next_deadline(),
            self.in_flight.next_deadline(),
            self.hold_until,
        ]
        .into_iter()
        .flatten()
        .fold(self.silent_until(), Instant::min)
    }
}

impl<L: LogView> Secondary<L> {
    pub(super) fn link_timeout(&mut self, now: Instant) {
        let Connection::Up(link) = &mut self.connection else { return };
        while let Some((request, kind)) = link.in_flight.expire(now) {
            let pause = link.backoff.pause(&mut self.rng);
            link.hold(now + pause);
            if kind == FrameKind::GetMessages {
                if link.stage == Stage::Ready {
                    self.repair.iter_mut().for_each(|repair| repair.failed(now, &mut self.rng));
                }
                link.pages.lose();
                link.hold_until = link.hold_until.max(link.pages.coming_until());
            }
            debug!(%request, ?kind, ?pause, "request to the master timed out; making it again");
        }
        if link.hold_until.is_some_and(|until| until <= now) {
            link.hold_until = None;
        }
        self.make_requests(now);
    }

    /// Bytes of a frame came that is not whole yet. Where a page takes longer than its request may, it is likely what
    /// comes: asking for it again would send it twice over a line that is slow enough without that.
    pub(super) fn part_came(&mut self, now: Instant) {
        let Connection::Up(link) = &mut self.connection else { return };
        link.pages.part_at = Some(now);
        let wants =
            link.wants_pages(self.log_end) || (link.stage == Stage::Ready && self.repair.is_some());
        if link.pages.lost && wants {
            link.hold(now + COMING_PAUSE);
        }
    }

    /// Makes the requests that the stage calls for, unless they are under way or held back.
    pub(super) fn make_requests(&mut self, now: Instant) {
        while let Some(request) = self.next_request() {
            self.make_request(now, request);
        }
    }

    fn next_request(&mut self) -> Option<Request<IdRange>> {
        let (end, log_end) = (self.contiguous_end, self.log_end);
        let Connection::Up(link) = &mut self.connection else { return None };
        if link.hold_until.is_some() {
            return None;
        }
        if link.stage == Stage::Ready {
            let damaged = self.repair.as_ref().and_then(Repair::due);
            let damaged = damaged.filter(|_| link.waiting(FrameKind::GetMessages) == 0)?;
            return Some(Request::GetMessages { from: damaged.start(), again: true });
        }
        // What is on its way to the disk belongs to this log already: a position below it could take this node into
        // another log with those messages, and what was lost would be asked for with them in vain.
        let is_settled = end == log_end;
        if link.wants_pages(log_end) {
            let again = link.asks_for_page(log_end)?;
            if again {
                if !is_settled {
                    return None;
                }
                link.pages.begin_again();
            }
            return Some(Request::GetMessages { from: end, again });
        }
        if !is_settled {
            return None;
        }
        let request = match &mut link.stage {
            Stage::Ready => unreachable!("dealt with before"),
            Stage::CatchingUp { told_ready, .. } => {
                *told_ready = true;
                Request::SecondaryNodeReady { end }
            }
            Stage::Introducing => {
                let checksum = match self.log.checksum_below(end) {
                    Ok(checksum) => checksum,
                    Err(error) => {
                        // The disk's fault is on its way as an input of its own, and ends the connection.
                        warn!(%end, %error, "cannot introduce this node: its last message is unreadable");
                        return None;
                    }
                };
                Request::Handshake(Handshake {
                    name: self.options.name.clone(),
                    instance: self.options.instance,
                    log: self.log_id,
                    end,
                    checksum,
                })
            }
        };
        (link.waiting(request.kind()) == 0).then_some(request)
    }

    fn make_request(&mut self, now: Instant, request: Request<IdRange>) {
        let Connection::Up(link) = &mut self.connection else { return };
        let (end, kind) = (self.contiguous_end, request.kind());
        let id = link.in_flight.make(now, kind);
        if kind == FrameKind::GetMessages {
            link.pages.newest = Some(id);
        }
        debug!(request = %id, %end, "sending {kind:?}");
        if !self.delays_requests {
            link.line.sent(now);
        }
        let session = link.session;
        self.send(session, Frame::Request(id, request));
    }

    /// A response counts whether its request is still pending or not: what it says is true.
    pub(super) fn take_response(
        &mut self,
        now: Instant,
        id: RequestId,
        response: Response<Records>,
    ) -> Result<(), ProtocolError> {
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        let failed = matches!(response, Response::Failed { .. });
        let mut more_comes = false;
        match link.in_flight.complete(now, id) {
            Completed::Unknown => return Err(ProtocolError::UnexpectedResponse(id)),
            Completed::Late => {
                debug!(request = %id, "late answer: the request is no longer pending");
                // Pages that were asked for behind it are likely on their way, and as late.
                more_comes =
                    matches!(response, Response::Page { .. }) && Some(id) < link.pages.newest;
            }
            Completed::InTime { what, took } => {
                debug!(request = %id, kind = ?what, ?took, "answered");
                if failed {
                    link.hold_until = Some(now + link.backoff.pause(&mut self.rng));
                }
                if what == FrameKind::GetMessages {
                    if failed && link.stage == Stage::Ready {
                        self.repair.iter_mut().for_each(|repair| repair.failed(now, &mut self.rng));
                    }
                    link.pages.answered(failed, took, self.options.request_timeout);
                }
            }
        }
        if !failed {
            link.backoff.reset();
            (link.hold_until, link.pages.part_at) = (None, None);
        }
        match response {
            Response::Welcome(welcome) => self.welcomed(welcome)?,
            Response::Refused { code, detail } => {
                self.refused(now, code, &detail);
                return Ok(());
            }
            Response::Page { run, log_end } => {
                self.mend(now, &run);
                self.take_page(now, run, log_end)?;
                if let Connection::Up(link) = &mut self.connection
                    && more_comes
                    && link.wants_pages(self.log_end)
                {
                    link.hold(now + COMING_PAUSE);
                }
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
        run: Records,
        log_end: LogEnd,
    ) -> Result<(), ProtocolError> {
        let range = run.range();
        // An empty page with more to come would be asked for again without end.
        let is_stuck = range.is_empty() && range.end() < log_end;
        if range.end() > log_end || is_stuck {
            return Err(ProtocolError::BadRun(range));
        }
        self.note_master_end(log_end);
        let Connection::Up(link) = &mut self.connection else { return Ok(()) };
        match &mut link.stage {
            Stage::Introducing => return Err(ProtocolError::BadRun(range)),
            Stage::CatchingUp { goal, .. } => *goal = (*goal).max(Some(log_end)),
            Stage::Ready => {}
        }
        debug!(id = %range, %log_end, "a page of messages");
        self.page_losses.passed();
        link.pages.came(&run);
        if !range.is_empty() {
            self.arrive(now, None, run);
        }
        Ok(())
    }
}
