//! Threads that may wait: for a disk, or for a name server.
//!
//! Use a [`ThreadPool`] wherever an async task needs blocking work done, and never the runtime's own `spawn_blocking`
//! (nor what is built on it: `tokio::fs`, a connect to a host *name*). That one panics, and so ends the process, where
//! the system has no thread to give: at a limit of processes, as is usual in containers and on shared machines. Here
//! the work fails with [`NoThread`] instead, and a thread that was made once is kept, so that only a node that never
//! had one can come to that.
//!
//! What reads the log runs on the log's own threads: see `acklog_log::LogReader::aside`.

mod locks;
mod pool;
mod reserve;

pub use locks::{lock, read_lock, wait_timeout_while, wait_while, write_lock};
pub use pool::{NoThread, ThreadPool, WorkHandle};
pub use reserve::ask_for;
