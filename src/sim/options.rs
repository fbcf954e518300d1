//! What a simulated cluster is told.

use std::time::Duration;

use crate::types::DelayRange;

/// What all nodes of a simulated cluster are told.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// What every chance is drawn from.
    pub seed: u64,
    /// See [`MasterOptions`](crate::protocol::MasterOptions).
    pub request_timeout: Duration,
    /// See [`MasterOptions`](crate::protocol::MasterOptions).
    pub heartbeat_interval: Duration,
    /// See [`MasterOptions`](crate::protocol::MasterOptions).
    pub cluster_size: Option<u16>,
    /// See [`MasterOptions`](crate::protocol::MasterOptions).
    pub max_waiting: usize,
    /// Artificial delay of every node's requests.
    pub send_delay: Option<DelayRange>,
    /// Artificial delay before each secondary stores.
    pub store_delay: Option<DelayRange>,
    /// Longest pause between two dials.
    pub reconnect_delay: Duration,
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
            max_waiting: 1000,
            send_delay: None,
            store_delay: None,
            reconnect_delay: Duration::from_secs(3),
            disk_delay_max: Duration::ZERO,
        }
    }
}
