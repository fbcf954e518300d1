//! Things that wait for their time.

use std::collections::BTreeMap;
use std::time::Instant;

/// Things that wait for their time, side by side; those of the same time in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Delayed<T> {
    next: u64,
    waiting: BTreeMap<(Instant, u64), T>,
}

impl<T> Delayed<T> {
    /// Nothing waits.
    pub(super) fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }

    /// Lets a thing wait until `due`.
    pub(super) fn insert(&mut self, due: Instant, thing: T) {
        self.waiting.insert((due, self.next), thing);
        self.next += 1;
    }

    /// Takes out one thing whose time has come. Call until it returns none.
    #[must_use]
    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Lets nothing wait beyond `now`; the order stays.
    pub(super) fn make_due(&mut self, now: Instant) {
        for ((due, _), thing) in std::mem::take(&mut self.waiting) {
            self.insert(due.min(now), thing);
        }
    }

    /// When the next thing's time comes.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The things that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values()
    }
}
