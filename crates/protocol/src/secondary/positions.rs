//! The positions of the log that readers are told, and where the master serves HTTP.

use acklog_types::{LogEnd, LogView};

use super::Secondary;

impl<L: LogView> Secondary<L> {
    /// Returns the committed end: that of the messages that this node has and that a majority of
    /// the cluster holds, as far as the master told it. It never becomes less for one log.
    pub fn committed_end(&self) -> LogEnd {
        self.follower.committed_end()
    }

    /// Returns the end of the messages that all nodes of the cluster hold, as far as the master
    /// told it. It never becomes less for one log.
    pub fn all_end(&self) -> LogEnd {
        self.follower.all_end()
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
