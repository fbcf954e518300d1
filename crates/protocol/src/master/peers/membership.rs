//! Membership: the secondaries that were admitted, their sessions, and which names are on disk.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Instant;

use acklog_types::{NodeName, SessionId};

use super::connection::NewConnection;
use super::event::{MemberId, PeerEvent};
use super::options::PeerOptions;
use super::peer::{Peer, Standing};
use crate::events::Events;
use crate::status::Status;

/// Number of secondaries that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MemberCounts {
    /// Number of those whose names are persisted.
    pub(super) registered: u16,
    /// Number of them that are ready and healthy.
    pub(super) live: u16,
}

/// The secondaries that were admitted, in the order in which their names first came.
///
/// Each change of what counts emits a [`PeerEvent`], and with each event the counts are made anew:
/// nothing outside can change one without the other.
///
/// Invariant: `by_session` names the session of each member that has one, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Membership {
    peers: BTreeMap<MemberId, Peer>,
    by_session: BTreeMap<SessionId, MemberId>,
    next_id: u32,
    /// Version of the newest list of names that is to be persisted. Each list replaces the others.
    requested: u64,
    /// Version of the newest list that is persisted.
    persisted: u64,
    counts: MemberCounts,
    events: VecDeque<PeerEvent>,
}

impl Membership {
    /// Adds a member whose name is on disk.
    pub(super) fn add_registered(&mut self, name: NodeName) {
        let peer = self.add(name.clone(), Standing::Registered);
        self.emit(PeerEvent::Registered { peer, name });
    }

    /// Adds a member that is to be connected next, and that does not count before it was ready.
    pub(super) fn add_guest(&mut self, name: NodeName) -> MemberId {
        self.add(name, Standing::Guest)
    }

    fn add(&mut self, name: NodeName, standing: Standing) -> MemberId {
        let id = MemberId(self.next_id);
        self.next_id += 1;
        self.peers.insert(id, Peer::new(name, standing));
        id
    }

    /// Removes a member that has no session.
    ///
    /// # Panics
    /// When it has one.
    pub(super) fn remove(&mut self, id: MemberId) {
        let session = self.peers.remove(&id).and_then(|peer| peer.session());
        assert_eq!(session, None, "a member is removed together with its session");
        self.emit(PeerEvent::Removed(id));
    }

    /// Returns how many members there are, registered or not.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns how many members count.
    pub(super) fn counts(&self) -> MemberCounts {
        self.counts
    }

    /// Returns what happened next. Call until it returns none.
    #[must_use]
    pub(super) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    pub(super) fn get(&self, id: MemberId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    /// Returns a member for what changes neither its standing nor its status.
    pub(super) fn get_mut(&mut self, id: MemberId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    /// Changes a member, and emits an event where that makes it live or no longer live.
    pub(super) fn change<R>(
        &mut self,
        id: MemberId,
        change: impl FnOnce(&mut Peer) -> R,
    ) -> Option<R> {
        let member = self.peers.get_mut(&id)?;
        let was_live = member.is_live();
        let changed = change(member);
        let is_live = member.is_live();
        if is_live != was_live {
            self.emit(PeerEvent::StatusChanged { peer: id, is_live });
        }
        Some(changed)
    }

    /// Returns the member behind `last`, or the first one.
    pub(super) fn next_id(&self, last: Option<MemberId>) -> Option<MemberId> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.peers.range((start, Bound::Unbounded)).next().map(|(&id, _)| id)
    }

    /// Returns the member of this name, registered or not.
    pub(super) fn named(&self, name: &NodeName) -> Option<(MemberId, &Peer)> {
        self.iter().find(|(_, peer)| peer.name() == name)
    }

    /// Returns the member whose session this is.
    pub(super) fn on_session(&self, session: SessionId) -> Option<MemberId> {
        self.by_session.get(&session).copied()
    }

    /// Returns the sessions of all members.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_session.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (MemberId, &Peer)> + Clone {
        self.peers.iter().map(|(&id, peer)| (id, peer))
    }

