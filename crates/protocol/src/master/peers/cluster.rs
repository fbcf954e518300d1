//! The size of the cluster, and how many of its nodes are live.

use acklog_types::{NODES_MAX, Quorum};

use super::membership::MemberCounts;
use super::options::PeerOptions;

/// The cluster as it is now, as far as it decides whether a log takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) struct ClusterView {
    /// Number of nodes, including the master.
    pub(in crate::master) size: u16,
    /// Most nodes that the cluster can have.
    pub(in crate::master) size_max: u16,
    /// Number of secondaries that are ready and healthy.
    pub(in crate::master) live: u16,
    /// Number of nodes that must be healthy, including the master; none where none need be.
    pub(in crate::master) required: Option<u16>,
}

impl ClusterView {
    /// Creates the view of a cluster with so many secondaries.
    pub(super) fn new(options: &PeerOptions, counts: MemberCounts) -> Self {
        let size = options.cluster_size.unwrap_or(1 + counts.registered);
        Self {
            size,
            size_max: options.cluster_size.unwrap_or(NODES_MAX),
            live: counts.live,
            required: options.quorum.map(|quorum| quorum.required(size)),
        }
    }

    /// Returns how many nodes are a majority.
    pub(in crate::master) fn majority(self) -> u16 {
        Quorum::Majority.required(self.size)
    }
}
