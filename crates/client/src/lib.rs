//! An async client of acklog, a replicated log with tunable write concern.
//!
//! [`Client`] appends, waits and reads. Every append has an idempotency key, so that it tries
//! again without storing anything twice: by what the answer says (`retry`, `outcome`), with
//! growing pauses, at each of the nodes that it knows, until its deadline.
//!
//! ```
//! use std::time::Duration;
//!
//! use acklog_api::Outcome;
//! use acklog_client::{AppendOptions, Client};
//! use acklog_types::WriteConcern;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
//! # let url = format!("http://{nobody}");
//! // In production: "http://10.0.0.1:8000,http://10.0.0.2:8001"
//! let mut client = Client::new(&url)?.with_deadline(Duration::from_millis(200));
//! let majority =
//!     AppendOptions { write_concern: Some(WriteConcern::Majority), ..AppendOptions::default() };
//! match client.append("hello", &majority).await {
//!     Ok(appended) => println!("id {}, acked by {:?}", appended.id, appended.acked_by),
//!     // Nothing was stored: here, since no node can be reached.
//!     Err(error) if error.outcome == Outcome::Refused => println!("refused: {error}"),
//!     // Sent again under the same key, it is stored once.
//!     Err(error) => println!("perhaps stored, as id {:?}: {error}", error.id()),
//! }
//! # let error = client.append("hello", &majority).await.unwrap_err();
//! # assert_eq!(error.outcome, Outcome::Refused);
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::follow`] hands out messages as they come, and goes on where it was when a connection
//! or a node ends. A program that keeps its [`Cursor`] goes on behind it after a restart:
//!
//! ```
//! use acklog_client::{Client, Cursor, Error, FollowFrom, FollowOptions, Followed};
//!
//! async fn consume(client: &Client, after: Option<Cursor>) -> Result<(), Error> {
//!     let from = after.map_or(FollowFrom::Start, FollowFrom::Behind);
//!     let mut follow = client.follow(FollowOptions { from, ..FollowOptions::default() });
//!     while let Some(item) = follow.next().await {
//!         match item? {
//!             Followed::Message { id, text, .. } => println!("{id}: {text}"),
//!             Followed::Gap { from, to, why } => println!("{from} to {to} are gone: {why}"),
//!         }
//!         // Kept together with what came of the message.
//!         let _cursor = follow.cursor();
//!     }
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let node = acklog_client::Client::new("http://127.0.0.1:1").unwrap();
//! # let error = consume(&node.with_deadline(std::time::Duration::ZERO), None).await.unwrap_err();
//! # assert!(error.to_string().starts_with("cannot reach "));
//! # }
//! ```
//!
//! [`Client::append_stream`] appends many messages over one connection, each with an answer of its
//! own.
//!
//! # Layers
//!
//! | type | what it does | used by |
//! |---|---|---|
//! | [`Client`] | typed requests, keys, retries, deadlines | programs |
//! | [`Follow`] | the messages as they come, across connections and nodes | programs, the tool |
//! | [`AppendStream`] | many appends over one connection, with retries | programs, the tool |
//! | [`follow::EventStream`] | one stream of one node, event by event | `acklog check` |
//! | [`EventsDialer`] | what nodes do, across connections | a master that relays, the tool |
//! | [`NodeEvents`] | what one node does, as it tells it | [`EventsDialer`] |
//! | [`NodesClient`] | one request to the first of several nodes that takes it | the tool |
//! | [`NodeClient`] | one request to one node over a kept connection | the tool, `acklog check` |
//! | [`Dial`] | connects; [`Endpoint`] does it with the system's resolver | all of these |

mod answer;
mod append_stream;
mod client;
mod endpoint;
mod error;
pub mod follow;
mod lines;
mod messages;
mod node;
mod node_events;
mod nodes;
mod options;
mod retry;
mod sse;
mod sse_stream;
#[cfg(any(test, feature = "test-node"))]
pub mod test_node;

pub use answer::{Answer, NotANode};
pub use append_stream::{AppendStream, AppendStreamOptions, PendingAppend};
pub use client::Client;
pub use endpoint::{Dial, Endpoint};
pub use error::{Cause, Error};
pub use follow::{Cursor, Follow, FollowFrom, FollowOptions, Followed};
pub use lines::{LINE_BYTES_MAX, LineTooLong, Lines};
pub use messages::Messages;
pub use node::{CallError, NodeClient, READ_TIMEOUT, Unreachable};
pub use node_events::{
    DialedEvents, EventsDialer, NodeEvents, NodeEventsError, StreamedItem, events_silence_max,
};
pub use nodes::{NodesClient, NodesError, master_of};
pub use options::AppendOptions;
pub use sse::BadEventStream;
