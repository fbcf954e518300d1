//! Comparing two logs at a position.

use super::{LogReader, ReadError};
use crate::types::{LogEnd, RunningChecksum};

impl LogReader {
    /// The checksum of all durable records below `end`, by which two logs are compared at a position: where it is the
    /// same, so is all that lies below. None where it is not known, since a part of the log was written by a release
    /// that did not keep it, or where `end` lies above the durable end.
    ///
    /// What is in memory takes microseconds. For older positions up to a segment of 64 MiB is read: ask where waiting
    /// for the disk is allowed, never on the core's thread (see [`is_recent`](Self::is_recent)).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn running_checksum(&self, end: LogEnd) -> Result<Option<RunningChecksum>, ReadError> {
        if end > self.durable_end() {
            return Ok(None);
        }
        match self.shared.running_recent(end) {
            Some(running) => Ok(running),
            None => self.on_disk(|files| files.running_checksum(end)),
        }
    }
}
