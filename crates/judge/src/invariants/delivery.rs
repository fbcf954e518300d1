//! Retry until delivered, and rejoin: when all faults are over, every node comes to have every
//! message, also one that was away.

use crate::answer::RunEnding;
use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

fn add(facts: &Facts, node: usize, expected: String, seen: String, found: &mut Violations) {
    found.add(ViolationKind::NotConverged, facts.name(node), None, expected, seen);
}

/// A node could not be read to the end, which was before `end`.
pub(crate) fn unread(facts: &Facts, node: usize, end: u64, why: String, found: &mut Violations) {
    add(facts, node, format!("its {end} messages, to be read once more"), why, found);
}

/// The master did not tell how many messages there are.
pub(crate) fn no_target(facts: &Facts, found: &mut Violations) {
    let (expected, seen) = ("the end of the master's log", "no answer to /health");
    add(facts, 0, expected.to_owned(), seen.to_owned(), found);
}

/// Judges that a node has all messages before `target`.
pub(crate) fn has_all(facts: &Facts, node: usize, target: u64, found: &mut Violations) {
    let end = facts.end(node);
    if end < target {
        let expected = format!("{target} messages, as on the master");
        add(facts, node, expected, end.to_string(), found);
    }
}

/// Judges that all nodes had everything in time.
pub(crate) fn in_time(facts: &Facts, target: u64, ending: &RunEnding, found: &mut Violations) {
    if !ending.in_time {
        let expected = format!("{target} messages on all nodes in time");
        add(facts, 0, expected, "they came later".to_owned(), found);
    }
}
