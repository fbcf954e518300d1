//! The write-concern gate: which waiting senders may be answered.
//!
//! Nobody counts acks per message. Each node has an acked *end*; the end that `w` nodes hold is the `w`-th largest of
//! them, and everything before it is released. A waiter is released exactly once, whatever the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use acklog_types::{LogEnd, MessageId, WaiterId};

/// A sender that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    /// The message that it waits for.
    pub(super) id: MessageId,
    /// How many nodes must have the message.
    pub(super) write_concern: u16,
    /// When it stops waiting; none: never.
    pub(super) deadline: Option<Instant>,
    /// Whether it repeats a message by its idempotency key.
    pub(super) is_replay: bool,
}

/// The senders that wait for their write concern.
///
/// Invariant: the three tables name the same waiters; `deadlines` only those that have one.
#[derive(Debug, Default)]
pub(super) struct Gate {
    waiters: BTreeMap<WaiterId, Waiter>,
    /// For each write concern, the waiters by the end that must be held.
    by_end: BTreeMap<u16, BTreeSet<(LogEnd, WaiterId)>>,
    deadlines: BTreeSet<(Instant, WaiterId)>,
    /// Those with a write concern above 1.
    for_secondaries: usize,
}

impl Gate {
    /// Lets a sender wait.
    ///
    /// # Panics
    /// When a waiter of that name waits already.
    pub(super) fn insert(&mut self, name: WaiterId, waiter: Waiter) {
        let before = self.waiters.insert(name, waiter);
        assert_eq!(before, None, "waiter {name} waits already");
        self.by_end.entry(waiter.write_concern).or_default().insert((waiter.id.end(), name));
        if let Some(deadline) = waiter.deadline {
            self.deadlines.insert((deadline, name));
        }
        self.for_secondaries += usize::from(waiter.write_concern > 1);
    }

    /// Takes a waiter out, if it still waits.
    pub(super) fn remove(&mut self, name: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&name)?;
        if let Some(set) = self.by_end.get_mut(&waiter.write_concern) {
            set.remove(&(waiter.id.end(), name));
            if set.is_empty() {
                self.by_end.remove(&waiter.write_concern);
            }
        }
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, name));
        }
        self.for_secondaries -= usize::from(waiter.write_concern > 1);
        Some(waiter)
    }

    /// Takes out one waiter whose write concern holds, where `held_by(w)` is the end that `w` nodes hold. Call until it
    /// returns none.
    #[must_use]
    pub(super) fn pop_satisfied(
        &mut self,
        held_by: impl Fn(u16) -> LogEnd,
    ) -> Option<(WaiterId, Waiter)> {
        let name = self.by_end.iter().find_map(|(&write_concern, set)| {
            let &(end, name) = set.first()?;
            (end <= held_by(write_concern)).then_some(name)
        })?;
        self.remove(name).map(|waiter| (name, waiter))
    }

    /// Takes out one waiter whose time is up. Call until it returns none.
    #[must_use]
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<(WaiterId, Waiter)> {
        let &(deadline, name) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.remove(name).map(|waiter| (name, waiter))
    }

    /// Takes out one waiter whose message is not before `end`. Call until it returns none.
    #[must_use]
    pub(super) fn pop_from(&mut self, end: LogEnd) -> Option<(WaiterId, Waiter)> {
        let name = self.by_end.values().find_map(|set| {
            let &(last, name) = set.last()?;
            (last > end).then_some(name)
        })?;
        self.remove(name).map(|waiter| (name, waiter))
    }

    /// Takes out any waiter. Call until it returns none.
    #[must_use]
    pub(super) fn pop_any(&mut self) -> Option<(WaiterId, Waiter)> {
        let name = *self.waiters.first_key_value()?.0;
        self.remove(name).map(|waiter| (name, waiter))
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// When the next waiter's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Number of senders that wait for secondaries: those for whom the master's own ack is not enough.
    pub(super) fn waiting_for_secondaries(&self) -> usize {
        self.for_secondaries
    }
}

/// The end that `nodes` nodes hold, of the acked ends of all nodes: the `nodes`-th largest.
pub(super) fn held_by(ends_descending: &[LogEnd], nodes: u16) -> LogEnd {
    let index = usize::from(nodes).saturating_sub(1);
    ends_descending.get(index).copied().unwrap_or(LogEnd::ZERO)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waiter(id: u64, write_concern: u16) -> Waiter {
        Waiter { id: MessageId::new(id), write_concern, deadline: None, is_replay: false }
    }

    fn satisfied(gate: &mut Gate, ends: &[u64]) -> Vec<u64> {
        let ends: Vec<_> = ends.iter().map(|&end| LogEnd::new(end)).collect();
        let mut names = Vec::new();
        while let Some((name, _)) = gate.pop_satisfied(|w| held_by(&ends, w)) {
            names.push(name.get());
        }
        names.sort();
        names
    }

    #[test]
    fn a_position_releases_all_it_covers_and_each_once() {
        let mut gate = Gate::default();
        for id in 0..4 {
            gate.insert(WaiterId::new(id), waiter(id, 2));
            gate.insert(WaiterId::new(10 + id), waiter(id, 3));
        }
        assert_eq!(gate.waiting_for_secondaries(), 8);
        assert_eq!(satisfied(&mut gate, &[4, 2, 1]), [0, 1, 10]);
        assert_eq!(satisfied(&mut gate, &[4, 2, 1]), [0; 0]);
        assert_eq!(satisfied(&mut gate, &[4, 4, 4]), [2, 3, 11, 12, 13]);
        assert_eq!(gate.waiting_for_secondaries(), 0);
    }

    #[test]
    fn a_write_concern_above_the_number_of_nodes_is_never_lowered() {
        let mut gate = Gate::default();
        gate.insert(WaiterId::new(1), waiter(0, 3));
        assert_eq!(satisfied(&mut gate, &[9, 9]), [0; 0]);
        assert_eq!(satisfied(&mut gate, &[9, 9, 1]), [1]);
    }

    #[test]
    fn those_whose_message_is_not_stored_are_taken_out_and_the_others_go_on_waiting() {
        let mut gate = Gate::default();
        for id in 0..4 {
            gate.insert(WaiterId::new(id), waiter(id, 2 + (id % 2) as u16));
        }
        let mut names = Vec::new();
        while let Some((name, waiter)) = gate.pop_from(LogEnd::new(2)) {
            assert!(waiter.id.get() >= 2);
            names.push(name.get());
        }
        names.sort();
        assert_eq!((names, gate.is_empty()), (vec![2, 3], false));
        assert_eq!(satisfied(&mut gate, &[9, 9, 9]), [0, 1]);
        assert!(gate.is_empty());
    }

    #[test]
    fn a_waiter_that_left_or_expired_is_not_released_again() {
        let mut gate = Gate::default();
        let now = Instant::now();
        let deadline = Some(now + Duration::from_secs(1));
        gate.insert(WaiterId::new(1), Waiter { deadline, ..waiter(0, 2) });
        gate.insert(WaiterId::new(2), waiter(1, 2));
        assert_eq!(gate.next_deadline(), deadline);
        assert_eq!(gate.pop_expired(now), None);
        assert!(gate.pop_expired(now + Duration::from_secs(1)).is_some());
        assert!(gate.remove(WaiterId::new(2)).is_some());
        assert_eq!(satisfied(&mut gate, &[9, 9]), [0; 0]);
        assert_eq!((gate.next_deadline(), gate.pop_any()), (None, None));
    }
}
