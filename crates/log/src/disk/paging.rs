//! Reading a segment file in pages that are bounded in bytes, for whoever needs no whole batches.
//!
//! A reader goes on where its last page ended, whatever stands there: the middle of a batch is as good as its
//! beginning. So a page costs what it has, and neither the rest of its batch nor what stands before it. A reader that
//! begins inside a long group, a single batch, walks to its message once: what it passes is remembered ([`SeekHints`]).

use std::collections::BTreeMap;
use std::sync::Mutex;

use acklog_threads::lock;
use acklog_types::{IdRange, LogEnd, RECORD_HEADER_BYTES, Records, record_at, record_size};
use bytes::Bytes;

use super::format::{GROUP_BYTES_MAX, GROUP_HEADER_BYTES, SegmentHeader};
use super::places::pass_damage;
use super::read_ahead::ReadAhead;
use super::read_error::SegmentReadError;
use super::scan::OF_OTHERS;
use crate::Page;
use crate::storage::StorageFile;

/// Bytes read at once beyond a page, so that the headers between its records are among them.
const BESIDES_BYTES: usize = 4096;

/// Least distance between two places inside a group that are remembered, in bytes of the file. Smaller: more memory for
/// each segment, of which one whole of long groups has a thousand places. Larger: a read of one message skips more.
const HINT_DISTANCE_BYTES: u64 = GROUP_BYTES_MAX as u64;

/// Places inside the long groups of a segment, before records, as far as a reader passed them.
///
/// All of them are places that a walk from the group's beginning comes to, each the first one that is far enough behind
/// the one before it: so they do not add up, however often and wherever readers begin.
#[derive(Debug, Default)]
pub(super) struct SeekHints(Mutex<BTreeMap<LogEnd, SeekHint>>);

/// A place inside a group, and where the group ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeekHint {
    at: u64,
    group_end: LogEnd,
    group_end_at: u64,
}

impl SeekHints {
    /// The last known place at or before `from`: one of these, or the beginning of a group.
    pub(super) fn before(
        &self,
        header: SegmentHeader,
        from: LogEnd,
        (group, group_at): (LogEnd, u64),
    ) -> Cursor {
        let hints = lock(&self.0);
        let hint = hints.range(..=from).next_back().filter(|(_, hint)| hint.at > group_at);
        hint.map_or(Cursor::before_group(header, group, group_at), |(&next, &hint)| {
            let SeekHint { at, group_end, group_end_at } = hint;
            Cursor { header, next, at, group_end, group_end_at }
        })
    }

    /// Remembers places that were passed on the way to records that were found whole.
    pub(super) fn note(&self, passed: Vec<(LogEnd, SeekHint)>) {
        if !passed.is_empty() {
            lock(&self.0).extend(passed);
        }
    }
}

/// A place in a segment file, before a record or a group, at which a reader goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The segment's: with another mark it is another file, whose places are others.
    header: SegmentHeader,
    /// What stands here.
    next: LogEnd,
    at: u64,
    /// Where the group that this is inside ends; `next` and `at` where it is before one.
    group_end: LogEnd,
    group_end_at: u64,
}

impl Cursor {
    /// The beginning of a group.
    pub(super) fn before_group(header: SegmentHeader, next: LogEnd, at: u64) -> Self {
        Self { header, next, at, group_end: next, group_end_at: at }
    }

    /// Whether a read of what begins at `from` can go on here.
    pub(super) fn leads_to(&self, header: &SegmentHeader, from: LogEnd) -> bool {
        self.header == *header && self.next == from
    }

