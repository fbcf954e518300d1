//! What is taken where no flag says otherwise, and the limits of what a flag may say.
//!
//! Durations and sizes are texts, so that `--help` shows them the way a person writes them.

use std::time::Duration;

/// A master's name.
pub(super) const MASTER_NAME: &str = "master";

/// A secondary's name. Fits a cluster of one secondary; with more, each needs its own.
pub(super) const SECONDARY_NAME: &str = "secondary";

/// Address to listen on. This machine only: there is no authentication, so being reachable from
/// elsewhere must be asked for.
pub(super) const BIND: &str = "127.0.0.1";

/// Address of the master, from a secondary's view: the same machine, as [`BIND`].
pub(super) const MASTER_IP: &str = "127.0.0.1";

/// A master's HTTP port.
pub const MASTER_HTTP_PORT: u16 = 8000;

/// A secondary's HTTP port: next to the master's, so that both run on one machine as they are.
pub(super) const SECONDARY_HTTP_PORT: u16 = 8001;

/// Port on which a master listens for secondaries.
pub const COMM_PORT: u16 = 6000;

/// Threads that serve HTTP. Two to three keep a four-core machine busy; more only take turns.
pub(super) const HTTP_WORKERS: &str = "3";
pub(super) const LISTING_BYTES: &str = "128MiB";

/// Threads for the internal communication. One is the fastest while there are few secondaries:
/// no hand-over between threads is needed.
pub(super) const COMM_WORKERS: &str = "1";

/// Most threads of one kind: far above what helps, and low enough that a typing error does not
/// exhaust the machine.
pub(super) const WORKERS_MAX: usize = 64;

/// Time without a response after which a request is sent again. Shorter resends what is only
/// slow, longer leaves a lost frame unnoticed.
pub(super) const REQUEST_TIMEOUT: &str = "1500ms";

/// Longest pause between two attempts to reach the master: a master that is back is found within
/// seconds, and one that is away is not hammered.
pub(super) const RECONNECT_DELAY: &str = "3s";

/// Pause between heartbeats. A silent secondary is suspected after two and unhealthy after five.
pub(super) const HEARTBEAT_INTERVAL: &str = "1s";

/// Shortest timeout or interval: the resolution of the runtime's timer. Below it a node would do
/// nothing but watch its clock.
pub(super) const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Write concern of requests that name none: survives the loss of any minority.
pub(super) const WRITE_CONCERN: &str = "majority";

/// Healthy nodes below which a master is read-only. Off: a lonely master still takes messages whose write concern is 1.
pub(super) const QUORUM: &str = "off";

/// Longest message: generous for text, and small enough that a burst of them fits in memory.
pub(super) const MESSAGE_BYTES: &str = "1MiB";

/// Senders that wait for secondaries at once: each costs a connection and about a kilobyte.
pub(super) const WAITING: &str = "65536";

/// Most that `--max-waiting` may say: a million waiting senders is about a gigabyte.
pub(super) const WAITING_MAX: usize = 1 << 20;

/// When an ack needs the disk. Always: acked means there, whatever happens. Never is for logs that may lose their end.
pub(super) const FSYNC: &str = "always";

/// Keyed messages whose keys are known again. Too small: a sender that asks again late has its message twice. Each key
/// takes about 35 bytes of memory, so that these are about 35 MB where senders use that many.
pub(super) const IDEMPOTENCY_WINDOW: &str = "1000000";

/// Most that `--idempotency-window` may say: about 350 MB of keys.
pub(super) const IDEMPOTENCY_WINDOW_MAX: usize = 10_000_000;

/// What is logged: the life of the cluster, not that of each request.
pub(super) const LOG_FILTER: &str = "info";

/// Form of the log lines: the one for people. Programs can ask for theirs.
pub(super) const LOG_FORMAT: &str = "text";
