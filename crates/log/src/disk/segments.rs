//! The segment files of a directory, for readers.
//!
//! The active segment is always open; of the sealed ones a few, those that were read last. Every
//! record is checked when it is read: a wrong checksum is an error, and never a message.

mod checksums;
mod errors;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use acklog_threads::{lock, read_lock, write_lock};
use acklog_types::{LogEnd, LogId, Records, RunningChecksum};

use super::paging::Cursor;
use super::read_error::SegmentReadError;
use super::segment_cache::SegmentCache;
use super::segment_file::{SealedSegment, SegmentFile};
use super::suspects::Suspects;
use crate::storage::Storage;
use crate::{PageRead, ReadError};

/// All segment files of a directory.
#[derive(Debug)]
pub(crate) struct Segments {
    storage: Arc<dyn Storage>,
    list: RwLock<SegmentList>,
    cache: SegmentCache,
    suspects: Mutex<Suspects>,
    /// The checksums of all records before segments whose own header does not have it, by first id.
    running: Mutex<BTreeMap<LogEnd, RunningChecksum>>,
}

#[derive(Debug)]
struct SegmentList {
    /// In id order, without gaps.
    sealed: Vec<SealedSegment>,
    /// Follows the last sealed one; none while the log never had a message.
    active: Option<Arc<SegmentFile>>,
}

/// The segment that has a message, and where its messages end.
struct Located {
    segment: Arc<SegmentFile>,
    end: LogEnd,
}

