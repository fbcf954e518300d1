//! The segment files as readers see them.
//!
//! The last file is open always; of the others a few, those that were read last. Everything that is served was checked
//! when it was read: a bad checksum is an error, and never a message.

mod damage;
mod gathering;
mod reads;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use acklog_threads::{lock, read_lock, write_lock};
use acklog_types::{LogEnd, Records, RunningChecksum};

use super::format::{SegmentHeader, segment_name};
use super::index::SparseIndex;
use super::paging::Marks;
use super::scan::{Scanned, no_visit, read_header, scan};
use super::suspects::Suspects;
use crate::storage::{Storage, StorageFile};
use crate::{Page, ReadError};

/// Sealed segments that are held open with their indexes, about 200 KiB each, and 50 KiB more where batches are long.
/// More: more memory. Fewer: readers at many places of a long log open files again and again.
const OPEN_SEGMENTS_MAX: usize = 32;

/// A segment file that is open.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<dyn StorageFile>,
    /// Written by the committer while it is the last one.
    pub(super) index: RwLock<SparseIndex>,
    /// What the index does not tell.
    pub(super) marks: Marks,
}

/// A segment that never changes again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    pub(super) first: LogEnd,
    pub(super) end: LogEnd,
}

/// All segment files of a directory.
#[derive(Debug)]
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    segments: RwLock<Segments>,
    pub(super) open: Mutex<VecDeque<Arc<Segment>>>,
    suspects: Mutex<Suspects>,
    /// The checksums of all records before positions at which segments begin that do not tell it themselves.
    running: Mutex<BTreeMap<LogEnd, RunningChecksum>>,
}

#[derive(Debug)]
struct Segments {
    /// In id order, without gaps.
    sealed: Vec<Sealed>,
    /// Follows the last sealed one; none while the log never had a message.
    last: Option<Arc<Segment>>,
}

/// Where a run is to be looked for.
struct Place {
    segment: Arc<Segment>,
    until: LogEnd,
}

impl Files {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        sealed: Vec<Sealed>,
        last: Option<Arc<Segment>>,
    ) -> Self {
        let segments = RwLock::new(Segments { sealed, last });
        let (open, suspects, running) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { storage, segments, open, suspects, running }
    }

    /// Takes a new last segment; the one before is sealed, unless it is empty and its place is taken.
    pub(super) fn roll(&self, next: Arc<Segment>) {
        let mut segments = write_lock(&self.segments);
        if let Some(last) = segments.last.replace(next) {
            let (first, end) = (last.header.first, last.end());
            if first < end {
                segments.sealed.push(Sealed { first, end });
                // Its index may not be written yet.
                self.keep_open(last);
            }
        }
    }

    /// The oldest call that the disk has not answered yet: its number and what it is.
    pub(crate) fn oldest_call(&self) -> Option<(u64, String)> {
        self.storage.oldest_call()
    }

    /// The sealed segments from the `skip`th on.
    pub(super) fn sealed(&self, skip: usize) -> Vec<Sealed> {
        let segments = read_lock(&self.segments);
        segments.sealed.get(skip..).unwrap_or_default().to_vec()
    }

    /// The sealed segment that begins with a message.
    pub(super) fn sealed_at(&self, first: LogEnd) -> Option<Sealed> {
        let segments = read_lock(&self.segments);
        let at = segments.sealed.binary_search_by_key(&first, |sealed| sealed.first).ok()?;
        segments.sealed.get(at).copied()
    }

    /// Reads a run as [`LogReader::read`](crate::LogReader::read) does. There must be something at `from`.
    pub(crate) fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        let place = self.place(from)?;
        self.read_from(&place, from, until, max_bytes)
    }

    /// Reads a run as [`LogReader::read_run`](crate::LogReader::read_run) does. There must be something at `from`.
    pub(crate) fn read_run(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        longest_batch: usize,
    ) -> Result<Page, ReadError> {
        let place = self.place(from)?;
        let limits = (max_bytes, longest_batch);
        let found = place.segment.read(from, until.min(place.until), limits);
        found.map_err(|unread| self.told(place.segment.header.first, unread))
    }

    fn read_from(
        &self,
        place: &Place,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        match place.segment.read(from, until.min(place.until), (max_bytes, usize::MAX)) {
            Ok(Page::Records(records)) => Ok(records),
            Ok(Page::Longer(_)) => unreachable!("no batch is too long"),
            Err(unread) => Err(self.told(place.segment.header.first, unread)),
        }
    }

    fn place(&self, from: LogEnd) -> Result<Place, ReadError> {
        let segments = read_lock(&self.segments);
        let after = segments.sealed.partition_point(|sealed| sealed.first <= from);
        let sealed = after.checked_sub(1).and_then(|at| segments.sealed.get(at)).copied();
        let last = segments.last.clone();
        drop(segments);
        if let Some(sealed) = sealed.filter(|sealed| from < sealed.end) {
            return Ok(Place { segment: self.open(sealed)?, until: sealed.end });
        }
        let segment = last.expect("what is durable is in a file");
        Ok(Place { segment, until: LogEnd::new(u64::MAX) })
    }

    /// The sealed segment that begins with a message, if it is open. It is the last one to be closed then.
    pub(super) fn open_at(&self, first: LogEnd) -> Option<Arc<Segment>> {
        let mut open = lock(&self.open);
        let at = open.iter().position(|segment| segment.header.first == first)?;
        let segment = open.remove(at)?;
        open.push_back(segment.clone());
        Some(segment)
    }

    /// An open sealed segment: one of those that are open, or opened now.
    fn open(&self, sealed: Sealed) -> Result<Arc<Segment>, ReadError> {
        if let Some(segment) = self.open_at(sealed.first) {
            return Ok(segment);
        }
        let opened = Segment::open(&*self.storage, sealed);
        let segment = Arc::new(opened.map_err(|unread| self.told(sealed.first, unread))?);
        self.keep_open(segment.clone());
        Ok(segment)
    }

    /// Closes the old segments that nobody reads at the moment. They are opened anew when they are read.
    pub(super) fn close_old(&self) {
        lock(&self.open).clear();
    }

    fn keep_open(&self, segment: Arc<Segment>) {
        let mut open = lock(&self.open);
        open.push_back(segment);
        if open.len() > OPEN_SEGMENTS_MAX {
            open.pop_front();
        }
    }
}

