//! The ack gate: which waiting clients may be answered.
//!
//! Acks are not counted per message. Each node has an acked *end*; the end that `w` nodes hold is
//! the `w`-th largest of them, and everything before it is released. A pending ack is released
//! exactly once, whatever the reason.

use std::collections::btree_map::Entry;
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

/// A client that waits; or a series of them, each of which waits for the message after the one
/// before: the clients of lines of an append stream that were taken together. All of a series have
/// the same write concern and deadline, and it is one entry in each table, however long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingAck {
    /// The message that it waits for; of a series, the first one.
    pub(super) id: MessageId,
    /// Number of clients, at least one. Their tickets follow each other as their messages do.
    pub(super) count: u64,
    /// Number of messages of its batch, from that one on; 1 for a series.
    pub(super) messages: u64,
    /// Number of nodes that must have the message.
    pub(super) write_concern: u16,
    /// Time since which it waits.
    pub(super) since: Instant,
    /// Time at which it stops waiting; none: never.
    pub(super) deadline: Option<Instant>,
    /// The reason.
    pub(super) reason: WaitReason,
    /// Whether its answer is to show the copies; never for a series.
    pub(super) shows_copies: bool,
}

impl PendingAck {
    /// Returns one client that waits for a single message from `since` on, without a deadline, and
    /// is shown no copies.
    pub(super) fn new(
        since: Instant,
        id: MessageId,
        write_concern: u16,
        reason: WaitReason,
    ) -> Self {
        let (count, messages, deadline, shows_copies) = (1, 1, None, false);
        Self { id, count, messages, write_concern, since, deadline, reason, shows_copies }
    }

    /// Returns the end of the messages that are waited for.
    fn end(&self) -> LogEnd {
        self.id.before().plus(self.count)
    }

    /// Returns the number of clients whose message is below `end`.
    fn count_below(&self, end: LogEnd) -> u64 {
        end.get().saturating_sub(self.id.get()).min(self.count)
    }

    /// Returns the number of clients that wait for secondaries.
    fn for_secondaries(&self) -> usize {
        if self.write_concern > 1 { self.count as usize } else { 0 }
    }

    /// Keeps the clients whose message is below `end`, at least the first one. Returns the others
    /// with their first ticket; none if there are none.
    pub(super) fn split_at(&mut self, ticket: WaiterId, end: LogEnd) -> Option<(WaiterId, Self)> {
        let count = self.count_below(end).max(1);
        (count < self.count).then(|| self.split_off(ticket, count))
    }

    /// Splits the first `count` clients off, of which there are more. Returns the rest with its
    /// first ticket.
    fn split_off(&mut self, ticket: WaiterId, count: u64) -> (WaiterId, Self) {
        let id = self.id.before().plus(count).next_id();
        let rest = Self { id, count: self.count - count, ..*self };
        self.count = count;
        (WaiterId::new(ticket.get() + count), rest)
    }
}

/// The clients that wait for their write concern.
///
/// Invariant: the three tables have the same tickets, of a series the first one; `deadlines` only
/// those that have one.
#[derive(Debug, Default)]
pub(super) struct AckGate {
    pending: BTreeMap<WaiterId, PendingAck>,
    /// For each write concern, the tickets by the end that must be held for the first client.
    by_end: BTreeMap<u16, BTreeSet<(LogEnd, WaiterId)>>,
    deadlines: BTreeSet<(Instant, WaiterId)>,
    /// Number of clients with a write concern above 1.
    for_secondaries: usize,
    /// The times since which these wait, each with its number of entries. One time is that of all
    /// that were taken in the same iteration, so there are few of them.
    since: BTreeMap<Instant, usize>,
}

impl AckGate {
    /// Lets clients wait.
    ///
    /// # Panics
    /// When the first ticket waits already.
    pub(super) fn insert(&mut self, ticket: WaiterId, pending: PendingAck) {
        let before = self.pending.insert(ticket, pending);
        assert_eq!(before, None, "waiter {ticket} waits already");
        self.by_end.entry(pending.write_concern).or_default().insert((pending.id.end(), ticket));
        if let Some(deadline) = pending.deadline {
            self.deadlines.insert((deadline, ticket));
        }
        if pending.write_concern > 1 {
            self.for_secondaries += pending.for_secondaries();
            *self.since.entry(pending.since).or_default() += 1;
        }
    }

