//! The server: everything that a master's or a secondary's process consists of.
//!
//! `http` receives requests and passes them to `node`, whose core task steps the state machine of
//! the protocol and carries out its effects on `net` (connections) and on the log. `run` wires them
//! together, `daemon` is the process around it.

pub(crate) mod accepting;
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
mod allocator;
mod daemon;
mod descriptors;
pub mod http;
pub mod net;
pub mod node;
pub(crate) mod patience;
pub mod run;

pub use daemon::{master_node, secondary_node};
