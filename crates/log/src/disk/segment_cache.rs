//! The sealed segments that are open: a few of them, those that were read last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use acklog_threads::lock;
use acklog_types::LogEnd;

use super::segment_file::SegmentFile;

/// Sealed segments that are held open with their indexes, about 200 KiB each, and 50 KiB more where batches are long.
/// More: more memory. Fewer: readers at many places of a long log open files again and again.
const OPEN_SEGMENTS_MAX: usize = 32;

/// Open sealed segments, the one that was used last at the back.
#[derive(Debug, Default)]
pub(super) struct SegmentCache(Mutex<VecDeque<Arc<SegmentFile>>>);

impl SegmentCache {
    /// Returns the segment that begins with a message, if it is open, and notes that it was used.
    pub(super) fn get(&self, first: LogEnd) -> Option<Arc<SegmentFile>> {
        let mut open = lock(&self.0);
        let at = open.iter().position(|segment| segment.header.first == first)?;
        let segment = open.remove(at)?;
        open.push_back(segment.clone());
        Some(segment)
    }

    /// Keeps a segment open. Where there are too many, the one that was not used for longest is closed as soon as
    /// nobody reads it.
    pub(super) fn insert(&self, segment: Arc<SegmentFile>) {
        let mut open = lock(&self.0);
        open.push_back(segment);
        if open.len() > OPEN_SEGMENTS_MAX {
            open.pop_front();
        }
    }

    /// Closes the segment that begins with a message, because its name leads to another file now.
    pub(super) fn remove(&self, first: LogEnd) {
        lock(&self.0).retain(|segment| segment.header.first != first);
    }

    /// Closes all segments that nobody reads at the moment. They are opened again when they are read.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Returns how many segments are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