/// What a person is told of a damaged place.
pub(super) fn damage(storage: &dyn Storage, name: &str, offset: u64, what: &str) -> String {
    format!("{} is damaged at offset {offset}: {what}", storage.path_of(name))
}

/// What a person is told of an operation that failed.
pub(super) fn failure(storage: &dyn Storage, what: &str, name: &str, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", storage.path_of(name))
}

/// Why a part of a file was not read.
pub(super) enum Unread {
    /// The system does not let it be read.
    Failed(io::Error),
    /// Something is wrong at this place of the file, with this message first.
    Damaged(u64, LogEnd, String),
}

/// Opens a sealed segment's file.
pub(super) fn open_sealed(
    storage: &dyn Storage,
    sealed: Sealed,
) -> Result<(Arc<dyn StorageFile>, SegmentHeader), Unread> {
    let file = storage.open(&segment_name(sealed.first)).map_err(Unread::Failed)?;
    let header = read_header(&*file).map_err(Unread::Failed)?;
    let header = header.map_err(|what| Unread::Damaged(0, sealed.first, what))?;
    if header.first != sealed.first {
        let what = "the header is another segment's".to_owned();
        return Err(Unread::Damaged(0, sealed.first, what));
    }
    Ok((file, header))
}

/// Reads a sealed segment from front to end; all of it must be there.
pub(super) fn scan_sealed(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    end: LogEnd,
) -> Result<Scanned, Unread> {
    let scanned = scan(file, header, &mut no_visit).map_err(Unread::Failed)?;
    match &scanned.bad {
        Some(bad) => Err(Unread::Damaged(bad.offset, bad.ids.start(), bad.what.clone())),
        None if scanned.index.end() != end => {
            let what = "the file is cut off".to_owned();
            Err(Unread::Damaged(scanned.index.length(), scanned.index.end(), what))
        }
        None => Ok(scanned),
    }
}

impl Segment {
    pub(super) fn new(
        header: SegmentHeader,
        file: Arc<dyn StorageFile>,
        index: SparseIndex,
    ) -> Self {
        Self { header, file, index: RwLock::new(index), marks: Marks::default() }
    }

    /// Where its groups are.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, SparseIndex> {
        read_lock(&self.index)
    }

    /// The end of its messages.
    pub(super) fn end(&self) -> LogEnd {
        self.index().end()
    }

    /// Opens a sealed segment, with its index from its file, or made again.
    fn open(storage: &dyn Storage, sealed: Sealed) -> Result<Self, Unread> {
        let (file, header) = open_sealed(storage, sealed)?;
        let index = match SparseIndex::load(storage, &header) {
            Some(index) if index.end() == sealed.end => index,
            _ => scan_sealed(&*file, &header, sealed.end)?.index,
        };
        Ok(Self::new(header, file, index))
    }
}
