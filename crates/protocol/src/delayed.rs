//! A delay queue.

use std::collections::BTreeMap;
use std::time::Instant;

/// Items that each wait until a time of their own. Items of the same time come out in the order of
/// insertion.
#[derive(Debug)]
pub(super) struct Delayed<T> {
    next: u64,
    waiting: BTreeMap<(Instant, u64), T>,
}

impl<T> Delayed<T> {
    /// Creates an empty queue.
    pub(super) fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }

    /// Adds an item that waits until `due`.
    pub(super) fn insert(&mut self, due: Instant, thing: T) {
        self.waiting.insert((due, self.next), thing);
        self.next += 1;
    }

    /// Removes one item whose time has come. Call until it returns none.
    #[must_use]
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Makes all items due at `now` at the latest. Their order stays.
    pub(super) fn make_due(&mut self, now: Instant) {
        for ((due, _), thing) in std::mem::take(&mut self.waiting) {
            self.insert(due.min(now), thing);
        }
    }

    /// Returns when the next item is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Returns the items that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values()
    }
}
