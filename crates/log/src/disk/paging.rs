//! Reads a segment file in pages of bounded size, for readers that need no whole batches.
//!
//! A reader continues where its last page ended, even in the middle of a batch. So a page costs
//! what it has, and not the rest of its batch or what lies before it. A reader that begins inside a
//! long group, which is a single batch, walks to its message once; the places that it passes are
//! remembered as [`SeekHints`].

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
use crate::PageRead;
use crate::storage::StorageFile;

/// Bytes read at once beyond a page, so that the headers between its records are included.
const BESIDES_BYTES: usize = 4096;

/// Least distance between two hints inside a group, in bytes of the file. Smaller: more memory for
/// each segment (one full of long groups has a thousand hints). Larger: a read of one message skips
/// more.
const HINT_DISTANCE_BYTES: u64 = GROUP_BYTES_MAX as u64;

/// Places of records inside the long groups of a segment that readers have passed.
///
/// A walk from the group's beginning visits them all, and each is the first one that is far enough
/// from the one before. So they are the same for all readers, and do not add up.
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
    /// Returns the last known place at or before `from`: a hint, or the beginning of a group.
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

/// A place in a segment file, before a record or a group, at which a reader continues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The segment's header. Another sync marker means another file, with other offsets.
    header: SegmentHeader,
    /// The next message and its offset.
    next: LogEnd,
    at: u64,
    /// The end of the group that contains this place; equal to `next` and `at` before a group.
    group_end: LogEnd,
    group_end_at: u64,
}

impl Cursor {
    /// Returns a cursor before a group.
    pub(super) fn before_group(header: SegmentHeader, next: LogEnd, at: u64) -> Self {
        Self { header, next, at, group_end: next, group_end_at: at }
    }

    /// Returns whether a read from `from` on can continue here.
    pub(super) fn leads_to(&self, header: &SegmentHeader, from: LogEnd) -> bool {
        self.header == *header && self.next == from
    }

    /// Reads a page from `from` on, and moves the cursor behind it. `until` must not lie beyond
    /// what was written. Whole records before a damaged place are returned. Also returns the places
    /// inside long groups that it passed and whose offsets are proven by the records behind them.
    pub(super) fn read(
        &mut self,
        file: &dyn StorageFile,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<(PageRead, Vec<(LogEnd, SeekHint)>), SegmentReadError> {
        let mut input = ReadAhead::new(file, max_bytes + BESIDES_BYTES);
        let (mut range, mut bytes, mut passed) = (IdRange::empty(from), Vec::new(), Vec::new());
        let read = (&mut range, &mut bytes, &mut passed);
        match self.gather(&mut input, read, until, max_bytes) {
            Err(unread) if range.is_empty() => Err(unread),
            // Nothing proves the places that were passed.
            Ok(Some(size)) => Ok((PageRead::Longer(size), Vec::new())),
            Err(_) | Ok(None) => {
                passed.retain(|(next, _)| *next < range.end());
                Ok((PageRead::Records(Records::trusted(range, Bytes::from(bytes))), passed))
            }
        }
    }

    /// Reads records into a page. Returns the size of the first one if that exceeds a page.
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

    /// Enters the group that begins here, or skips it if all of it lies before `from`.
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
            // A page is only a part of a longer group, which is a single batch: checking all of it
            // would cost more than the page.
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

    /// Returns the size of the record here, which must lie inside its group.
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
