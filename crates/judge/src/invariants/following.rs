//! A follower receives each message once and in order, over all its connections, and resumes a
//! batch as a whole.

use crate::facts::Facts;
use crate::follower::{FollowedRow, Follower};
use crate::violation::{ViolationKind, Violations};

fn add(
    facts: &Facts,
    node: usize,
    id: Option<u64>,
    expected: String,
    seen: String,
    found: &mut Violations,
) {
    found.add(ViolationKind::Follower, facts.name(node), id, expected, seen);
}

/// Judges that the message that comes next has the id that must come next. Returns whether it has.
pub(crate) fn goes_on(facts: &Facts, follower: &Follower, id: u64, found: &mut Violations) -> bool {
    let next = follower.next;
    if id != next {
        let expected = format!("id {next} next for its follower");
        add(facts, follower.node, Some(next), expected, format!("id {id}"), found);
    }
    id == next
}

/// Judges that a follower can resume behind a message or a batch, and not within a batch, and that
/// members name their batch.
pub(crate) fn resumes_whole(
    facts: &Facts,
    follower: &Follower,
    content: u64,
    row: FollowedRow<'_>,
    found: &mut Violations,
) {
    let FollowedRow { id, batch, is_resume_point, .. } = row;
    if !facts.is_sent(content) {
        return;
    }
    let is_last = facts.rest_of_batch(content).is_none();
    if is_resume_point != is_last {
        let (expected, seen) = match is_last {
            true => ("an id to resume from behind this message", "none"),
            false => ("no id to resume from within a batch", "one"),
        };
        let (expected, seen) = (expected.to_owned(), seen.to_owned());
        add(facts, follower.node, Some(id), expected, seen, found);
    }
    let (place, count) = facts.place_in_batch(content);
    if count > 1 && batch != Some(id - place) {
        let expected = format!("{} as its batch", id - place);
        let seen = batch.map_or("none".to_owned(), |batch| batch.to_string());
        add(facts, follower.node, Some(id), expected, seen, found);
    }
}

/// A node told its follower that the messages before `to` are gone. Nothing was trimmed or cut.
pub(crate) fn no_gap(facts: &Facts, follower: &Follower, to: u64, found: &mut Violations) {
    let next = follower.next;
    let (expected, seen) =
        (format!("id {next} next for its follower"), format!("a gap up to {to}"));
    add(facts, follower.node, Some(next), expected, seen, found);
}

/// A node refused its follower for good.
pub(crate) fn not_refused(facts: &Facts, follower: &Follower, why: String, found: &mut Violations) {
    let expected = format!("a stream that goes on with id {}", follower.next);
    add(facts, follower.node, Some(follower.next), expected, why, found);
}

/// Judges that a follower received all messages before `target`.
pub(crate) fn received_all(
    facts: &Facts,
    follower: &Follower,
    target: u64,
    found: &mut Violations,
) {
    let end = follower.end();
    if end < target {
        let expected = format!("the messages before id {target} for its follower");
        let seen = format!("those before id {end}");
        add(facts, follower.node, Some(end), expected, seen, found);
    }
}
