//! Reasons why a part of a segment file was not read, and the words for them.

use std::io;

use acklog_types::LogEnd;

use crate::storage::Storage;

/// Describes a damaged place for the operator.
pub(super) fn damage_text(storage: &dyn Storage, name: &str, offset: u64, what: &str) -> String {
    format!("{} is damaged at offset {offset}: {what}", storage.path_of(name))
}

/// Describes a failed operation for the operator.
pub(super) fn failure_text(
    storage: &dyn Storage,
    what: &str,
    name: &str,
    error: &io::Error,
) -> String {
    format!("cannot {what} {}: {error}", storage.path_of(name))
}

/// Reason why a part of a segment file was not read.
pub(super) enum SegmentReadError {
    /// The system did not read it.
    Io(io::Error),
    /// Something is wrong at this offset, which affects this message first.
    Damaged(u64, LogEnd, String),
}
