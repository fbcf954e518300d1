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
mod log_view;
mod losses;
mod name;
mod record;
mod records;
mod running;
mod time;
mod write_concern;

use std::fmt;

pub use batch::Batch;
pub use budget::{Budget, Share};
pub use delay::{
    DelayRange, DurationError, HEARTBEAT_INTERVAL_MAX, parse_duration, parse_duration_with_unit,
};
pub use disk::{Damage, DiskChange, DiskFault, Fsync};
pub use escape::{escaped, field_value};
pub use faults::{Faults, Rate};
pub use idempotency::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, IdempotencyKeyError};
pub use log_view::{LogView, UnreadBatch, Unreadable};
pub use losses::{Longer, Losses};
pub use name::is_dots;
pub use name::{NameError, NodeName};
pub use record::has_more;
pub use record::{
    BATCH_BYTES_MAX, MESSAGE_BYTES_LIMIT, RECORD_BYTES_MAX, RECORD_HEAD_BYTES_MAX,
    RECORD_HEADER_BYTES, Record, RecordError, RecordHead, encode_record, record_at, record_bytes,
    record_head, record_size,
};
pub use records::Records;
pub use records::checked_records;
pub use running::RunningChecksum;
pub use time::rfc3339;
pub use write_concern::{NODES_MAX, Quorum, SECONDARIES_MAX, WriteConcern, WriteConcernError};

/// Position of one message in the log: 0, 1, 2, … without gaps, given by the master and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

/// An exclusive pointer into the log: the id of the first message that is *not* included, and so the number of
/// messages before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogEnd(u64);

impl MessageId {
    /// The message at this position.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The position as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The pointer that includes this message and nothing behind it.
    pub const fn end(self) -> LogEnd {
        LogEnd(self.0 + 1)
    }

    /// The pointer that stops right before this message.
    pub const fn before(self) -> LogEnd {
        LogEnd(self.0)
    }
}

impl LogEnd {
    /// The end of an empty log.
    pub const ZERO: Self = Self(0);

    /// The end of a log of `count` messages.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// The number of messages before this end.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The id of the first message that this end does not include.
    pub const fn next_id(self) -> MessageId {
        MessageId(self.0)
    }

    /// The id of the last message before this end, if there is one.
    pub fn last_id(self) -> Option<MessageId> {
        self.0.checked_sub(1).map(MessageId)
    }

    /// The end of the log after `count` more messages.
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of consecutive ids, `start..end`.
///
/// Written for people as `3` (one message), `3..=5` (several) or `none` (empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    start: LogEnd,
    end: LogEnd,
}

impl IdRange {
    /// The ids from `start` up to, not including, `end`.
    ///
    /// # Panics
    /// When `end` lies before `start`: that is a bug of the caller.
    pub fn new(start: LogEnd, end: LogEnd) -> Self {
        assert!(start <= end, "a range ends before it starts: {start}..{end}");
        Self { start, end }
    }

    /// The range that holds no id and stands at `at`.
    pub const fn empty(at: LogEnd) -> Self {
        Self { start: at, end: at }
    }

    /// Where the range begins, as a pointer.
    pub const fn start(self) -> LogEnd {
        self.start
    }

    /// The exclusive end.
    pub const fn end(self) -> LogEnd {
        self.end
    }

    /// How many ids the range holds.
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether the range holds no id.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// The part of the range at or above `from`; empty at the range's end when nothing is left.
    pub fn from(self, from: LogEnd) -> Self {
        Self { start: self.start.max(from).min(self.end), end: self.end }
    }

    /// The part of the range below `until`; empty at the range's start when nothing is left.
    pub fn until(self, until: LogEnd) -> Self {
        Self { start: self.start, end: self.end.min(until).max(self.start) }
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0 => f.write_str("none"),
            1 => self.start.fmt(f),
            _ => write!(f, "{}..={}", self.start, self.end.0 - 1),
        }
    }
}

/// The target of log lines that tell of a message: accepted, stored, acked. Not a module's name, so that these lines
/// can be asked for by themselves: `--log info,acklog::message=debug`.
pub const MESSAGE_TARGET: &str = "acklog::message";

/// Something that stands for a run of consecutive messages: bare ids inside the deciding code, ids with their
/// encoded records around it.
pub trait Run: Clone {
    /// The ids of the run.
    fn range(&self) -> IdRange;

    /// The size of the run's records, in bytes.
    fn bytes(&self) -> usize;

    /// The part of the run inside `part`.
    ///
    /// # Panics
    /// When `part` is not inside the run.
    fn slice(&self, part: IdRange) -> Self;

    /// Returns the run in memory of its own, so that keeping it keeps nothing beside it.
    #[must_use]
    fn detached(self) -> Self;
}

/// Bare ids: a run whose bytes are elsewhere. Each message counts as one byte.
impl Run for IdRange {
    fn range(&self) -> IdRange {
        *self
    }

    fn bytes(&self) -> usize {
        self.len() as usize
    }

    fn slice(&self, part: IdRange) -> Self {
        assert!(self.start <= part.start && part.end <= self.end, "{part} is not inside {self}");
        part
    }

    fn detached(self) -> Self {
        self
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The bare number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

number! {
    /// Number of a request on one connection in one direction; the response carries it back.
    RequestId(u64), "{}"
}
number! {
    /// One connection's life, as this process counts them. Never on the wire.
    SessionId(u64), "{}"
}
number! {
    /// A sender that waits for its write concern, as the layer that holds the sender names it.
    WaiterId(u64), "{}"
}
number! {
    /// Unique id of a log: drawn by the master when the log begins. Two logs never share messages.
    LogId(u128), "{:032x}"
}
number! {
    /// Unique id of one run of a secondary's process, so that its own reconnect can be told from a namesake.
    InstanceId(u128), "{:032x}"
}
number! {
    /// 128-bit hash of an idempotency key.
    KeyHash(u128), "{:032x}"
}
number! {
    /// CRC-32C of a record, or the lower half of a [`RunningChecksum`].
    Checksum(u32), "{:08x}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_like_the_ids_it_holds() {
        let range = |a, b| IdRange::new(LogEnd::new(a), LogEnd::new(b)).to_string();
        assert_eq!(range(3, 3), "none");
        assert_eq!(range(3, 4), "3");
        assert_eq!(range(3, 6), "3..=5");
    }

    #[test]
    fn cutting_a_range_outside_itself_leaves_nothing() {
        let range = IdRange::new(LogEnd::new(3), LogEnd::new(6));
        assert_eq!(range.from(LogEnd::new(9)), IdRange::empty(LogEnd::new(6)));
        assert_eq!(range.until(LogEnd::new(1)), IdRange::empty(LogEnd::new(3)));
        assert_eq!(range.from(LogEnd::new(4)).until(LogEnd::new(5)).to_string(), "4");
    }
}
