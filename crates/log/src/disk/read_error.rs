//! Why a part of a segment file was not read, and the words for it.

use std::io;

use acklog_types::LogEnd;

use crate::storage::Storage;

/// What a person is told of a damaged place.
pub(super) fn damage_text(storage: &dyn Storage, name: &str, offset: u64, what: &str) -> String {
    format!("{} is damaged at offset {offset}: {what}", storage.path_of(name))
}

/// What a person is told of an operation that failed.
pub(super) fn failure_text(
    storage: &dyn Storage,
    what: &str,
    name: &str,
    error: &io::Error,
) -> String {
    format!("cannot {what} {}: {error}", storage.path_of(name))
}

/// Why a part of a file was not read.
pub(super) enum SegmentReadError {
    /// The system does not let it be read.
    Io(io::Error),
    /// Something is wrong at this place of the file, with this message first.
    Damaged(u64, LogEnd, String),
}
