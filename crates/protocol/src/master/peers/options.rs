//! The options of a node towards its peers.

use std::collections::BTreeSet;
use std::time::Duration;

use acklog_types::{NodeName, Quorum};

/// The part of [`MasterOptions`](crate::MasterOptions) that concerns peers, whatever logs there
/// are.
#[derive(Clone, Debug)]
pub(in crate::master) struct PeerOptions {
    /// The name of this node.
    pub(in crate::master) name: NodeName,
    /// The port at which it serves HTTP; none where peers are not told.
    pub(in crate::master) http_port: Option<u16>,
    /// Time after which a request without a response has failed.
    pub(in crate::master) request_timeout: Duration,
    /// Time between two heartbeats to a peer.
    pub(in crate::master) heartbeat_interval: Duration,
    /// Number of nodes, including the master, where it is fixed.
    pub(in crate::master) cluster_size: Option<u16>,
    /// The only secondaries that are admitted; none: any.
    pub(in crate::master) secondaries: Option<BTreeSet<NodeName>>,
    /// Number of nodes that must be healthy for messages to be taken; none: none need be.
    pub(in crate::master) quorum: Option<Quorum>,
    /// Most pending sessions.
    pub(in crate::master) max_pending: usize,
}
