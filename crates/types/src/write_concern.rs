//! Write concern: how many nodes, the master counted, must have acked before the sender is answered.
//!
//! The term and the words `majority` and `all` are used as in MongoDB's manual: the master counts as one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Most secondaries of one cluster: what the seed's exercise needs by far, and small enough that a table of all of
/// them is looked through on each turn.
pub const SECONDARIES_MAX: u16 = 255;

/// Most nodes of one cluster, the master counted.
pub const NODES_MAX: u16 = SECONDARIES_MAX + 1;

/// How many nodes a sender wants to have its message before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteConcern {
    /// That many nodes, the master counted; 0 means the same as 1.
    Nodes(u64),
    /// More than half of the cluster: `floor(n / 2) + 1`.
    Majority,
    /// Every node of the cluster.
    All,
}

/// Why a text is no write concern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a write concern is a whole number, \"majority\" or \"all\", not {given:?}")]
pub struct WriteConcernError {
    given: String,
}

impl WriteConcern {
    /// The number of nodes that this means in a cluster of `cluster_size` nodes.
    pub fn resolve(self, cluster_size: u16) -> u64 {
        match self {
            Self::Nodes(nodes) => nodes.max(1),
            Self::Majority => u64::from(majority(cluster_size)),
            Self::All => u64::from(cluster_size),
        }
    }
}

/// How many nodes must be healthy, the master counted, for the master to take messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// That many nodes.
    Nodes(u16),
    /// More than half of the cluster.
    Majority,
}

impl Quorum {
    /// The number of nodes that this means in a cluster of `cluster_size` nodes.
    pub fn required(self, cluster_size: u16) -> u16 {
        match self {
            Self::Nodes(nodes) => nodes,
            Self::Majority => majority(cluster_size),
        }
    }
}

/// The smallest number of nodes that is more than half of the cluster.
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
}
