//! Receipts: which nodes have a message, and since when.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// The place where a node keeps its log.
    Storage {
        /// On a disk: it survives the process.
        Disk = "disk",
        /// In memory: it ends with the process.
        Memory = "memory",
    }
}

/// The receipt of a message. All messages of a batch have the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageReceipt {
    /// The id of the message, or of the first of its batch.
    pub id: u64,
    /// The number of messages of the batch; 1 for a message that was sent alone.
    pub count: u64,
    /// The epoch in which it was accepted.
    pub epoch: u64,
    /// The time at which the master accepted it, by RFC 3339 with milliseconds, in UTC.
    pub accepted_at: String,
    /// The number of nodes that have it durably.
    pub held_by: u64,
    /// One row for each node of the cluster, the master's first.
    pub copies: Vec<MessageCopy>,
}

/// A node's copy of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageCopy {
    /// The name of the node.
    pub node: String,
    /// Whether it has the message durably.
    pub held: bool,
    /// Where it keeps its log; null where it did not tell.
    pub storage: Option<Storage>,
    /// Milliseconds from the acceptance to the node's ack; null where there is none, or where it is
    /// older than what the master remembers.
    pub after_ms: Option<f64>,
    /// How often it was sent to the node; null where that is older than what the master remembers,
    /// or where the node fetched it in a page.
    pub attempts: Option<u64>,
}
