//! A stand-in for a node in tests, with the URL type of the tool.

pub(super) use acklog_client::test_node::{AppendsNode, LineReply, Script, ScriptedNode, TestNode};

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

impl LocalNode for ScriptedNode {
    fn url(&self) -> NodeUrl {
        NodeUrl::local(self.endpoint().port())
    }
}

impl LocalNode for AppendsNode {
    fn url(&self) -> NodeUrl {
        NodeUrl::local(self.endpoint().port())
    }
}
