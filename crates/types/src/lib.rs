//! The words of the project: every id, position, name and count has a type of its own, so that no bare `u64`
//! crosses a module boundary and no two of them can be mistaken for each other.
//!
//! All ranges are half open. A *pointer* into the log is always an *end*: the id of the first message that is not
//! included. `LogEnd` is such a pointer, `MessageId` names one message.

mod batch;
mod budget;
mod delay;
mod disk;
mod escape;
mod faults;
mod idempotency;
mod ids;
mod log_view;
mod losses;
mod name;
mod position;
mod record;
mod records;
mod run;
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
pub use idempotency::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError};
pub use ids::{Checksum, InstanceId, KeyHash, LogId, RequestId, SessionId, WaiterId};
pub use log_view::{LogView, Unreadable};
pub use losses::{Longer, Losses};
pub use name::is_dots;
pub use name::{NameError, NodeName};
pub use position::{IdRange, LogEnd, MessageId};
pub use record::{
    BATCH_BYTES_MAX, InBatch, MESSAGE_BYTES_LIMIT, RECORD_BYTES_MAX, RECORD_HEAD_BYTES_MAX,
    RECORD_HEADER_BYTES, Record, RecordError, RecordHead, encode_record, in_batch, record_at,
    record_bytes, record_head, record_size,
};
pub use records::Records;
pub use records::checked_records;
pub use run::Run;
pub use running::RunningChecksum;
pub use time::rfc3339;
pub use write_concern::{NODES_MAX, Quorum, SECONDARIES_MAX, WriteConcern, WriteConcernError};

/// The target of log lines that tell of a message: accepted, stored, acked. Not a module's name, so that these lines
/// can be asked for by themselves: `--log info,acklog::message=debug`.
pub const MESSAGE_TARGET: &str = "acklog::message";
