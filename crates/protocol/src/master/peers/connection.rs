//! The connection of a peer: its requests in flight, its liveness and its line. All of it dies with
//! the connection.

use std::time::{Duration, Instant};

use acklog_types::{IdRange, InstanceId, LogEnd, RequestId, SessionId, Storage};

use super::options::PeerOptions;
use crate::frame::FrameKind;
use crate::health::{PeerLiveness, SILENT_AFTER};
use crate::in_flight::{Completed, InFlight};
use crate::line::{Line, LineView, Look};
use crate::page_tries::PageTries;
use crate::progress::SentRun;
use crate::status::Status;

/// Most `SecondaryNodeReady` requests that wait for a name to be persisted. A correct secondary
/// sends another one after its time limit, so these are minutes of a slow disk; more are not
/// answered.
const READY_REQUESTS_MAX: usize = 100;

/// Time after a part of a frame in which a page that did not come in time is not requested again.
/// Shorter: a line that stutters carries it twice. Longer: what a broken line lost comes later.
const COMING_PAUSE: Duration = Duration::from_millis(500);

/// The subject of a request whose response is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A run.
    Run(SentRun),
    /// A heartbeat.
    Heartbeat,
    /// A page of the messages from this position on.
    Page(LogEnd),
}

impl Awaited {
    /// Returns the kind of the request, and the messages in it.
    pub(super) fn frame(self) -> (FrameKind, Option<IdRange>) {
        match self {
            Self::Run(run) => (FrameKind::AddMessage, Some(run.range)),
            Self::Heartbeat => (FrameKind::Heartbeat, None),
            Self::Page(_) => (FrameKind::GetMessages, None),
        }
    }

    /// Returns the kind of the request, and the messages in it or in its answer.
    pub(super) fn answered_by(
        self,
        (_, ids): (FrameKind, Option<IdRange>),
    ) -> (FrameKind, Option<IdRange>) {
        let (kind, own_ids) = self.frame();
        (kind, own_ids.or(ids))
    }
}

/// The request for a page that a response belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) struct AwaitedPage {
    /// The position that the page was requested from; none where the response comes late.
    pub(in crate::master) from: Option<LogEnd>,
    /// Whether another page is awaited from the same peer.
    pub(in crate::master) has_others: bool,
}

/// A connection whose handshake was accepted.
#[derive(Debug)]
pub(in crate::master) struct NewConnection {
    /// Its session.
    pub(in crate::master) session: SessionId,
    /// The process at the other end.
    pub(in crate::master) instance: InstanceId,
    /// Address that it comes from.
    pub(in crate::master) address: String,
    /// The position that the handshake reported.
    pub(in crate::master) end: LogEnd,
    /// The port at which it serves HTTP; none where it did not tell it.
    pub(in crate::master) http_port: Option<u16>,
    /// The place where it keeps its log; none where it did not tell it.
    pub(in crate::master) storage: Option<Storage>,
}

/// The connection of a peer.
#[derive(Debug)]
pub(super) struct PeerConnection {
    session: SessionId,
    instance: InstanceId,
    address: String,
    ready: bool,
    /// The `SecondaryNodeReady` requests that are answered once the name is persisted.
    ready_requests: Vec<RequestId>,
    health: PeerLiveness,
    heartbeat_interval: Duration,
    heartbeat_due: Instant,
    /// Time at which the connection is closed as unresponsive; none while the peer is not
    /// unhealthy.
    give_up_at: Option<Instant>,
    in_flight: InFlight<Awaited>,
    line: Line,
    /// Whether pages were requested on this connection.
    pages_were_requested: bool,
    requested: PageTries,
    /// Time at which a part of a frame came last.
    part_at: Option<Instant>,
    /// First request after the peer resumed: earlier runs without a response may be lost. None once
    /// that is settled.
    silent_until: Option<RequestId>,
}