    /// Gives a member a new session.
    ///
    /// # Panics
    /// When it has one.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        id: MemberId,
        new: NewConnection,
        options: &PeerOptions,
        events: &mut Events,
    ) {
        let Some(member) = self.peers.get_mut(&id) else { return };
        assert_eq!(member.session(), None, "the older session ends first");
        let NewConnection { session, end, storage, .. } = new;
        self.by_session.insert(session, id);
        member.connect(now, new, options, events);
        let name = member.name().clone();
        self.emit(PeerEvent::Joined { peer: id, name, end, storage });
    }

    /// Ends a member's session. Nothing of a guest outlives it. Returns the member's name and its
    /// status until now; none if the session is no member's.
    pub(super) fn disconnect(
        &mut self,
        session: SessionId,
        events: &mut Events,
    ) -> Option<(NodeName, Status)> {
        let id = self.by_session.remove(&session)?;
        let status = self.change(id, |peer| peer.disconnect(events))?;
        self.emit(PeerEvent::Left(id));
        let member = self.peers.get(&id)?;
        let (name, standing) = (member.name().clone(), member.standing());
        if standing == Standing::Guest {
            self.remove(id);
        }
        Some((name, status))
    }

    /// Lets a guest's name be in the next list. It counts once that list is persisted.
    pub(super) fn register(&mut self, id: MemberId) {
        let version = self.requested + 1;
        if let Some(member) = self.peers.get_mut(&id) {
            member.set_standing(Standing::Registering(version));
        }
    }

    /// Returns the next list of names to be persisted, with its version: all but guests.
    pub(super) fn next_list(&mut self) -> (u64, Vec<NodeName>) {
        self.requested += 1;
        let lasting = self.peers.values().filter(|peer| peer.standing() != Standing::Guest);
        (self.requested, lasting.map(Peer::name).cloned().collect())
    }

    /// Takes in that the lists up to this version are persisted: the names in them count.
    ///
    /// # Panics
    /// When there was no such list.
    pub(super) fn on_persisted(&mut self, version: u64) {
        assert!(version <= self.requested, "list {version} was never asked for");
        self.persisted = version.max(self.persisted);
        let mut last = None;
        while let Some(id) = self.next_id(last) {
            last = Some(id);
            if let Some(member) = self.peers.get_mut(&id)
                && let Standing::Registering(version) = member.standing()
                && version <= self.persisted
            {
                member.set_standing(Standing::Registered);
                let name = member.name().clone();
                self.emit(PeerEvent::Registered { peer: id, name });
            }
        }
    }

    /// Returns the version of the newest list that is persisted.
    pub(super) fn persisted_version(&self) -> u64 {
        self.persisted
    }

    /// Makes members whose names are not persisted yet guests again: nothing is persisted any more.
    /// Returns their sessions, which are to be closed.
    pub(super) fn abort_registrations(&mut self) -> Vec<SessionId> {
        let (mut sessions, mut last) = (Vec::new(), None);
        while let Some(id) = self.next_id(last) {
            last = Some(id);
            let Some(member) = self.peers.get_mut(&id) else { break };
            if let Standing::Registering(_) = member.standing() {
                member.set_standing(Standing::Guest);
                match member.session() {
                    Some(session) => sessions.push(session),
                    None => self.remove(id),
                }
            }
        }
        sessions
    }

    /// Queues an event. The one place where the members are counted.
    fn emit(&mut self, event: PeerEvent) {
        self.events.push_back(event);
        let registered = self.peers.values().filter(|peer| peer.is_registered());
        // At most SECONDARIES_MAX members are admitted.
        self.counts = MemberCounts {
            registered: registered.clone().count() as u16,
            live: registered.filter(|peer| peer.is_live()).count() as u16,
        };
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{InstanceId, LogEnd};

    use super::*;
    use crate::master::peers::tests::options;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn connection(session: u64) -> NewConnection {
        let (instance, address) = (InstanceId::new(1), "host".to_owned());
        let (session, end) = (SessionId::new(session), LogEnd::ZERO);
        NewConnection { session, instance, address, end, http_port: None, storage: None }
    }

    fn events(members: &mut Membership) -> Vec<PeerEvent> {
        std::iter::from_fn(|| members.poll_event()).collect()
    }

    fn disconnect(members: &mut Membership, session: u64) -> Option<(NodeName, Status)> {
        members.disconnect(SessionId::new(session), &mut Events::default())
    }

    /// Bonnie is registered, clyde is a guest; both have sessions, of their own numbers.
    fn two() -> (Membership, [MemberId; 2]) {
        let mut members = Membership::default();
        members.add_registered(name("bonnie"));
        let (bonnie, clyde) = (MemberId(0), members.add_guest(name("clyde")));
        for (session, id) in [(1, bonnie), (2, clyde)] {
            let new = connection(session);
            members.connect(Instant::now(), id, new, &options(), &mut Events::default());
        }
        (members, [bonnie, clyde])
    }

    #[test]
    fn nothing_of_a_guest_outlives_its_session() {
        let (mut members, [bonnie, clyde]) = two();
        assert_eq!(members.on_session(SessionId::new(2)), Some(clyde));
        for (session, who) in [(1, "bonnie"), (2, "clyde")] {
            let ended = disconnect(&mut members, session);
            assert_eq!(ended, Some((name(who), Status::Healthy)));
            assert_eq!(disconnect(&mut members, session), None);
        }
        assert_eq!((members.len(), members.sessions().count()), (1, 0));
        assert_eq!(members.named(&name("bonnie")).map(|(id, _)| id), Some(bonnie));
        assert!(members.get(clyde).is_none() && members.named(&name("clyde")).is_none());
    }

    #[test]
    fn a_name_counts_once_a_list_with_it_is_persisted() {
        let (mut members, [_, clyde]) = two();
        assert_eq!(members.next_list(), (1, vec![name("bonnie")]));
        members.register(clyde);
        assert_eq!(members.next_list(), (2, vec![name("bonnie"), name("clyde")]));
        members.on_persisted(1);
        assert!(!members.get(clyde).unwrap().is_registered(), "that list is without it");
        members.on_persisted(2);
        assert!(members.get(clyde).unwrap().is_registered());
        members.on_persisted(1);
        assert_eq!(members.persisted_version(), 2, "versions come in any order");
    }

    #[test]
    fn a_failed_disk_makes_those_that_register_guests_again() {
        let (mut members, [bonnie, clyde]) = two();
        let parker = members.add_guest(name("parker"));
        members.register(clyde);
        members.register(parker);
        assert_eq!(members.abort_registrations(), [SessionId::new(2)]);
        assert_eq!(members.get(clyde).map(Peer::standing), Some(Standing::Guest));
        assert!(members.get(parker).is_none(), "it has no session");
        assert!(members.get(bonnie).unwrap().is_registered());
    }

    #[test]
    fn each_change_of_what_counts_is_an_event_and_is_counted() {
        let (mut members, [bonnie, clyde]) = two();
        let joined = |peer, who| PeerEvent::Joined {
            peer,
            name: name(who),
            end: LogEnd::ZERO,
            storage: None,
        };
        let first = PeerEvent::Registered { peer: bonnie, name: name("bonnie") };
        assert_eq!(events(&mut members), [first, joined(bonnie, "bonnie"), joined(clyde, "clyde")]);
        assert_eq!(members.counts(), MemberCounts { registered: 1, live: 0 });
        members.change(bonnie, Peer::become_ready);
        members.change(bonnie, Peer::become_ready);
        let live = |is_live| PeerEvent::StatusChanged { peer: bonnie, is_live };
        assert_eq!(events(&mut members), [live(true)], "once");
        assert_eq!(members.counts(), MemberCounts { registered: 1, live: 1 });
        let later = Instant::now() + 60 * options().heartbeat_interval;
        members.change(bonnie, |peer| peer.update_status(later, &mut Events::default()));
        assert_eq!(events(&mut members), [live(false)]);
        members.change(bonnie, |peer| peer.hear(later, &mut Events::default()));
        disconnect(&mut members, 1);
        assert_eq!(events(&mut members), [live(true), live(false), PeerEvent::Left(bonnie)]);
        members.remove(bonnie);
        disconnect(&mut members, 2);
        let gone = [bonnie, clyde].map(PeerEvent::Removed);
        let [bonnie_gone, clyde_gone] = gone;
        assert_eq!(events(&mut members), [bonnie_gone, PeerEvent::Left(clyde), clyde_gone]);
        assert_eq!(members.counts(), MemberCounts::default());
    }

    #[test]
    fn members_are_served_in_the_order_in_which_their_names_came() {
        let (members, [bonnie, clyde]) = two();
        assert_eq!(members.next_id(None), Some(bonnie));
        assert_eq!(members.next_id(Some(bonnie)), Some(clyde));
        assert_eq!(members.next_id(Some(clyde)), None);
    }
}
