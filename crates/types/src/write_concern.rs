//! Write concern: how many nodes, including the master, must have acked a message before its client
//! is answered.
//!
//! The term and the words `majority` and `all` have the meaning of MongoDB's manual: the master
//! counts as one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Most secondaries in a cluster. More: scanning a table of all of them on each event-loop
/// iteration costs time. Fewer: no reason to.
pub const SECONDARIES_MAX: u16 = 255;

/// Most nodes in a cluster, including the master.
pub const NODES_MAX: u16 = SECONDARIES_MAX + 1;

/// Number of nodes that must store a message before its client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteConcern {
    /// That many nodes, including the master; 0 means the same as 1.
    Nodes(u64),
    /// A majority of the cluster: `floor(n / 2) + 1`.
    Majority,
    /// All nodes of the cluster.
    All,
}

/// Reason why a text is not a write concern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a write concern is a whole number, \"majority\" or \"all\", not {given:?}")]
pub struct WriteConcernError {
    given: String,
}

impl WriteConcern {
    /// Returns the number of nodes that this means in a cluster of `cluster_size` nodes.
    pub fn resolve(self, cluster_size: u16) -> u64 {
        match self {
            Self::Nodes(nodes) => nodes.max(1),
            Self::Majority => u64::from(majority(cluster_size)),
            Self::All => u64::from(cluster_size),
        }
    }

    /// Returns the word that means `nodes` nodes in a cluster of `cluster_size` nodes; none where
    /// no word does.
    pub fn word_for(nodes: u64, cluster_size: u16) -> Option<Self> {
        [Self::Majority, Self::All].into_iter().find(|word| word.resolve(cluster_size) == nodes)
    }
}

/// Number of nodes, including the master, that must be healthy for the master to take messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// That many nodes.
    Nodes(u16),
    /// A majority of the cluster.
    Majority,
}

impl Quorum {
    /// Returns the number of nodes that this means in a cluster of `cluster_size` nodes.
    pub fn required(self, cluster_size: u16) -> u16 {
        match self {
            Self::Nodes(nodes) => nodes,
            Self::Majority => majority(cluster_size),
        }
    }
}

/// Returns the smallest number of nodes that is more than half of the cluster.
fn majority(cluster_size: u16) -> u16 {
    cluster_size / 2 + 1
}

impl FromStr for WriteConcern {
    type Err = WriteConcernError;

    fn from_str(text: &str) -> Result<Self, WriteConcernError> {
        match text {
            "majority" => Ok(Self::Majority),
            "all" => Ok(Self::All),
            _ => text
                .parse()
                .map(Self::Nodes)
                .map_err(|_| WriteConcernError { given: text.chars().take(64).collect() }),
        }
    }
}

impl fmt::Display for WriteConcern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(nodes) => nodes.fmt(f),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_numbers_of_the_cluster() {
        assert_eq!(WriteConcern::Majority.resolve(1), 1);
        assert_eq!(WriteConcern::Majority.resolve(3), 2);
        assert_eq!(WriteConcern::Majority.resolve(4), 3);
        assert_eq!(WriteConcern::All.resolve(5), 5);
        assert_eq!(WriteConcern::Nodes(0).resolve(3), 1);
        assert_eq!(WriteConcern::Nodes(7).resolve(3), 7);
    }

    #[test]
    fn a_number_that_a_majority_or_all_nodes_are_has_a_word() {
        let words = [0, 1, 2, 3, 4, 5, 6].map(|nodes| WriteConcern::word_for(nodes, 5));
        let (majority, all) = (Some(WriteConcern::Majority), Some(WriteConcern::All));
        assert_eq!(words, [None, None, None, majority, None, all, None]);
    }
}
