//! Wires a node together: from a configuration to a running node, and to its clean stop.

mod signals;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use acklog_log::disk::{DiskOptions, Role, Sizes};
use acklog_log::{self, Background, Opened};
use acklog_protocol::{MasterOptions, SecondaryOptions};
use acklog_types::{Faults, Fsync, InstanceId, LogId, NodeName};
use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
pub use signals::{StopOn, StopSignals};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::config::{CommonConfig, MasterConfig, SecondaryConfig};
use crate::server::descriptors;
use crate::server::http::{HostNames, HttpConfig, ServedNode, Server};
use crate::server::node::{MasterAddress, start_master, start_secondary};

/// Time for a stopping master's disk to store the accepted messages, so that their clients learn
/// that they are stored.
const DISK_GRACE: Duration = Duration::from_secs(1);

/// Time for requests in progress to end once a node stops. Together with the time for the disk and
/// the time for the sessions to close, below the five seconds in which a node must be gone.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// Time for sessions to write what is queued and to close.
const SESSION_GRACE: Duration = Duration::from_millis(1500);

/// Time after the request to stop in which all of that is done, and the log closed. A node must be
/// gone after five seconds.
const STOP_GRACE: Duration = Duration::from_millis(4800);

/// Connections that the kernel queues for a listener until they are accepted: thousands of clients
/// may connect at once.
const BACKLOG: i32 = 4096;

/// The version, as log lines show it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a master until it is stopped.
///
/// # Errors
/// When it cannot start: a port in use, for example.
pub fn master(config: MasterConfig, mut stop: StopSignals) -> anyhow::Result<()> {
    let started = SystemTime::now();
    raise_descriptor_limit();
    let runtime = comm_runtime(config.common.comm_workers)?;
    let new_log = LogId::new(rand::random());
    let disk = disk_options(&config.common, Role::Master, new_log, config.idempotency_window);
    info!(
        dir = shown(config.common.data_dir.as_deref()),
        version = VERSION,
        "starting as a master"
    );
    let opening = open_log(config.common.data_dir.clone(), disk, &mut stop);
    let Some((log, background)) = runtime.block_on(opening)? else { return Ok(()) };
    if let Err(contradiction) = config.check_registered(&log.members) {
        background.close();
        return Err(contradiction.into());
    }
    for name in config.unlisted(&log.members) {
        warn!(peer = %name, "registered, so it counts, but --secondaries does not let it in; \
            where it is gone, forget it with `acklog forget`");
    }
    // The log first: no client waits at an open port while it is read.
    let http_listener = listen(config.common.bind, config.http_port)?;
    let http_port = http_listener.local_addr()?.port();
    let comm_listener = listen(config.comm_address(), config.comm_port)?;
    runtime.block_on(async {
        let (halt, tasks) = (CancellationToken::new(), TaskTracker::new());
        comm_listener.set_nonblocking(true)?;
        let comm_listener = tokio::net::TcpListener::from_std(comm_listener)?;
        let (address, workers) = (comm_listener.local_addr()?, config.common.comm_workers);
        info!(%address, workers, "listening for secondaries");
        let faults = Faults { send_delay: config.common.send_delay, ..Faults::default() };
        let options = master_options(&config, log.log.unwrap_or(new_log), http_port);
        let max_connections = descriptors::http_connections_of_master();
        log_if_too_few(max_connections, config.max_waiting);
        let handle = start_master(options, faults, log, comm_listener, halt.clone(), &tasks);
        let http = HttpConfig {
            max_message_bytes: config.max_message_bytes,
            max_connections,
            // In memory, and with `--fsync never`, the ids of a lost end are given again.
            ids_are_stable: config.common.data_dir.is_some()
                && config.common.fsync == Fsync::Always,
            ..http_config(config.name, started, &config.common)
        };
        let server = Server::start(http, ServedNode::Master(handle.clone()), http_listener)
            .context("cannot start HTTP")?;
        let cause = stop.stopped().await;
        info!(cause, "stopping");
        let deadline = Instant::now() + STOP_GRACE;
        // The order of the stop: no new messages and every client answered, then HTTP, then the
        // sessions; at the same time the log, to which nothing is appended any more.
        if handle.shut_down(DISK_GRACE).await.is_err() {
            warn!("the core task ended by itself");
        }
        tokio::join!(end_all(server, halt, tasks), closed(background.end(), deadline));
        info!("stopped");
        Ok(())
    })
}

