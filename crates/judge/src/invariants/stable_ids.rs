//! Ids are stable: an id that was answered, or shown, is never another message's, and what stands
//! under it stays.

use crate::facts::{Facts, ShownMessage};
use crate::violation::{ViolationKind, Violations, quoted};

/// Judges that the master gives the next id, where each is seen: they are dense, and none is given
/// twice.
pub(crate) fn dense(facts: &Facts, id: u64, found: &mut Violations) {
    let next = facts.given_end;
    if id != next {
        let expected = format!("{next}, the next id");
        found.add(ViolationKind::AnswerId, facts.name(0), Some(id), expected, format!("{id}"));
    }
}

/// Judges the id of a message that was sent when all below `floor` were answered and shown.
pub(crate) fn above_floor(facts: &Facts, number: u64, id: u64, floor: u64, found: &mut Violations) {
    if id < floor {
        let expected = format!(
            "{floor} or a later id for {}, which was sent after the one before that was answered",
            facts.quoted(number)
        );
        found.add(ViolationKind::AnswerId, facts.name(0), Some(id), expected, id.to_string());
    }
}

/// Judges the id that was answered to a message: it is the one that was answered before, and no
/// other message's. Returns whether it is.
pub(crate) fn answered(facts: &Facts, number: u64, id: u64, found: &mut Violations) -> bool {
    if let Some(place) = facts.place(number).filter(|place| *place != id) {
        let expected = format!("{place} as the answered id of {}", facts.quoted(number));
        found.add(ViolationKind::AnswerId, facts.name(0), Some(id), expected, format!("{id}"));
        return false;
    }
    if let Some(content) = facts.content(id).filter(|content| *content != number) {
        let expected = format!("{}, which was answered this id", facts.quoted(number));
        let seen = facts.quoted(content);
        found.add(
            ViolationKind::AnswerId,
            facts.name(facts.shown_by(id)),
            Some(id),
            expected,
            seen,
        );
        return false;
    }
    let other = facts.awaited.get(&id).copied().filter(|other| *other != number);
    if let Some(other) = other {
        let expected = format!("an id of its own for {}", facts.quoted(number));
        let seen = format!("the id that was answered to {}", facts.quoted(other));
        found.add(ViolationKind::AnswerId, facts.name(0), Some(id), expected, seen);
        return false;
    }
    true
}

/// Judges what a node shows first under an id that was answered to a message.
pub(crate) fn shown_as_answered(facts: &Facts, shown: ShownMessage<'_>, found: &mut Violations) {
    let ShownMessage { node, id, content, text } = shown;
    if let Some(number) = facts.awaited.get(&id).copied().filter(|number| *number != content) {
        let expected = format!("{}, which was answered this id", facts.quoted(number));
        found.add(ViolationKind::AnswerId, facts.name(node), Some(id), expected, quoted(text));
    }
}

/// Judges a message that a node shows under an id for the first time: no other id was answered to
/// it.
pub(crate) fn shown_where_answered(facts: &Facts, shown: ShownMessage<'_>, found: &mut Violations) {
    let ShownMessage { node, id, content, text } = shown;
    let other = facts.place(content).filter(|place| *place != id);
    // Whether the other place was seen or only told makes the difference.
    if let Some(place) = other.filter(|place| facts.content(*place) != Some(content)) {
        let expected = format!("{} under id {place}, as it was answered", quoted(text));
        found.add(
            ViolationKind::AnswerId,
            facts.name(node),
            Some(place),
            expected,
            format!("id {id}"),
        );
    }
}

/// Judges that a sender is answered the id of the message that it waits for.
pub(crate) fn answered_its_own(facts: &Facts, id: u64, told: u64, found: &mut Violations) {
    if id != told {
        let expected = format!("{id}, the id of the message that its sender waits for");
        found.add(ViolationKind::AnswerId, facts.name(0), Some(told), expected, format!("{told}"));
    }
}

/// Judges a list that ended before `next`, of a node that had shown the messages before
/// `shown_end`.
pub(crate) fn not_shrunk(
    facts: &Facts,
    node: usize,
    next: u64,
    shown_end: u64,
    found: &mut Violations,
) {
    if next < shown_end {
        let expected = format!(
            "the {shown_end} messages that it showed before (a node without --data-dir forgets \
             them when its process ends)"
        );
        let seen = format!("a list that ends before id {next}");
        found.add(ViolationKind::Shrunk, facts.name(node), Some(next), expected, seen);
    }
}

/// Judges a master that came back with the messages before `end`, where those before `floor` had
/// been answered.
pub(crate) fn nothing_lost_at_restart(facts: &Facts, end: u64, floor: u64, found: &mut Violations) {
    if end < floor {
        let expected = format!("{floor} messages, as they were answered before the restart");
        let seen = format!("{end} messages (without --data-dir a node forgets its log)");
        found.add(ViolationKind::Lost, facts.name(0), Some(end), expected, seen);
    }
}

/// These messages were promised, by their ids and numbers, and are not there.
pub(crate) fn nothing_lost(facts: &Facts, lost: &[(u64, u64)], found: &mut Violations) {
    for (id, number) in lost {
        let expected = format!("{}, as it was answered", facts.quoted(*number));
        let seen = "nothing".to_owned();
        found.add(ViolationKind::Lost, facts.name(0), Some(*id), expected, seen);
    }
}