impl PeerConnection {
    /// Creates a connection to a peer that was heard from just now.
    pub(super) fn new(now: Instant, new: NewConnection, options: &PeerOptions) -> Self {
        Self {
            session: new.session,
            instance: new.instance,
            address: new.address,
            ready: false,
            ready_requests: Vec::new(),
            health: PeerLiveness::new(now, options.heartbeat_interval),
            heartbeat_interval: options.heartbeat_interval,
            // The first at once: it measures the round trip.
            heartbeat_due: now,
            give_up_at: None,
            in_flight: InFlight::new(options.request_timeout),
            line: Line::new(options.request_timeout),
            pages_were_requested: false,
            requested: PageTries::default(),
            part_at: None,
            silent_until: None,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn instance(&self) -> InstanceId {
        self.instance
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn status(&self) -> Status {
        self.health.status()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Notes a `SecondaryNodeReady` that is answered once the name is persisted.
    pub(super) fn hold_ready(&mut self, request: RequestId) {
        if self.ready_requests.len() < READY_REQUESTS_MAX {
            self.ready_requests.push(request);
        }
    }

    /// Takes the requests that waited for the name.
    pub(super) fn take_ready_requests(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.ready_requests)
    }

    /// Makes the peer ready. Returns whether it was not before.
    pub(super) fn become_ready(&mut self) -> bool {
        !std::mem::replace(&mut self.ready, true)
    }

    /// Notes a sign of life. Returns the status before, if the peer was not healthy.
    pub(super) fn hear(&mut self, now: Instant) -> Option<Status> {
        let before = self.health.hear(now)?;
        self.give_up_at = None;
        self.silent_until = Some(self.in_flight.next_id());
        Some(before)
    }

    /// Brings the status up to date. Returns the new one and for how long nothing was heard, if it
    /// changed.
    pub(super) fn update_status(&mut self, now: Instant) -> Option<(Status, Duration)> {
        let status = self.health.update(now)?;
        let give_up_at = now + self.heartbeat_interval * SILENT_AFTER;
        self.give_up_at = (status == Status::Unhealthy).then_some(give_up_at);
        Some((status, now.saturating_duration_since(self.health.last_seen())))
    }

    /// Returns whether the peer was unhealthy for so long that the connection is closed: its kernel
    /// acknowledges what this node sends and nothing comes back, or not even that.
    pub(super) fn is_unresponsive(&self, now: Instant) -> bool {
        self.give_up_at.is_some_and(|at| at <= now)
    }

    /// Makes a heartbeat, if one is due. Returns its number.
    pub(super) fn make_heartbeat(&mut self, now: Instant) -> Option<RequestId> {
        if self.heartbeat_due > now {
            return None;
        }
        self.heartbeat_due = now + self.heartbeat_interval;
        Some(self.in_flight.make(now, Awaited::Heartbeat))
    }

    /// Makes a request that carries a run. Returns its number.
    pub(super) fn make_run(&mut self, now: Instant, run: SentRun) -> RequestId {
        self.in_flight.make(now, Awaited::Run(run))
    }

    /// Makes a request for a page. Returns its number, and how often the page was requested in a
    /// row by now.
    pub(super) fn make_page_request(&mut self, now: Instant, from: LogEnd) -> (RequestId, u32) {
        self.pages_were_requested = true;
        (self.in_flight.make(now, Awaited::Page(from)), self.requested.count(from, 0))
    }

    /// Returns the messages in a request; none where it has none, or where they are forgotten.
    pub(super) fn ids_of(&self, request: RequestId) -> Option<IdRange> {
        self.in_flight.recall(request).and_then(|awaited| awaited.frame().1)
    }

    /// Takes out the request that a response belongs to.
    pub(super) fn complete(&mut self, now: Instant, request: RequestId) -> Completed<Awaited> {
        self.in_flight.complete(now, request)
    }

    /// Takes out one request whose time is up. Call until it returns none.
    #[must_use]
    pub(super) fn expire(&mut self, now: Instant) -> Option<(RequestId, Awaited)> {
        self.in_flight.expire(now)
    }

    /// Takes out the runs that are lost, now that this heartbeat was answered. Frames arrive in
    /// order, so a run that was sent before the heartbeat, while the peer was silent, and is not
    /// answered was lost. To wait for its timeout would serve the peer late.
    pub(super) fn take_lost_runs(
        &mut self,
        heartbeat: RequestId,
    ) -> impl Iterator<Item = SentRun> + use<> {
        let silent_until = self.silent_until;
        self.silent_until = silent_until.filter(|&until| heartbeat < until);
        let lost = silent_until.map(|until| {
            let is_run = |awaited: &Awaited| matches!(awaited, Awaited::Run(_));
            self.in_flight.drain(until.min(heartbeat), is_run)
        });
        lost.into_iter().flatten().filter_map(|awaited| match awaited {
            Awaited::Run(run) => Some(run),
            Awaited::Heartbeat | Awaited::Page(_) => None,
        })
    }

    /// Notes that a request or a page is sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.line.sent(now);
    }

    /// Returns the line as it was seen last.
    pub(super) fn line(&self) -> LineView {
        self.line.view()
    }

    /// Looks at how far the frames to the peer have got, if that is due. `awaits`: runs wait for an
    /// answer.
    pub(super) fn look(
        &mut self,
        now: Instant,
        awaits: bool,
        look: impl FnOnce(SessionId) -> LineView,
    ) -> Option<Look> {
        let session = self.session;
        let seen = self.line.look(now, awaits, || look(session))?;
        if let Some(first) = seen.view.request {
            self.in_flight.postpone(first, now);
        }
        Some(seen)
    }

    /// Notes that a part of a frame came.
    pub(super) fn note_part(&mut self, now: Instant) {
        self.part_at = Some(now);
    }

    /// Returns until when a page that did not come in time is likely on its way, since parts of a
    /// frame come.
    pub(super) fn page_comes_until(&self) -> Option<Instant> {
        self.part_at.map(|at| at + COMING_PAUSE)
    }

    /// Returns whether pages were requested on this connection, so that one may come.
    pub(super) fn pages_were_requested(&self) -> bool {
        self.pages_were_requested
    }

    /// Returns how many pages are awaited.
    pub(super) fn pages_in_flight(&self) -> usize {
        self.in_flight.count(|awaited| matches!(awaited, Awaited::Page(_)))
    }

    /// Returns what is awaited of pages, as of a response to this request.
    pub(super) fn page_in_flight(&self, request: RequestId) -> AwaitedPage {
        let from = match self.in_flight.get(request) {
            Some(Awaited::Page(from)) => Some(*from),
            _ => None,
        };
        AwaitedPage { from, has_others: self.pages_in_flight() > usize::from(from.is_some()) }
    }

    /// Returns when something is due.
    pub(super) fn next_deadline(&self) -> Instant {
        let others = [
            self.health.next_change(),
            self.in_flight.next_deadline(),
            self.line.next_look(),
            self.give_up_at,
        ];
        others.into_iter().flatten().fold(self.heartbeat_due, Instant::min)
    }
}
