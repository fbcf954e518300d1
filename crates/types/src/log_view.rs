//! The questions that a state machine may ask its node's log, so that neither crate depends on the
//! other.

use thiserror::Error;

use crate::{Checksum, IdRange, LogEnd};

/// The questions that the protocol may ask its node's log: sizes and checksums, never bytes.
pub trait LogView {
    /// Returns the longest run of durable records from `from` on that ends at or before `until` and
    /// has at most `max_bytes` (or is a single record or batch), and its size in bytes. Empty if
    /// there is no durable record. Only `from` and `until` can cut a batch; neither does where it
    /// is the end of a run or of what is durable.
    ///
    /// None if `from` lies before the records in memory: this call never waits for a file, so the
    /// machine asks for such a run by an effect.
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<(IdRange, usize)>;

    /// Returns the checksum that a secondary sends for its log below `end`: of all records or, if
    /// that is not known, of the last one; none at the log's beginning.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn checksum_below(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable>;

    /// Returns whether a secondary that sent this checksum has the same records below `end`, which
    /// is durable here. The checksum is the one of all records or, from earlier releases, of the
    /// last record alone. None if only a file can tell.
    fn is_same_below(&self, end: LogEnd, told: Checksum) -> Option<bool>;
}

/// A part of the node's own log that cannot be read: which one and why, in words. The disk's fault
/// is a separate input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Reason why a batch cannot be read that was appended, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnreadBatch {
    /// For the moment: the same read may work later.
    Passing(String),
    /// It is damaged.
    Damaged(String),
}
