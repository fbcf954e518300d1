//! Messages that were sent as one batch are there as one, in their order and with nothing in
//! between, or not at all.

use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// Judges a message that is seen for the first time: it goes on with the batch of the one before,
/// or begins one.
pub(crate) fn goes_on(facts: &Facts, node: usize, id: u64, content: u64, found: &mut Violations) {
    let before = id.checked_sub(1).and_then(|before| facts.content(before));
    let wanted = before.and_then(|before| facts.rest_of_batch(before));
    let expected = match wanted {
        Some(wanted) if wanted != content => {
            format!("{}, the next one of a batch", facts.quoted(wanted))
        }
        None if facts.place_in_batch(content).0 > 0 => {
            let one_before = facts.quoted(content - 1);
            format!("{one_before} of the same batch before it")
        }
        _ => return,
    };
    let seen = facts.quoted(content);
    found.add(ViolationKind::Batch, facts.name(node), Some(id), expected, seen);
}

/// Judges a node that shows the messages before `end`, and not because of a limit: no batch is
/// shown in part.
pub(crate) fn not_cut(facts: &Facts, node: usize, end: u64, found: &mut Violations) {
    let last = end.checked_sub(1).and_then(|last| facts.known(last));
    if let Some(wanted) = last.and_then(|last| facts.rest_of_batch(last)) {
        let expected = format!("{} as well, of the same batch", facts.quoted(wanted));
        let seen = format!("a list that ends before id {end}");
        found.add(ViolationKind::Batch, facts.name(node), Some(end), expected, seen);
    }
}
