//! The positions of the log that other nodes and readers are told: which end so many nodes hold.

use acklog_types::{LogEnd, LogView, NodeName};

use super::Master;
use crate::frame::Positions;

/// The facts that a secondary told of itself in its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFacts<'a> {
    /// Its name.
    pub name: &'a NodeName,
    /// The address of its connection, or of the last one; none where it has not connected yet.
    pub address: Option<&'a str>,
    /// The port at which it serves HTTP, as it told on that connection; none where it did not.
    pub http_port: Option<u16>,
}

impl<L: LogView> Master<L> {
    /// Returns the end of the messages that at least `nodes` nodes hold durably, the master among
    /// them: zero for more nodes than are known to hold anything. What 0 nodes hold is what one
    /// does.
    pub fn held_end(&self, nodes: u64) -> LogEnd {
        u16::try_from(nodes).map_or(LogEnd::ZERO, |nodes| self.leader.held_end(nodes))
    }

    /// Returns the committed end: that of the messages that a majority of the cluster holds; none
    /// while fewer than a majority have reported a position since the start.
    pub fn committed_end(&self) -> Option<LogEnd> {
        self.leader.known_end(self.peers.cluster().majority())
    }

    /// Returns the end of the messages that all nodes of the cluster hold.
    pub fn all_end(&self) -> LogEnd {
        self.leader.held_end(self.peers.cluster().size)
    }

    /// Returns the number of nodes of the cluster, including the master.
    pub fn cluster_size(&self) -> u16 {
        self.peers.cluster().size
    }

    /// Returns the facts that each secondary told of itself that ever registered, in that order.
    pub fn peer_facts(&self) -> impl Iterator<Item = PeerFacts<'_>> {
        self.peers.registered().map(|(_, peer)| PeerFacts {
            name: peer.name(),
            address: peer.last_address(),
            http_port: peer.http_port(),
        })
    }

    /// Returns the positions that frames tell now.
    pub(super) fn positions(&mut self) -> Positions {
        self.leader.settle_held();
        let (committed_end, all_end) = (self.committed_end(), self.all_end());
        let cluster_size = Some(self.cluster_size());
        Positions { log_start: LogEnd::ZERO, committed_end, all_end, cluster_size }
    }
}
