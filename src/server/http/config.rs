//! What the HTTP server is given: its settings, and the node that it serves.

use super::host::HostNames;
use crate::server::node::{MasterHandle, SecondaryHandle};

/// What the HTTP server is told.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Threads that serve HTTP; at least one.
    pub workers: usize,
    /// Longest message, in bytes of the decoded string.
    pub max_message_bytes: usize,
    /// Memory of all listings together, in bytes.
    pub max_listing_bytes: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// Whether faults may be scripted.
    pub allow_faults: bool,
    /// The host names that the node goes by.
    pub hosts: HostNames,
    /// Whether the id of a durable message never comes to name another one, so that caches may
    /// keep the message for ever.
    pub ids_are_stable: bool,
}

/// The node that is served.
#[derive(Clone, Debug)]
pub enum ServedNode {
    /// Takes messages.
    Master(MasterHandle),
    /// Shows messages.
    Secondary(SecondaryHandle),
}
