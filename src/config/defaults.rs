//! Defaults of flags, and the limits of their values.
//!
//! Durations and sizes are texts, so that `--help` shows them the way a user writes them.

use std::time::Duration;

/// A master's name.
pub(super) const MASTER_NAME: &str = "master";

/// A secondary's name. Fits a cluster of one secondary; with more, each needs its own.
pub(super) const SECONDARY_NAME: &str = "secondary";

/// Address to listen on. This machine only: there is no authentication, so a user who wants to be
/// reached from elsewhere must say so.
pub(super) const BIND: &str = "127.0.0.1";

/// Address of the master, from a secondary's view: the same machine, as [`BIND`].
pub(super) const MASTER_IP: &str = "127.0.0.1";

/// A master's HTTP port.
pub const MASTER_HTTP_PORT: u16 = 8000;

/// A secondary's HTTP port: next to the master's, so that both run on one machine without flags.
pub(super) const SECONDARY_HTTP_PORT: u16 = 8001;

/// Port on which a master listens for secondaries.
pub const COMM_PORT: u16 = 6000;

/// Threads that serve HTTP. Two to three keep a four-core machine busy; more only compete.
pub(super) const HTTP_WORKERS: &str = "3";
pub(super) const LISTING_BYTES: &str = "128MiB";

/// Readers that wait or follow at once. Each takes a connection and, while it reads nothing, a page
/// of memory.
pub(super) const FOLLOWERS: &str = "1024";

/// Most that `--max-followers` may say: so many blocked readers hold about 4 GiB.
pub(super) const FOLLOWERS_MAX: usize = 65_536;

/// Read concern of reads that name none: what the node has itself, without waiting for others.
pub(super) const READ_CONCERN: &str = "1";

/// Threads for the communication between nodes. One is the fastest while there are few secondaries:
/// nothing is passed between threads.
pub(super) const COMM_WORKERS: &str = "1";

/// Most threads of one kind: far above what helps, and low enough that a typing error does not
/// exhaust the machine.
pub(super) const WORKERS_MAX: usize = 64;

/// Time without a response after which a request is sent again. Shorter: slow requests are sent
/// again. Longer: a lost frame is noticed later.
pub(super) const REQUEST_TIMEOUT: &str = "1500ms";

/// Longest pause between two attempts to reach the master: a restarted master is found within
/// seconds, and an absent one is not flooded.
pub(super) const RECONNECT_DELAY: &str = "3s";

/// Pause between heartbeats. A silent secondary is suspected after two and unhealthy after five.
pub(super) const HEARTBEAT_INTERVAL: &str = "1s";

/// Shortest timeout or interval: the resolution of the runtime's timer. Below it a node would do
/// nothing but check its clock.
pub(super) const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Write concern of requests that name none: survives the loss of any minority.
pub(super) const WRITE_CONCERN: &str = "majority";

/// Healthy nodes below which a master is read-only. Off: a master alone still accepts messages
/// whose write concern is 1.
pub(super) const QUORUM: &str = "off";

/// Longest message: generous for text, and small enough that a burst of them fits in memory.
pub(super) const MESSAGE_BYTES: &str = "1MiB";

/// Clients that wait for secondaries at once: each costs a connection and about a kilobyte.
pub(super) const WAITING: &str = "65536";

/// Most that `--max-waiting` may say: a million pending clients take up about a gigabyte.
pub(super) const WAITING_MAX: usize = 1 << 20;

/// Rule by which an ack needs the disk. Always: an acked message is stored, whatever happens.
/// Never: for logs that may lose their end.
pub(super) const FSYNC: &str = "always";

/// Keyed messages whose keys are remembered. Too few: a late retry is stored twice. Each key takes
/// about 35 bytes of memory, so that these are about 35 MB where clients use that many.
pub(super) const IDEMPOTENCY_WINDOW: &str = "1000000";

/// Most that `--idempotency-window` may say: about 350 MB of keys.
pub(super) const IDEMPOTENCY_WINDOW_MAX: usize = 10_000_000;

/// Which lines are logged: the life of the cluster, not that of each request.
pub(super) const LOG_FILTER: &str = "info";

/// Form of the log lines: readable text. JSON is for programs.
pub(super) const LOG_FORMAT: &str = "text";
