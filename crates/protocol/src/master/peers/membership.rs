//! Membership: the secondaries that were admitted, their sessions, and which names are on disk.

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::time::Instant;

use acklog_types::{NodeName, SessionId};

use crate::master::io::MasterOptions;
use crate::master::member::{Member, MemberId, NewLink, Standing};

/// The secondaries that were admitted, in the order in which their names first came.
///
/// Invariant: `by_session` names the session of each member that has one, and nothing else.
#[derive(Debug, Default)]
pub(in crate::master) struct Membership {
    members: BTreeMap<MemberId, Member>,
    by_session: BTreeMap<SessionId, MemberId>,
    next_id: u32,
    /// Version of the newest list of names that is to be persisted. Each list replaces the others.
    requested: u64,
    /// Version of the newest list that is persisted.
    persisted: u64,
}

impl Membership {
    /// Adds a member without a connection.
    pub(in crate::master) fn add(
        &mut self,
        name: NodeName,
        standing: Standing,
        options: &MasterOptions,
    ) -> MemberId {
        let id = MemberId(self.next_id);
        self.next_id += 1;
        self.members.insert(id, Member::new(name, standing, options));
        id
    }

    /// Removes a member that has no session.
    ///
    /// # Panics
    /// When it has one.
    pub(in crate::master) fn remove(&mut self, id: MemberId) {
        let session = self.members.remove(&id).and_then(|member| member.session());
        assert_eq!(session, None, "a member is removed together with its session");
    }

    /// Returns how many members there are, registered or not.
    pub(in crate::master) fn len(&self) -> usize {
        self.members.len()
    }

    pub(in crate::master) fn get(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    pub(in crate::master) fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.get_mut(&id)
    }

    /// Returns the member of this name, registered or not.
    pub(in crate::master) fn named(&self, name: &NodeName) -> Option<(MemberId, &Member)> {
        self.iter().find(|(_, member)| member.name() == name)
    }

    /// Returns the member whose session this is.
    pub(in crate::master) fn on_session(&self, session: SessionId) -> Option<MemberId> {
        self.by_session.get(&session).copied()
    }

