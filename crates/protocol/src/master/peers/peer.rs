//! One secondary as a node: its name, whether that counts, and its connection, if it has one.

use std::time::{Duration, Instant};

use acklog_types::{InstanceId, LogEnd, NodeName, RequestId, SessionId};
use tracing::{debug, info, trace, warn};

use super::connection::{Awaited, AwaitedPage, NewConnection, PeerConnection};
use super::options::PeerOptions;
use crate::ProtocolError;
use crate::in_flight::Completed;
use crate::line::{LineView, LongFrameLosses};
use crate::progress::{RunPlan, SentRun};
use crate::status::{MemberPhase, Status};

/// Connections that one instance closed while a page was requested from it, after which none is
/// requested any more: it is of a release that does not know such requests. Fewer: an instance that
/// closed one for another reason just then is not asked. More: one of such a release loses more
/// connections.
const UNANSWERED_MAX: u32 = 2;

/// Whether a secondary's name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum Standing {
    /// Admitted, and never ready so far. It counts nowhere, and nothing of it outlives its
    /// connection.
    Guest,
    /// Ready for the first time. Its name is on its way to the disk, in the list of this version.
    Registering(u64),
    /// Its name is persisted, and so it counts.
    Registered,
}

/// Whether a response reports that the request succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum RunReply {
    /// It did.
    Done,
    /// It failed.
    Failed,
}

/// A secondary that was admitted.
#[derive(Debug)]
pub(in crate::master) struct Peer {
    name: NodeName,
    standing: Standing,
    connection: Option<PeerConnection>,
    rtt: Option<Duration>,
    /// Last contact, on whatever connection.
    last_seen: Option<Instant>,
    long_frame_losses: LongFrameLosses,
    /// The instance that closed connections while a page was requested from it, and how many.
    unanswered: Option<(InstanceId, u32)>,
}

impl Peer {
    /// Creates a peer without a connection.
    pub(super) fn new(name: NodeName, standing: Standing) -> Self {
        Self {
            name,
            standing,
            connection: None,
            rtt: None,
            last_seen: None,
            long_frame_losses: LongFrameLosses::default(),
            unanswered: None,
        }
    }

    pub(in crate::master) fn name(&self) -> &NodeName {
        &self.name
    }

    pub(in crate::master) fn standing(&self) -> Standing {
        self.standing
    }

    pub(super) fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Returns whether the name is persisted: only then do the name and its acks count.
    pub(in crate::master) fn is_registered(&self) -> bool {
        self.standing == Standing::Registered
    }

    /// Returns the session of the connection.
    pub(in crate::master) fn session(&self) -> Option<SessionId> {
        self.connection.as_ref().map(PeerConnection::session)
    }

