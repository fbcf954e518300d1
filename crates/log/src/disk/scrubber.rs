//! The scrubber: writes the indexes of sealed segments, reads old segments from time to time to
//! find damage while another copy exists, and repairs damaged segments with records from other
//! nodes.

mod repair;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acklog_threads::wait_timeout_while;
use acklog_types::LogEnd;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::{debug, warn};

use super::DiskState;
use super::cause::{is_full, is_lack, is_refused};
use super::damage_tracker::Notes;
use super::format::SegmentHeader;
use super::names::segment_name;
use super::notes;
use super::scan::Scanned;
use super::segment_file::{SealedSegment, open_sealed, scan_sealed};
use super::shared::SharedLog;
use crate::ReadError;
use crate::storage::Storage;

/// Rate of reading old segments, in bytes per second. Faster: it takes more of the disk from
/// clients. Slower: damage is found later.
const SCRUB_BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;

/// Pause between the end of one pass over all old segments and the beginning of the next. Shorter:
/// more reads for nothing. Longer: damage is found later.
const SCRUB_PAUSE: Duration = Duration::from_secs(3600);

/// Pause before trying again after a temporary failure: longer than the time after which a failed
/// read counts as damage. Shorter: more log lines about one condition. Longer: indexes and scrubs
/// are later.
const AGAIN_AFTER: Duration = Duration::from_secs(65);

/// Pause before trying again to persist damaged places. Shorter: more writes to a full disk.
/// Longer: a crash meanwhile forgets more.
const NOTE_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Looks after sealed segments.
#[derive(Debug)]
pub struct Scrubber {
    shared: Arc<SharedLog>,
    storage: Arc<dyn Storage>,
    /// Number of sealed segments that have an index.
    indexed: usize,
    /// The sealed segment to read next, by its number.
    scrubbed: usize,
    /// Segments with a place that was noted as damaged: they are read before all others.
    noted: VecDeque<LogEnd>,
    /// Whether damaged places could not be persisted.
    is_unnoted: bool,
    /// The source of the sync markers of repaired files.
    rng: ChaCha8Rng,
}

impl Scrubber {
    pub(super) fn new(
        shared: Arc<SharedLog>,
        storage: Arc<dyn Storage>,
        indexed: usize,
        noted: VecDeque<LogEnd>,
        seed: u64,
    ) -> Self {
        // Different from the committer's sync markers.
        let rng = ChaCha8Rng::seed_from_u64(seed.rotate_left(1));
        Self { shared, storage, indexed, scrubbed: 0, noted, is_unnoted: false, rng }
    }

    fn disk(&self) -> &DiskState {
        self.shared.disk.as_ref().expect("a scrubber belongs to a log on disk")
    }

    /// Works until the log is closed.
    pub(crate) fn run(&mut self) {
        let mut scrub_at = Instant::now();
        let (mut index_at, mut repair_at, mut note_at) = (None, None, None);
        while self.wait_until(
            [index_at, repair_at, note_at].into_iter().flatten().fold(scrub_at, Instant::min),
        ) {
            self.note_damage();
            repair_at = self.repair().map(|pause| Instant::now() + pause);
            note_at = self.is_unnoted.then(|| Instant::now() + NOTE_AGAIN_AFTER);
            index_at = (!self.index_sealed()).then(|| Instant::now() + AGAIN_AFTER);
            if scrub_at <= Instant::now() {
                scrub_at = Instant::now() + self.scrub_next();
            }
        }
        self.note_damage();
    }

    /// Persists the damaged places that were found since the last call, or could not be persisted
    /// then.
    pub fn note_damage(&mut self) {
        let wanted = if self.is_unnoted { Notes::All } else { Notes::Changed };
        let notes = self.disk().work().damaged.take_notes(wanted);
        let Some(places) = notes else { return };
        let stored = notes::store(&*self.storage, &places);
        self.is_unnoted = stored.is_err();
        if let Err(error) = stored {
            warn!(repeats = true, %error, again = ?NOTE_AGAIN_AFTER,
                "cannot note a damaged place: a start does not know of it until it is read");
        }
    }

    /// Waits until `at`, or until there is work. Returns false if the log is closed.
    fn wait_until(&self, at: Instant) -> bool {
        let disk = self.disk();
        let timeout = at.saturating_duration_since(Instant::now());
        let mut work = wait_timeout_while(&disk.scrubber_wanted, disk.work(), timeout, |work| {
            !work.sealed && !work.damaged.is_due() && !work.closing
        });
        work.sealed = false;
        !work.closing
    }

    /// Writes the indexes of newly sealed segments. Returns whether all are written; false after a
    /// temporary failure.
    ///
    /// A damaged segment gets the index that was made while it was written, so that the next start
    /// finds what lies beside the damaged places. Its keys are unknown: one of them may belong to a
    /// damaged message.
    pub(crate) fn index_sealed(&mut self) -> bool {
        for sealed in self.disk().segments.sealed(self.indexed) {
            let stored = match self.read(sealed) {
                Ok((scanned, header)) => {
                    scanned.index.store(&*self.storage, &header, Some(&scanned.keys))
                }
                Err(ReadError::Passing { .. }) => return false,
                Err(ReadError::Damaged { .. }) => {
                    let written = self.disk().segments.open_at(sealed.first);
                    written.map_or(Ok(()), |segment| {
                        segment.index().store(&*self.storage, &segment.header, None)
                    })
                }
            };
            if let Err(error) = stored {
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

    /// Reads the next old segment. Returns how long to wait before the next call.
    pub fn scrub_next(&mut self) -> Duration {
        let noted = self.noted.pop_front();
        let segments = &self.disk().segments;
        let noted = noted.and_then(|first| segments.sealed_at(first));
        let Some(sealed) = noted.or_else(|| segments.sealed(self.scrubbed).first().copied()) else {
            self.scrubbed = 0;
            return SCRUB_PAUSE;
        };
        let length = match self.read(sealed) {
            Ok((scanned, _)) => scanned.index.length(),
            Err(ReadError::Passing { .. }) => {
                if noted.is_some() {
                    self.noted.push_front(sealed.first);
                }
                return AGAIN_AFTER;
            }
            Err(ReadError::Damaged { .. }) => 0,
        };
        self.scrubbed += usize::from(noted.is_none());
        debug!(file = segment_name(sealed.first), bytes = length, "read an old segment");
        Duration::from_millis(length * 1000 / SCRUB_BYTES_PER_SECOND)
    }

    /// Scans a sealed segment, and notes any damage.
    fn read(&self, sealed: SealedSegment) -> Result<(Scanned, SegmentHeader), ReadError> {
        let read = || {
            let (file, header) = open_sealed(&*self.storage, sealed)?;
            Ok((scan_sealed(&*file, &header, sealed.end)?, header))
        };
        read().map_err(|unread| {
            let error = self.disk().segments.read_error(sealed.first, unread);
            self.shared.unreadable(&error);
            error
        })
    }
}