    /// Reads a page of what begins at `from`, and moves behind it. `until` must not lie beyond what was written. What
    /// is whole before a damaged place is not hidden by it. Also returns the places inside long groups that it passed,
    /// where they are sure.
    pub(super) fn read(
        &mut self,
        file: &dyn StorageFile,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<(Page, Vec<(LogEnd, SeekHint)>), SegmentReadError> {
        let mut input = ReadAhead::new(file, max_bytes + BESIDES_BYTES);
        let (mut range, mut bytes, mut passed) = (IdRange::empty(from), Vec::new(), Vec::new());
        let read = (&mut range, &mut bytes, &mut passed);
        match self.gather(&mut input, read, until, max_bytes) {
            Err(unread) if range.is_empty() => Err(unread),
            // Nothing was checked of what was passed.
            Ok(Some(size)) => Ok((Page::Longer(size), Vec::new())),
            Err(_) | Ok(None) => {
                passed.retain(|(next, _)| *next < range.end());
                Ok((Page::Records(Records::trusted(range, Bytes::from(bytes))), passed))
            }
        }
    }

    /// Takes records into a page. Returns the size of the first one, where that is more than a page may have.
    fn gather(
        &mut self,
        input: &mut ReadAhead<'_>,
        (range, bytes, passed): (&mut IdRange, &mut Vec<u8>, &mut Vec<(LogEnd, SeekHint)>),
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Option<usize>, SegmentReadError> {
        let (from, mut hinted_at) = (range.start(), self.at);
        while range.end() < until {
            if self.next == self.group_end {
                self.enter_group(input, from)?;
                hinted_at = self.at;
                continue;
            }
            if self.at - hinted_at >= HINT_DISTANCE_BYTES {
                let Self { at, group_end, group_end_at, .. } = *self;
                passed.push((self.next, SeekHint { at, group_end, group_end_at }));
                hinted_at = at;
            }
            let size = self.record_size(input)?;
            if self.next >= from {
                if bytes.is_empty() && size > max_bytes {
                    return Ok(Some(size));
                }
                if bytes.len() + size > max_bytes {
                    break;
                }
                let record = input.get(self.at, size).map_err(SegmentReadError::Io)?;
                if let Err(error) = record_at(self.next.next_id(), record) {
                    return Err(SegmentReadError::Damaged(self.at, self.next, error.to_string()));
                }
                bytes.extend_from_slice(record);
                *range = IdRange::new(from, self.next.plus(1));
            }
            self.at += size as u64;
            self.next = self.next.plus(1);
        }
        Ok(None)
    }

    /// Goes into the group that begins here, or over it where all of it lies before `from`.
    fn enter_group(
        &mut self,
        input: &mut ReadAhead<'_>,
        from: LogEnd,
    ) -> Result<(), SegmentReadError> {
        let head = input.get(self.at, GROUP_HEADER_BYTES).map_err(SegmentReadError::Io)?;
        let group = self.header.decode_group(head);
        let Some(group) = group.filter(|group| group.first == self.next) else {
            let here = (self.next, self.at);
            let (first, at) = pass_damage(input, &self.header, here, from)?;
            *self = Self::before_group(self.header, first, at);
            return Ok(());
        };
        let end_at = self.at + group.size();
        if group.end() <= from {
            *self = Self::before_group(self.header, group.end(), end_at);
        } else {
            let begin = self.at + group.header_bytes() as u64;
            // Of a longer one, a single batch, a page is a part: reading all of it would cost more than the page.
            if group.bytes as usize <= GROUP_BYTES_MAX {
                let records =
                    input.get(begin, group.bytes as usize).map_err(SegmentReadError::Io)?;
                if group.is_of_others(records) {
                    return Err(SegmentReadError::Damaged(
                        self.at,
                        self.next,
                        OF_OTHERS.to_owned(),
                    ));
                }
            }
            self.at = begin;
            (self.group_end, self.group_end_at) = (group.end(), end_at);
        }
        Ok(())
    }

    /// The size of the record here, which lies inside its group.
    fn record_size(&self, input: &mut ReadAhead<'_>) -> Result<usize, SegmentReadError> {
        let head = input.get(self.at, RECORD_HEADER_BYTES).map_err(SegmentReadError::Io)?;
        let size = record_size(head);
        let fits = size.filter(|&size| self.at + size as u64 <= self.group_end_at);
        fits.ok_or_else(|| {
            let what = format!("the length of message {} leads out of its group", self.next);
            SegmentReadError::Damaged(self.at, self.next, what)
        })
    }
}
