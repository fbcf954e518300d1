//! The ends that reads under a read concern may show.

use acklog_types::{LogEnd, LogView, WriteConcern};

use super::Master;

impl<L: LogView> Master<L> {
    /// Returns the end that this many nodes hold, the master included; 0 means 1. It is the log's
    /// beginning where the cluster has fewer nodes.
    pub fn held_end(&mut self, nodes: u64) -> LogEnd {
        let nodes = u16::try_from(nodes).unwrap_or(u16::MAX);
        self.leader.held_end(nodes)
    }

    /// Returns the end that a majority holds.
    pub fn committed_end(&mut self) -> LogEnd {
        self.held_end(WriteConcern::Majority.resolve(self.cluster_size()))
    }

    /// Returns the end that all nodes hold.
    pub fn all_end(&mut self) -> LogEnd {
        self.held_end(u64::from(self.cluster_size()))
    }

    /// Returns the number of nodes, including the master.
    pub fn cluster_size(&self) -> u16 {
        self.peers.cluster().size
    }
}
