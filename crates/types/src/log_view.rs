//! What a state machine may ask of its node's log, so that the machine knows no log and the log no machine.

use thiserror::Error;

use crate::{Checksum, IdRange, LogEnd};

/// What the deciding code may ask of its node's log: sizes and checksums, never bytes.
pub trait LogView {
    /// The longest run of durable records from `from` on that ends at `until` or before and has at most `max_bytes` (or
    /// is a single record or batch), and its size in bytes. Empty where nothing is there. Only `from` and `until` cut a
    /// batch, and so nothing does where they are ends of runs and of what is durable. None where `from` lies before
    /// what is in memory: nobody waits for a file here, so that is asked for by an effect.
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<(IdRange, usize)>;

    /// Returns the checksum by which a secondary tells its log below `end`: of all records or, where that is not known,
    /// of the last one; none at the log's beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    fn checksum_below(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable>;

    /// Returns whether a secondary that tells this checksum has the same records below `end`, which is durable here:
    /// whether it is the one of all records, or the one of the last record alone, which earlier releases tell. None
    /// where only a file can tell.
    fn is_same_below(&self, end: LogEnd, told: Checksum) -> Option<bool>;
}

/// A part of the node's own log cannot be read: which one and why, in words. The disk's fault is
/// told by an input of its own.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Why a batch cannot be read that was appended, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnreadBatch {
    /// For the moment: the same read may work later.
    Passing(String),
    /// It is damaged.
    Damaged(String),
}
