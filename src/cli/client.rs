//! The tool's HTTP client: that of `acklog_client`, with the dialer of the nodes.

use std::io;

use acklog_client::{CallError, Dial, Endpoint, NodeClient, NodesClient, NodesError};
use anyhow::Context;
use tokio::net::TcpStream;

use super::NodeUrl;
use crate::server::net::keep_alive;

/// A client of one node.
pub(super) type ToolClient = NodeClient<NodeUrl>;

/// A client of the nodes that a command may ask.
pub(super) type ToolClients = NodesClient<NodeUrl>;

impl Dial for NodeUrl {
    fn endpoint(&self) -> &Endpoint {
        Self::endpoint(self)
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let stream = Self::dial(self).await?;
        // A wait for other nodes may have no timeout, so a connection that is cut meanwhile must be
        // noticed.
        keep_alive::watch(&stream);
        Ok(stream)
    }

    fn reason(&self, error: &io::Error) -> String {
        self.advised(error)
    }
}

/// Returns whether no node can be reached, so that nothing was sent.
pub(super) fn is_unreachable(error: &anyhow::Error) -> bool {
    let call = match error.downcast_ref() {
        Some(NodesError::Call(error)) => Some(error),
        _ => error.downcast_ref::<CallError>(),
    };
    matches!(call, Some(CallError::Unreachable(_)))
}

/// Returns the first of several nodes that is a master, else the first that can be reached.
///
/// # Errors
/// When none can be reached.
pub(super) async fn master_of(urls: &[NodeUrl]) -> anyhow::Result<NodeUrl> {
    let master = acklog_client::master_of(urls).await;
    master.context("no node can be reached: is the cluster up?")
}

#[cfg(test)]
mod tests;
