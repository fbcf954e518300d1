//! Reads runs of whole batches from a segment.

use acklog_types::{IdRange, LogEnd, RecordError, Records, record_at, record_size};
use bytes::Bytes;

use super::super::format::{GROUP_BYTES_MAX, GROUP_HEADER_BYTES, GroupHeader, SegmentHeader};
use super::super::places::pass_damage;
use super::super::read_ahead::ReadAhead;
use super::super::scan::OF_OTHERS;
use super::{SegmentFile, SegmentReadError};
use crate::PageRead;

/// Bytes read at once, at least: a group and its header.
const READ_BYTES: usize = GROUP_BYTES_MAX + GROUP_HEADER_BYTES;

/// Bytes read at once beyond those, at most. More: more memory per read. Fewer: more reads for a
/// run on its way to a secondary.
pub(in crate::disk) const READ_AHEAD_BYTES_MAX: usize = 256 * 1024;

impl SegmentFile {
    /// Reads the records from `from` on. `until` must not lie beyond what was written.
    pub(in crate::disk) fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        (max_bytes, longest_batch): (usize, usize),
    ) -> Result<PageRead, SegmentReadError> {
        let (next, at) = self.index().before(from);
        let chunk = READ_BYTES + max_bytes.min(READ_AHEAD_BYTES_MAX);
        let mut reader = RunReader {
            input: ReadAhead::new(&*self.file, chunk),
            header: &self.header,
            next,
            at,
            range: IdRange::empty(from),
            until,
            max_bytes,
            longest_batch,
            bytes: Vec::new(),
            whole: (from, 0),
        };
        match reader.gather() {
            Ok(None) => {}
            Ok(Some(longer)) => return Ok(PageRead::Longer(longer)),
            Err(unread) => {
                // Whole batches before a damaged place are returned.
                let (end, bytes) = reader.whole;
                if bytes == 0 {
                    return Err(unread);
                }
                reader.cut_to(end, bytes);
            }
        }
        Ok(PageRead::Records(Records::trusted(reader.range, Bytes::from(reader.bytes))))
    }
}

/// Reads one run.
struct RunReader<'a> {
    input: ReadAhead<'a>,
    header: &'a SegmentHeader,
    /// The group to look at next: its first id and its offset.
    next: LogEnd,
    at: u64,
    /// The ids of what was read.
    range: IdRange,
    until: LogEnd,
    max_bytes: usize,
    longest_batch: usize,
    bytes: Vec<u8>,
    /// The end of the last whole batch that was read, and the bytes up to there.
    whole: (LogEnd, usize),
}

impl RunReader<'_> {
    fn cut_to(&mut self, end: LogEnd, bytes: usize) {
        self.bytes.truncate(bytes);
        self.range = self.range.until(end);
    }

    /// Reads the run. Returns the size of the first group if that is a single batch that is too
    /// long.
    fn gather(&mut self) -> Result<Option<usize>, SegmentReadError> {
        while self.range.end() < self.until {
            let head = self.input.get(self.at, GROUP_HEADER_BYTES).map_err(SegmentReadError::Io)?;
            let group = self.header.decode_group(head);
            let Some(group) = group.filter(|group| group.first == self.next) else {
                let (here, from) = ((self.next, self.at), self.range.start());
                (self.next, self.at) = pass_damage(&mut self.input, self.header, here, from)?;
                continue;
            };
            if self.range.end() < group.end() {
                // Only a single batch makes such a long group. The run ends before it or is that
                // batch.
                let bytes = group.bytes as usize;
                if bytes > self.longest_batch.max(GROUP_BYTES_MAX) {
                    return Ok(self.range.is_empty().then_some(bytes));
                }
                if self.gather_from(&group)? {
                    return Ok(None);
                }
            }
            self.at += group.size();
            self.next = group.end();
        }
        Ok(None)
    }

    /// Reads the wanted records of a group. Returns whether the run is complete.
    fn gather_from(&mut self, group: &GroupHeader) -> Result<bool, SegmentReadError> {
        let begin = self.at + group.header_bytes() as u64;
        let bytes = self.input.get(begin, group.bytes as usize).map_err(SegmentReadError::Io)?;
        if group.is_of_others(bytes) {
            return Err(SegmentReadError::Damaged(self.at, self.next, OF_OTHERS.to_owned()));
        }
        let (mut at, mut next) = (0, group.first);
        while next < group.end() {
            let rest = bytes.get(at..).unwrap_or_default();
            let wanted = self.range.end();
            let size = if next < wanted {
                // Not checked: an error shows in the record behind it.
                record_size(rest).unwrap_or(usize::MAX)
            } else {
                assert_eq!(next, wanted, "a run is read without a gap");
                let checked = record_at(next.next_id(), rest);
                let damaged = |error: RecordError| {
                    SegmentReadError::Damaged(begin + at as u64, next, error.to_string())
                };
                let (record, size) = checked.map_err(damaged)?;
                let (end, bytes) = self.whole;
                if bytes > 0 && self.bytes.len() + size > self.max_bytes {
                    self.cut_to(end, bytes);
                    return Ok(true);
                }
                self.bytes.extend_from_slice(rest.get(..size).unwrap_or_default());
                self.range = IdRange::new(self.range.start(), wanted.plus(1));
                if !record.has_more {
                    self.whole = (self.range.end(), self.bytes.len());
                }
                if self.range.end() == self.until {
                    return Ok(true);
                }
                size
            };
            at = at.saturating_add(size);
            next = next.plus(1);
        }
        Ok(false)
    }
}
