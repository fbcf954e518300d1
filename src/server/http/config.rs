//! The settings of the HTTP server, and the node that it serves.

use std::time::SystemTime;

use acklog_log::LogReader;
use acklog_types::WriteConcern;

use super::host::HostNames;
use crate::server::node::{MasterHandle, SecondaryHandle};

/// The settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Threads that serve HTTP; at least one.
    pub workers: usize,
    /// Longest message, in bytes of the decoded string.
    pub max_message_bytes: usize,
    /// Memory of all listings together, in bytes.
    pub max_listing_bytes: usize,
    /// Most readers that wait or follow at once.
    pub max_followers: usize,
    /// The read concern of reads that name none.
    pub default_read_concern: WriteConcern,
    /// Most connections at once.
    pub max_connections: usize,
    /// Whether faults may be injected over HTTP.
    pub allow_faults: bool,
    /// When the process started.
    pub started: SystemTime,
    /// The host names of the node.
    pub hosts: HostNames,
    /// Whether the id of a durable message is never given to another one, so that caches may keep
    /// the message without limit.
    pub ids_are_stable: bool,
}

/// The node that is served.
#[derive(Clone, Debug)]
pub enum ServedNode {
    /// Accepts messages.
    Master(MasterHandle),
    /// Shows messages.
    Secondary(SecondaryHandle),
}

impl ServedNode {
    /// Returns the reader of the node's log.
    pub(super) fn reader(&self) -> &LogReader {
        match self {
            Self::Master(master) => master.reader(),
            Self::Secondary(secondary) => secondary.reader(),
        }
    }
}
