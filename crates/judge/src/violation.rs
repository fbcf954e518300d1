//! The faults that a log can have, in words.

use std::collections::BTreeSet;
use std::fmt;

use acklog_types::escaped;

/// Violations that are kept in full; the others are counted.
const KEPT_MAX: usize = 10;

/// Most of them that are kept of one kind and node, so that one fault does not hide the others.
const KEPT_OF_A_KIND: usize = 3;

/// Places that are remembered, so that what is wrong in one place counts once however often it is
/// read.
const PLACES_MAX: usize = 10_000;

/// Longest part of a text that is repeated.
const TEXT_CHARS_MAX: usize = 60;

/// Names the kind of promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViolationKind {
    /// Ids of a list that do not follow each other.
    Order,
    /// Another text under an id than before or elsewhere.
    Content,
    /// A list that became shorter.
    Shrunk,
    /// A node that was named in `ackedBy` and does not show the message.
    Ack,
    /// A message that stands under two ids.
    Twice,
    /// A part of a batch, or one with something else in it.
    Batch,
    /// An answer with an id under which something else stands.
    AnswerId,
    /// `ackedBy` or `writeConcern` of an answer that is not what was asked for.
    WriteConcern,
    /// A message that was refused and is there nevertheless.
    Refused,
    /// A message that was answered and is not there.
    Lost,
    /// A message that was never sent.
    Invented,
    /// An answer that lacks what it must have, or contradicts itself.
    Malformed,
    /// An outcome that the rest of the answer contradicts.
    Outcome,
    /// A time limit that is said to have passed before it has.
    Early,
    /// A time limit that passed without an answer.
    Late,
    /// An idempotency key that does not stand for its message.
    Key,
    /// A message that is not found by its id as it is in the list.
    Single,
    /// A sender that is not answered although all nodes that it waits for have its message.
    Unanswered,
    /// A sender that is answered twice, or that never asked.
    AnsweredTwice,
    /// A follower that misses a message, gets one twice, or cannot resume behind one.
    Follower,
    /// A node that shows other messages under a read concern than so many nodes hold.
    Read,
    /// A node that shows more than its master.
    Ahead,
    /// A node that does not come to show what the others do.
    NotConverged,
}

impl ViolationKind {
    /// Returns the word that reports name it by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Content => "content",
            Self::Shrunk => "shrunk",
            Self::Ack => "ack",
            Self::Twice => "twice",
            Self::Batch => "batch",
            Self::AnswerId => "answer-id",
            Self::WriteConcern => "write-concern",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Invented => "invented",
            Self::Malformed => "malformed",
            Self::Outcome => "outcome",
            Self::Early => "early",
            Self::Late => "late",
            Self::Key => "key",
            Self::Single => "single",
            Self::Unanswered => "unanswered",
            Self::AnsweredTwice => "answered-twice",
            Self::Follower => "follower",
            Self::Read => "read",
            Self::Ahead => "ahead",
            Self::NotConverged => "not-converged",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise was broken.
    pub kind: ViolationKind,
    /// The id that it is about, where it is about one.
    pub id: Option<u64>,
    /// The node that shows or said it.
    pub node: String,
    /// The state that must be there, in words.
    pub expected: String,
    /// The state that is there instead, in words.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind.word())?;
        if let Some(id) = self.id {
            write!(f, "id {id}, ")?;
        }
        write!(f, "{}: expected {}; seen: {}", self.node, self.expected, self.seen)
    }
}

/// All violations of a history: the first ones in full.
#[derive(Debug, Default)]
pub struct Violations {
    first: Vec<Violation>,
    count: u64,
    places: BTreeSet<(ViolationKind, String, Option<u64>)>,
}

impl Violations {
    /// Adds what is wrong with a node, unless this kind is known of this place.
    pub(crate) fn add(
        &mut self,
        kind: ViolationKind,
        node: &str,
        id: Option<u64>,
        expected: String,
        seen: String,
    ) {
        let violation = Violation { kind, id, node: node.to_owned(), expected, seen };
        let place = (violation.kind, violation.node.clone(), violation.id);
        if self.places.contains(&place) {
            return;
        }
        if self.places.len() < PLACES_MAX {
            self.places.insert(place);
        }
        self.count += 1;
        let is_alike = |it: &&Violation| it.kind == violation.kind && it.node == violation.node;
        let alike = self.first.iter().filter(is_alike).count();
        if self.first.len() < KEPT_MAX && alike < KEPT_OF_A_KIND {
            self.first.push(violation);
        }
    }

    /// Returns the first ones, of each kind and node only some.
    pub fn first(&self) -> &[Violation] {
        &self.first
    }

    /// Returns how many there are, those counted that are not kept.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Returns a message's text as part of a line: quoted, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut part: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if part.len() < text.len() {
        part.push('…');
    }
    format!("\"{}\"", escaped(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_counts_once_and_the_first_of_each_kind_and_node_are_kept() {
        let mut violations = Violations::default();
        for n in 0..100_u64 {
            let node = if n < 10 { "bonnie".to_owned() } else { n.to_string() };
            let (expected, seen) = (quoted("a\nb"), quoted(&"x".repeat(100)));
            violations.add(ViolationKind::Content, &node, Some(n / 2), expected, seen);
        }
        assert_eq!((violations.count(), violations.first().len()), (95, KEPT_MAX));
        let of_bonnie = violations.first().iter().filter(|it| it.node == "bonnie").count();
        assert_eq!(of_bonnie, KEPT_OF_A_KIND);
        let line = violations.first()[0].to_string();
        let expected = r#"content: id 0, bonnie: expected "a\nb"; seen: "xxx"#;
        assert!(line.starts_with(expected) && line.ends_with("x…\""), "{line}");
    }
}
