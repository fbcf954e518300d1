//! A replicated log with tunable write concern: one master accepts messages over HTTP, secondaries
//! hold copies, and each message says how many nodes must store it before its client is answered.
//!
//! This package is the server and the tool: the programs `master-node`, `secondary-node` and
//! `acklog`. Everything that need not know them is a crate of its own.
//!
//! | where | what it holds | used by |
//! |---|---|---|
//! | [`config`] | flags, environment variables, their defaults and limits | all three programs |
//! | [`page`] | the files of the page, embedded | both daemons, scenarios that are watched |
//! | [`server`] | HTTP, the event loop of a node, the network between nodes | both daemons |
//! | [`contract`] | what the protocol tells as bodies of the HTTP contract | server, tool |
//! | [`telemetry`] | log lines | both daemons |
//! | [`abort_on_panic`] | what a panic does to a program | all three programs |
//! | [`cli`] | starts clusters, sends and reads messages, checks, measures | `acklog` |
//! | `acklog-types` | ids, positions, records, write concerns | all |
//! | `acklog-protocol` | the sans-I/O state machines and the wire encoding | server, simulator |
//! | `acklog-log` | one log, in memory or on disk | server, simulator |
//! | `acklog-api` | the HTTP contract: bodies, codes, paths, headers | server, client, tool |
//! | `acklog-client` | the HTTP client | programs, tool |
//! | `acklog-judge` | the invariants of a history | tool, simulator |
//! | `acklog-sim` | clusters in virtual time, and the scenario language | tool, tests |
//! | `acklog-threads` | blocking work on bounded threads | server, log |
//!
//! The layout follows the data: a program parses its flags and calls [`server`], whose HTTP side
//! passes requests to the node's core task. That task steps the state machine of `acklog-protocol`
//! and carries out its effects on connections and on the log. `docs/internals/architecture.md`
//! gives the reasons.
//!
//! # Example
//!
//! A master inside another program: its log is in memory, its ports are free ones, and it stops
//! cleanly. The programs do the same with what their flags say.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use acklog::{HostNames, HttpConfig, ServedNode, Server, start_master};
//! use acklog_client::{AppendOptions, Client};
//! use acklog_log::Opened;
//! use acklog_protocol::MasterOptions;
//! use acklog_types::{Faults, LogId, NodeName, WriteConcern};
//! use tokio_util::sync::CancellationToken;
//! use tokio_util::task::TaskTracker;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let name: NodeName = "master".parse()?;
//! let options = MasterOptions {
//!     name: name.clone(),
//!     log: LogId::new(1),
//!     http_port: None,
//!     request_timeout: Duration::from_millis(1500),
//!     heartbeat_interval: Duration::from_secs(1),
//!     cluster_size: None,
//!     secondaries: None,
//!     default_write_concern: WriteConcern::Majority,
//!     quorum: None,
//!     max_waiting: 1000,
//!     max_strangers: 16,
//!     idempotency_window: 1000,
//!     seed: 1,
//! };
//! let for_secondaries = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
//! let log = Opened::in_memory();
//! let master =
//!     start_master(options, Faults::default(), log, for_secondaries, stop.clone(), &tasks);
//! let config = HttpConfig {
//!     workers: 1,
//!     max_message_bytes: 1024 * 1024,
//!     max_listing_bytes: 16 * 1024 * 1024,
//!     max_followers: 100,
//!     default_read_concern: WriteConcern::Nodes(1),
//!     max_connections: 100,
//!     allow_faults: false,
//!     started: SystemTime::now(),
//!     hosts: HostNames::new(name, []),
//!     ids_are_stable: false,
//! };
//! let for_clients = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let server = Server::start(config, ServedNode::Master(master.clone()), for_clients)?;
//!
//! let mut client = Client::new(&format!("http://{}", server.address()))?;
//! let appended = client.append("hello", &AppendOptions::default()).await?;
//! assert_eq!((appended.id, appended.acked_by), (0, vec!["master".to_owned()]));
//!
//! master.shut_down(Duration::from_secs(1)).await?;
//! server.stop(Duration::from_secs(1)).await;
//! stop.cancel();
//! tasks.close();
//! tasks.wait().await;
//! # Ok(())
//! # }
//! ```

pub mod cli;
pub mod config;
pub mod contract;
pub mod page;
mod panics;
pub mod server;
pub mod telemetry;

pub use cli::Cli;
pub use config::{MasterConfig, SecondaryConfig};
pub use panics::abort_on_panic;
pub use server::http::{HostNames, HttpConfig, ServedNode, Server};
pub use server::node::{MasterHandle, SecondaryHandle, start_master, start_secondary};
pub use server::run::{StopOn, StopSignals};
pub use server::{master_node, secondary_node};