    /// Returns the sessions of all members.
    pub(in crate::master) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_session.keys().copied()
    }

    pub(in crate::master) fn iter(&self) -> impl Iterator<Item = (MemberId, &Member)> + Clone {
        self.members.iter().map(|(&id, member)| (id, member))
    }

    pub(in crate::master) fn values(&self) -> impl Iterator<Item = &Member> + Clone {
        self.members.values()
    }

    pub(in crate::master) fn values_mut(
        &mut self,
        ids: impl RangeBounds<MemberId>,
    ) -> impl Iterator<Item = &mut Member> {
        self.members.range_mut(ids).map(|(_, member)| member)
    }

    /// Returns the first able member behind `last`, or else the first able one of all.
    pub(in crate::master) fn next_after(
        &self,
        last: Option<MemberId>,
        able: impl Fn(&Member) -> bool,
    ) -> Option<MemberId> {
        let mut able = self.iter().filter(|(_, member)| able(member)).map(|(id, _)| id);
        let first = able.clone().next();
        able.find(|&id| Some(id) > last).or(first)
    }

    /// Gives a member a new session.
    ///
    /// # Panics
    /// When it has one.
    pub(in crate::master) fn connect(
        &mut self,
        now: Instant,
        id: MemberId,
        new: NewLink,
        options: &MasterOptions,
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        assert_eq!(member.session(), None, "the older session ends first");
        self.by_session.insert(new.session, id);
        member.connect(now, new, options);
    }

    /// Ends a member's session. Nothing of a guest outlives it. Returns the member's name, and
    /// whether it was live until now; none if the session is no member's.
    pub(in crate::master) fn disconnect(
        &mut self,
        session: SessionId,
        options: &MasterOptions,
    ) -> Option<(String, bool)> {
        let id = self.by_session.remove(&session)?;
        let member = self.members.get_mut(&id)?;
        let ended = (member.name().to_string(), member.disconnect(options));
        if member.standing() == Standing::Guest {
            self.members.remove(&id);
        }
        Some(ended)
    }

    /// Lets a guest's name be in the next list. It counts once that list is persisted.
    pub(in crate::master) fn register(&mut self, id: MemberId) {
        let version = self.requested + 1;
        if let Some(member) = self.members.get_mut(&id) {
            member.set_standing(Standing::Registering(version));
        }
    }

    /// Returns the next list of names to be persisted, with its version: all but guests.
    pub(in crate::master) fn next_list(&mut self) -> (u64, Vec<NodeName>) {
        self.requested += 1;
        let lasting = self.members.values().filter(|member| member.standing() != Standing::Guest);
        (self.requested, lasting.map(Member::name).cloned().collect())
    }

    /// Takes in that the lists up to this version are persisted: the names in them count.
    ///
    /// # Panics
    /// When there was no such list.
    pub(in crate::master) fn on_persisted(&mut self, version: u64) {
        assert!(version <= self.requested, "list {version} was never asked for");
        self.persisted = version.max(self.persisted);
        for member in self.members.values_mut() {
            if let Standing::Registering(version) = member.standing()
                && version <= self.persisted
            {
                member.set_standing(Standing::Registered);
            }
        }
    }

    /// Returns the version of the newest list that is persisted.
    pub(in crate::master) fn persisted_version(&self) -> u64 {
        self.persisted
    }

    /// Makes members whose names are not persisted yet guests again: nothing is persisted any more.
    /// Returns their sessions, which are to be closed.
    pub(in crate::master) fn abort_registrations(&mut self) -> Vec<SessionId> {
        let is_pending = |member: &Member| matches!(member.standing(), Standing::Registering(_));
        let mut sessions = Vec::new();
        for member in self.members.values_mut().filter(|member| is_pending(member)) {
            member.set_standing(Standing::Guest);
            sessions.extend(member.session());
        }
        self.members.retain(|_, member| member.is_registered() || member.session().is_some());
        sessions
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{InstanceId, LogEnd};

    use super::*;
    use crate::master::tests::options;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn new_link(session: u64) -> NewLink {
        let (instance, address) = (InstanceId::new(1), "host".to_owned());
        NewLink { session: SessionId::new(session), instance, address, end: LogEnd::ZERO }
    }

    /// Bonnie is registered, clyde is a guest; both have sessions, of their own numbers.
    fn two() -> (Membership, [MemberId; 2]) {
        let mut members = Membership::default();
        let bonnie = members.add(name("bonnie"), Standing::Registered, &options());
        let clyde = members.add(name("clyde"), Standing::Guest, &options());
        for (session, id) in [(1, bonnie), (2, clyde)] {
            members.connect(Instant::now(), id, new_link(session), &options());
        }
        (members, [bonnie, clyde])
    }

    #[test]
    fn nothing_of_a_guest_outlives_its_session() {
        let (mut members, [bonnie, clyde]) = two();
        assert_eq!(members.on_session(SessionId::new(2)), Some(clyde));
        for (session, who) in [(1, "bonnie"), (2, "clyde")] {
            let ended = members.disconnect(SessionId::new(session), &options());
            assert_eq!(ended, Some((who.to_owned(), true)));
            assert_eq!(members.disconnect(SessionId::new(session), &options()), None);
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
        let parker = members.add(name("parker"), Standing::Guest, &options());
        members.register(clyde);
        members.register(parker);
        assert_eq!(members.abort_registrations(), [SessionId::new(2)]);
        assert_eq!(members.get(clyde).map(Member::standing), Some(Standing::Guest));
        assert!(members.get(parker).is_none(), "it has no session");
        assert!(members.get(bonnie).unwrap().is_registered());
    }

    #[test]
    fn members_are_asked_in_turn() {
        let (members, [bonnie, clyde]) = two();
        assert_eq!(members.next_after(None, |_| true), Some(bonnie));
        assert_eq!(members.next_after(Some(bonnie), |_| true), Some(clyde));
        assert_eq!(members.next_after(Some(clyde), |_| true), Some(bonnie));
        let is_clyde = |member: &Member| member.name().as_str() == "clyde";
        assert_eq!(members.next_after(Some(clyde), is_clyde), Some(clyde));
        assert_eq!(members.next_after(None, |_| false), None);
    }
}
