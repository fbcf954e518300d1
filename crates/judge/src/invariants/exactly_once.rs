//! Exactly once: however often a message is sent, each log has it under one id.

use crate::facts::{Facts, ShownMessage};
use crate::violation::{ViolationKind, Violations, quoted};

/// Judges a message of this history that a node shows under an id for the first time: no other id
/// has it.
pub(crate) fn one_place(facts: &Facts, shown: ShownMessage<'_>, found: &mut Violations) {
    let ShownMessage { node, id, content, text } = shown;
    let other = facts.place(content).filter(|place| *place != id);
    // One that was told and not seen is no second place.
    if let Some(place) = other.filter(|place| facts.content(*place) == Some(content)) {
        let expected = format!("{} under id {place} only", quoted(text));
        let seen = format!("id {id} as well");
        found.add(ViolationKind::Twice, facts.name(node), Some(id), expected, seen);
    }
}
