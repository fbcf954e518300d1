//! Nothing fails silently: each answer tells what became of the request, and says it as the
//! contract has it.

use crate::answer::AppendOutcome;
use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations, quoted};

fn add(
    facts: &Facts,
    node: usize,
    id: Option<u64>,
    expected: String,
    seen: String,
    found: &mut Violations,
) {
    found.add(ViolationKind::Malformed, facts.name(node), id, expected, seen);
}

/// The answer to a message lacks something.
pub(crate) fn of_append(facts: &Facts, number: u64, seen: String, found: &mut Violations) {
    let expected = format!("a whole answer to {}", facts.quoted(number));
    add(facts, 0, facts.place(number), expected, seen, found);
}

/// The answer to a read is no list of messages.
pub(crate) fn of_list(
    facts: &Facts,
    node: usize,
    expected: &str,
    seen: String,
    found: &mut Violations,
) {
    add(facts, node, None, expected.to_owned(), seen, found);
}

/// Judges the answer to a wait: it tells who has the message, and shows it where enough nodes do.
pub(crate) fn of_wait(
    facts: &Facts,
    id: u64,
    outcome: &AppendOutcome,
    text: Option<&str>,
    found: &mut Violations,
) {
    let (expected, seen) = match (outcome, text) {
        (AppendOutcome::Malformed(seen), _) => {
            ("an answer that tells who has the message", seen.clone())
        }
        (AppendOutcome::Committed(_), None) => {
            ("the message, which enough nodes have", "no text".to_owned())
        }
        _ => return,
    };
    add(facts, 0, Some(id), expected.to_owned(), seen, found);
}

/// Judges the answer to a request that must be refused.
pub(crate) fn of_bad_request(
    facts: &Facts,
    body: &str,
    status: u16,
    outcome: &AppendOutcome,
    found: &mut Violations,
) {
    // Where there is no room for a body it is not looked at.
    if !matches!(
        (status, outcome),
        (400 | 503, AppendOutcome::Refused) | (_, AppendOutcome::Nothing)
    ) {
        let expected = format!("400 and the outcome refused for {}", quoted(body));
        let seen = match outcome {
            AppendOutcome::Malformed(what) => what.clone(),
            _ => status.to_string(),
        };
        add(facts, 0, None, expected, seen, found);
    }
}
