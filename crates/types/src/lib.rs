//! The vocabulary of a replicated log: ids, positions, names, records, write concerns.
//!
//! Every other crate uses these types. Each id, position and number has a type of its own, so that
//! no bare `u64` crosses a module boundary and no two of them are mistaken for each other. Nothing
//! in here does I/O or reads a clock.
//!
//! - *Positions*: [`MessageId`] is one message, [`LogEnd`] an exclusive end, [`IdRange`] a range.
//! - *Messages*: a client's [`Batch`] becomes records ([`encode_record`]), and consecutive records
//!   are a run ([`Records`]). The same bytes are stored in every node's log and sent on the wire.
//! - *Choices*: [`WriteConcern`] and [`Quorum`], [`Fsync`], [`Faults`].
//! - *Numbers*: [`DurationRecorder`] counts durations, for whoever measures them.
//! - *State of a log*: [`DiskFault`], [`Damage`], [`Losses`], and [`LogView`], the trait by which
//!   the protocol asks its node's log.
//!
//! Encode a message and read it back:
//!
//! ```
//! use acklog_types::{IdRange, InBatch, LogEnd, MessageId, Records, encode_record};
//!
//! let mut bytes = Vec::new();
//! let accepted_ms = 1_700_000_000_000;
//! encode_record(&mut bytes, MessageId::new(7), accepted_ms, None, "Msg7", InBatch::Last);
//!
//! // Bytes from outside are checked once, and then known to be these records.
//! let range = IdRange::new(LogEnd::new(7), LogEnd::new(8));
//! let records = Records::check(range, bytes.into())?;
//! let record = records.iter().next().expect("one record");
//! assert_eq!((record.id.get(), record.text), (7, "Msg7"));
//! # Ok::<(), acklog_types::RecordError>(())
//! ```

mod batch;
mod budget;
mod delay;
mod disk;
mod escape;
mod faults;
mod histogram;
mod idempotency;
mod ids;
mod log_view;
mod losses;
mod name;
mod open_batch;
mod position;
mod record;
mod records;
mod running;
mod time;
mod write_concern;

pub use batch::Batch;
pub use budget::{Budget, Share};
pub use delay::{
    DelayRange, DurationError, HEARTBEAT_INTERVAL_MAX, parse_duration, parse_duration_with_unit,
};
pub use disk::{Damage, DiskChange, DiskFault, Fsync};
pub use escape::{escaped, field_value};
pub use faults::{Faults, Rate};
pub use histogram::{DurationCounts, DurationReader, DurationRecorder};
pub use idempotency::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError};
pub use ids::{
    Checksum, Epoch, InstanceId, KeyHash, LogId, RequestId, SessionId, Storage, StoreId, WaiterId,
};
pub use log_view::{LogView, UnreadBatch, Unreadable};
pub use losses::{Longer, Losses};
pub use name::{NameError, NodeName, is_dots};
pub use open_batch::OpenBatch;
pub use position::{IdRange, LogEnd, MessageId};
pub use record::{
    BATCH_BYTES_MAX, InBatch, MESSAGE_BYTES_LIMIT, RECORD_BYTES_MAX, RECORD_HEAD_BYTES_MAX,
    RECORD_HEADER_BYTES, Record, RecordError, RecordHead, encode_record, in_batch, record_at,
    record_bytes, record_head, record_size,
};
pub use records::{Records, checked_records};
pub use running::RunningChecksum;
pub use time::rfc3339;
pub use write_concern::{NODES_MAX, Quorum, SECONDARIES_MAX, WriteConcern, WriteConcernError};

/// The target of log lines about a message: accepted, stored, acked. It is not the name of a
/// module, so that users can ask for these lines alone: `--log info,acklog::message=debug`.
pub const MESSAGE_TARGET: &str = "acklog::message";
