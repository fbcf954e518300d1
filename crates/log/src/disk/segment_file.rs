//! One segment file, open and with its index.

mod run_reader;

use std::sync::{Arc, RwLock, RwLockReadGuard};

use acklog_threads::read_lock;
use acklog_types::LogEnd;

use super::format::SegmentHeader;
use super::index::SparseIndex;
use super::names::segment_name;
use super::paging::SeekHints;
use super::read_error::SegmentReadError;
use super::scan::{Scanned, no_visit, read_header, scan};
use crate::storage::{Storage, StorageFile};

pub(super) use self::run_reader::READ_AHEAD_BYTES_MAX;

/// An open segment file.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<dyn StorageFile>,
    /// Written by the committer while the segment is active.
    pub(super) index: RwLock<SparseIndex>,
    /// Places inside long groups, which the index does not have.
    pub(super) hints: SeekHints,
}

/// A segment that never changes again: its first id, the end of its messages, and the size of its
/// file.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedSegment {
    pub(super) first: LogEnd,
    pub(super) end: LogEnd,
    pub(super) bytes: u64,
}

impl SealedSegment {
    /// Returns the bytes of its messages from `from` on and below `until`, as if all were equally
    /// long.
    pub(super) fn bytes_between(self, from: LogEnd, until: LogEnd) -> u64 {
        let messages = self.end.get() - self.first.get();
        let (from, until) = (from.max(self.first).get(), until.min(self.end).get());
        let part = u128::from(until.saturating_sub(from)) * u128::from(self.bytes);
        (part / u128::from(messages.max(1))) as u64
    }
}

/// Opens a sealed segment's file.
pub(super) fn open_sealed(
    storage: &dyn Storage,
    sealed: SealedSegment,
) -> Result<(Arc<dyn StorageFile>, SegmentHeader), SegmentReadError> {
    let file = storage.open(&segment_name(sealed.first)).map_err(SegmentReadError::Io)?;
    let header = read_header(&*file).map_err(SegmentReadError::Io)?;
    let header = header.map_err(|what| SegmentReadError::Damaged(0, sealed.first, what))?;
    if header.first != sealed.first {
        let what = "the header is another segment's".to_owned();
        return Err(SegmentReadError::Damaged(0, sealed.first, what));
    }
    Ok((file, header))
}

/// Scans a sealed segment from start to end. All of its messages must be there.
pub(super) fn scan_sealed(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    end: LogEnd,
) -> Result<Scanned, SegmentReadError> {
    let scanned = scan(file, header, &mut no_visit).map_err(SegmentReadError::Io)?;
    match &scanned.bad {
        Some(bad) => Err(SegmentReadError::Damaged(bad.offset, bad.ids.start(), bad.what.clone())),
        None if scanned.index.end() != end => {
            let what = "the file is cut off".to_owned();
            Err(SegmentReadError::Damaged(scanned.index.length(), scanned.index.end(), what))
        }
        None => Ok(scanned),
    }
}

impl SegmentFile {
    pub(super) fn new(
        header: SegmentHeader,
        file: Arc<dyn StorageFile>,
        index: SparseIndex,
    ) -> Self {
        Self { header, file, index: RwLock::new(index), hints: SeekHints::default() }
    }

    /// Returns the index of its groups.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, SparseIndex> {
        read_lock(&self.index)
    }

    /// Returns the end of its messages.
    pub(super) fn end(&self) -> LogEnd {
        self.index().end()
    }

    /// Opens a sealed segment. Its index is loaded or, failing that, made by a scan.
    pub(super) fn open(
        storage: &dyn Storage,
        sealed: SealedSegment,
    ) -> Result<Self, SegmentReadError> {
        let (file, header) = open_sealed(storage, sealed)?;
        let index = match SparseIndex::load(storage, &header) {
            Some(index) if index.end() == sealed.end => index,
            _ => scan_sealed(&*file, &header, sealed.end)?.index,
        };
        Ok(Self::new(header, file, index))
    }
}
