//! Names of nodes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest name of a node, in bytes. Longer: it does not fit into a table column or a log line.
/// Shorter: host names would not fit.
const NAME_BYTES_MAX: usize = 64;

/// A node's name. A secondary's name is its identity in the cluster. Cheap to clone.
///
/// Only `A-Z a-z 0-9 . _ -` are allowed, so that a name needs no escaping in log lines, URL paths
/// and tables. Neither `.` nor `..` is a name: clients normalize them away in URL paths, so such a
/// secondary could not be removed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// Reason why a text is not a node's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a node's name is 1 to {NAME_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -, but not . or .., \
     and not {given:?}"
)]
pub struct NameError {
    given: String,
}

impl NodeName {
    /// Returns the name as text.
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
            // Cut off, since the text may come from a peer and have any length.
            return Err(NameError { given: text.chars().take(NAME_BYTES_MAX).collect() });
        }
        Ok(Self(text.into()))
    }
}

/// Returns whether a text stands for this or the parent directory in a path, and so is not a name.
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
