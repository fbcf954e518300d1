//! The flags of the two daemons, which are the configuration of a node.
//!
//! A field is a flag, its environment variable and its line in `--help` (the first
//! paragraph of its comment) in one place.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use acklog_log::disk::Sizes;
use acklog_types::{DelayRange, Fsync, NodeName, Quorum, WriteConcern};
use clap::{Args, Parser};

use super::parse::{NodeConfig, Stop};
use super::{defaults, values};
use crate::telemetry::{LogConfig, LogFormat};

/// Flags that both daemons have with the same default.
#[derive(Clone, Debug, Args)]
pub struct CommonConfig {
    /// IP address that the ports listen on, as 127.0.0.1 or 0.0.0.0
    #[arg(long, env = "ACKLOG_BIND", value_name = "IP", default_value = defaults::BIND)]
    #[arg(value_parser = values::ip)]
    pub bind: IpAddr,

    /// Threads that serve HTTP
    #[arg(long, env = "ACKLOG_HTTP_WORKERS", value_name = "N")]
    #[arg(default_value = defaults::HTTP_WORKERS, value_parser = values::workers)]
    pub http_workers: usize,

    /// Memory that all listings and large reads take up at once; those beyond it wait
    #[arg(long, env = "ACKLOG_MAX_LISTING_BYTES", value_name = "BYTES")]
    #[arg(default_value = defaults::LISTING_BYTES, value_parser = values::listing_bytes)]
    pub max_listing_bytes: usize,

    /// Most readers that wait for messages or follow the log at once
    #[arg(long, env = "ACKLOG_MAX_FOLLOWERS", value_name = "N")]
    #[arg(default_value = defaults::FOLLOWERS, value_parser = values::followers)]
    pub max_followers: usize,

    /// Read concern of reads that name none: 1, majority or all
    #[arg(long, env = "ACKLOG_DEFAULT_READ_CONCERN", value_name = "R")]
    #[arg(default_value = defaults::READ_CONCERN, value_parser = values::read_concern)]
    pub default_read_concern: WriteConcern,

    /// Threads for the communication between nodes
    #[arg(long, env = "ACKLOG_COMM_WORKERS", value_name = "N")]
    #[arg(default_value = defaults::COMM_WORKERS, value_parser = values::workers)]
    pub comm_workers: usize,

    /// Time after which a request without a response is sent again, artificial delay included
    #[arg(long, env = "ACKLOG_REQUEST_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = defaults::REQUEST_TIMEOUT, value_parser = values::interval)]
    pub request_timeout: Duration,

    /// Artificial delay of each request to another node, as 250ms or 1s..2s [default: none]
    #[arg(long, env = "ACKLOG_SEND_DELAY", value_name = "RANGE")]
    pub send_delay: Option<DelayRange>,

    /// Directory of the log on disk, made where there is none [default: none, in memory]
    #[arg(long, env = "ACKLOG_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Refuse to start where the directory holds no log, instead of beginning a new one [default:
    /// off]
    // Not `requires`: that counts a variable that says false, too.
    #[arg(long, env = "ACKLOG_REQUIRE_LOG")]
    pub require_log: bool,

    /// Size of a segment file, in bytes. Hidden: small ones make many files, which tests want and
    /// nobody else
    #[arg(long, env = "ACKLOG_SEGMENT_BYTES", value_name = "BYTES", hide = true)]
    #[arg(default_value_t = Sizes::DEFAULT.segment_bytes)]
    #[arg(value_parser = clap::value_parser!(u64).range(4096..=Sizes::DEFAULT.segment_bytes))]
    pub segment_bytes: u64,

    /// When acked messages are synced to the disk: always (before the ack) or never
    #[arg(long, env = "ACKLOG_FSYNC", value_name = "WHEN")]
    #[arg(default_value = defaults::FSYNC, value_parser = values::fsync)]
    pub fsync: Fsync,

    /// Host names, separated by commas, that HTTP requests may ask for beside its own [default:
    /// none]
    #[arg(long, env = "ACKLOG_ALLOWED_HOSTS", value_name = "NAMES")]
    #[arg(value_parser = values::host_names)]
    allowed_hosts: Option<values::HostNameList>,

    /// Let faults be scripted over HTTP, at /faults [default: off]
    #[arg(long, env = "ACKLOG_ALLOW_FAULTS")]
    pub allow_faults: bool,

