//! HTTP: the face of a node for its clients.
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
//! - `paths` knows the paths and their methods; `routes` maps a method and a URI to an action.
//!   `query` reads the parameters; `params` holds the rules that queries and bodies share.
//! - `follow` serves readers that follow the log, or wait for its next message.
//! - `append`, `read`, `receipt`, `readiness`, `events` and `faults` answer; `body` reads request
//!   bodies, `response` holds those of answers, `listing` renders the log, `sse` writes server-sent
//!   events. The types of bodies are those of `acklog_api`.
//! - `tally` counts what each thread answers, and `metrics` shows that and the numbers of the rest
//!   of the node to Prometheus. `media_weight` weighs media types, for answers in several formats.
//! - `host` refuses requests for other hosts, and those of foreign web pages.
//! - `problem` is the one map from errors to codes and statuses. Every error answer is built there.
//! - `json` writes strings. [`MessageStream`] is public so that its cost can be measured alone.
//!
//! # Limits
//!
//! Connections in number, heads in size and time, bodies in size, in total and in idle time,
//! listings in memory, the time for which a client reads none of its answer, and the time for which
//! a closed connection lingers. A client that waits for its write concern has no timeout here: only
//! its own `timeoutMs`, its hanging up, or the node's end stop the wait.
//!
//! # Caveats
//!
//! - An HTTP/1.0 client that shuts down its sending half and waits for longer than two seconds
//!   counts as one that hung up: it cannot be probed.

mod accepted;
mod append;
mod body;
mod client;
mod config;
mod connection;
mod connections;
mod events;
mod faults;
mod follow;
mod forward;
mod host;
mod known_master;
mod linger;
mod listing;
mod media_weight;
mod metrics;
mod params;
pub mod parsing;
mod paths;
mod peer;
mod problem;
mod query;
mod read;
mod read_request;
mod readiness;
mod receipt;
mod response;
mod routes;
mod served;
mod server;
mod tally;
mod transfer;

#[cfg(test)]
mod tests;

pub use config::{HttpConfig, ServedNode};
pub use host::HostNames;
pub use listing::{LISTING_BYTES_MAX, ListingForm, ListingRoom, MessageStream};
pub(in crate::server) use peer::PEER_CONNECTIONS_MAX;
pub use server::Server;
