//! A cache of open sealed segments.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use acklog_threads::lock;
use acklog_types::LogEnd;

use super::segment_file::SegmentFile;

/// Most sealed segments that are kept open with their indexes: about 200 KiB each, and 50 KiB more
/// for long batches. More: more memory. Fewer: readers at many places of a long log open files
/// again and again.
const OPEN_SEGMENTS_MAX: usize = 32;

/// Open sealed segments, the most recently used one at the back.
#[derive(Debug, Default)]
pub(super) struct SegmentCache(Mutex<VecDeque<Arc<SegmentFile>>>);

impl SegmentCache {
    /// Returns the segment that begins with a message if it is open, and marks it as used.
    pub(super) fn get(&self, first: LogEnd) -> Option<Arc<SegmentFile>> {
        let mut open = lock(&self.0);
        let at = open.iter().position(|segment| segment.header.first == first)?;
        let segment = open.remove(at)?;
        open.push_back(segment.clone());
        Some(segment)
    }

    /// Adds a segment. If there are too many, the least recently used one is closed once its
    /// readers are done.
    pub(super) fn insert(&self, segment: Arc<SegmentFile>) {
        let mut open = lock(&self.0);
        open.push_back(segment);
        if open.len() > OPEN_SEGMENTS_MAX {
            open.pop_front();
        }
    }

    /// Removes the segment that begins with a message, because its name belongs to another file
    /// now.
    pub(super) fn remove(&self, first: LogEnd) {
        lock(&self.0).retain(|segment| segment.header.first != first);
    }

    /// Closes all segments that have no reader at the moment. The next read opens them again.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Returns how many segments are open.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
