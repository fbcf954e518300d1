//! A replicated log with tunable write concern: one master takes messages over HTTP, secondaries hold copies, and each
//! message says how many nodes must have it before its sender is answered.
//!
//! The layout is the data flow. `bin` parses and calls `run`, the only wiring. `http` takes requests and hands them to
//! `node`, whose core task steps the state machine of `protocol` and carries out its effects on `net` (connections) and
//! `log` (records). `sim` drives the same state machines in virtual time. `docs/internals/architecture.md` gives the
//! reasons.

mod accepting;
pub mod cli;
pub mod config;
mod descriptors;
pub mod http;
pub mod log;
#[cfg(target_os = "linux")]
mod memory;
pub mod net;
pub mod node;
pub mod protocol;
pub mod run;
pub mod sim;
pub mod telemetry;
pub mod threads;
pub mod types;
