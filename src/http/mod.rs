//! HTTP: what clients see of a node.
//!
//! ```text
//! listener ─ accept loop ─┬─> thread http-0 ─┐
//!                         ├─> thread http-1 ─┼─ connection: hyper ─> routes ─> append ─> node
//!                         └─> thread http-2 ─┘                              ├> read ───> log
//!                                                                           └> health ─> node
//! ```
//!
//! - `server` owns the threads. Each runs a current-thread runtime; a connection is dealt
//!   to one of them and stays there, so that nothing of a request crosses a thread before it
//!   reaches the node.
//! - `connection` serves one connection; `linger` closes it so that its last answer arrives.
//! - `routes` is the table of methods and paths; it is plain code over a method and a URI. `query`
//!   reads the parameters; `params` holds the rules that queries and bodies share.
//! - `append`, `read`, `health` and `faults` answer; `body` holds what comes in and what goes out.
//! - `host` refuses requests for other hosts, and those of foreign web pages.
//! - `problem` is the one map from errors to codes and statuses. Every error answer is built there.
//! - `json` writes strings. [`MessageStream`] is public so that what it costs can be measured alone.
//!
//! # What is limited
//!
//! Heads in size and time, bodies in size, in total and in idle time, pages of a listing, the time
//! that a closed connection lingers. A sender that waits for its write concern is not limited in
//! time by anything here: only its own `timeoutMs`, its hanging up, or the node's end stop the
//! wait.
//!
//! # Caveats
//!
//! - A request that is no HTTP is answered by hyper with a bare 400 or 431, without a problem body.
//! - A client that shuts down its sending half counts as one that hung up.
//! - A client that sends its next request while the last one waits, and then hangs up, is noticed
//!   only when the last one is answered: its waiter lives until then.
//! - The number of connections is bounded by the process's descriptors only, since every sender
//!   that waits has one.

mod accepted;
mod append;
mod body;
mod connection;
mod faults;
mod health;
mod host;
mod json;
mod linger;
mod params;
mod problem;
mod query;
mod read;
mod routes;
mod server;

#[cfg(test)]
mod tests;

pub use host::HostNames;
pub use read::{Form, MessageStream};
pub use server::{HttpConfig, Node, Server};
