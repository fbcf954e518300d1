//! Total order: every node shows the same messages under the same ids, without gaps.

use crate::facts::{Facts, ShownMessage};
use crate::violation::{ViolationKind, Violations, quoted};

/// Judges that the message that comes next in a list has the id that must come next. `seen`: its
/// id, or none where the list ends.
pub(crate) fn follows(
    facts: &Facts,
    node: usize,
    next: u64,
    seen: Option<u64>,
    found: &mut Violations,
) {
    if seen != Some(next) {
        let expected = format!("id {next} next in the list");
        let seen = seen.map_or("nothing".to_owned(), |id| format!("id {id}"));
        found.add(ViolationKind::Order, facts.name(node), Some(next), expected, seen);
    }
}

/// Judges that a node shows what another one, or itself, showed under this id before.
pub(crate) fn same_content(facts: &Facts, shown: ShownMessage<'_>, found: &mut Violations) {
    let ShownMessage { node, id, content, text } = shown;
    if let Some(before) = facts.content(id).filter(|before| *before != content) {
        let first = facts.name(facts.shown_by(id));
        let expected = format!("{}, as first shown by {first}", facts.quoted(before));
        found.add(ViolationKind::Content, facts.name(node), Some(id), expected, quoted(text));
    }
}
