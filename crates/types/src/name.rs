//! Names of nodes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest name of a node, in bytes: short enough for a table column and a log line.
const NAME_BYTES_MAX: usize = 64;

/// A node's friendly name; a secondary's name is its identity in the cluster. Cheap to clone.
///
/// Only `A-Z a-z 0-9 . _ -`, so that a name can stand in a log line, a URL path and a table as it is. Neither `.` nor
/// `..`: clients shorten a path with one of them, so that such a name could not be forgotten.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// Why a text is no name of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a node's name is 1 to {NAME_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -, but not . or .., and \
     not {given:?}"
)]
pub struct NameError {
    given: String,
}

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let is_length_allowed = (1..=NAME_BYTES_MAX).contains(&text.len());
        if !is_length_allowed || !text.bytes().all(allowed) || is_dots(text) {
            // Cut: the text may come from a peer and be as long as it likes.
            return Err(NameError { given: text.chars().take(NAME_BYTES_MAX).collect() });
        }
        Ok(Self(text.into()))
    }
}

/// Returns whether a text is a path's word for this or the parent directory, and therefore no name.
pub fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_break_a_line_or_a_path_are_refused() {
        for bad in ["", ".", "..", "a b", "a/b", "a\nb", "é", &"x".repeat(65)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
        for good in ["bonnie", "...", ".a", "node-1.eu_west", &"x".repeat(64)] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
    }
}
