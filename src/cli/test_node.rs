//! The stand-in for a node in tests, as the tool's URLs name it.

pub(super) use acklog_client::test_node::TestNode;

use super::NodeUrl;

/// A node on this machine.
pub(super) trait LocalNode {
    /// Returns its URL.
    fn url(&self) -> NodeUrl;
}

impl LocalNode for TestNode {
    fn url(&self) -> NodeUrl {
        NodeUrl::local(self.port())
    }
}
