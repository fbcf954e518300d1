//! The positions of the log that readers are told, and where the master serves HTTP.

use acklog_types::{LogEnd, LogView};

use super::Secondary;

impl<L: LogView> Secondary<L> {
    /// Returns the committed end: that of the messages that this node has and that a majority of
    /// the cluster holds, as far as the master told it. It never becomes less for one log: a master
    /// that comes back with less admits no node that has more. None before the master told one.
    pub fn committed_end(&self) -> Option<LogEnd> {
        self.follower.committed_end()
    }

    /// Returns the end of the messages that all nodes of the cluster hold, as far as the master
    /// told it. It never becomes less for one log either.
    pub fn all_end(&self) -> LogEnd {
        self.follower.all_end()
    }

    /// Returns the number of nodes of the cluster, including the master, as the master told it
    /// last; none before it did.
    pub fn cluster_size(&self) -> Option<u16> {
        self.follower.cluster_size()
    }

    /// Returns an end of the messages that this node has and that at least `nodes` nodes hold, as
    /// far as the master told it. It is exact for 1 and for the numbers that a majority and all
    /// are; for another one it is that of the next larger of these, and zero above the cluster
    /// size. What 0 nodes hold is what one does.
    pub fn held_end(&self, nodes: u64) -> LogEnd {
        self.follower.held_end(nodes)
    }

    /// Returns the highest end of the master's log that the master told; none before the first
    /// handshake.
    pub fn master_log_end(&self) -> Option<LogEnd> {
        self.follower.master_log_end()
    }

    /// Returns the port at which the master serves HTTP, where it told it.
    pub fn master_http_port(&self) -> Option<u16> {
        self.master_http_port
    }
}
