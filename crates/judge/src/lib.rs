//! Judges a replicated log from what is seen of it: a history in, violations out. No I/O, no clock,
//! no tasks.
//!
//! A [`History`] is told, one event after the other, what was sent, what senders were answered, and
//! what nodes show. It judges each event as it comes against the promises of the log, one file
//! each, and collects [`Violation`]s: what must be there, and what is there instead. What nobody
//! was told is *unknown* and breaks nothing: a message whose sender got no answer may be in the log
//! or not.
//!
//! Four programs use it, each with its own view of a cluster:
//!
//! | who | begins with | sees |
//! |---|---|---|
//! | simulator | [`History::from_inside`] | ids as they are given, all that nodes have, at once |
//! | `acklog check` | [`History::of_cluster`] | answers and lists; others may send too |
//! | crash runs | [`History::of_own_cluster`] | answers and lists of nodes that are killed |
//! | `acklog scenario` | [`History::of_readers`] | the messages that a reader receives |
//!
//! ```
//! use acklog_judge::{AckReceipt, AppendOutcome, AppendTerms, History, ViolationKind};
//! use acklog_types::WriteConcern;
//!
//! let mut history = History::of_own_cluster(["master", "bonnie"]);
//! let numbers = history.sent_batch(&"Msg1".into());
//! let two = AppendTerms {
//!     concern: Some(WriteConcern::Nodes(2)),
//!     timeout: None,
//!     took: std::time::Duration::ZERO,
//!     floor: 0,
//! };
//! let acked_by = vec!["master".to_owned(), "bonnie".to_owned()];
//! let receipt = AckReceipt { id: 0, write_concern: 2, acked_by, timed_out: false };
//! history.answered(numbers, two, AppendOutcome::Committed(receipt));
//!
//! // The secondary that is named as having the message shows an empty list.
//! let list = history.begin_list(1, 0, u64::MAX);
//! history.end_list(list);
//! let violation = &history.violations().first()[0];
//! assert_eq!((violation.kind, violation.node.as_str()), (ViolationKind::Ack, "bonnie"));
//! ```

mod answer;
mod facts;
mod follower;
mod history;
mod invariants;
#[cfg(any(test, feature = "lies"))]
pub mod lies;
mod texts;
mod violation;

pub use answer::{
    AckReceipt, AckWait, AppendOutcome, AppendTerms, HeldMoment, LookupAnswer, MasterMoment,
    RunEnding, ShownEnds, ShownMoment,
};
pub use follower::{FollowedRow, Follower};
pub use history::{History, ListReading};
pub use texts::{MadeTexts, TextOrigin};
pub use violation::{Violation, ViolationKind, Violations};
