//! The one that looks after old segments: writes their indexes, and reads them from time to time to find damage while a
//! copy may still be had.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::Disk;
use super::cause::{is_full, is_lack, is_refused};
use super::files::{Sealed, open_sealed, scan_sealed};
use super::format::{SegmentHeader, segment_name};
use super::scan::Scanned;
use crate::log::ReadError;
use crate::log::shared::Shared;
use crate::log::storage::Storage;

/// How fast old segments are read, in bytes a second. Faster: it takes more of the disk from those who wait. Slower:
/// damage is found later.
const SCRUB_BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;

/// From the end of one look at all old segments to the beginning of the next.
const SCRUB_PAUSE: Duration = Duration::from_secs(3600);

/// Pause before what passes is tried again: longer than the time in which a failed read counts as damage. Shorter: more
/// lines about one condition.
const AGAIN_AFTER: Duration = Duration::from_secs(65);

/// Looks after old segments.
#[derive(Debug)]
pub(in crate::log) struct Keeper {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    /// Sealed segments that have an index.
    indexed: usize,
    /// The sealed segment to read next.
    scrubbed: usize,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, storage: Arc<dyn Storage>, indexed: usize) -> Self {
        Self { shared, storage, indexed, scrubbed: 0 }
    }

    fn disk(&self) -> &Disk {
        self.shared.disk.as_ref().expect("a keeper belongs to a log on disk")
    }

    /// Works until the log is closed.
    pub(in crate::log) fn run(&mut self) {
        let mut scrub_at = Instant::now();
        let mut index_at = None;
        while self.wait_until(index_at.map_or(scrub_at, |at| scrub_at.min(at))) {
            index_at = (!self.index_sealed()).then(|| Instant::now() + AGAIN_AFTER);
            if scrub_at <= Instant::now() {
                scrub_at = Instant::now() + self.scrub_next();
            }
        }
    }

    /// Waits until the time has come or a segment was sealed. Returns whether to go on.
    fn wait_until(&self, at: Instant) -> bool {
        let disk = self.disk();
        let timeout = at.saturating_duration_since(Instant::now());
        let idle = disk
            .keeper_wanted
            .wait_timeout_while(disk.work(), timeout, |work| !work.sealed && !work.closing);
        let (mut work, _) = idle.expect("no holder of this lock panics");
        work.sealed = false;
        !work.closing
    }

    /// Writes the indexes of the segments that were sealed since. Returns whether that is done; otherwise what kept it
    /// from being done passes.
    pub(in crate::log) fn index_sealed(&mut self) -> bool {
        for sealed in self.disk().files.sealed(self.indexed) {
            let (scanned, header) = match self.read(sealed) {
                Ok(read) => read,
                Err(ReadError::Passing { .. }) => return false,
                Err(ReadError::Damaged { .. }) => {
                    self.indexed += 1;
                    continue;
                }
            };
            if let Err(error) = scanned.index.store(&*self.storage, &header, &scanned.keys) {
                let file = segment_name(sealed.first);
                let passes = is_lack(&error) || is_full(&error) || is_refused(&error);
                warn!(file, %error, passes, "cannot write a segment's index: a start without one reads it all");
                if passes {
                    return false;
                }
            }
            self.indexed += 1;
        }
        true
    }

    /// Reads the next old segment. Returns how long to wait until the next.
    pub(in crate::log) fn scrub_next(&mut self) -> Duration {
        let Some(&sealed) = self.disk().files.sealed(self.scrubbed).first() else {
            self.scrubbed = 0;
            return SCRUB_PAUSE;
        };
        let length = match self.read(sealed) {
            Ok((scanned, _)) => scanned.index.length(),
            Err(ReadError::Passing { .. }) => return AGAIN_AFTER,
            Err(ReadError::Damaged { .. }) => 0,
        };
        self.scrubbed += 1;
        debug!(file = segment_name(sealed.first), bytes = length, "read an old segment");
        Duration::from_millis(length * 1000 / SCRUB_BYTES_PER_SECOND)
    }

    /// Reads a sealed segment. What is wrong with it is noted.
    fn read(&self, sealed: Sealed) -> Result<(Scanned, SegmentHeader), ReadError> {
        let read = || {
            let (file, header) = open_sealed(&*self.storage, sealed)?;
            Ok((scan_sealed(&*file, &header, sealed.end)?, header))
        };
        read().map_err(|unread| {
            let error = self.disk().files.told(sealed.first, unread);
            self.shared.unreadable(&error);
            error
        })
    }
}
