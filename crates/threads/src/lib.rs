//! Threads for blocking work, and locks.
//!
//! The server and the log run blocking work here: reads of files, host name lookups. Use a
//! [`ThreadPool`] wherever an async task needs blocking work done, and never the runtime's own
//! `spawn_blocking` or what is built on it (`tokio::fs`, a connect to a host *name*). The runtime's
//! pool panics, which ends the process, if the system has no thread to spare, as happens at the
//! process limits of containers and shared machines. A [`ThreadPool`] fails the work with
//! [`NoThread`] instead, and keeps its threads, so that only a pool that never got one can fail.
//!
//! Reads of the log run on the log's own pool: see `acklog_log::LogReader::aside`.
//!
//! ```
//! use acklog_threads::{NoThread, ThreadPool};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), NoThread> {
//! let pool = ThreadPool::new("reader", 2);
//! let first = pool.run(|| 20 + 1);
//! let second = pool.run(|| 2);
//! assert_eq!(first.await? * second.await?, 42);
//! # Ok(())
//! # }
//! ```

mod locks;
mod pool;
mod reserve;

pub use locks::{lock, read_lock, wait_timeout_while, wait_while, write_lock};
pub use pool::{NoThread, ThreadPool, WorkHandle};
pub use reserve::ask_for;
