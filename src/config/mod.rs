//! From flags and environment variables to plain, checked configurations.
//!
//! `args` holds the flags as a person gives them, `defaults` what is taken where none is given,
//! `parse` turns a command line into either of these or into one line that says what is wrong.
//! Behind this module nothing is checked again: a configuration that exists is usable.

mod args;
mod defaults;
mod parse;
mod registered;
mod values;
mod variables;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use acklog_types::{DelayRange, Fsync, NodeName, Quorum, WriteConcern};
pub use args::{MasterArgs, NodeArgs, SecondaryArgs};
pub use defaults::{COMM_PORT, MASTER_HTTP_PORT};
pub(crate) use parse::{BAD_USAGE_STATUS, as_given};
pub use parse::{Stop, last_line, parse, parse_node, report};
pub use registered::Contradiction;
pub(crate) use values::{interval_with_unit, number, port, port_range_end};
pub use variables::{UNKNOWN_VARIABLE_ADVICE, unknown_variables};

use crate::telemetry::LogConfig;

/// Everything that a master is told from outside.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// Friendly name, shown in logs, health and `ackedBy`.
    pub name: NodeName,
    /// Address that the HTTP port listens on.
    pub bind: IpAddr,
    /// Address that the communication port listens on.
    pub comm_bind: IpAddr,
    /// HTTP port; 0 takes a free one.
    pub http_port: u16,
    /// Port that secondaries dial; 0 takes a free one.
    pub comm_port: u16,
    /// Threads that serve HTTP; at least 1.
    pub http_workers: usize,
    /// Threads for the internal communication; at least 1.
    pub comm_workers: usize,
    /// How long a request to a secondary may go without a response.
    pub request_timeout: Duration,
    /// Artificial delay of each request that this node sends.
    pub send_delay: Option<DelayRange>,
    /// Directory of the log on disk; none: the log is in memory.
    pub data_dir: Option<PathBuf>,
    /// When what is acked has to be on the disk; of no meaning in memory.
    pub fsync: Fsync,
    /// Whether a directory without a log is refused.
    pub require_log: bool,
    /// Size of a segment file, in bytes.
    pub segment_bytes: u64,
    /// Memory of all listings together, in bytes.
    pub max_listing_bytes: usize,
    /// Host names that requests may ask for, beside the node's own name.
    pub allowed_hosts: Vec<String>,
    /// Whether faults may be scripted over HTTP.
    pub allow_faults: bool,
    /// Pause between two heartbeats to a secondary.
    pub heartbeat_interval: Duration,
    /// Number of nodes, including the master, where it is fixed; 1 to 256.
    pub cluster_size: Option<u16>,
    /// The only secondaries that are let in, without the master's own name; none: any.
    pub secondaries: Option<BTreeSet<NodeName>>,
    /// Write concern of requests that name none.
    pub default_write_concern: WriteConcern,
    /// How many nodes must be healthy for it to take messages; none: it always does.
    pub quorum: Option<Quorum>,
    /// Longest message that is taken, in bytes of the decoded string.
    pub max_message_bytes: usize,
    /// Most senders that wait for secondaries at once.
    pub max_waiting: usize,
    /// Keyed messages whose keys are known again; 1 to 10 million.
    pub idempotency_window: usize,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Everything that a secondary is told from outside.
#[derive(Clone, Debug)]
pub struct SecondaryConfig {
    /// Friendly name, and the node's identity in the cluster.
    pub name: NodeName,
    /// Address that the HTTP port listens on.
    pub bind: IpAddr,
    /// HTTP port; 0 takes a free one.
    pub http_port: u16,
    /// The master's address: an IP or a host name.
    pub master_ip: String,
    /// Port on which the master listens for secondaries; never 0.
    pub master_comm_port: u16,
    /// Threads that serve HTTP; at least 1.
    pub http_workers: usize,
    /// Threads for the internal communication; at least 1.
    pub comm_workers: usize,
    /// How long a request to the master may go without a response.
    pub request_timeout: Duration,
    /// Artificial delay of each request that this node sends.
    pub send_delay: Option<DelayRange>,
    /// Artificial delay before received messages are stored and acked.
    pub store_delay: Option<DelayRange>,
    /// Directory of the log on disk; none: the log is in memory.
    pub data_dir: Option<PathBuf>,
    /// When what is acked has to be on the disk; of no meaning in memory.
    pub fsync: Fsync,
    /// Whether a directory without a log is refused.
    pub require_log: bool,
    /// Size of a segment file, in bytes.
    pub segment_bytes: u64,
    /// Memory of all listings together, in bytes.
    pub max_listing_bytes: usize,
    /// Host names that requests may ask for, beside the node's own name.
    pub allowed_hosts: Vec<String>,
    /// Whether faults may be scripted over HTTP.
    pub allow_faults: bool,
    /// Longest pause between two attempts to reach the master.
    pub reconnect_delay: Duration,
    /// What is logged, and how.
    pub log: LogConfig,
}

#[cfg(test)]
mod tests;
