//! A whole cluster in virtual time: the state machines of [`acklog_protocol`] over a network that delays, reorders,
//! drops, duplicates and cuts, or that is slow, with nodes that crash, hang and come back empty.
//!
//! [`Cluster`] is the world: it holds the nodes with their logs, the connections between them and the queue of what
//! happens next, and jumps from one event to the next. Frames are encoded and decoded on the way, so the simulator runs
//! the real encoding too. After every event the [`Checker`] shows all logs and answers to [`acklog_judge`]. One seed
//! decides everything: the same seed gives the same trace. [`Schedule`] draws whole random lives of clusters from a
//! seed.
//!
//! Logs lie on an [`acklog_log::SimDisk`]: it loses what was not synced, tears writes and fails on demand.
//!
//! # Caveats
//! Threads, sockets and HTTP are not simulated: `tests/it` runs them for real.

mod check;
mod cluster;
mod event;
mod line;
mod link;
mod node;
mod options;
mod positions;
pub mod scenario;
mod schedule;

pub use check::Checker;
pub use cluster::Cluster;
pub use link::{NetworkConditions, Rule, RuleAction};
pub use node::{MasterNode, SecondaryNode};
pub use options::ClusterOptions;
pub use schedule::{Report, Schedule};
