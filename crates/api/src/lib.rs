//! The HTTP contract: bodies, problem codes, headers, paths and query parameters.
//!
//! Each fact of the contract is declared here once. The server writes these types, the client and
//! the tool read them, and tests compare them with `docs/openapi.json` and with the answers of
//! real nodes. The crate does no input or output.
//!
//! ```
//! use acklog_api::{AppendRequest, Appended, paths};
//! use acklog_types::WriteConcern;
//!
//! let request = AppendRequest {
//!     write_concern: Some(WriteConcern::Majority),
//!     ..AppendRequest::message("hello")
//! };
//! assert_eq!(paths::MESSAGES, "/messages");
//! let body = serde_json::to_string(&request)?;
//! assert_eq!(body, r#"{"message":"hello","writeConcern":"majority"}"#);
//!
//! let answer = r#"{"id":3,"writeConcern":2,"ackedBy":["master","bonnie"]}"#;
//! let appended: Appended = serde_json::from_str(answer)?;
//! assert_eq!((appended.id, appended.acked_by.len()), (3, 2));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Reading and writing
//!
//! Members stand in the order in which a node writes them. A reader ignores members that it does
//! not know, so that a node may tell more later. Members of [`Health`] may be missing; what is
//! missing is not known. A word that a reader does not know is kept as text, for example
//! [`Phase::Other`].

mod append;
pub mod concern;
mod event;
mod faults;
pub mod follow;
pub mod headers;
mod health;
mod message;
pub mod paths;
mod problem;
pub mod query;
mod receipt;
pub mod recording;
pub mod view;
mod words;

/// The OpenAPI document of both roles, `docs/openapi.json`.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");

pub use append::{AppendLine, AppendRequest, Appended};
pub use event::{EventAnswer, EventBody, EventKind, MissedEvents, SampledEvents};
pub use faults::{Disconnected, Faults, FaultsRequest};
pub use health::{
    Disk, DiskState, Health, MasterHealth, MasterLink, MemberHealth, MemberStatus, Mode, Phase,
    Quorum, Refused, RefusedCode, Role, SecondaryHealth,
};
pub use message::{AckedMessage, Message};
pub use problem::{Outcome, Problem, ProblemCode};
pub use receipt::{MessageCopy, MessageReceipt, Storage};
pub use recording::{
    PastItem, RecordedItem, RecordingClock, RecordingHead, ScenarioStep, StepState,
};
pub use view::{EventsRequest, NodeMessages, NodeState};
