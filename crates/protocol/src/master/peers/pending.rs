//! Pending sessions: connections that have not finished their handshake.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acklog_types::{RequestId, SessionId};

use crate::frame::Handshake;

/// Time for a connection to finish its handshake: twice the maximum injected handshake delay.
/// Shorter: such a delay ends connections. Longer: a connection without a handshake holds its place
/// for longer.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most pending sessions, where there are descriptors enough; the oldest makes room. Lower: foreign
/// connections could keep secondaries out more easily. Higher: they would hold more memory.
pub const STRANGERS_MAX: usize = 1024;

/// The pending sessions.
#[derive(Debug)]
pub(super) struct PendingSessions {
    sessions: BTreeMap<SessionId, PendingSession>,
    max: usize,
}

#[derive(Debug)]
struct PendingSession {
    address: String,
    deadline: Instant,
    /// Its handshake and the number of the request, while its log is compared with this one.
    compared: Option<(RequestId, Handshake)>,
}

impl PendingSessions {
    /// Creates an empty table for at most `max` sessions.
    pub(super) fn new(max: usize) -> Self {
        Self { sessions: BTreeMap::new(), max }
    }

    /// Returns the session that must make room for one more, if one must.
    pub(super) fn surplus(&self) -> Option<SessionId> {
        let is_full = self.sessions.len() >= self.max;
        self.oldest().filter(|_| is_full).map(|(_, session)| session)
    }

    /// Adds a session that was accepted now.
    pub(super) fn insert(&mut self, now: Instant, session: SessionId, address: String) {
        let deadline = now + HANDSHAKE_TIMEOUT;
        self.sessions.insert(session, PendingSession { address, deadline, compared: None });
    }

    /// Takes a session out. Returns its address, if it is pending.
    pub(super) fn remove(&mut self, session: SessionId) -> Option<String> {
        self.sessions.remove(&session).map(|pending| pending.address)
    }

    pub(super) fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Returns all pending sessions, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys().copied()
    }

    /// Returns a session whose time for a handshake is over.
    pub(super) fn expired(&self, now: Instant) -> Option<SessionId> {
        self.oldest().filter(|&(deadline, _)| deadline <= now).map(|(_, session)| session)
    }

    /// Returns when the time of the next session is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.oldest().map(|(deadline, _)| deadline)
    }

    /// Keeps a handshake while the secondary's log is compared with this one. Returns false if the
    /// session is not pending.
    pub(super) fn start_comparison(
        &mut self,
        session: SessionId,
        request: RequestId,
        handshake: Handshake,
    ) -> bool {
        let pending = self.sessions.get_mut(&session);
        pending.map(|pending| pending.compared = Some((request, handshake))).is_some()
    }

    /// Notes that a handshake was repeated, as after a timeout, while its log is compared: the last
    /// request is the one that is answered. Returns false if nothing is compared.
    pub(super) fn repeat_handshake(&mut self, session: SessionId, request: RequestId) -> bool {
        let compared =
            self.sessions.get_mut(&session).and_then(|pending| pending.compared.as_mut());
        compared.map(|(last, _)| *last = request).is_some()
    }

    /// Takes the handshake whose log was compared, if its session is still pending.
    pub(super) fn finish_comparison(
        &mut self,
        session: SessionId,
    ) -> Option<(RequestId, Handshake)> {
        self.sessions.get_mut(&session)?.compared.take()
    }

    /// Returns the sessions before this one on which the same process waits for a comparison.
    pub(super) fn earlier_of_same_process(
        &self,
        session: SessionId,
        handshake: &Handshake,
    ) -> Vec<SessionId> {
        let is_same = |(_, earlier): &(RequestId, Handshake)| {
            (&earlier.name, earlier.instance) == (&handshake.name, handshake.instance)
        };
        let earlier = self.sessions.range(..session);
        let earlier = earlier.filter(|(_, pending)| pending.compared.as_ref().is_some_and(is_same));
        earlier.map(|(&session, _)| session).collect()
    }

    fn oldest(&self) -> Option<(Instant, SessionId)> {
        self.sessions.iter().map(|(&session, pending)| (pending.deadline, session)).min()
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::InstanceId;

    use super::*;

    fn handshake(name: &str, instance: u128) -> Handshake {
        let (name, instance) = (name.parse().unwrap(), InstanceId::new(instance));
        Handshake::new(name, instance)
    }

    fn three() -> (PendingSessions, Instant, [SessionId; 3]) {
        let (mut pending, now) = (PendingSessions::new(3), Instant::now());
        let sessions = [1, 2, 3].map(SessionId::new);
        for (n, session) in (0..).zip(sessions) {
            pending.insert(now + Duration::from_secs(n), session, format!("host-{session}"));
        }
        (pending, now, sessions)
    }

    #[test]
    fn the_oldest_session_makes_room_and_is_the_first_whose_time_is_over() {
        let (mut pending, now, [first, second, _]) = three();
        assert_eq!(pending.surplus(), Some(first));
        assert_eq!(pending.next_deadline(), Some(now + HANDSHAKE_TIMEOUT));
        assert_eq!(pending.expired(now + HANDSHAKE_TIMEOUT - Duration::from_nanos(1)), None);
        assert_eq!(pending.expired(now + HANDSHAKE_TIMEOUT), Some(first));
        assert_eq!(pending.remove(first), Some("host-1".to_owned()));
        assert_eq!(pending.remove(first), None);
        assert_eq!((pending.surplus(), pending.contains(first)), (None, false));
        assert_eq!(pending.expired(now + 2 * HANDSHAKE_TIMEOUT), Some(second));
    }

    #[test]
    fn the_answer_after_a_comparison_is_to_the_last_request() {
        let (mut pending, _, [first, second, _]) = three();
        let [one, two] = [1, 2].map(RequestId::new);
        assert!(!pending.repeat_handshake(first, one), "nothing is compared");
        assert!(pending.start_comparison(first, one, handshake("bonnie", 1)));
        assert!(pending.repeat_handshake(first, two));
        assert_eq!(pending.finish_comparison(first), Some((two, handshake("bonnie", 1))));
        assert_eq!(pending.finish_comparison(first), None);
        assert_eq!(pending.finish_comparison(second), None);
        pending.remove(first);
        assert!(!pending.start_comparison(first, one, handshake("bonnie", 1)), "it is gone");
    }

    #[test]
    fn earlier_sessions_of_the_same_process_are_those_that_wait_for_a_comparison() {
        let (mut pending, _, [first, second, third]) = three();
        let request = RequestId::new(1);
        let same = handshake("bonnie", 1);
        for (session, told) in [(first, same.clone()), (second, handshake("bonnie", 2))] {
            assert!(pending.start_comparison(session, request, told));
        }
        assert_eq!(pending.earlier_of_same_process(third, &same), [first]);
        assert_eq!(pending.earlier_of_same_process(first, &same), []);
    }
}
