//! The checksum of all records below a position, from the files.

use acklog_threads::lock;
use acklog_types::{LogEnd, RunningChecksum};

use super::super::segment_file::READ_AHEAD_BYTES_MAX;
use super::{Located, Segments};
use crate::ReadError;

impl Segments {
    /// Returns the checksum of all records below a durable position. Reads the segment up to there
    /// and, once, all segments before it that an earlier release wrote without a checksum.
    pub(crate) fn running_checksum(&self, end: LogEnd) -> Result<RunningChecksum, ReadError> {
        let located = self.locate(end)?;
        let header = located.segment.header;
        let before = match header.running {
            Some(running) => running,
            None => self.running_before(header.first)?,
        };
        self.running_over(&located, before, end)
    }

    /// Returns a position behind `end` at which the next file begins, and the checksum of all
    /// records before it, if that file's header has it.
    pub(crate) fn running_behind(&self, end: LogEnd) -> Option<(LogEnd, RunningChecksum)> {
        let until = self.locate(end).ok()?.end;
        let next = self.locate(until).ok()?.segment.header;
        next.running.filter(|_| next.first == until).map(|running| (until, running))
    }

    /// Returns the checksum of all records before a segment whose header does not have it.
    fn running_before(&self, first: LogEnd) -> Result<RunningChecksum, ReadError> {
        // The lock is held for all of it: the next caller finds what this one computed.
        let mut known = lock(&self.running);
        let nearest = known.range(..=first).next_back().map(|(&at, &running)| (at, running));
        let (mut at, mut running) = nearest.unwrap_or((LogEnd::ZERO, RunningChecksum::START));
        while at < first {
            let located = self.locate(at)?;
            let before = located.segment.header.running.unwrap_or(running);
            running = self.running_over(&located, before, located.end)?;
            at = located.end;
            known.insert(at, running);
        }
        Ok(running)
    }

    /// Continues a checksum over the records of a segment, from its first one to `end`.
    fn running_over(
        &self,
        located: &Located,
        mut running: RunningChecksum,
        end: LogEnd,
    ) -> Result<RunningChecksum, ReadError> {
        let mut from = located.segment.header.first;
        while from < end {
            let records = self.read_located(located, from, end, READ_AHEAD_BYTES_MAX)?;
            running = running.over(records.as_bytes()).expect("checked records are whole");
            from = records.range().end();
        }
        Ok(running)
    }
}
