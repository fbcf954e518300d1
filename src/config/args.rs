//! The flags of the two daemons, as a person gives them.
//!
//! The first line of a field's comment is the flag's line in `--help`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use acklog_log::disk::Sizes;
use acklog_types::{DelayRange, Fsync, NodeName, Quorum, WriteConcern};
use clap::{Args, Parser};

use super::parse::Stop;
use super::{MasterConfig, SecondaryConfig, defaults, values};
use crate::telemetry::{LogConfig, LogFormat};

/// The flags of a daemon, and the way from them to its configuration.
pub trait NodeArgs: Parser {
    /// What the flags become.
    type Config;

    /// Checks what single flags cannot tell.
    ///
    /// # Errors
    /// When the flags contradict each other.
    fn into_config(self) -> Result<Self::Config, Stop>;
}

/// Flags that both daemons have with the same default.
#[derive(Clone, Debug, Args)]
struct CommonArgs {
    /// IP address that the ports listen on, as 127.0.0.1 or 0.0.0.0
    #[arg(long, env = "ACKLOG_BIND", value_name = "IP", default_value = defaults::BIND)]
    #[arg(value_parser = values::ip)]
    bind: IpAddr,

    /// Threads that serve HTTP
    #[arg(long, env = "ACKLOG_HTTP_WORKERS", value_name = "N")]
    #[arg(default_value = defaults::HTTP_WORKERS, value_parser = values::workers)]
    http_workers: usize,

    /// Memory that all listings and large reads take up at once; those beyond it wait
    #[arg(long, env = "ACKLOG_MAX_LISTING_BYTES", value_name = "BYTES")]
    #[arg(default_value = defaults::LISTING_BYTES, value_parser = values::listing_bytes)]
    max_listing_bytes: usize,

    /// Threads for the communication between nodes
    #[arg(long, env = "ACKLOG_COMM_WORKERS", value_name = "N")]
    #[arg(default_value = defaults::COMM_WORKERS, value_parser = values::workers)]
    comm_workers: usize,

    /// Time after which a request without a response is sent again, artificial delay included
    #[arg(long, env = "ACKLOG_REQUEST_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = defaults::REQUEST_TIMEOUT, value_parser = values::interval)]
    request_timeout: Duration,

    /// Artificial delay of each request to another node, as 250ms or 1s..2s [default: none]
    #[arg(long, env = "ACKLOG_SEND_DELAY", value_name = "RANGE")]
    send_delay: Option<DelayRange>,

    /// Directory of the log on disk, made where there is none [default: none, in memory]
    #[arg(long, env = "ACKLOG_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Refuse to start where the directory holds no log, instead of beginning a new one [default: off]
    // Not `requires`: that counts a variable that says false, too.
    #[arg(long, env = "ACKLOG_REQUIRE_LOG")]
    require_log: bool,

    /// Size of a segment file, in bytes. Hidden: small ones make many files, which tests want and nobody else
    #[arg(long, env = "ACKLOG_SEGMENT_BYTES", value_name = "BYTES", hide = true)]
    #[arg(default_value_t = Sizes::DEFAULT.segment_bytes)]
    #[arg(value_parser = clap::value_parser!(u64).range(4096..=Sizes::DEFAULT.segment_bytes))]
    segment_bytes: u64,

    /// When acked messages are synced to the disk: always (before the ack) or never
    #[arg(long, env = "ACKLOG_FSYNC", value_name = "WHEN")]
    #[arg(default_value = defaults::FSYNC, value_parser = values::fsync)]
    fsync: Fsync,

    /// Host names, separated by commas, that HTTP requests may ask for beside its own [default: none]
    #[arg(long, env = "ACKLOG_ALLOWED_HOSTS", value_name = "NAMES")]
    #[arg(value_parser = values::host_names)]
    allowed_hosts: Option<values::HostNames>,

    /// Let faults be scripted over HTTP, at /faults [default: off]
    #[arg(long, env = "ACKLOG_ALLOW_FAULTS")]
    allow_faults: bool,

    /// What is logged: a level or a tracing filter
    #[arg(long, env = "ACKLOG_LOG", value_name = "FILTER")]
    #[arg(default_value = defaults::LOG_FILTER, value_parser = values::log_filter)]
    log: String,

    /// Form of the log lines: text or json
    #[arg(long, env = "ACKLOG_LOG_FORMAT", value_name = "FORMAT")]
    #[arg(default_value = defaults::LOG_FORMAT, value_parser = values::log_format)]
    log_format: LogFormat,
}

