//! Options of a simulated cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use acklog_types::{Faults, Fsync, NodeName, Quorum};

/// Options of a simulated cluster, the same for all nodes.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Seed of all draws.
    pub seed: u64,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub request_timeout: Duration,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub heartbeat_interval: Duration,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub cluster_size: Option<u16>,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub secondaries: Option<BTreeSet<NodeName>>,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub max_waiting: usize,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub idempotency_window: usize,
    /// See [`MasterOptions`](acklog_protocol::MasterOptions).
    pub quorum: Option<Quorum>,
    /// Faults that are injected into every node from its start.
    pub faults: Faults,
    /// Longest pause between two dials.
    pub reconnect_delay: Duration,
    /// Whether nodes have their logs on (simulated) disks.
    pub on_disk: bool,
    /// Time at which the disks sync. With `never` no power is cut, since that would lose acked
    /// messages.
    pub fsync: Fsync,
    /// Most events that a node takes in before it carries out their effects; at least 1.
    pub turn_events: usize,
    /// Longest time until an append is durable; zero: at once, as in memory.
    pub disk_delay_max: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            request_timeout: Duration::from_millis(1500),
            heartbeat_interval: Duration::from_secs(1),
            cluster_size: None,
            secondaries: None,
            max_waiting: 1000,
            idempotency_window: 1000,
            quorum: None,
            faults: Faults::default(),
            reconnect_delay: Duration::from_secs(3),
            on_disk: false,
            fsync: Fsync::Always,
            turn_events: 1,
            disk_delay_max: Duration::ZERO,
        }
    }
}
