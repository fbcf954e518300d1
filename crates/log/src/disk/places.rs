//! Finds all damaged places of a segment file, also behind the first one.

use std::io;
use std::ops::ControlFlow;

use acklog_types::{IdRange, LogEnd, record_at, record_size};
use memchr::memmem;

use super::format::{GROUP_HEADER_BYTES, GroupHeader, SegmentHeader};
use super::index::ENTRY_DISTANCE_BYTES;
use super::read_ahead::ReadAhead;
use super::read_error::SegmentReadError;
use super::scan::{OF_OTHERS, SCAN_BYTES, Scanned, Visit};
use crate::storage::StorageFile;

/// Most damaged records in a row that are reported one by one. More: searching bytes that are not
/// records takes long. Fewer: whole records behind them are missed.
const DAMAGED_IN_A_ROW_MAX: usize = 64;

/// Bytes that are searched for the group of a wanted message, from an offset without a group on.
/// The index has every group that begins farther away.
const NEAR_BYTES: usize = ENTRY_DISTANCE_BYTES as usize + GROUP_HEADER_BYTES;

/// A place in a segment file that does not have what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPlace {
    /// The first id of the segment, which is in its file's name.
    pub segment: LogEnd,
    /// The offset in the file, in bytes.
    pub offset: u64,
    /// The messages that cannot be read because of it. Empty if none is known.
    pub ids: IdRange,
    /// The fault that was found there.
    pub what: String,
}

/// The damage of a segment.
pub(super) struct DamageFound {
    pub(super) places: Vec<DamagedPlace>,
    /// The place where the segment goes on behind its end: the first message of the next group and
    /// its offset. None if nothing leads there.
    pub(super) behind: Option<(LogEnd, u64)>,
}

/// A group that was found at `at`.
struct FoundGroup {
    at: u64,
    header: GroupHeader,
}

/// Looks for damaged places.
struct DamageSurvey<'a> {
    input: ReadAhead<'a>,
    header: &'a SegmentHeader,
    end: LogEnd,
    /// The next message.
    next: LogEnd,
    /// Messages below were visited before.
    shown: LogEnd,
    /// The place that the scan found, and what is wrong there, until it is noted.
    first: Option<(u64, String)>,
    places: Vec<DamagedPlace>,
}

/// Lists the damaged places of a segment in which a scan found one. Visits the whole records that
/// the scan did not visit, including those of a batch with a damaged record. `end` is where the
/// segment should end, or where the wanted part of it ends.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn damaged_places(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    scanned: &Scanned,
    end: LogEnd,
    visit: Visit<'_>,
) -> io::Result<DamageFound> {
    let mut at = scanned.broken_group.unwrap_or(scanned.index.length());
    let input = ReadAhead::new(file, SCAN_BYTES);
    let (next, first) = (scanned.index.end(), scanned.bad.clone());
    let first = first.map(|bad| (bad.offset, bad.what));
    let mut survey =
        DamageSurvey { input, header, end, next, shown: next, first, places: Vec::new() };
    let mut behind = None;
    while survey.next < end {
        let Some(group) = find_group(&mut survey.input, survey.header, at, survey.next)? else {
            survey.note(at, end, "no whole group of records stands behind this place");
            behind = None;
            break;
        };
        if group.header.first > survey.next {
            let what = "no whole group of records stands here";
            survey.note(at, group.header.first, what);
        }
        if survey.look_at(&group, visit)?.is_break() {
            // The damage lies behind the wanted part.
            survey.first = None;
            break;
        }
        at = group.at + group.header.size();
        behind = Some((survey.next, at));
    }
    // It may be damage that loses no message.
    if let Some((offset, what)) = survey.first.take() {
        let ids = IdRange::empty(scanned.index.end());
        survey.places.insert(0, DamagedPlace { segment: header.first, offset, ids, what });
    }
    Ok(DamageFound { places: survey.places, behind })
}