impl CommonArgs {
    /// Checks what single flags cannot tell, in a program of this name.
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
pub struct MasterArgs {
    /// Friendly name of this node
    #[arg(long, env = "ACKLOG_NAME", value_name = "NAME", default_value = defaults::MASTER_NAME)]
    name: NodeName,

    /// HTTP port; 0 takes a free one
    #[arg(long, env = "ACKLOG_HTTP_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::MASTER_HTTP_PORT, value_parser = values::port)]
    http_port: u16,

    /// Port that secondaries dial; 0 takes a free one
    #[arg(long, env = "ACKLOG_COMM_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::COMM_PORT, value_parser = values::port)]
    comm_port: u16,

    /// Address that the port for secondaries listens on [default: as --bind]
    #[arg(long, env = "ACKLOG_COMM_BIND", value_name = "IP", value_parser = values::ip)]
    comm_bind: Option<IpAddr>,

    #[command(flatten)]
    common: CommonArgs,

    /// Pause between two heartbeats to a secondary
    #[arg(long, env = "ACKLOG_HEARTBEAT_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = defaults::HEARTBEAT_INTERVAL, value_parser = values::heartbeat_interval)]
    heartbeat_interval: Duration,

    /// Number of nodes, including the master; unset, each new name raises it [default: all ever ready]
    #[arg(long, env = "ACKLOG_CLUSTER_SIZE", value_name = "N")]
    #[arg(value_parser = values::cluster_size)]
    cluster_size: Option<u16>,

    /// Names of the secondaries that are let in, separated by commas [default: any]
    #[arg(long, env = "ACKLOG_SECONDARIES", value_name = "NAMES")]
    #[arg(value_parser = values::secondaries)]
    secondaries: Option<values::Names>,

    /// Write concern of requests that name none: a number, majority or all
    #[arg(long, env = "ACKLOG_DEFAULT_WRITE_CONCERN", value_name = "W")]
    #[arg(default_value = defaults::WRITE_CONCERN, value_parser = values::write_concern)]
    default_write_concern: WriteConcern,

    /// Healthy nodes, including the master, below which it is read-only: a number, majority or off
    #[arg(long, env = "ACKLOG_QUORUM", value_name = "QUORUM")]
    #[arg(default_value = defaults::QUORUM, value_parser = values::quorum)]
    quorum: values::MaybeQuorum,

    /// Longest message that is taken, in bytes or as 64KiB, 1MiB; 8MiB at most
    #[arg(long, env = "ACKLOG_MAX_MESSAGE_BYTES", value_name = "BYTES")]
    #[arg(default_value = defaults::MESSAGE_BYTES, value_parser = values::message_bytes)]
    max_message_bytes: usize,

    /// Most senders that wait for secondaries at once
    #[arg(long, env = "ACKLOG_MAX_WAITING", value_name = "N")]
    #[arg(default_value = defaults::WAITING, value_parser = values::waiting)]
    max_waiting: usize,

    /// Messages with an Idempotency-Key whose keys are known again; each takes about 35 bytes
    #[arg(long, env = "ACKLOG_IDEMPOTENCY_WINDOW", value_name = "N")]
    #[arg(default_value = defaults::IDEMPOTENCY_WINDOW, value_parser = values::idempotency_window)]
    idempotency_window: usize,
}

/// The flags of a secondary.
#[derive(Clone, Debug, Parser)]
#[command(name = "secondary-node", version, about = "A secondary of a replicated log")]
pub struct SecondaryArgs {
    /// Name of this node: its identity in the cluster
    #[arg(long, env = "ACKLOG_NAME", value_name = "NAME")]
    #[arg(default_value = defaults::SECONDARY_NAME)]
    name: NodeName,

    /// HTTP port; 0 takes a free one
    #[arg(long, env = "ACKLOG_HTTP_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::SECONDARY_HTTP_PORT, value_parser = values::port)]
    http_port: u16,

    /// Address of the master: an IP or a host name
    #[arg(long, env = "ACKLOG_MASTER_IP", value_name = "HOST")]
    #[arg(default_value = defaults::MASTER_IP, value_parser = values::dialled_host)]
    master_ip: String,

