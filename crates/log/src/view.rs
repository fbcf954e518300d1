//! The questions of the protocol to its node's log: sizes of runs, and whether another node's log
//! is the same.

use acklog_types::{Checksum, IdRange, LogEnd, Records, RunningChecksum};
use acklog_types::{LogView, UnreadBatch, Unreadable};

use super::{LogReader, PageRead, ReadError};

/// Bytes of records that are read at once while computing a checksum backwards. More: more memory.
/// Fewer: more calls.
const BACK_BYTES: usize = 256 * 1024;

impl LogReader {
    /// Returns whether a read from here on needs no file, as long as no chunk is dropped meanwhile.
    #[cfg(any(test, feature = "sim-disk"))]
    pub fn is_recent(&self, from: LogEnd) -> bool {
        self.shared.recent().start() <= from
    }

    /// As [`read`](Self::read), but only from memory; none if that takes a file.
    pub fn read_in_memory(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<Records> {
        let until = until.min(self.durable_end());
        match from < until {
            true => self.shared.read_recent(from, until, max_bytes),
            false => Some(Records::empty(from)),
        }
    }

    /// As [`read`](Self::read), but a batch in a file with more than `longest_batch` bytes is not
    /// read, and no memory is allocated for it: so the caller can make space first.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_run(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        longest_batch: usize,
    ) -> Result<PageRead, ReadError> {
        let until = until.min(self.durable_end());
        match self.read_in_memory(from, until, max_bytes) {
            Some(records) => Ok(PageRead::Records(records)),
            None => {
                self.on_disk(|segments| segments.read_run(from, until, max_bytes, longest_batch))
            }
        }
    }

    /// Returns the checksum of all durable records below `end`. Two logs are compared by it: if it
    /// is equal at a position, so is everything below. None if `end` lies above the durable end.
    ///
    /// In memory this takes microseconds. For older positions up to a segment of 64 MiB is read,
    /// and once all of a log that an earlier release wrote. Call it where waiting for the disk is
    /// allowed, never on the core's thread.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn running_checksum(&self, end: LogEnd) -> Result<Option<RunningChecksum>, ReadError> {
        if end > self.durable_end() {
            return Ok(None);
        }
        match self.shared.running_recent(end) {
            Some(running) => Ok(Some(running)),
            None => {
                let running = self.on_disk(|segments| segments.running_checksum(end));
                running.or_else(|unread| self.running_back(end).ok_or(unread)).map(Some)
            }
        }
    }

    /// Computes the checksum of all records below `end` when records below are damaged: backwards
    /// from the next position with a known checksum. So a secondary that has the damaged messages
    /// is admitted, and can supply them.
    fn running_back(&self, end: LogEnd) -> Option<RunningChecksum> {
        let behind = self.on_disk(|segments| Ok(segments.running_behind(end))).ok()?;
        let (until, running) = behind.or_else(|| {
            let start = self.shared.recent().start();
            self.shared.running_recent(start).map(|running| (start, running))
        })?;
        let (mut from, mut checksums) = (end, Vec::new());
        while from < until {
            let records = self.read(from, until, BACK_BYTES).ok()?;
            checksums.extend(records.iter().map(|record| record.checksum.get()));
            from = records.range().end();
        }
        Some(checksums.iter().rev().fold(running, |running, &crc| running.before(crc)))
    }

    /// Returns whether a secondary that sent this checksum has the same records below a durable
    /// `end`; see [`LogView::is_same_below`]. May read files, as
    /// [`running_checksum`](Self::running_checksum).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn compare_below(&self, end: LogEnd, told: Checksum) -> Result<bool, ReadError> {
        // The checksum that earlier releases send is compared first: it takes a small read.
        let last = self.last_record(end);
        if last == Ok(Some(told)) {
            return Ok(true);
        }
        let running = self.running_checksum(end)?;
        let is_same = running.map(RunningChecksum::short) == Some(told);
        // If the last record cannot be read, its checksum may be the one that was sent.
        if is_same { Ok(true) } else { last.map(|_| false) }
    }

    /// Returns the checksum of the last durable record before `end`; none at the log's beginning.
    fn last_record(&self, end: LogEnd) -> Result<Option<Checksum>, ReadError> {
        if let Some(last) = self.shared.last_recent(end) {
            return Ok(Some(last));
        }
        let Some(last) = end.last_id() else { return Ok(None) };
        let records = self.read(last.before(), end, 0)?;
        Ok(records.iter().next().map(|record| record.checksum))
    }
}

impl From<&ReadError> for Unreadable {
    fn from(error: &ReadError) -> Self {
        Self(error.to_string())
    }
}

impl From<ReadError> for UnreadBatch {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Passing { detail } => Self::Passing(detail),
            ReadError::Damaged { detail, .. } => Self::Damaged(detail),
        }
    }
}

impl LogView for LogReader {
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<(IdRange, usize)> {
        let until = until.min(self.durable_end());
        if from >= until {
            return Some((IdRange::empty(from), 0));
        }
        self.shared.plan_recent(from, until, max_bytes)
    }

    fn checksum_below(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        if end == LogEnd::ZERO {
            return Ok(None);
        }
        match self.shared.running_recent(end) {
            Some(running) => Ok(Some(running.short())),
            None => self.last_record(end).map_err(|error| Unreadable::from(&error)),
        }
    }

    fn is_same_below(&self, end: LogEnd, told: Checksum) -> Option<bool> {
        let running = self.shared.running_recent(end).map(RunningChecksum::short);
        let last = self.shared.last_recent(end);
        if running == Some(told) || last == Some(told) {
            return Some(true);
        }
        running.and(last).map(|_| false)
    }
}
