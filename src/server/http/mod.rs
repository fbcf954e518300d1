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
//! - `connection` serves one connection; `client` knows whether its client is still there, and
//!   `linger` closes it so that its last answer arrives.
//! - `connections` bounds their number; the one that has been idle longest makes room.
//! - `paths` knows the paths and their methods; `routes` is the table of what a request asks for,
//!   plain code over a method and a URI. `query` reads the parameters; `params` holds the rules that
//!   queries and bodies share.
//! - `append`, `read`, `health` and `faults` answer; `body` takes what comes in, `response` holds
//!   what goes out, `listing` renders the log. The shapes of bodies are those of `acklog_api`.
//! - `host` refuses requests for other hosts, and those of foreign web pages.
//! - `problem` is the one map from errors to codes and statuses. Every error answer is built there.
//! - `json` writes strings. [`MessageStream`] is public so that what it costs can be measured alone.
//!
//! # What is limited
//!
//! Connections in number, heads in size and time, bodies in size, in total and in idle time,
//! listings in memory, the time that a client takes none of its answer, the time that a closed
//! connection lingers. A sender that waits for its write concern is not limited in time by anything
//! here: only its own `timeoutMs`, its hanging up, or the node's end stop the wait.
//!
//! # Caveats
//!
//! - An HTTP/1.0 client that shuts down its sending half and waits for longer than two seconds
//!   counts as one that hung up: it cannot be asked whether it is there.

mod accepted;
mod append;
mod body;
mod client;
mod config;
mod connection;
mod connections;
mod faults;
mod health;
mod host;
mod json;
mod linger;
mod listing;
mod params;
pub mod parsing;
mod paths;
mod problem;
mod query;
mod read;
mod response;
mod routes;
mod server;
mod transfer;

#[cfg(test)]
mod tests;

pub use config::{HttpConfig, Node};
pub use host::HostNames;
pub use listing::{Form, LISTING_BYTES_MAX, ListingRoom, MessageStream};
pub use server::Server;