    /// Takes out the clients whose first ticket this is, if they still wait.
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
        if pending.write_concern > 1 {
            self.for_secondaries -= pending.for_secondaries();
            self.forget_since(pending.since);
        }
        Some(pending)
    }

    fn forget_since(&mut self, since: Instant) {
        if let Entry::Occupied(mut entries) = self.since.entry(since) {
            *entries.get_mut() -= 1;
            if *entries.get() == 0 {
                entries.remove();
            }
        }
    }

    /// Takes out the next clients whose ticket is one of `count`, of which `first` is the first.
    /// None of a series may be among them unless all that are left of it are. Call until it returns
    /// none.
    #[must_use]
    pub(super) fn pop_of(&mut self, first: WaiterId, count: u64) -> Option<(WaiterId, PendingAck)> {
        let end = WaiterId::new(first.get().saturating_add(count));
        let ticket = *self.pending.range(first..end).next()?.0;
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Takes out clients whose write concern holds, where `held_by(w)` is the end that `w` nodes
    /// hold: one, or a part of a series. Call until it returns none.
    #[must_use]
    pub(super) fn pop_satisfied(
        &mut self,
        held_by: impl Fn(u16) -> LogEnd,
    ) -> Option<(WaiterId, PendingAck)> {
        let (ticket, held) = self.by_end.iter().find_map(|(&write_concern, set)| {
            let (&(end, ticket), held) = (set.first()?, held_by(write_concern));
            (end <= held).then_some((ticket, held))
        })?;
        let mut pending = self.remove(ticket)?;
        if let Some((later, rest)) = pending.split_at(ticket, held) {
            self.insert(later, rest);
        }
        Some((ticket, pending))
    }

    /// Takes out clients whose time is up: one, or a series. Call until it returns none.
    #[must_use]
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<(WaiterId, PendingAck)> {
        let &(deadline, ticket) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.remove(ticket).map(|pending| (ticket, pending))
    }

    /// Takes out all clients whose message is not before `end`.
    pub(super) fn take_from(&mut self, end: LogEnd) -> Vec<(WaiterId, PendingAck)> {
        let reaches =
            |ticket: &WaiterId| self.pending.get(ticket).is_some_and(|pending| pending.end() > end);
        let tickets = self.by_end.values().flat_map(|set| set.iter().rev().map(|&(_, it)| it));
        let tickets: Vec<WaiterId> = tickets.filter(reaches).collect();
        let take = |ticket| {
            let mut pending = self.remove(ticket)?;
            let count = pending.count_below(end);
            if count == 0 {
                return Some((ticket, pending));
            }
            let (later, rest) = pending.split_off(ticket, count);
            self.insert(ticket, pending);
            Some((later, rest))
        };
        tickets.into_iter().filter_map(take).collect()
    }

    /// Takes out any client, or a series. Call until it returns none.
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

    /// Returns since when the client that has waited longest for secondaries waits; none if none
    /// does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.since.first_key_value().map(|(&since, _)| since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::master::leader::held_ends::HeldEnds;

    fn pending(id: u64, write_concern: u16) -> PendingAck {
        PendingAck::new(Instant::now(), MessageId::new(id), write_concern, WaitReason::Ack)
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
        for (ticket, pending) in gate.take_from(LogEnd::new(2)) {
            assert!(pending.id.get() >= 2);
            tickets.push(ticket.get());
        }
        tickets.sort();
        assert_eq!((tickets, gate.is_empty()), (vec![2, 3], false));
        assert_eq!(satisfied(&mut gate, &[9, 9, 9]), [0, 1]);
        assert!(gate.is_empty());
    }

    #[test]
    fn of_a_series_the_position_releases_as_many_as_it_covers() {
        let mut gate = AckGate::default();
        let series = |id, count| PendingAck { count, ..pending(id, 2) };
        gate.insert(WaiterId::new(100), series(0, 10));
        gate.insert(WaiterId::new(7), pending(4, 2));
        gate.insert(WaiterId::new(200), series(10, 5));
        assert_eq!(gate.waiting_for_secondaries(), 16);
        let mut released = |end| {
            let pop = || gate.pop_satisfied(|_| LogEnd::new(end));
            let parts = std::iter::from_fn(pop).map(|(ticket, part)| {
                assert!(
                    ticket.get() == 7
                        || part.id.get()
                            == ticket.get() % 100 + if ticket.get() < 200 { 0 } else { 10 }
                );
                (ticket.get(), part.count)
            });
            parts.collect::<Vec<_>>()
        };
        assert_eq!(released(0), []);
        assert_eq!(released(3), [(100, 3)]);
        assert_eq!(released(12), [(103, 7), (7, 1), (200, 2)]);
        assert_eq!(gate.waiting_for_secondaries(), 3);
        let stored = gate.take_from(LogEnd::new(13));
        let stored: Vec<_> =
            stored.iter().map(|(ticket, part)| (ticket.get(), part.count)).collect();
        assert_eq!((stored, gate.waiting_for_secondaries()), (vec![(203, 2)], 1));
    }

    #[test]
    fn the_one_that_waits_longest_is_known_whatever_became_of_the_others() {
        let mut gate = AckGate::default();
        let began = Instant::now();
        let at =
            |second, pending| PendingAck { since: began + Duration::from_secs(second), ..pending };
        let since = |gate: &AckGate| gate.waits_since().map(|since| (since - began).as_secs());
        gate.insert(WaiterId::new(9), at(0, pending(9, 1)));
        assert_eq!(since(&gate), None, "it waits for no secondary");
        gate.insert(WaiterId::new(8), at(1, PendingAck { count: 10, ..pending(10, 2) }));
        gate.insert(WaiterId::new(7), at(1, pending(20, 3)));
        gate.insert(WaiterId::new(6), at(2, pending(0, 3)));
        assert_eq!(since(&gate), Some(1));
        assert_eq!(satisfied(&mut gate, &[12, 12]), [8, 9]);
        assert_eq!(since(&gate), Some(1), "the rest of the series waits");
        assert!(gate.remove(WaiterId::new(7)).is_some());
        assert_eq!((since(&gate), satisfied(&mut gate, &[20, 20])), (Some(1), vec![10]));
        assert_eq!((since(&gate), gate.since.len()), (Some(2), 1));
        assert!(gate.pop_any().is_some());
        assert_eq!((since(&gate), gate.since.len()), (None, 0));
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
