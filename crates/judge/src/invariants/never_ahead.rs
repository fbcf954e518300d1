//! Never ahead: a master sends only what is durable on itself, so no node has more than its master.

use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// Judges that a node has no more than its master, which has, or had at most, the messages before
/// `master_end`.
pub(crate) fn within_master(
    facts: &Facts,
    node: usize,
    end: u64,
    master_end: u64,
    found: &mut Violations,
) {
    if end > master_end {
        let expected = format!("{master_end} messages at most, as on the master");
        found.add(ViolationKind::Ahead, facts.name(node), None, expected, end.to_string());
    }
}
