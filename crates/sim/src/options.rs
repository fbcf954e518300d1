//! What a simulated cluster is told.

use std::collections::BTreeSet;
use std::time::Duration;

use acklog_types::{Faults, Fsync, NodeName, Quorum};

/// What all nodes of a simulated cluster are told.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// What every chance is drawn from.
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
    /// What is to go wrong with every node from its start.
    pub faults: Faults,
    /// Longest pause between two dials.
    pub reconnect_delay: Duration,
    /// Whether nodes have their logs on (simulated) disks.
    pub on_disk: bool,
    /// When these are asked to keep what was written. With `never` no power is cut, which would lose what was acked.
    pub fsync: Fsync,
    /// Most events that a node takes in before it acts on them; at least 1.
    pub turn_events: usize,
    /// Longest time that a log takes to make an append durable; zero: at once, as in memory.
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
