//! Reading a segment file in pages that are bounded in bytes, for whoever needs no whole batches.
//!
//! A reader goes on where its last page ended, whatever stands there: the middle of a batch is as good as its
//! beginning. So a page costs what it has, and neither the rest of its batch nor what stands before it.

use bytes::Bytes;

use super::files::Unread;
use super::format::{GROUP_HEADER_BYTES, GroupHeader};
use super::window::Window;
use crate::log::Page;
use crate::log::storage::StorageFile;
use crate::types::{IdRange, LogEnd, RECORD_HEADER_BYTES, Records, record_at, record_size};

/// Bytes read at once beyond a page, so that the headers between its records are among them.
const BESIDES_BYTES: usize = 4096;

/// A place in a segment file, before a record or a group, at which a reader goes on.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Cursor {
    /// The segment's first id.
    pub(super) segment: LogEnd,
    /// The mark of its groups: another one is another file, whose places are others.
    mark: u64,
    /// What stands here.
    next: LogEnd,
    at: u64,
    /// Where the group that this is inside ends; `next` and `at` where it is before one.
    group_end: LogEnd,
    group_end_at: u64,
}

impl Cursor {
    /// The beginning of a group.
    pub(super) fn before_group(segment: LogEnd, mark: u64, next: LogEnd, at: u64) -> Self {
        Self { segment, mark, next, at, group_end: next, group_end_at: at }
    }

    /// Whether a read of what begins at `from` can go on here.
    pub(super) fn leads_to(&self, segment: LogEnd, mark: u64, from: LogEnd) -> bool {
        self.segment == segment && self.mark == mark && self.next == from
    }

    /// Reads a page of what begins at `from`, and moves behind it. `until` must not lie beyond what was written.
    pub(super) fn read(
        &mut self,
        file: &dyn StorageFile,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Page, Unread> {
        let mut window = Window::new(file, max_bytes + BESIDES_BYTES);
        let mut range = IdRange::empty(from);
        let mut bytes = Vec::new();
        while range.end() < until {
            if self.next == self.group_end {
                self.enter_group(&mut window, from)?;
                continue;
            }
            let size = self.record_size(&mut window)?;
            if self.next >= from {
                if bytes.is_empty() && size > max_bytes {
                    return Ok(Page::Longer(size));
                }
                if bytes.len() + size > max_bytes {
                    break;
                }
                let record = window.get(self.at, size).map_err(Unread::Failed)?;
                if let Err(error) = record_at(self.next.next_id(), record) {
                    return Err(Unread::Damaged(self.at, error.to_string()));
                }
                bytes.extend_from_slice(record);
                range = IdRange::new(from, self.next.plus(1));
            }
            self.at += size as u64;
            self.next = self.next.plus(1);
        }
        Ok(Page::Records(Records::trusted(range, Bytes::from(bytes))))
    }

    /// Goes into the group that begins here, or over it where all of it lies before `from`.
    fn enter_group(&mut self, window: &mut Window<'_>, from: LogEnd) -> Result<(), Unread> {
        let head = window.get(self.at, GROUP_HEADER_BYTES).map_err(Unread::Failed)?;
        let group = head.first_chunk().and_then(|head| GroupHeader::decode(head, self.mark));
        let Some(group) = group.filter(|group| group.first == self.next) else {
            let what = format!("no whole group of records from message {} on", self.next);
            return Err(Unread::Damaged(self.at, what));
        };
        let end_at = self.at + group.size();
        if group.end() <= from {
            *self = Self::before_group(self.segment, self.mark, group.end(), end_at);
        } else {
            self.at += GROUP_HEADER_BYTES as u64;
            (self.group_end, self.group_end_at) = (group.end(), end_at);
        }
        Ok(())
    }

    /// The size of the record here, which lies inside its group.
    fn record_size(&self, window: &mut Window<'_>) -> Result<usize, Unread> {
        let head = window.get(self.at, RECORD_HEADER_BYTES).map_err(Unread::Failed)?;
        let size = record_size(head);
        let fits = size.filter(|&size| self.at + size as u64 <= self.group_end_at);
        fits.ok_or_else(|| {
            let what = format!("the length of message {} leads out of its group", self.next);
            Unread::Damaged(self.at, what)
        })
    }
}
