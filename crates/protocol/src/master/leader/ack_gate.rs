//! The ack gate: which waiting clients may be answered.
//!
//! Acks are not counted per message. Each node has an acked *end*; the end that `w` nodes hold is
//! the `w`-th largest of them, and everything before it is released. A pending ack is released
//! exactly once, whatever the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use acklog_types::{LogEnd, MessageId, WaiterId};

/// The reason why a client waits for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum WaitReason {
    /// It appended the message just now, or asked to wait for it again.
    Ack,
    /// It sent a message again that is there already, by its idempotency key.
    Replay,
}

/// A client that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingAck {
    /// The message that it waits for.
    pub(super) id: MessageId,
    /// Number of nodes that must have the message.
    pub(super) write_concern: u16,
    /// Time at which it stops waiting; none: never.
    pub(super) deadline: Option<Instant>,
    /// The reason.
    pub(super) reason: WaitReason,
}

/// The clients that wait for their write concern.
///
/// Invariant: the three tables have the same tickets; `deadlines` only those that have one.
#[derive(Debug, Default)]
pub(super) struct AckGate {
    pending: BTreeMap<WaiterId, PendingAck>,
    /// For each write concern, the tickets by the end that must be held.
    by_end: BTreeMap<u16, BTreeSet<(LogEnd, WaiterId)>>,
    deadlines: BTreeSet<(Instant, WaiterId)>,
    /// Number of those with a write concern above 1.
    for_secondaries: usize,
}

impl AckGate {
    /// Lets a client wait.
    ///
    /// # Panics
    /// When the ticket waits already.
    pub(super) fn insert(&mut self, ticket: WaiterId, pending: PendingAck) {
        let before = self.pending.insert(ticket, pending);
        assert_eq!(before, None, "waiter {ticket} waits already");
        self.by_end.entry(pending.write_concern).or_default().insert((pending.id.end(), ticket));
        if let Some(deadline) = pending.deadline {
            self.deadlines.insert((deadline, ticket));
        }
        self.for_secondaries += usize::from(pending.write_concern > 1);
    }

    /// Takes a client out, if it still waits.
    pub(super) fn remove(&mut self, ticket: WaiterId) -> Option<PendingAck> {
        let pending = self.pending.remove(&ticket)?;
        if let Some(set) = self.by_end.get_mut(&pending.write_concern) {
            set.remove(&(pending.id.end(), ticket));
            if set.is_empty() {
                self.by_end.remove(&pending.write_concern);
            }
        }
        if let Some(deadline) = pending.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        self.for_secondaries -= usize::from(pending.write_concern > 1);
        Some(pending)
    }

    /// Takes out one client whose write concern holds, where `held_by(w)` is the end that `w` nodes
    /// hold. Call until it returns none.
    #[must_use]
    pub(super) fn pop_satisfied(
        &mut self,
        held_by: impl Fn(u16) -> LogEnd,
    ) -> Option<(WaiterId, PendingAck)> {
        let ticket = self.by_end.iter().find_map(|(&write_concern, set)| {
            let &(end, ticket) = set.first()?;
            (end <= held_by(write_concern)).then_some(ticket)
        })?;
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Takes out one client whose time is up. Call until it returns none.
    #[must_use]
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<(WaiterId, PendingAck)> {
        let &(deadline, ticket) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Takes out one client whose message is not before `end`. Call until it returns none.
    #[must_use]
    pub(super) fn pop_from(&mut self, end: LogEnd) -> Option<(WaiterId, PendingAck)> {
        let ticket = self.by_end.values().find_map(|set| {
            let &(last, ticket) = set.last()?;
            (last > end).then_some(ticket)
        })?;
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Takes out any client. Call until it returns none.
    #[must_use]
    pub(super) fn pop_any(&mut self) -> Option<(WaiterId, PendingAck)> {
        let ticket = *self.pending.first_key_value()?.0;
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Returns whether no client waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns when the next client's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Returns the number of clients that wait for secondaries: those for whom the master's own ack
    /// is not enough.
    pub(super) fn waiting_for_secondaries(&self) -> usize {
        self.for_secondaries
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::master::leader::held_ends::HeldEnds;

    fn pending(id: u64, write_concern: u16) -> PendingAck {
        let (id, reason) = (MessageId::new(id), WaitReason::Ack);
        PendingAck { id, write_concern, deadline: None, reason }
    }

    /// Releases what holds where the master has the first of these ends.
    fn satisfied(gate: &mut AckGate, ends: &[u64]) -> Vec<u64> {
        let mut ends = ends.iter().map(|&end| LogEnd::new(end));
        let mut held = HeldEnds::default();
        held.set(ends.next().unwrap(), ends);
        let mut tickets = Vec::new();
        while let Some((ticket, _)) = gate.pop_satisfied(|w| held.by(w)) {
            tickets.push(ticket.get());
        }
        tickets.sort();
        tickets
    }

    #[test]
    fn a_position_releases_all_it_covers_and_each_once() {
        let mut gate = AckGate::default();
        for id in 0..4 {
            gate.insert(WaiterId::new(id), pending(id, 2));
            gate.insert(WaiterId::new(10 + id), pending(id, 3));
        }
        assert_eq!(gate.waiting_for_secondaries(), 8);
        assert_eq!(satisfied(&mut gate, &[4, 2, 1]), [0, 1, 10]);
        assert_eq!(satisfied(&mut gate, &[4, 2, 1]), [0; 0]);
        assert_eq!(satisfied(&mut gate, &[4, 4, 4]), [2, 3, 11, 12, 13]);
        assert_eq!(gate.waiting_for_secondaries(), 0);
    }

    #[test]
    fn a_write_concern_above_the_number_of_nodes_is_never_lowered() {
        let mut gate = AckGate::default();
        gate.insert(WaiterId::new(1), pending(0, 3));
        assert_eq!(satisfied(&mut gate, &[9, 9]), [0; 0]);
        assert_eq!(satisfied(&mut gate, &[9, 9, 1]), [1]);
    }

    #[test]
    fn those_whose_message_is_not_stored_are_taken_out_and_the_others_go_on_waiting() {
        let mut gate = AckGate::default();
        for id in 0..4 {
            gate.insert(WaiterId::new(id), pending(id, 2 + (id % 2) as u16));
        }
        let mut tickets = Vec::new();
        while let Some((ticket, pending)) = gate.pop_from(LogEnd::new(2)) {
            assert!(pending.id.get() >= 2);
            tickets.push(ticket.get());
        }
        tickets.sort();
        assert_eq!((tickets, gate.is_empty()), (vec![2, 3], false));
        assert_eq!(satisfied(&mut gate, &[9, 9, 9]), [0, 1]);
        assert!(gate.is_empty());
    }

    #[test]
    fn a_waiter_that_left_or_expired_is_not_released_again() {
        let mut gate = AckGate::default();
        let now = Instant::now();
        let deadline = Some(now + Duration::from_secs(1));
        gate.insert(WaiterId::new(1), PendingAck { deadline, ..pending(0, 2) });
        gate.insert(WaiterId::new(2), pending(1, 2));
        assert_eq!(gate.next_deadline(), deadline);
        assert_eq!(gate.pop_expired(now), None);
        assert!(gate.pop_expired(now + Duration::from_secs(1)).is_some());
        assert!(gate.remove(WaiterId::new(2)).is_some());
        assert_eq!(satisfied(&mut gate, &[9, 9]), [0; 0]);
        assert_eq!((gate.next_deadline(), gate.pop_any()), (None, None));
    }
}