    /// Returns whether the connection is of this process.
    pub(super) fn is_instance(&self, instance: InstanceId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.instance() == instance)
    }

    /// Returns the status; a peer without a connection is unhealthy.
    pub(in crate::master) fn status(&self) -> Status {
        self.connection.as_ref().map_or(Status::Unhealthy, PeerConnection::status)
    }

    pub(in crate::master) fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(PeerConnection::is_ready)
    }

    /// Returns whether it is ready and healthy, so that new messages are sent to it.
    pub(in crate::master) fn is_live(&self) -> bool {
        self.is_ready() && self.status() == Status::Healthy
    }

    /// Returns how far it is in joining.
    pub(in crate::master) fn phase(&self) -> MemberPhase {
        match &self.connection {
            None => MemberPhase::Disconnected,
            Some(connection) if connection.is_ready() => MemberPhase::Ready,
            Some(_) => MemberPhase::CatchingUp,
        }
    }

    /// Returns where the connection comes from.
    pub(in crate::master) fn address(&self) -> Option<&str> {
        self.connection.as_ref().map(PeerConnection::address)
    }

    /// Returns the round-trip time of the last heartbeat, while there is a connection.
    pub(in crate::master) fn rtt(&self) -> Option<Duration> {
        self.rtt.filter(|_| self.connection.is_some())
    }

    /// Returns when it was last heard from.
    pub(in crate::master) fn last_seen(&self) -> Option<Instant> {
        self.last_seen
    }

    /// Takes a new connection.
    pub(super) fn connect(&mut self, now: Instant, new: NewConnection, options: &PeerOptions) {
        if self.last_seen.is_some() && self.status() == Status::Unhealthy {
            info!(peer = %self.name, before = Status::Unhealthy.as_str(), "healthy again, over a new connection");
        }
        self.last_seen = Some(now);
        self.connection = Some(PeerConnection::new(now, new, options));
    }

    /// Gives up the connection. Returns the status before.
    pub(super) fn disconnect(&mut self) -> Status {
        let status = self.status();
        if let Some(connection) = self.connection.take()
            && connection.line().has_long_frame
            && self.long_frame_losses.lost()
        {
            warn!(peer = %self.name, "connections end again and again while a long frame is under way, \
                and short frames pass: does the path drop large packets? Look at its MTU");
        }
        status
    }

    /// Notes a sign of life: a frame arrived, or a part of a long one, either way.
    pub(super) fn hear(&mut self, now: Instant) {
        self.last_seen = Some(now);
        if let Some(before) = self.connection.as_mut().and_then(|connection| connection.hear(now)) {
            info!(peer = %self.name, before = before.as_str(), "healthy again");
        }
    }

    /// Looks at how far the frames to it have got, if that is due. `awaits`: runs wait for an
    /// answer.
    pub(super) fn look(
        &mut self,
        now: Instant,
        awaits: bool,
        look: impl FnOnce(SessionId) -> LineView,
    ) {
        let connection = self.connection.as_mut();
        let Some(seen) = connection.and_then(|line| line.look(now, awaits, look)) else { return };
        if seen.long_frame_passed {
            self.long_frame_losses.passed();
        }
        if seen.is_alive {
            self.hear(now);
        }
    }

    /// Brings the status up to date with the time.
    pub(super) fn update_status(&mut self, now: Instant) {
        let changed = self.connection.as_mut().and_then(|connection| connection.update_status(now));
        if let Some((status, silent)) = changed {
            warn!(peer = %self.name, status = status.as_str(), ?silent, "not heard from");
        }
    }

    /// Returns whether its connection is to be closed since nothing comes on it.
    pub(super) fn is_unresponsive(&self, now: Instant) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_unresponsive(now))
    }

    /// Notes a `SecondaryNodeReady` that is answered once the name is persisted.
    pub(super) fn hold_ready(&mut self, request: RequestId) {
        self.connection.iter_mut().for_each(|connection| connection.hold_ready(request));
    }

    /// Takes the requests that waited for the name, if it is persisted by now.
    pub(super) fn take_ready_requests(&mut self) -> Vec<RequestId> {
        let is_registered = self.is_registered();
        let connection = self.connection.as_mut().filter(|_| is_registered);
        connection.map(PeerConnection::take_ready_requests).unwrap_or_default()
    }

    /// Makes it ready: it has what the last page announced. Returns whether it was not before.
    pub(super) fn become_ready(&mut self) -> bool {
        self.connection.as_mut().is_some_and(PeerConnection::become_ready)
    }

    /// Makes a request that carries a run. Returns its session and number.
    pub(super) fn make_run(
        &mut self,
        now: Instant,
        plan: RunPlan,
    ) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let request = connection.make_run(now, SentRun { range: plan.range, bytes: plan.bytes });
        let what = if plan.is_retry { "sending AddMessage again" } else { "sending AddMessage" };
        debug!(peer = %self.name, %request, id = %plan.range, "{what}");
        Some((connection.session(), request))
    }

    /// Makes a heartbeat, if one is due. Returns its session and number.
    pub(super) fn make_heartbeat(&mut self, now: Instant) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let request = connection.make_heartbeat(now)?;
        trace!(peer = %self.name, %request, "sending Heartbeat");
        Some((connection.session(), request))
    }

    /// Makes a request for the messages from `from` on. Returns its session and number.
    pub(super) fn make_page_request(
        &mut self,
        now: Instant,
        from: LogEnd,
    ) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let request = connection.make_page_request(now, from);
        debug!(peer = %self.name, %request, %from, "sending GetMessages");
        Some((connection.session(), request))
    }

    /// Notes that a request or a page is sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.connection.iter_mut().for_each(|connection| connection.note_sent(now));
    }

    /// Takes in that a request was answered. Returns the run that it carried, if it carried one and
    /// was still waiting.
    ///
    /// # Errors
    /// When there was no such request.
    pub(in crate::master) fn complete(
        &mut self,
        now: Instant,
        request: RequestId,
        reply: RunReply,
    ) -> Result<Option<SentRun>, ProtocolError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        match connection.complete(now, request) {
            Completed::InTime { what: Awaited::Heartbeat, took } => {
                trace!(peer = %self.name, %request, ?took, "Heartbeat answered");
                self.rtt = Some(took);
            }
            // It gave a page, or reported that it cannot.
            Completed::InTime { what: Awaited::Page(_), .. } => self.unanswered = None,
            Completed::InTime { what: Awaited::Run(run), took } => {
                let what = match reply {
                    RunReply::Done => "AddMessage answered",
                    RunReply::Failed => "AddMessage failed",
                };
                debug!(peer = %self.name, %request, id = %run.range, ?took, "{what}");
                return Ok(Some(run));
            }
            Completed::Late => {
                debug!(peer = %self.name, %request, "late answer: the request is no longer pending");
            }
            Completed::Unknown => return Err(ProtocolError::UnexpectedResponse(request)),
        }
        Ok(None)
    }

    /// Takes out the requests whose time is up, until one that carried a run. Returns that run.
    /// Call until it returns none.
    #[must_use]
    pub(in crate::master) fn expire_run(&mut self, now: Instant) -> Option<SentRun> {
        let connection = self.connection.as_mut()?;
        while let Some((request, awaited)) = connection.expire(now) {
            match awaited {
                Awaited::Heartbeat | Awaited::Page(_) => {
                    debug!(peer = %self.name, %request, asked = ?awaited, "a request timed out");
                }
                Awaited::Run(run) => {
                    debug!(peer = %self.name, %request, id = %run.range, "AddMessage timed out");
                    return Some(run);
                }
            }
        }
        None
    }

    /// Takes out the runs that are lost, now that this heartbeat was answered.
    pub(in crate::master) fn take_lost_runs(
        &mut self,
        heartbeat: RequestId,
    ) -> impl Iterator<Item = SentRun> + use<> {
        self.connection.as_mut().map(|it| it.take_lost_runs(heartbeat)).into_iter().flatten()
    }

    /// Notes that a part of a frame came.
    pub(super) fn note_part(&mut self, now: Instant) {
        self.connection.iter_mut().for_each(|connection| connection.note_part(now));
    }

    /// Returns whether a page to it is still under way, as far as was seen.
    pub(in crate::master) fn has_page_under_way(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.line().has_page)
    }

    /// Returns whether pages were requested on its connection, so that one may come.
    pub(in crate::master) fn pages_were_requested(&self) -> bool {
        self.connection.as_ref().is_some_and(PeerConnection::pages_were_requested)
    }

    /// Returns whether a page is awaited from it.
    pub(in crate::master) fn owes_page(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.pages_in_flight() > 0)
    }

    /// Returns what is awaited of pages, as of a response to this request.
    pub(in crate::master) fn page_in_flight(&self, request: RequestId) -> Option<AwaitedPage> {
        self.connection.as_ref().map(|connection| connection.page_in_flight(request))
    }

    /// Returns until when a page that did not come in time is likely on its way.
    pub(in crate::master) fn page_comes_until(&self) -> Option<Instant> {
        self.connection.as_ref()?.page_comes_until()
    }

    /// Returns whether pages may be requested: its instance is not known to end its connection
    /// then.
    pub(in crate::master) fn answers_pages(&self) -> bool {
        let is_over = |(instance, times): (InstanceId, u32)| {
            times >= UNANSWERED_MAX && self.is_instance(instance)
        };
        !self.unanswered.is_some_and(is_over)
    }

    /// Notes that it closed the connection; a line that breaks says nothing.
    pub(super) fn note_closed(&mut self) {
        let Some(instance) = self.connection.as_ref().map(PeerConnection::instance) else { return };
        if !self.owes_page() {
            return;
        }
        let before = self.unanswered.filter(|(known, _)| *known == instance);
        let times = before.map_or(1, |(_, times)| times + 1);
        self.unanswered = Some((instance, times));
        if times == UNANSWERED_MAX {
            warn!(peer = %self.name, "a secondary ends its connection when it is asked for messages that are \
                damaged here: it is of an earlier release, and is not asked again");
        }
    }

    /// Returns when something of its connection is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.connection.as_ref().map(PeerConnection::next_deadline)
    }
}