/// Runs a secondary until it is stopped.
///
/// # Errors
/// When it cannot start: a port in use, for example.
pub fn secondary(config: SecondaryConfig, mut stop: StopSignals) -> anyhow::Result<()> {
    let started = SystemTime::now();
    raise_descriptor_limit();
    let runtime = comm_runtime(config.common.comm_workers)?;
    let (unused_log, no_keys) = (LogId::new(0), 0);
    let disk = disk_options(&config.common, Role::Secondary, unused_log, no_keys);
    let master = MasterAddress { host: config.master_ip, port: config.master_comm_port };
    let dir = shown(config.common.data_dir.as_deref());
    info!(%master, dir, version = VERSION, "starting as a secondary");
    let opening = open_log(config.common.data_dir.clone(), disk, &mut stop);
    let Some((log, background)) = runtime.block_on(opening)? else { return Ok(()) };
    let http_listener = listen(config.common.bind, config.http_port)?;
    let http_port = http_listener.local_addr()?.port();
    runtime.block_on(async {
        let (halt, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (instance, seed) = (InstanceId::new(rand::random()), rand::random());
        debug!(%instance, seed, "drawn for this run");
        let (send_delay, store_delay) = (config.common.send_delay, config.store_delay);
        let faults = Faults { send_delay, store_delay, ..Faults::default() };
        let options = SecondaryOptions {
            name: config.name.clone(),
            instance,
            http_port: Some(http_port),
            request_timeout: config.common.request_timeout,
            reconnect_delay: config.reconnect_delay,
            seed,
        };
        let handle = start_secondary(options, faults, log, master, halt.clone(), &tasks);
        let max_connections = descriptors::http_connections_of_secondary();
        let http =
            HttpConfig { max_connections, ..http_config(config.name, started, &config.common) };
        let server = Server::start(http, ServedNode::Secondary(handle), http_listener)
            .context("cannot start HTTP")?;
        let cause = stop.stopped().await;
        info!(cause, "stopping");
        let deadline = Instant::now() + STOP_GRACE;
        tokio::join!(server.stop(HTTP_GRACE), end(halt, tasks));
        closed(background.end(), deadline).await;
        info!("stopped");
        Ok(())
    })
}

/// Returns a path as log lines show it.
fn shown(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

/// Returns the options of a master's state machine, from its flags.
fn master_options(config: &MasterConfig, log: LogId, http_port: u16) -> MasterOptions {
    MasterOptions {
        name: config.name.clone(),
        log,
        http_port: Some(http_port),
        request_timeout: config.common.request_timeout,
        heartbeat_interval: config.heartbeat_interval,
        cluster_size: config.cluster_size,
        secondaries: config.listed_secondaries().cloned(),
        default_write_concern: config.default_write_concern,
        quorum: config.least_healthy(),
        max_waiting: config.max_waiting,
        max_strangers: descriptors::pending_sessions(),
        idempotency_window: config.idempotency_window,
        seed: rand::random(),
    }
}

/// Returns the settings of HTTP that both roles share, from their flags. What only a master has is
/// off: a secondary accepts no messages, and does not know whether its master keeps its log.
fn http_config(name: NodeName, started: SystemTime, flags: &CommonConfig) -> HttpConfig {
    HttpConfig {
        workers: flags.http_workers,
        max_message_bytes: 0,
        max_listing_bytes: flags.max_listing_bytes,
        max_followers: flags.max_followers,
        default_read_concern: flags.default_read_concern,
        max_connections: 0,
        allow_faults: flags.allow_faults,
        started,
        hosts: HostNames::new(name, flags.allowed_hosts()),
        ids_are_stable: false,
    }
}

/// Returns how a node opens its log on disk, from its flags and its role.
fn disk_options(flags: &CommonConfig, role: Role, new_log: LogId, keys: usize) -> DiskOptions {
    DiskOptions {
        role,
        fsync: flags.fsync,
        new_log,
        keys,
        seed: rand::random(),
        require_log: flags.require_log,
        sizes: Sizes::of_segments(flags.segment_bytes),
    }
}

/// Opens the node's log, in its data directory or in memory; `None` when the node is stopped
/// meanwhile. A long log takes a while; opening can be abandoned at any point, as a crash could end
/// it there.
async fn open_log(
    data_dir: Option<PathBuf>,
    options: DiskOptions,
    stop: &mut StopSignals,
) -> anyhow::Result<Option<(Opened, Background)>> {
    let Some(data_dir) = data_dir else {
        info!("the log is in memory: it ends with this process; --data-dir keeps it");
        return Ok(Some((Opened::in_memory(), Background::default())));
    };
    if options.fsync == Fsync::Never {
        warn!("--fsync never: what is acked survives this process, and not the machine");
    }
    let opened = stop.unless_stopped(move || acklog_log::open(&data_dir, options)).await?;
    Ok(opened.transpose()?)
}

/// Waits for the log to be closed.
async fn closed(closing: impl Future<Output = ()>, deadline: Instant) {
    if tokio::time::timeout_at(deadline, closing).await.is_err() {
        warn!("the disk did not take the log's end in time; the next start looks at it closely");
    }
}

/// Stops HTTP, and then the core task and the sessions.
async fn end_all(server: Server, halt: CancellationToken, tasks: TaskTracker) {
    server.stop(HTTP_GRACE).await;
    end(halt, tasks).await;
}

/// Stops the core task and the sessions.
async fn end(halt: CancellationToken, tasks: TaskTracker) {
    halt.cancel();
    tasks.close();
    if tokio::time::timeout(SESSION_GRACE, tasks.wait()).await.is_err() {
        warn!(tasks = tasks.len(), "connections did not close in time");
    }
}

/// Starts the runtime of the core task and the sessions, on one thread where that is asked for:
/// switches between threads cost more than they gain while there are few secondaries.
fn comm_runtime(workers: usize) -> anyhow::Result<Runtime> {
    let build = || {
        let mut builder = match workers {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        if workers > 1 {
            acklog_threads::ask_for(workers)?;
            builder.worker_threads(workers).thread_name("comm");
        }
        builder.enable_all().build()
    };
    build().context("cannot start the communication threads (--comm-workers)")
}

fn listen(ip: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(ip, port);
    let listener = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // So that a restarted node does not wait for its old connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listener().with_context(|| format!("cannot listen on {address}"))
}

/// Logs that fewer clients can be connected than may wait.
fn log_if_too_few(max_connections: usize, max_waiting: usize) {
    if max_waiting > max_connections {
        let why = "each has a connection, and the limit of open descriptors allows no more";
        info!(max_waiting, max_connections, why, "fewer senders can wait than --max-waiting says");
    }
}

/// Raises the limit of open descriptors as far as the system allows: each client has a connection,
/// and so a descriptor.
pub(crate) fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(%error, ?current, "the limit of open descriptors stays as it is");
    }
}
