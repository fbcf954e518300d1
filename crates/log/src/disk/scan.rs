//! Scans segment files from start to end: for recovery, the scrubber and inspection.

use std::io;
use std::ops::ControlFlow;

use acklog_types::{IdRange, KeyHash, LogEnd, Record, RunningChecksum, checked_records, record_at};
use memchr::memmem;

use super::format::{GROUP_HEADER_BYTES, GroupHeader, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::index::{IndexedKey, SparseIndex};
use super::read_ahead::ReadAhead;
use crate::storage::StorageFile;

/// Bytes of a file that are read at once.
pub(super) const SCAN_BYTES: usize = 1024 * 1024;

/// The fault of a group whose sum does not match its records.
pub(super) const OF_OTHERS: &str = "the records here are whole, but not those that were written";

/// The contents of a segment file.
#[derive(Debug)]
pub(super) struct Scanned {
    /// The index of the whole records at the front, up to the last whole batch.
    pub(super) index: SparseIndex,
    /// The keyed messages among them, in id order.
    pub(super) keys: Vec<IndexedKey>,
    /// The checksum of all records before their end; none if it is not known.
    pub(super) running: Option<RunningChecksum>,
    /// The highest flushed end of all whole group headers, also of those behind a bad spot.
    pub(super) flushed_end: LogEnd,
    /// The place that ends the whole records, unless it is the file's end or preallocated zeros.
    pub(super) bad: Option<BadSpot>,
    /// The offset of the last group whose header counts records that are not kept.
    pub(super) broken_group: Option<u64>,
    /// Whether the visitor stopped the scan. What follows was not read.
    pub(super) is_stopped: bool,
}

/// A place in a file that does not have what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadSpot {
    /// Its offset in the file.
    pub(super) offset: u64,
    /// The fault that was found there.
    pub(super) what: String,
    /// The end of what is kept: this offset or, inside a batch, the one where the batch begins.
    pub(super) cut: u64,
    /// The messages behind what is kept, as far as whole group headers tell.
    pub(super) ids: IdRange,
    /// Bytes from `cut` to the last byte that is not zero.
    pub(super) bytes: u64,
}

/// Called with each whole record. `Break` ends the scan.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Record<'_>) -> ControlFlow<()>;

/// Ignores a record.
pub(super) fn no_visit(_: &Record<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The end of the whole records: its place, and the fault there; no fault for zeros and the file's
/// end.
struct ScanStop {
    offset: u64,
    /// The end of what is kept: before `offset` if that lies inside a batch.
    cut: u64,
    what: Option<String>,
}

/// Scans a segment's groups.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn scan(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    visit: Visit<'_>,
) -> io::Result<Scanned> {
    scan_from(file, header, SparseIndex::new(header.first), header.running, visit)
}

/// Scans a segment from the end of `index` on, where a group must begin. `running` is the checksum
/// of all records before.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn scan_from(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    index: SparseIndex,
    running: Option<RunningChecksum>,
    visit: Visit<'_>,
) -> io::Result<Scanned> {
    let mut input = ReadAhead::new(file, SCAN_BYTES);
    let mut scanned = Scanned {
        index,
        keys: Vec::new(),
        running,
        flushed_end: LogEnd::ZERO,
        bad: None,
        broken_group: None,
        is_stopped: false,
    };
    let (stop, mut told_end) = loop {
        let at = scanned.index.length();
        let head = input.get(at, GROUP_HEADER_BYTES)?;
        let Some(group) = header.decode_group(head) else {
            let is_blank = head.iter().all(|&byte| byte == 0);
            let what =
                (!is_blank).then(|| "the header of a group of records is damaged".to_owned());
            break (ScanStop { offset: at, cut: at, what }, scanned.index.end());
        };
        if group.first != scanned.index.end() {
            let what =
                format!("message {} stands where {} should be", group.first, scanned.index.end());
            break (ScanStop { offset: at, cut: at, what: Some(what) }, scanned.index.end());
        }
        scanned.flushed_end = scanned.flushed_end.max(group.flushed_end);
        if let Some(stop) = scanned.take_group(&mut input, at, &group, visit)? {
            break (stop, group.end());
        }
        if scanned.is_stopped {
            return Ok(scanned);
        }
    };
    let behind = look_behind(&mut input, stop.cut, header)?;
    scanned.flushed_end = scanned.flushed_end.max(behind.flushed_end);
    told_end = told_end.max(behind.end);
    if behind.bytes > 0 || scanned.broken_group.is_some() {
        let begin = scanned.index.end();
        scanned.bad = Some(BadSpot {
            offset: stop.offset,
            cut: stop.cut,
            what: stop.what.unwrap_or_else(|| format!("zeros where message {begin} should be")),
            ids: IdRange::new(begin, told_end.max(begin)),
            bytes: behind.bytes,
        });
    }
    Ok(scanned)
}