impl DamageSurvey<'_> {
    /// Notes that the messages from the next one up to `until` cannot be read.
    fn note(&mut self, offset: u64, until: LogEnd, what: &str) {
        let ids = IdRange::new(self.next, until);
        let (offset, what) = self.first.take().unwrap_or_else(|| (offset, what.to_owned()));
        self.places.push(DamagedPlace { segment: self.header.first, offset, ids, what });
        self.next = until;
    }

    /// Checks the records of a group from the next message on.
    fn look_at(&mut self, group: &FoundGroup, visit: Visit<'_>) -> io::Result<ControlFlow<()>> {
        let begin = group.at + group.header.header_bytes() as u64;
        let bytes = self.input.get(begin, group.header.bytes as usize)?.to_vec();
        if group.header.is_of_others(&bytes) {
            self.note(group.at, group.header.end(), OF_OTHERS);
            return Ok(ControlFlow::Continue(()));
        }
        let (mut at, mut id) = (0, group.header.first);
        while id < group.header.end().min(self.end) {
            let rest = bytes.get(at..).unwrap_or_default();
            let size = match record_at(id.next_id(), rest) {
                Ok((record, size)) => {
                    if id >= self.shown && visit(&record).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    size
                }
                Err(error) => {
                    let size = whole_behind(rest, id, group.header.end());
                    let until = size.map_or(group.header.end(), |_| id.plus(1));
                    if until > self.next {
                        self.next = self.next.max(id);
                        self.note(begin + at as u64, until, &error.to_string());
                    }
                    let Some(size) = size else { break };
                    size
                }
            };
            (at, id) = (at + size, id.plus(1));
            self.next = self.next.max(id);
        }
        self.next = self.next.max(group.header.end());
        Ok(ControlFlow::Continue(()))
    }
}

/// Finds the first whole group header at or behind `at` whose group has messages from `next` on.
fn find_group(
    input: &mut ReadAhead<'_>,
    segment: &SegmentHeader,
    mut at: u64,
    next: LogEnd,
) -> io::Result<Option<FoundGroup>> {
    loop {
        let piece = input.get(at, SCAN_BYTES)?;
        let found = group_in(piece, at, segment, next);
        if found.is_some() || piece.len() < SCAN_BYTES {
            return Ok(found);
        }
        // A header may lie across the border of two pieces.
        at += (piece.len() - (GROUP_HEADER_BYTES - 1)) as u64;
    }
}

/// Finds it in the piece of a file that begins at `at`.
fn group_in(piece: &[u8], at: u64, segment: &SegmentHeader, next: LogEnd) -> Option<FoundGroup> {
    let needle = segment.sync_marker.to_le_bytes();
    memmem::find_iter(piece, &needle).find_map(|found| {
        let header = segment.decode_group(piece.get(found..).unwrap_or_default());
        let header = header.filter(|header| header.end() > next)?;
        Some(FoundGroup { at: at + found as u64, header })
    })
}

/// Returns the group with which a reader of message `from` continues, if there is no whole group
/// header at `at`, where the group of message `next` should begin: its first message and its
/// offset.
///
/// # Errors
/// When the damage hides what is wanted, or the file cannot be read.
pub(super) fn pass_damage(
    input: &mut ReadAhead<'_>,
    segment: &SegmentHeader,
    (next, at): (LogEnd, u64),
    from: LogEnd,
) -> Result<(LogEnd, u64), SegmentReadError> {
    if next < from {
        let piece = input.get(at, NEAR_BYTES).map_err(SegmentReadError::Io)?;
        let behind = group_in(piece, at, segment, from);
        if let Some(group) = behind.filter(|group| group.header.first <= from) {
            return Ok((group.header.first, group.at));
        }
    }
    let what = format!("no whole group of records from message {next} on");
    Err(SegmentReadError::Damaged(at, next, what))
}

/// Returns the size of a damaged record if its length field, and those of damaged records behind
/// it, lead to a whole record or to the group's end.
fn whole_behind(bytes: &[u8], id: LogEnd, end: LogEnd) -> Option<usize> {
    let (mut rest, mut next) = (bytes, id);
    for _ in 0..DAMAGED_IN_A_ROW_MAX {
        rest = rest.get(record_size(rest)?..)?;
        next = next.plus(1);
        if next == end {
            return record_size(bytes).filter(|_| rest.is_empty());
        }
        if record_at(next.next_id(), rest).is_ok() {
            return record_size(bytes);
        }
    }
    None
}