    /// Port on which the master listens for secondaries
    #[arg(long, env = "ACKLOG_MASTER_COMM_PORT", value_name = "PORT")]
    #[arg(default_value_t = defaults::COMM_PORT, value_parser = values::dialled_port)]
    master_comm_port: u16,

    #[command(flatten)]
    common: CommonArgs,

    /// Artificial delay before messages are stored, as 250ms or 1s..2s [default: none]
    #[arg(long, env = "ACKLOG_STORE_DELAY", value_name = "RANGE")]
    store_delay: Option<DelayRange>,

    /// Longest pause between two attempts to reach the master
    #[arg(long, env = "ACKLOG_RECONNECT_DELAY", value_name = "DURATION")]
    #[arg(default_value = defaults::RECONNECT_DELAY, value_parser = values::interval)]
    reconnect_delay: Duration,
}

impl NodeArgs for MasterArgs {
    type Config = MasterConfig;

    fn into_config(self) -> Result<MasterConfig, Stop> {
        self.common.check("master-node")?;
        if let (WriteConcern::Nodes(nodes), Some(size)) =
            (self.default_write_concern, self.cluster_size)
            && nodes > u64::from(size)
        {
            return Err(Stop::bad_usage(
                "master-node",
                &format!(
                    "--default-write-concern {nodes} is more than --cluster-size {size}: \
                     it must be 0 to {size}, majority or all"
                ),
            ));
        }
        if let (Some(Quorum::Nodes(nodes)), Some(size)) = (self.quorum.0, self.cluster_size)
            && nodes > size
        {
            return Err(Stop::bad_usage(
                "master-node",
                &format!(
                    "--quorum {nodes} is more than --cluster-size {size}: \
                     it must be 1 to {size}, majority or off"
                ),
            ));
        }
        if self.secondaries.as_ref().is_some_and(|names| names.0.contains(&self.name)) {
            return Err(Stop::bad_usage(
                "master-node",
                &format!(
                    "--secondaries names {}, which is this master's own --name; name other nodes only",
                    self.name
                ),
            ));
        }
        Ok(MasterConfig {
            name: self.name,
            bind: self.common.bind,
            comm_bind: self.comm_bind.unwrap_or(self.common.bind),
            http_port: self.http_port,
            comm_port: self.comm_port,
            http_workers: self.common.http_workers,
            comm_workers: self.common.comm_workers,
            request_timeout: self.common.request_timeout,
            send_delay: self.common.send_delay,
            data_dir: self.common.data_dir,
            require_log: self.common.require_log,
            segment_bytes: self.common.segment_bytes,
            fsync: self.common.fsync,
            max_listing_bytes: self.common.max_listing_bytes,
            allowed_hosts: self.common.allowed_hosts.map(|names| names.0).unwrap_or_default(),
            allow_faults: self.common.allow_faults,
            heartbeat_interval: self.heartbeat_interval,
            cluster_size: self.cluster_size,
            secondaries: self.secondaries.map(|names| names.0),
            default_write_concern: self.default_write_concern,
            quorum: self.quorum.0,
            max_message_bytes: self.max_message_bytes,
            max_waiting: self.max_waiting,
            idempotency_window: self.idempotency_window,
            log: LogConfig {
                filter: self.common.log,
                format: self.common.log_format,
                up_since: None,
            },
        })
    }
}

impl NodeArgs for SecondaryArgs {
    type Config = SecondaryConfig;

    fn into_config(self) -> Result<SecondaryConfig, Stop> {
        self.common.check("secondary-node")?;
        Ok(SecondaryConfig {
            name: self.name,
            bind: self.common.bind,
            http_port: self.http_port,
            master_ip: self.master_ip,
            master_comm_port: self.master_comm_port,
            http_workers: self.common.http_workers,
            comm_workers: self.common.comm_workers,
            request_timeout: self.common.request_timeout,
            send_delay: self.common.send_delay,
            store_delay: self.store_delay,
            data_dir: self.common.data_dir,
            require_log: self.common.require_log,
            segment_bytes: self.common.segment_bytes,
            fsync: self.common.fsync,
            max_listing_bytes: self.common.max_listing_bytes,
            allowed_hosts: self.common.allowed_hosts.map(|names| names.0).unwrap_or_default(),
            allow_faults: self.common.allow_faults,
            reconnect_delay: self.reconnect_delay,
            log: LogConfig {
                filter: self.common.log,
                format: self.common.log_format,
                up_since: None,
            },
        })
    }
}
