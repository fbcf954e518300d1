//! Outcomes of errors are true: what was refused is nowhere, and what may not be stored was acked
//! by nobody.

use crate::answer::AckReceipt;
use crate::facts::{Facts, MessageFate};
use crate::violation::{ViolationKind, Violations};

use super::write_concern::listed;

/// Judges an answer that says that it is not known yet whether a message is stored: then no node
/// can have acked it.
pub(crate) fn unknown_is_unacked(facts: &Facts, receipt: &AckReceipt, found: &mut Violations) {
    if !receipt.acked_by.is_empty() {
        let expected = "nobody in ackedBy of a message that may not be stored".to_owned();
        let seen = listed(&receipt.acked_by);
        found.add(ViolationKind::Outcome, facts.name(0), Some(receipt.id), expected, seen);
    }
}

/// Judges a message that a node shows for the first time, or that was refused just now: `node`
/// shows or said it.
pub(crate) fn refused_is_absent(facts: &Facts, node: usize, number: u64, found: &mut Violations) {
    if facts.fate(number) == Some(MessageFate::Refused)
        && let Some(id) = facts.place(number)
    {
        let expected = "nothing of a refused message".to_owned();
        let seen = facts.quoted(number);
        found.add(ViolationKind::Refused, facts.name(node), Some(id), expected, seen);
    }
}

/// A sender was refused, or told nothing, although its message has an id.
pub(crate) fn taken_is_not_refused(facts: &Facts, id: u64, found: &mut Violations) {
    let expected = "an outcome of a message that was taken".to_owned();
    let seen = "it is refused after it was accepted".to_owned();
    found.add(ViolationKind::Outcome, facts.name(0), Some(id), expected, seen);
}
