//! Simulates whole clusters in virtual time: the state machines of [`acklog_protocol`] with real
//! logs, on a network and on disks that fail as a seed decides.
//!
//! [`Cluster`] holds the nodes, the connections between them and the queue of coming events, and
//! jumps from one event to the next, so that an hour of virtual time takes moments. The network
//! delays, reorders, drops, duplicates and cuts, or is slow; nodes crash, hang and come back empty;
//! an [`acklog_log::SimDisk`] loses what was not synced, tears writes and fails. Frames are encoded
//! and decoded on the way. After every event the [`Checker`] reports all logs and responses to
//! [`acklog_judge`], and panics when an invariant does not hold. The same seed gives the same
//! trace.
//!
//! # Who uses it
//!
//! - `tests/golden.rs`: one readable transcript for each behaviour, as [`scenario`] files
//! - `tests/props.rs` and the program `schedules` of this crate: random [`Schedule`]s of requests
//!   and failures, by seed
//! - `acklog scenario run --simulate`: plays a scenario file without processes
//!
//! # Example
//!
//! Three nodes, a message that all of them must have, and a partition:
//!
//! ```
//! use std::time::Duration;
//!
//! use acklog_log::LogReader;
//! use acklog_sim::{Cluster, ClusterOptions};
//! use acklog_types::{LogEnd, NodeName, WriteConcern};
//!
//! fn texts(log: &LogReader) -> Vec<String> {
//!     let records = log.read(LogEnd::ZERO, log.durable_end(), usize::MAX).unwrap();
//!     records.iter().map(|record| record.text.to_owned()).collect()
//! }
//!
//! let mut cluster = Cluster::new(ClusterOptions { seed: 7, ..ClusterOptions::default() });
//! let [bonnie, clyde] = ["bonnie", "clyde"].map(|name| name.parse::<NodeName>().unwrap());
//! cluster.start_secondary(&bonnie);
//! cluster.start_secondary(&clyde);
//! assert!(cluster.run_until(Duration::from_secs(10), Cluster::has_converged));
//!
//! // The client gets its response as soon as all three nodes have the message.
//! cluster.append("Msg1", Some(WriteConcern::Nodes(3)), None).unwrap();
//! cluster.run_for(Duration::from_millis(100));
//! assert_eq!(cluster.checker().waiting_count(), 0);
//!
//! // With clyde cut off, the next client waits, and clyde does not show its message.
//! cluster.partition(&clyde);
//! cluster.append("Msg2", Some(WriteConcern::Nodes(3)), None).unwrap();
//! cluster.run_for(Duration::from_millis(100));
//! assert_eq!(cluster.checker().waiting_count(), 1);
//! assert_eq!(texts(cluster.master().unwrap().log()), ["Msg1", "Msg2"]);
//! for (name, node) in cluster.secondaries() {
//!     let expected: &[_] = if *name == clyde { &["Msg1"] } else { &["Msg1", "Msg2"] };
//!     assert_eq!(texts(node.log()), expected, "{name}");
//! }
//!
//! // After the partition clyde gets what it missed, and the client its response.
//! cluster.heal(&clyde);
//! assert!(cluster.run_until(Duration::from_secs(60), Cluster::has_converged));
//! cluster.run_for(Duration::from_secs(1));
//! assert_eq!(cluster.checker().waiting_count(), 0);
//! ```
//!
//! # Caveats
//!
//! Threads, sockets and HTTP are not simulated: `tests/it` runs them for real.

mod check;
mod cluster;
mod event;
mod line;
mod link;
mod news;
mod node;
mod options;
mod positions;
pub mod scenario;
mod schedule;

pub use check::Checker;
pub use cluster::Cluster;
pub use link::{NetworkConditions, Rule, RuleAction};
pub use news::{News, Told};
pub use node::{MasterNode, SecondaryNode};
pub use options::ClusterOptions;
pub use schedule::{Report, Schedule};
