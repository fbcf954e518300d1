//! A message that is asked for by its id is the one that the lists show under it.

use crate::answer::LookupAnswer;
use crate::facts::{Facts, ShownMessage};
use crate::violation::{ViolationKind, Violations, quoted};

/// Judges what a node says about one message. `known_end`: the end of what it was known to have
/// when it was asked.
pub(crate) fn answer(
    facts: &Facts,
    node: usize,
    id: u64,
    known_end: u64,
    answer: &LookupAnswer,
    found: &mut Violations,
) {
    match answer {
        LookupAnswer::Message(told, _) => same_id(facts, node, id, *told, found),
        LookupAnswer::Absent if id < known_end => {
            let expected = "the message, which the node showed or acked before".to_owned();
            found.add(
                ViolationKind::Single,
                facts.name(node),
                Some(id),
                expected,
                "404".to_owned(),
            );
        }
        LookupAnswer::Absent | LookupAnswer::Nothing => {}
        LookupAnswer::Malformed(seen) => {
            let expected = "a message with its id, or 404".to_owned();
            found.add(ViolationKind::Single, facts.name(node), Some(id), expected, seen.clone());
        }
    }
}

/// Judges that an answer is about the message that was asked for.
pub(crate) fn same_id(facts: &Facts, node: usize, id: u64, told: u64, found: &mut Violations) {
    if told != id {
        let expected = format!("message {id}, as asked for");
        found.add(
            ViolationKind::Single,
            facts.name(node),
            Some(id),
            expected,
            format!("message {told}"),
        );
    }
}

/// Judges that a message is the one that the lists show, or that was answered this id.
pub(crate) fn same_content(facts: &Facts, shown: ShownMessage<'_>, found: &mut Violations) {
    let ShownMessage { node, id, content, text } = shown;
    if let Some(wanted) = facts.known(id).filter(|wanted| *wanted != content) {
        let expected = format!("{}, as in the lists", facts.quoted(wanted));
        found.add(ViolationKind::Single, facts.name(node), Some(id), expected, quoted(text));
    }
}
