//! Writes the records of a segment into a new file, in groups.

use std::io;

use acklog_types::{IdRange, InBatch, LogEnd};

use super::super::super::format::{GROUP_BYTES_MAX, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::storage::StorageFile;

/// Bytes that are written at once, about.
const WRITE_BYTES: usize = 1024 * 1024;

/// A file that is being written. It is flushed before it is used, so each group may claim that
/// everything before it is.
pub(super) struct SegmentWriter<'a> {
    file: &'a dyn StorageFile,
    header: &'a SegmentHeader,
    /// The offset of the next bytes.
    at: u64,
    /// Groups that are not written yet.
    out: Vec<u8>,
    /// The records of the next group, from message `next` on.
    group: Vec<u8>,
    next: LogEnd,
    /// The end of those records.
    end: LogEnd,
    /// The end of the last whole batch among them, in bytes and as a position.
    whole: (usize, LogEnd),
}

impl<'a> SegmentWriter<'a> {
    /// Creates a writer, and writes the file's header.
    pub(super) fn new(file: &'a dyn StorageFile, header: &'a SegmentHeader) -> io::Result<Self> {
        file.write_at(0, &header.encode())?;
        let (at, next) = (SEGMENT_HEADER_BYTES as u64, header.first);
        let (out, group, whole) = (Vec::new(), Vec::new(), (0, next));
        Ok(Self { file, header, at, out, group, next, end: next, whole })
    }

    /// Adds the next record.
    pub(super) fn push(&mut self, record: &[u8], in_batch: InBatch) -> io::Result<()> {
        self.group.extend_from_slice(record);
        self.end = self.end.plus(1);
        if in_batch == InBatch::More {
            return Ok(());
        }
        if self.group.len() > GROUP_BYTES_MAX && self.whole.0 > 0 {
            self.end_group();
        }
        self.whole = (self.group.len(), self.end);
        if self.out.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the group behind the last whole batch before the newest one.
    fn end_group(&mut self) {
        let (bytes, end) = self.whole;
        let rest = self.group.split_off(bytes);
        let range = IdRange::new(self.next, end);
        let group = self.header.group(range, &self.group, self.next);
        group.encode(self.header.sync_marker, &mut self.out);
        self.out.append(&mut self.group);
        (self.group, self.next) = (rest, end);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.at, &self.out)?;
        self.at += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// Writes the rest. Returns the end of the records.
    pub(super) fn finish(mut self) -> io::Result<LogEnd> {
        if self.whole.1 < self.end {
            return Err(io::Error::other("the last batch has no end"));
        }
        if self.whole.0 > 0 {
            self.end_group();
        }
        self.flush()?;
        Ok(self.next)
    }
}
