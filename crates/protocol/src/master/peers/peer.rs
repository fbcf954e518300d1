//! One secondary as a node: its name, whether that counts, and its connection, if it has one.

use std::time::{Duration, Instant};

use acklog_types::{IdRange, InstanceId, LogEnd, NodeName, RequestId, SessionId};

use super::connection::{Awaited, AwaitedPage, NewConnection, PeerConnection};
use super::options::PeerOptions;
use super::unanswered::UnansweredPages;
use crate::ProtocolError;
use crate::events::{ConnectionEvent, Detail, Events, FrameEvent, FrameStage, NodeEvent};
use crate::frame::FrameKind;
use crate::in_flight::Completed;
use crate::line::{LineView, LongFrameLosses};
use crate::progress::{RunPlan, SentRun};
use crate::status::Status;

mod view;

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
    /// Where the last connection came from, and the port that was told on it: kept beyond its end,
    /// since HTTP may work while the connection does not.
    last_address: Option<String>,
    http_port: Option<u16>,
    rtt: Option<Duration>,
    /// Last contact, on whatever connection.
    last_seen: Option<Instant>,
    long_frame_losses: LongFrameLosses,
    unanswered: UnansweredPages,
}

impl Peer {
    /// Creates a peer without a connection.
    pub(super) fn new(name: NodeName, standing: Standing) -> Self {
        Self {
            name,
            standing,
            connection: None,
            last_address: None,
            http_port: None,
            rtt: None,
            last_seen: None,
            long_frame_losses: LongFrameLosses::default(),
            unanswered: UnansweredPages::default(),
        }
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

    /// Takes a new connection.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        new: NewConnection,
        options: &PeerOptions,
        events: &mut Events,
    ) {
        if self.last_seen.is_some() && self.status() == Status::Unhealthy {
            self.emit_recovered(Status::Unhealthy, true, events);
        }
        self.last_seen = Some(now);
        (self.last_address, self.http_port) = (Some(new.address.clone()), new.http_port);
        self.connection = Some(PeerConnection::new(now, new, options));
    }

    /// Gives up the connection. Returns the status before.
    pub(super) fn disconnect(&mut self, events: &mut Events) -> Status {
        let status = self.status();
        if let Some(connection) = self.connection.take()
            && connection.line().has_long_frame
            && self.long_frame_losses.lost()
        {
            let event = || ConnectionEvent::MtuSuspected { peer: Some(self.name.clone()) };
            events.emit(Detail::Changes, event);
        }
        status
    }

    /// Notes a sign of life: a frame arrived, or a part of a long one, either way.
    pub(super) fn hear(&mut self, now: Instant, events: &mut Events) {
        self.last_seen = Some(now);
        if let Some(before) = self.connection.as_mut().and_then(|connection| connection.hear(now)) {
            self.emit_recovered(before, false, events);
        }
    }

    fn emit_recovered(&self, before: Status, reconnected: bool, events: &mut Events) {
        let event = || NodeEvent::Recovered { peer: self.name.clone(), before, reconnected };
        events.emit(Detail::Changes, event);
    }

    /// Looks at how far the frames to it have got, if that is due. `awaits`: runs wait for an
    /// answer.
    pub(super) fn look(
        &mut self,
        now: Instant,
        awaits: bool,
        look: impl FnOnce(SessionId) -> LineView,
        events: &mut Events,
    ) {
        let connection = self.connection.as_mut();
        let Some(seen) = connection.and_then(|line| line.look(now, awaits, look)) else { return };
        if seen.long_frame_passed {
            self.long_frame_losses.passed();
        }
        if seen.is_alive {
            self.hear(now, events);
        }
    }

    /// Brings the status up to date with the time.
    pub(super) fn update_status(&mut self, now: Instant, events: &mut Events) {
        let changed = self.connection.as_mut().and_then(|connection| connection.update_status(now));
        if let Some((status, silent)) = changed {
            let event = || NodeEvent::Silent { peer: self.name.clone(), status, silent };
            events.emit(Detail::Changes, event);
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
        events: &mut Events,
    ) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let request = connection.make_run(now, SentRun { range: plan.range, bytes: plan.bytes });
        events.emit(Detail::Frames, || {
            let stage = FrameStage::Sent { from: None, attempt: plan.attempt };
            let frame = (FrameKind::AddMessage, Some(plan.range));
            FrameEvent::new(Some(&self.name), request, frame, stage)
        });
        Some((connection.session(), request))
    }

