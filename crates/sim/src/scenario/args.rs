//! The arguments of one line, taken one by one and checked.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use acklog_types::{NodeName, parse_duration};

use super::text::Word;

/// Words behind the name of a step. [`StepArgs::finish`] refuses those that no step takes.
pub(super) struct StepArgs<'a> {
    words: Vec<&'a Word>,
}

impl<'a> StepArgs<'a> {
    pub(super) fn new(words: &'a [Word]) -> Self {
        Self { words: words.iter().collect() }
    }

    /// Takes the next word without a name.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let at = self.words.iter().position(|word| matches!(word, Word::Plain(_)))?;
        match self.words.remove(at) {
            Word::Plain(text) => Some(text),
            Word::Named(..) => None,
        }
    }

    /// Takes the next word without a name, which must be there.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// Takes all words without a name, at least one.
    pub(super) fn texts(&mut self, what: &str) -> Result<Vec<String>, String> {
        let mut texts = vec![self.text(what)?.to_owned()];
        texts.extend(std::iter::from_fn(|| self.next()).map(str::to_owned));
        Ok(texts)
    }

    /// Takes all words without a name as one text.
    pub(super) fn sentence(&mut self) -> Result<String, String> {
        Ok(self.texts("a text")?.join(" "))
    }

    pub(super) fn node(&mut self) -> Result<NodeName, String> {
        read("a node's name", self.text("a node's name")?)
    }

    pub(super) fn nodes(&mut self) -> Result<Vec<NodeName>, String> {
        let names = self.texts("a node's name")?;
        names.iter().map(|name| read("a node's name", name)).collect()
    }

    pub(super) fn duration(&mut self) -> Result<Duration, String> {
        duration(self.text("a time, as 250ms or 2s,")?)
    }

    pub(super) fn number<T: FromStr>(&mut self, what: &str) -> Result<T, String>
    where
        T::Err: Display,
    {
        read(what, self.text(what)?)
    }

    /// Takes the value of a name, if it is given.
    pub(super) fn named(&mut self, name: &str) -> Option<&'a str> {
        let is_it = |word: &&Word| matches!(word, Word::Named(key, _) if key == name);
        let at = self.words.iter().position(is_it)?;
        match self.words.remove(at) {
            Word::Named(_, value) => Some(value),
            Word::Plain(_) => None,
        }
    }

    pub(super) fn named_as<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String>
    where
        T::Err: Display,
    {
        self.named(name).map(|value| read(name, value)).transpose()
    }

    pub(super) fn named_duration(&mut self, name: &str) -> Result<Option<Duration>, String> {
        self.named(name).map(duration).transpose()
    }

    /// Takes the next name with its value.
    pub(super) fn next_named(&mut self) -> Option<(&'a str, &'a str)> {
        let at = self.words.iter().position(|word| matches!(word, Word::Named(..)))?;
        match self.words.remove(at) {
            Word::Named(key, value) => Some((key, value)),
            Word::Plain(_) => None,
        }
    }

    /// Refuses the words that are left.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(Word::Plain(text)) => Err(format!("{text:?} is more than this step takes")),
            Some(Word::Named(key, _)) => Err(format!("{key}= is nothing that this step takes")),
        }
    }
}

/// Parses a value. The error names it by `what`.
pub(super) fn read<T: FromStr>(what: &str, text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error| format!("{what}: {text:?} cannot be read: {error}"))
}

/// Parses a duration.
///
/// # Errors
/// When the text is none.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("{text:?} is no time: {error}"))
}

/// Parses a duration that is not zero.
///
/// # Errors
/// As [`duration`], and when it is zero.
pub(super) fn interval(name: &str, text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err(format!("{name} must not be zero")) } else { Ok(time) }
}