impl Segments {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        sealed: Vec<SealedSegment>,
        active: Option<Arc<SegmentFile>>,
    ) -> Self {
        let list = RwLock::new(SegmentList { sealed, active });
        let (cache, suspects, running) =
            (SegmentCache::default(), Mutex::default(), Mutex::default());
        Self { storage, list, cache, suspects, running }
    }

    /// Makes `next` the active segment. The one before is sealed, unless it is empty and `next`
    /// takes its place.
    pub(super) fn roll(&self, next: Arc<SegmentFile>) {
        let mut list = write_lock(&self.list);
        if let Some(active) = list.active.replace(next) {
            let first = active.header.first;
            let (end, bytes) = (active.end(), active.index().length());
            if first < end {
                list.sealed.push(SealedSegment { first, end, bytes });
                // Its index file may not be written yet.
                self.cache.insert(active);
            }
        }
    }

    /// Returns the oldest call that the disk has not answered yet: its number and what it is.
    pub(crate) fn oldest_call(&self) -> Option<(u64, String)> {
        self.storage.oldest_call()
    }

    /// Returns the bytes that the file system has left for this process, if it tells.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.storage.free_bytes()
    }

    /// Returns the bytes from `from` on and below `until`, about: in each file the messages are
    /// taken for equally long, and headers count too.
    pub(crate) fn bytes_between(&self, from: LogEnd, until: LogEnd) -> u64 {
        let list = read_lock(&self.list);
        let first = list.sealed.partition_point(|sealed| sealed.end <= from);
        let sealed = list.sealed.get(first..).unwrap_or_default().iter();
        let sealed = sealed.take_while(|sealed| sealed.first < until);
        let active = list.active.as_ref().map(|active| SealedSegment {
            first: active.header.first,
            end: active.end(),
            bytes: active.index().length(),
        });
        sealed.copied().chain(active).map(|segment| segment.bytes_between(from, until)).sum()
    }

    /// Returns the log that the files belong to; none while there is no file.
    pub(super) fn log(&self) -> Option<LogId> {
        read_lock(&self.list).active.as_ref().map(|active| active.header.log)
    }

    /// Returns the sealed segments from the `skip`th on.
    pub(super) fn sealed(&self, skip: usize) -> Vec<SealedSegment> {
        read_lock(&self.list).sealed.get(skip..).unwrap_or_default().to_vec()
    }

    /// Returns the sealed segment that begins with a message.
    pub(super) fn sealed_at(&self, first: LogEnd) -> Option<SealedSegment> {
        let list = read_lock(&self.list);
        let at = list.sealed.binary_search_by_key(&first, |sealed| sealed.first).ok()?;
        list.sealed.get(at).copied()
    }

    /// Returns the sealed segment that begins with a message, with the first message of the
    /// segment before it and of the segment behind it.
    pub(super) fn with_neighbours(
        &self,
        first: LogEnd,
    ) -> Option<(SealedSegment, Option<LogEnd>, Option<LogEnd>)> {
        let list = read_lock(&self.list);
        let at = list.sealed.binary_search_by_key(&first, |sealed| sealed.first).ok()?;
        let first_at = |at: usize| list.sealed.get(at).map(|sealed| sealed.first);
        let active = list.active.as_ref().map(|active| active.header.first);
        let before = at.checked_sub(1).and_then(first_at);
        Some((*list.sealed.get(at)?, before, first_at(at + 1).or(active)))
    }

    /// Reads a run as [`LogReader::read`](crate::LogReader::read) does. There must be a message at
    /// `from`.
    pub(crate) fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        let located = self.locate(from)?;
        self.read_located(&located, from, until, max_bytes)
    }

    /// Reads a run as [`LogReader::read_run`](crate::LogReader::read_run) does. There must be a
    /// message at `from`.
    pub(crate) fn read_run(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        longest_batch: usize,
    ) -> Result<PageRead, ReadError> {
        let Located { segment, end } = self.locate(from)?;
        let read = segment.read(from, until.min(end), (max_bytes, longest_batch));
        read.map_err(|error| self.read_error(segment.header.first, error))
    }

    fn read_located(
        &self,
        Located { segment, end }: &Located,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        match segment.read(from, until.min(*end), (max_bytes, usize::MAX)) {
            Ok(PageRead::Records(records)) => Ok(records),
            Ok(PageRead::Longer(_)) => unreachable!("no batch is too long"),
            Err(error) => Err(self.read_error(segment.header.first, error)),
        }
    }

    /// Reads a page as [`LogReader::read_page`](crate::LogReader::read_page) does. There must be a
    /// message at `from`.
    pub(crate) fn page(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        cursor: &mut Option<Cursor>,
    ) -> Result<PageRead, ReadError> {
        let Located { segment, end } = self.locate(from)?;
        let known = cursor.take().filter(|cursor| cursor.leads_to(&segment.header, from));
        let begins = known.is_none();
        let mut here = known.unwrap_or_else(|| {
            segment.hints.before(segment.header, from, segment.index().before(from))
        });
        let read = here.read(&*segment.file, from, until.min(end), max_bytes);
        *cursor = Some(here);
        let (page, passed) = read.map_err(|error| self.read_error(segment.header.first, error))?;
        if begins {
            segment.hints.note(passed);
        }
        Ok(page)
    }

    /// Finds the segment that has the message at `from`, or in which it will be the next one.
    ///
    /// # Errors
    /// When the segment cannot be opened, or `from` lies before the first segment: the nearest one
    /// has other messages, and the first of them must not pass for the one that was asked for.
    fn locate(&self, from: LogEnd) -> Result<Located, ReadError> {
        let list = read_lock(&self.list);
        let after = list.sealed.partition_point(|sealed| sealed.first <= from);
        let sealed = after.checked_sub(1).and_then(|at| list.sealed.get(at)).copied();
        let next = list.sealed.get(after).map(|next| next.first);
        let active = list.active.clone();
        drop(list);
        if let Some(sealed) = sealed.filter(|sealed| from < sealed.end) {
            return Ok(Located { segment: self.open(sealed)?, end: sealed.end });
        }
        let segment = active.expect("what is durable is in a file");
        if from < segment.header.first {
            return Err(self.no_segment(from, next.unwrap_or(segment.header.first)));
        }
        Ok(Located { segment, end: LogEnd::new(u64::MAX) })
    }

    /// Returns the sealed segment that begins with a message, if it is open.
    pub(super) fn open_at(&self, first: LogEnd) -> Option<Arc<SegmentFile>> {
        self.cache.get(first)
    }

    /// Opens a sealed segment, or takes it from the cache.
    fn open(&self, sealed: SealedSegment) -> Result<Arc<SegmentFile>, ReadError> {
        if let Some(segment) = self.cache.get(sealed.first) {
            return Ok(segment);
        }
        let opened = SegmentFile::open(&*self.storage, sealed);
        let segment = opened.map_err(|error| self.read_error(sealed.first, error))?;
        let segment = Arc::new(segment);
        self.cache.insert(segment.clone());
        Ok(segment)
    }

    /// Closes the sealed segments that nobody reads at the moment. They are opened again when they
    /// are read.
    pub(super) fn close_sealed(&self) {
        self.cache.clear();
    }

    /// Forgets the file of a sealed segment, because another one has taken its name.
    pub(super) fn replaced(&self, first: LogEnd) {
        self.cache.remove(first);
        lock(&self.suspects).forget(first);
    }

    /// Returns how many sealed segments are open.
    #[cfg(test)]
    pub(super) fn open_count(&self) -> usize {
        self.cache.len()
    }
}
