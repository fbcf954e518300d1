//! A replicated log with tunable write concern: one master takes messages over HTTP, secondaries hold copies, and each
//! message says how many nodes must store it before its sender is answered.
//!
//! This package is the server and the tool. What must not know them is a crate of its own: `acklog-types` (ids,
//! positions, records), `acklog-protocol` (the sans-I/O state machines and the wire encoding), `acklog-log` (one log,
//! in memory or on disk), `acklog-threads` (blocking work) and `acklog-sim` (clusters in virtual time).
//!
//! The layout is the data flow. `bin` parses and calls [`server`], which wires a node together: its HTTP side hands
//! requests to the node's core task, which steps the state machine of `acklog-protocol` and carries out its effects on
//! connections and on the log. [`cli`] is the tool that starts, asks, checks and measures clusters.
//! `docs/internals/architecture.md` gives the reasons.

pub mod cli;
pub mod config;
pub mod server;
pub mod telemetry;