    /// Makes a heartbeat, if one is due. Returns its session and number.
    pub(super) fn make_heartbeat(
        &mut self,
        now: Instant,
        events: &mut Events,
    ) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let request = connection.make_heartbeat(now)?;
        events.emit(Detail::Heartbeats, || {
            let stage = FrameStage::Sent { from: None, attempt: 1 };
            FrameEvent::new(Some(&self.name), request, (FrameKind::Heartbeat, None), stage)
        });
        Some((connection.session(), request))
    }

    /// Makes a request for the messages from `from` on. Returns its session and number.
    pub(super) fn make_page_request(
        &mut self,
        now: Instant,
        from: LogEnd,
        events: &mut Events,
    ) -> Option<(SessionId, RequestId)> {
        let connection = self.connection.as_mut()?;
        let (request, attempt) = connection.make_page_request(now, from);
        events.emit(Detail::Frames, || {
            let stage = FrameStage::Sent { from: Some(from), attempt };
            FrameEvent::new(Some(&self.name), request, (FrameKind::GetMessages, None), stage)
        });
        Some((connection.session(), request))
    }

    /// Notes that a request or a page is sent.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.connection.iter_mut().for_each(|connection| connection.note_sent(now));
    }

    /// Returns the messages in a request; none where it has none, or where they are forgotten.
    pub(in crate::master) fn ids_of(&self, request: RequestId) -> Option<IdRange> {
        self.connection.as_ref().and_then(|connection| connection.ids_of(request))
    }

    /// Takes in that a request was answered, by a frame of this kind with these messages. Returns
    /// the run that the request carried, if it carried one and was still waiting.
    ///
    /// # Errors
    /// When there was no such request.
    pub(in crate::master) fn complete(
        &mut self,
        now: Instant,
        (request, answer): (RequestId, (FrameKind, Option<IdRange>)),
        reply: RunReply,
        events: &mut Events,
    ) -> Result<Option<SentRun>, ProtocolError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let (what, took) = match connection.complete(now, request) {
            Completed::InTime { what, took } => (what, took),
            Completed::Late { what } => {
                let frame = what.map_or(answer, |what| what.answered_by(answer));
                events.emit(Detail::Frames, || {
                    FrameEvent::new(Some(&self.name), request, frame, FrameStage::Late)
                });
                return Ok(None);
            }
            Completed::Unknown => return Err(ProtocolError::UnexpectedResponse(request)),
        };
        let detail = match what {
            Awaited::Heartbeat => Detail::Heartbeats,
            Awaited::Page(_) | Awaited::Run(_) => Detail::Frames,
        };
        events.emit(detail, || {
            let stage = FrameStage::Completed { took, failed: reply == RunReply::Failed };
            FrameEvent::new(Some(&self.name), request, what.answered_by(answer), stage)
        });
        match what {
            Awaited::Heartbeat => self.rtt = Some(took),
            Awaited::Page(_) => self.unanswered.clear(),
            Awaited::Run(run) => return Ok(Some(run)),
        }
        Ok(None)
    }

    /// Takes out the requests whose time is up, until one that carried a run. Returns that run.
    /// Call until it returns none.
    #[must_use]
    pub(in crate::master) fn expire_run(
        &mut self,
        now: Instant,
        events: &mut Events,
    ) -> Option<SentRun> {
        let connection = self.connection.as_mut()?;
        while let Some((request, awaited)) = connection.expire(now) {
            events.emit(Detail::Frames, || {
                let stage = FrameStage::TimedOut { pause: None };
                FrameEvent::new(Some(&self.name), request, awaited.frame(), stage)
            });
            if let Awaited::Run(run) = awaited {
                return Some(run);
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
        !self.unanswered.given_up().is_some_and(|instance| self.is_instance(instance))
    }

    /// Notes that it closed the connection; a line that breaks says nothing.
    pub(super) fn note_closed(&mut self, events: &mut Events) {
        let Some(instance) = self.connection.as_ref().map(PeerConnection::instance) else { return };
        if self.owes_page() && self.unanswered.add(instance) {
            let event = || ConnectionEvent::PagesUnknown { peer: self.name.clone() };
            events.emit(Detail::Changes, event);
        }
    }

    /// Returns when something of its connection is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.connection.as_ref().map(PeerConnection::next_deadline)
    }
}
