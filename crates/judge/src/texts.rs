//! The texts of the messages that a history is about, by the numbers of the messages.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Bytes of a text by which it is found. Fewer: more texts are compared for each that is looked
/// for. More: each that is kept costs more.
const HASHED_BYTES: usize = 64;

/// Tells whose a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOrigin {
    /// The history's, of the message with this number.
    Ours(u64),
    /// The history's, of the message with this number, and not as it was sent.
    Changed(u64),
    /// Somebody else's.
    Foreign,
}

/// Makes each text from its message's number, so that no text takes memory however long a run is.
pub trait MadeTexts: Debug + Send {
    /// Returns the text of a message.
    fn text(&self, number: u64) -> String;

    /// Returns whose a text is.
    fn origin(&self, text: &str) -> TextOrigin;
}

/// The texts of a history.
#[derive(Debug)]
pub(crate) enum SentTexts {
    Made(Box<dyn MadeTexts>),
    Kept(KeptTexts),
}

/// Texts that are kept as they were sent.
#[derive(Debug, Default)]
pub(crate) struct KeptTexts {
    texts: Vec<String>,
    /// The messages whose texts begin alike, by a hash of that.
    numbers: HashMap<u64, Vec<u64>>,
}

impl SentTexts {
    /// Returns the text of a message.
    pub(crate) fn text(&self, number: u64) -> Cow<'_, str> {
        match self {
            Self::Made(made) => made.text(number).into(),
            Self::Kept(kept) => kept.text(number).unwrap_or_default().into(),
        }
    }

    /// Returns whose a text is. `expected`: the message that should stand in its place. Of several
    /// with the same text it is that one, else the first one that is nowhere yet.
    pub(crate) fn origin(
        &self,
        text: &str,
        expected: Option<u64>,
        is_nowhere: impl Fn(u64) -> bool,
    ) -> TextOrigin {
        match self {
            Self::Made(made) => made.origin(text),
            Self::Kept(kept) => kept.origin(text, expected, is_nowhere),
        }
    }

    /// Keeps the text of the next message, where texts are kept.
    pub(crate) fn keep(&mut self, text: &str) {
        if let Self::Kept(kept) = self {
            let number = kept.texts.len() as u64;
            kept.numbers.entry(hash_of_beginning(text)).or_default().push(number);
            kept.texts.push(text.to_owned());
        }
    }
}

impl KeptTexts {
    fn text(&self, number: u64) -> Option<&str> {
        self.texts.get(usize::try_from(number).ok()?).map(String::as_str)
    }

    fn origin(
        &self,
        text: &str,
        expected: Option<u64>,
        is_nowhere: impl Fn(u64) -> bool,
    ) -> TextOrigin {
        let is_it = |number: &u64| self.text(*number) == Some(text);
        let found = expected.filter(is_it).or_else(|| {
            let alike = self.numbers.get(&hash_of_beginning(text))?;
            let mut same = alike.iter().copied().filter(is_it).peekable();
            let first = same.peek().copied();
            same.find(|number| is_nowhere(*number)).or(first)
        });
        found.map_or(TextOrigin::Foreign, TextOrigin::Ours)
    }
}

/// Returns a hash that few different texts share. Long texts are not read to their end for it: a
/// simulator keeps many.
fn hash_of_beginning(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.len().hash(&mut hasher);
    text.as_bytes().get(..HASHED_BYTES).unwrap_or(text.as_bytes()).hash(&mut hasher);
    hasher.finish()
}

/// Returns a hash that stands for a text.
pub(crate) fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_text_is_found_among_those_that_begin_alike() {
        let mut texts = SentTexts::Kept(KeptTexts::default());
        let long = |end: &str| "x".repeat(2 * HASHED_BYTES) + end;
        let sent = ["a".to_owned(), "a".to_owned(), long("b"), long("c")];
        sent.iter().for_each(|text| texts.keep(text));
        assert_eq!((texts.text(3), texts.text(4)), (long("c").into(), "".into()));
        let origin = |text: &str, expected| texts.origin(text, expected, |_| true);
        assert_eq!(origin("a", None), TextOrigin::Ours(0));
        assert_eq!(origin("a", Some(1)), TextOrigin::Ours(1));
        assert_eq!(origin(&long("c"), Some(2)), TextOrigin::Ours(3));
        assert_eq!(origin(&long("d"), Some(2)), TextOrigin::Foreign);
        // Of the same texts each has a place of its own, as long as there are enough.
        assert_eq!(texts.origin("a", None, |number| number > 0), TextOrigin::Ours(1));
        assert_eq!(texts.origin("a", None, |_| false), TextOrigin::Ours(0));
    }
}