impl Scanned {
    /// Takes the whole records of a group, except for an incomplete batch. Returns where they end
    /// if that is before the group's end.
    fn take_group(
        &mut self,
        input: &mut ReadAhead<'_>,
        at: u64,
        group: &GroupHeader,
        visit: Visit<'_>,
    ) -> io::Result<Option<ScanStop>> {
        let begin = at + group.header_bytes() as u64;
        let bytes = input.get(begin, group.bytes as usize)?;
        if group.is_of_others(bytes) {
            self.broken_group = Some(at);
            return Ok(Some(ScanStop { offset: at, cut: at, what: Some(OF_OTHERS.to_owned()) }));
        }
        let (mut rest, mut next, mut what) = (bytes, group.first, None);
        // The end of the last whole batch, as a position and as bytes.
        let (mut end, mut kept) = (next, 0);
        while next < group.end() && !self.is_stopped {
            match record_at(next.next_id(), rest) {
                Ok((record, size)) => {
                    rest = rest.get(size..).unwrap_or_default();
                    let is_alone = next == end;
                    next = next.plus(1);
                    if record.has_more {
                        continue;
                    }
                    let at = bytes.len() - rest.len();
                    if is_alone {
                        self.take(&record, visit);
                    } else {
                        // Decoded again instead of kept meanwhile: there may be a million of them.
                        let batch = bytes.get(kept..at).unwrap_or_default();
                        checked_records(end, batch).for_each(|record| self.take(&record, visit));
                    }
                    (end, kept) = (next, at);
                }
                Err(error) => {
                    what = Some(error.to_string());
                    break;
                }
            }
        }
        let (kept, whole) = (kept as u64, (bytes.len() - rest.len()) as u64);
        if self.is_stopped {
            return Ok(None);
        }
        if what.is_none() && end < next {
            what = Some(format!("a batch is cut off before message {next}"));
        } else if what.is_none() && whole < u64::from(group.bytes) {
            what = Some("a group has more bytes than its records".to_owned());
        }
        if end > group.first {
            let records = (end.get() - group.first.get()) as u32;
            self.index.push(records, group.header_bytes() as u64 + kept, kept);
            let running = |running: RunningChecksum| running.over(bytes.get(..kept as usize)?);
            self.running = self.running.and_then(running);
        }
        if what.is_some() {
            self.broken_group = Some(at);
        }
        let cut = if kept == 0 { at } else { begin + kept };
        let offset = begin + whole;
        Ok(what.map(|what| ScanStop { offset, cut, what: Some(what) }))
    }

    fn take(&mut self, record: &Record<'_>, visit: Visit<'_>) {
        if let Some(key) = record.key {
            self.keys.push((KeyHash::of(key), record.id));
        }
        self.is_stopped |= visit(record).is_break();
    }
}

/// The ends that whole group headers at or behind an offset tell, and the length of the file from
/// there on up to the last byte that is not zero.
struct GroupsBehind {
    flushed_end: LogEnd,
    end: LogEnd,
    bytes: u64,
}

/// Finds whole groups behind a place from which nothing leads to them.
fn look_behind(
    input: &mut ReadAhead<'_>,
    from: u64,
    header: &SegmentHeader,
) -> io::Result<GroupsBehind> {
    let mut behind = GroupsBehind { flushed_end: LogEnd::ZERO, end: LogEnd::ZERO, bytes: 0 };
    let needle = header.sync_marker.to_le_bytes();
    let mut at = from;
    loop {
        let piece = input.get(at, SCAN_BYTES)?;
        if let Some(last) = piece.iter().rposition(|&byte| byte != 0) {
            behind.bytes = at + last as u64 + 1 - from;
        }
        for found in memmem::find_iter(piece, &needle) {
            let head = piece.get(found..).unwrap_or_default();
            if let Some(group) = header.decode_group(head) {
                behind.flushed_end = behind.flushed_end.max(group.flushed_end);
                behind.end = behind.end.max(group.end());
            }
        }
        // A header may lie across the border of two pieces.
        let step = piece.len().saturating_sub(GROUP_HEADER_BYTES - 1);
        if piece.len() < SCAN_BYTES {
            return Ok(behind);
        }
        at += step as u64;
    }
}

/// Reads a segment file's header. The inner error says in words why it is not one.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read_header(file: &dyn StorageFile) -> io::Result<Result<SegmentHeader, String>> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    if file.read_at(0, &mut bytes)? < SEGMENT_HEADER_BYTES {
        return Ok(Err("the file is cut off inside its header".to_owned()));
    }
    Ok(SegmentHeader::decode(&bytes))
}