    /// What is logged: a level or a tracing filter
    #[arg(long, env = "ACKLOG_LOG", value_name = "FILTER")]
    #[arg(default_value = defaults::LOG_FILTER, value_parser = values::log_filter)]
    pub log: String,

    /// Form of the log lines: text or json
    #[arg(long, env = "ACKLOG_LOG_FORMAT", value_name = "FORMAT")]
    #[arg(default_value = defaults::LOG_FORMAT, value_parser = values::log_format)]
    pub log_format: LogFormat,

    /// When the cluster began that this node was started with by `acklog up`; none for a node that
    /// was started alone. Not a flag of the node: `up` passes it on.
    #[arg(skip)]
    pub up_since: Option<SystemTime>,
}

impl CommonConfig {
    /// Returns the host names that requests may ask for, beside the node's own name.
    pub fn allowed_hosts(&self) -> Vec<String> {
        self.allowed_hosts.as_ref().map(|names| names.0.clone()).unwrap_or_default()
    }

    /// Returns the settings of the log lines.
    pub fn log_config(&self) -> LogConfig {
        let (filter, format, up_since) = (self.log.clone(), self.log_format, self.up_since);
        LogConfig { filter, format, up_since }
    }

    /// Checks the flags that depend on each other, in a program of this name.
    ///
    /// # Errors
    /// When the flags contradict each other.
    fn check(&self, program: &str) -> Result<(), Stop> {
        if self.require_log && self.data_dir.is_none() {
            let reason = "--require-log is about the log of a --data-dir, which is missing";
            return Err(Stop::bad_usage(program, reason));
        }
        Ok(())
    }
}

/// The flags of a master.
#[derive(Clone, Debug, Parser)]
#[command(name = "master-node", version, about = "The master of a replicated log")]
pub struct MasterConfig {
    /// Friendly name of this node
    #[arg(long, env = "ACKLOG_NAME", value_name = "NAME", default_value = defaults::MASTER_NAME)]
    pub name: NodeName,

    /// HTTP port; 0 takes a free one
    #[arg(long, env = "ACKLOG_HTTP_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::MASTER_HTTP_PORT, value_parser = values::port)]
    pub http_port: u16,

    /// Port that secondaries dial; 0 takes a free one
    #[arg(long, env = "ACKLOG_COMM_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::COMM_PORT, value_parser = values::port)]
    pub comm_port: u16,

    /// Address that the port for secondaries listens on [default: as --bind]
    #[arg(long, env = "ACKLOG_COMM_BIND", value_name = "IP", value_parser = values::ip)]
    comm_bind: Option<IpAddr>,

    /// Flags that both daemons have.
    #[command(flatten)]
    pub common: CommonConfig,

    /// Pause between two heartbeats to a secondary
    #[arg(long, env = "ACKLOG_HEARTBEAT_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = defaults::HEARTBEAT_INTERVAL, value_parser = values::heartbeat_interval)]
    pub heartbeat_interval: Duration,

    /// Number of nodes, including the master; unset, each new name raises it [default: all ever
    /// ready]
    #[arg(long, env = "ACKLOG_CLUSTER_SIZE", value_name = "N")]
    #[arg(value_parser = values::cluster_size)]
    pub cluster_size: Option<u16>,

    /// Names of the secondaries that are let in, separated by commas [default: any]
    #[arg(long, env = "ACKLOG_SECONDARIES", value_name = "NAMES")]
    #[arg(value_parser = values::secondaries)]
    secondaries: Option<values::Names>,

    /// Write concern of requests that name none: a number, majority or all
    #[arg(long, env = "ACKLOG_DEFAULT_WRITE_CONCERN", value_name = "W")]
    #[arg(default_value = defaults::WRITE_CONCERN, value_parser = values::write_concern)]
    pub default_write_concern: WriteConcern,

    /// Healthy nodes, including the master, below which it is read-only: a number, majority or off
    #[arg(long, env = "ACKLOG_QUORUM", value_name = "QUORUM")]
    #[arg(default_value = defaults::QUORUM, value_parser = values::quorum)]
    quorum: values::MaybeQuorum,

    /// Longest message that is taken, in bytes or as 64KiB, 1MiB; 8MiB at most
    #[arg(long, env = "ACKLOG_MAX_MESSAGE_BYTES", value_name = "BYTES")]
    #[arg(default_value = defaults::MESSAGE_BYTES, value_parser = values::message_bytes)]
    pub max_message_bytes: usize,

