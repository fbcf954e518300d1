//! The peers of the master's node: pending sessions, membership, the failure detector, and how much
//! of the cluster is there.
//!
//! [`Peers`] knows nothing of a log but the positions that frames carry. What happens to a peer is
//! queued as a [`PeerEvent`], for the logs that are replicated to it.

mod admission;
mod cluster;
mod connection;
mod event;
mod log_line_bound;
mod majority;
mod membership;
mod options;
mod peer;
mod pending;
mod refused;
mod sessions;
mod unanswered;

use std::time::Instant;

use acklog_types::{NodeName, RequestId, SessionId};

pub(super) use self::admission::{HandshakeRefusal, NameStatus, OfferedLog};
pub(super) use self::cluster::ClusterView;
pub(super) use self::connection::{AwaitedPage, NewConnection};
pub(super) use self::event::{MemberId, PeerEvent};
use self::log_line_bound::LineBound;
use self::majority::MajorityWatch;
use self::membership::Membership;
pub(super) use self::options::PeerOptions;
pub(super) use self::peer::{Peer, RunReply, Standing};
use self::pending::PendingSessions;
pub use self::pending::{HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use self::refused::RefusedRows;
use super::io::Output;
use crate::events::{ConnectionEvent, Detail, Events};
use crate::line::LineView;
use crate::status::RefusedHealth;

/// The peers of a node.
#[derive(Debug)]
pub(super) struct Peers {
    options: PeerOptions,
    pending: PendingSessions,
    members: Membership,
    refused: RefusedRows,
    /// Bounds the events about connections without a handshake, which are log lines.
    lines: LineBound,
    majority: MajorityWatch,
    /// Whether requests are delayed on demand, and so sent later than they are made.
    delays_requests: bool,
}

impl Peers {
    /// Creates the peers of a node that starts: `registered` are those whose names are on disk.
    pub(super) fn new(now: Instant, options: PeerOptions, registered: Vec<NodeName>) -> Self {
        let mut members = Membership::default();
        registered.into_iter().for_each(|name| members.add_registered(name));
        Self {
            pending: PendingSessions::new(options.max_pending),
            members,
            refused: RefusedRows::default(),
            lines: LineBound::default(),
            majority: MajorityWatch::new(now),
            delays_requests: false,
            options,
        }
    }

    /// Returns the options of the node towards its peers.
    pub(super) fn options(&self) -> &PeerOptions {
        &self.options
    }

    /// Returns what happened next. Call until it returns none.
    #[must_use]
    pub(super) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.members.poll_event()
    }

    /// Returns the cluster as it is now.
    pub(super) fn cluster(&self) -> ClusterView {
        ClusterView::new(&self.options, self.members.counts())
    }

    /// Returns the member behind `last`, or the first one.
    pub(super) fn next_id(&self, last: Option<MemberId>) -> Option<MemberId> {
        self.members.next_id(last)
    }

    pub(super) fn get(&self, member: MemberId) -> Option<&Peer> {
        self.members.get(member)
    }

    /// Returns a member for what changes neither its standing nor its status.
    pub(super) fn get_mut(&mut self, member: MemberId) -> Option<&mut Peer> {
        self.members.get_mut(member)
    }

    /// Returns the secondaries that count, in the order in which their names first came.
    pub(super) fn registered(&self) -> impl Iterator<Item = (MemberId, &Peer)> + Clone {
        self.members.iter().filter(|(_, peer)| peer.is_registered())
    }

    /// Returns the member whose session this is.
    pub(super) fn on_session(&self, session: SessionId) -> Option<MemberId> {
        self.members.on_session(session)
    }

    /// Returns the sessions of members, in the order in which their names first came.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.members.iter().filter_map(|(_, peer)| peer.session())
    }

    /// Takes over whether requests are delayed on demand: they are noted as sent when they go out.
    pub(super) fn set_delays_requests(&mut self, delays: bool) {
        self.delays_requests = delays;
    }

    /// Notes that a frame came from a member, or a part of one.
    pub(super) fn hear(&mut self, now: Instant, member: MemberId, events: &mut Events) {
        self.members.change(member, |peer| peer.hear(now, events));
    }

    /// Notes that a part of a frame came from a member.
    pub(super) fn hear_part(&mut self, now: Instant, member: MemberId, events: &mut Events) {
        self.hear(now, member, events);
        if let Some(peer) = self.members.get_mut(member) {
            peer.note_part(now);
        }
    }

    /// Looks at how far the frames to members have got, where that is due. `awaits` returns whether
    /// runs to a member wait for an answer.
    pub(super) fn look(
        &mut self,
        now: Instant,
        awaits: impl Fn(MemberId) -> bool,
        mut look: impl FnMut(SessionId) -> LineView,
        events: &mut Events,
    ) {
        let mut next = self.next_id(None);
        while let Some(member) = next {
            self.members.change(member, |peer| peer.look(now, awaits(member), &mut look, events));
            next = self.next_id(Some(member));
        }
    }

    /// Brings a member's status up to date with the time.
    pub(super) fn update_status(&mut self, now: Instant, member: MemberId, events: &mut Events) {
        self.members.change(member, |peer| peer.update_status(now, events));
    }

    /// Notes that a page or a delayed request goes out to a member.
    pub(super) fn note_sent(&mut self, now: Instant, member: MemberId) {
        if let Some(peer) = self.members.get_mut(member) {
            peer.note_sent(now);
        }
    }

    /// Gives an admitted session to its member.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        member: MemberId,
        new: NewConnection,
        events: &mut Events,
    ) {
        self.members.connect(now, member, new, &self.options, events);
    }

    /// Notes a member's `SecondaryNodeReady`. It is answered once the name is persisted. Returns
    /// whether the name counts.
    pub(super) fn hold_ready(&mut self, member: MemberId, request: RequestId) -> Option<Standing> {
        let peer = self.members.get_mut(member)?;
        peer.hold_ready(request);
        Some(peer.standing())
    }

    /// Makes a member ready, if its name is persisted. Returns its session, the requests that are
    /// answered now, and whether it was not ready before; none if no request waits.
    pub(super) fn make_ready(
        &mut self,
        member: MemberId,
    ) -> Option<(SessionId, Vec<RequestId>, bool)> {
        let peer = self.members.get_mut(member)?;
        let (session, requests) = (peer.session(), peer.take_ready_requests());
        let session = session.filter(|_| !requests.is_empty())?;
        let is_news = self.members.change(member, Peer::become_ready)?;
        Some((session, requests, is_news))
    }

    /// Lets a guest's name be in the next list of names.
    pub(super) fn register(&mut self, member: MemberId, events: &mut Events) {
        if let Some(peer) = self.members.get(member) {
            let event = || ConnectionEvent::Registering { peer: peer.name().clone() };
            events.emit(Detail::Changes, event);
        }
        self.members.register(member);
    }

    /// Returns the next list of names to be persisted, with its version.
    pub(super) fn next_list(&mut self) -> (u64, Vec<NodeName>) {
        self.members.next_list()
    }

    /// Takes in that the lists up to this version are persisted: the names in them count.
    pub(super) fn on_persisted(&mut self, version: u64) {
        self.members.on_persisted(version);
    }

    /// Returns the version of the newest list that is persisted.
    pub(super) fn persisted_version(&self) -> u64 {
        self.members.persisted_version()
    }

    /// Removes a member that has no session.
    pub(super) fn remove(&mut self, member: MemberId) {
        self.members.remove(member);
    }

    /// Makes members whose names are not persisted yet guests again: nothing is persisted any more.
    /// Returns their sessions, which are to be closed.
    pub(super) fn abort_registrations(&mut self) -> Vec<SessionId> {
        self.members.abort_registrations()
    }

    /// Returns whether a secondary with messages that are not this log's was refused lately.
    pub(super) fn has_refused_other_messages(&self, now: Instant) -> bool {
        self.refused.has_other_messages(now)
    }

    /// Returns a row for each secondary that was refused lately, the last one first.
    pub(super) fn refused_health(&self, now: Instant) -> Vec<RefusedHealth> {
        self.refused.health(now)
    }

    /// Returns when something is due that does not concern a log.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.iter().filter_map(|(_, peer)| peer.next_deadline());
        let others = self.pending.next_deadline().into_iter().chain(self.lines.next_deadline());
        members.chain(others).min()
    }
}

#[cfg(test)]
mod tests;
