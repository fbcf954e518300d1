//! An idempotency key stands for one message: the first that was stored under it.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// The keys that a master remembers.
#[derive(Debug, Default)]
pub(crate) struct RememberedKeys {
    /// Number of keyed messages that the master remembers.
    window: usize,
    /// The messages that have a key.
    ids: BTreeMap<String, u64>,
    /// Their ids, in the order in which the master forgets them.
    keyed: BTreeSet<u64>,
}

impl RememberedKeys {
    /// Returns the keys of a master that remembers the last `window` keyed messages.
    pub(crate) fn new(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    /// Returns the message that has a key, if it is one of those that the master remembers.
    pub(crate) fn message_of(&self, key: &str) -> Option<u64> {
        let id = self.ids.get(key).copied()?;
        let is_remembered = self.keyed.range(id..).take(self.window + 1).count() <= self.window;
        is_remembered.then_some(id)
    }

    /// A message got an id under a key.
    pub(crate) fn insert(&mut self, key: &str, id: u64) {
        self.ids.insert(key.to_owned(), id);
        self.keyed.insert(id);
    }

    /// Forgets the keys of messages at `end` and behind it.
    pub(crate) fn cut(&mut self, end: u64) {
        self.ids.retain(|_, id| *id < end);
        self.keyed.retain(|id| *id < end);
    }
}

/// Judges that the master stores nothing under a key that it remembers.
pub(crate) fn stored_once(
    facts: &Facts,
    keys: &RememberedKeys,
    key: &str,
    id: u64,
    found: &mut Violations,
) {
    if let Some(before) = keys.message_of(key) {
        let expected = format!("message {before} only under its key");
        let seen = format!("message {id} as well");
        found.add(ViolationKind::Key, facts.name(0), Some(id), expected, seen);
    }
}

/// The sender of a message was told that its key is another message's, which it is not.
pub(crate) fn taken_for_reused(facts: &Facts, number: u64, found: &mut Violations) {
    let expected = format!("the key of {} to be its own", facts.quoted(number));
    let seen = "422: it was used for another message".to_owned();
    found.add(ViolationKind::Key, facts.name(0), facts.place(number), expected, seen);
}

/// A message was accepted under the key of another one.
pub(crate) fn accepted_twice(facts: &Facts, number: u64, id: u64, found: &mut Violations) {
    let expected = format!("422 to {}, whose key is another message's", facts.quoted(number));
    let seen = format!("it is accepted as {id}");
    found.add(ViolationKind::Key, facts.name(0), Some(id), expected, seen);
}