    /// Most senders that wait for secondaries at once
    #[arg(long, env = "ACKLOG_MAX_WAITING", value_name = "N")]
    #[arg(default_value = defaults::WAITING, value_parser = values::waiting)]
    pub max_waiting: usize,

    /// Messages with an Idempotency-Key whose keys are known again; each takes about 35 bytes
    #[arg(long, env = "ACKLOG_IDEMPOTENCY_WINDOW", value_name = "N")]
    #[arg(default_value = defaults::IDEMPOTENCY_WINDOW, value_parser = values::idempotency_window)]
    pub idempotency_window: usize,
}

/// The flags of a secondary.
#[derive(Clone, Debug, Parser)]
#[command(name = "secondary-node", version, about = "A secondary of a replicated log")]
pub struct SecondaryConfig {
    /// Name of this node: its identity in the cluster
    #[arg(long, env = "ACKLOG_NAME", value_name = "NAME")]
    #[arg(default_value = defaults::SECONDARY_NAME)]
    pub name: NodeName,

    /// HTTP port; 0 takes a free one
    #[arg(long, env = "ACKLOG_HTTP_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::SECONDARY_HTTP_PORT, value_parser = values::port)]
    pub http_port: u16,

    /// Address of the master: an IP or a host name
    #[arg(long, env = "ACKLOG_MASTER_IP", value_name = "HOST")]
    #[arg(default_value = defaults::MASTER_IP, value_parser = values::dialled_host)]
    pub master_ip: String,

    /// Port on which the master listens for secondaries
    #[arg(long, env = "ACKLOG_MASTER_COMM_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::COMM_PORT, value_parser = values::dialled_port)]
    pub master_comm_port: u16,

    /// Flags that both daemons have.
    #[command(flatten)]
    pub common: CommonConfig,

    /// Artificial delay before messages are stored, as 250ms or 1s..2s [default: none]
    #[arg(long, env = "ACKLOG_STORE_DELAY", value_name = "RANGE")]
    pub store_delay: Option<DelayRange>,

    /// Longest pause between two attempts to reach the master
    #[arg(long, env = "ACKLOG_RECONNECT_DELAY", value_name = "DURATION")]
    #[arg(default_value = defaults::RECONNECT_DELAY, value_parser = values::interval)]
    pub reconnect_delay: Duration,
}

impl MasterConfig {
    /// Returns the address that the communication port listens on.
    pub fn comm_address(&self) -> IpAddr {
        self.comm_bind.unwrap_or(self.common.bind)
    }

    /// Returns the number of healthy nodes below which the master is read-only; none: the
    /// number of healthy nodes never makes it so.
    pub fn least_healthy(&self) -> Option<Quorum> {
        self.quorum.0
    }

    /// Returns the only secondaries that are admitted; none: any.
    pub fn listed_secondaries(&self) -> Option<&BTreeSet<NodeName>> {
        self.secondaries.as_ref().map(|names| &names.0)
    }
}

impl NodeConfig for MasterConfig {
    fn check(&self) -> Result<(), Stop> {
        let bad = |reason: String| Err(Stop::bad_usage("master-node", &reason));
        self.common.check("master-node")?;
        if let (WriteConcern::Nodes(nodes), Some(size)) =
            (self.default_write_concern, self.cluster_size)
            && nodes > u64::from(size)
        {
            return bad(format!(
                "--default-write-concern {nodes} is more than --cluster-size {size}: \
                 it must be 0 to {size}, majority or all"
            ));
        }
        if let (Some(Quorum::Nodes(nodes)), Some(size)) = (self.least_healthy(), self.cluster_size)
            && nodes > size
        {
            return bad(format!(
                "--quorum {nodes} is more than --cluster-size {size}: \
                 it must be 1 to {size}, majority or off"
            ));
        }
        if self.secondaries.as_ref().is_some_and(|names| names.0.contains(&self.name)) {
            return bad(format!(
                "--secondaries names {}, which is this master's own --name; name other nodes only",
                self.name
            ));
        }
        Ok(())
    }
}

impl NodeConfig for SecondaryConfig {
    fn check(&self) -> Result<(), Stop> {
        self.common.check("secondary-node")
    }
}
