//! Acks are true: a node that is named as having a message has it, and keeps it.

use crate::answer::AckReceipt;
use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// Judges, where all that nodes have is seen, that each node that an answer names has had the
/// message. `is_liar`: names of which nobody knows what they have.
pub(crate) fn held_by_all_named(
    facts: &Facts,
    receipt: &AckReceipt,
    is_liar: &dyn Fn(&str) -> bool,
    found: &mut Violations,
) {
    for name in receipt.acked_by.iter().filter(|name| !is_liar(name)) {
        let held = facts.held_end(name);
        if receipt.id >= held {
            let seen = format!("it never had more than {held} messages");
            found.add(ViolationKind::Ack, name, Some(receipt.id), named(receipt.id), seen);
        }
    }
}

/// A list ended before `next`, and its node was named as having the messages before `acked_end`
/// when it was asked for.
pub(crate) fn lists_what_it_acked(
    facts: &Facts,
    node: usize,
    next: u64,
    acked_end: u64,
    found: &mut Violations,
) {
    if let Some(last) = acked_end.checked_sub(1).filter(|last| next <= *last) {
        let seen = format!("a list that ends before id {next}");
        found.add(ViolationKind::Ack, facts.name(node), Some(last), named(last), seen);
    }
}

fn named(id: u64) -> String {
    format!("message {id}, as it is named in ackedBy")
}
