//! Nothing is there that nobody sent, and what was sent comes back as it was.

use crate::facts::{Facts, SentBy};
use crate::texts::TextOrigin;
use crate::violation::{ViolationKind, Violations, quoted};

/// Judges a text that a node shows under an id.
pub(crate) fn was_sent(
    facts: &Facts,
    node: usize,
    id: u64,
    (text, origin): (&str, TextOrigin),
    found: &mut Violations,
) {
    let (kind, expected) = match origin {
        TextOrigin::Ours(number) if number < facts.sent_count() => return,
        TextOrigin::Changed(number) if number < facts.sent_count() => {
            let sent = facts.quoted(number);
            (ViolationKind::Content, format!("{sent} as it was sent, or nothing of it"))
        }
        TextOrigin::Foreign if facts.sent_by == SentBy::Anybody => return,
        _ => (ViolationKind::Invented, "a message that was sent".to_owned()),
    };
    found.add(kind, facts.name(node), Some(id), expected, quoted(text));
}

/// Judges that a master that starts has no more than it was seen to give ids to.
pub(crate) fn was_given(facts: &Facts, end: u64, found: &mut Violations) {
    let given = facts.given_end;
    if end > given {
        let expected = format!("{given} messages at most, as were sent");
        found.add(ViolationKind::Invented, facts.name(0), Some(given), expected, end.to_string());
    }
}
