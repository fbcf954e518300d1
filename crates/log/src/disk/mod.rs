//! The log on disk.
//!
//! A directory holds a `manifest`, a `lock`, and segment files (`<first id, 20 digits>.log`, about
//! 64 MiB each) with a sparse index beside each sealed one (`….index`). See `format.rs` for the
//! bytes.
//!
//! - `committer` is the group-commit writer: all appended records become write groups, one write
//!   and one `fdatasync`, and are published then. Any failure there ends all appending: see
//!   `DiskState::fail`.
//! - `segments` reads what is no longer in memory.
//! - `recovery` finds out when a log is opened what a crash left, and what is damage.
//! - `scrubber` writes indexes, reads old segments in the background, and rewrites damaged ones
//!   from what another node has.
//!
//! The simulator can make everything below [`Storage`](super::storage::Storage) fail.

mod active_segment;
mod cause;
mod committer;
mod damage_tracker;
pub(crate) mod directory;
mod error;
mod format;
mod index;
mod manifest;
mod names;
mod notes;
mod paging;
mod places;
mod read_ahead;
mod read_error;
mod recovery;
mod scan;
mod scrubber;
mod segment_cache;
mod segment_file;
mod segments;
pub(crate) mod shared;
mod suspects;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use acklog_threads::{ThreadPool, lock};
use acklog_types::{Damage, DiskFault, DurationReader, Fsync, LogId, Losses, NodeName, Records};

/// Most threads that read old messages. More: more memory, a run for each, and one disk does not
/// read faster. Fewer: one slow read delays more of the others.
const READERS_MAX: usize = 8;

pub use self::committer::Committer;
use self::damage_tracker::DamageTracker;
pub use self::error::{DamagedPart, OpenError};
pub use self::format::Role;
pub use self::manifest::accept_losses;
pub(super) use self::names::is_of_log;
pub(super) use self::paging::Cursor;
pub use self::places::DamagedPlace;
pub use self::recovery::{Recovered, recover};
pub use self::recovery::{backup, inspect, repair};
pub use self::scrubber::Scrubber;
pub(super) use self::segments::Segments;

/// Sizes of a log on disk. Tests use small ones.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A segment file of this many bytes is sealed.
    pub segment_bytes: u64,
    /// Bytes of the newest durable records that are kept in memory.
    pub recent_bytes: usize,
    /// Capacity of a chunk of that memory. A chunk is dropped as a whole.
    pub chunk_bytes: usize,
    /// Bytes of zeros that are preallocated behind the log's end, so that a sync need not extend
    /// the file each time.
    pub preallocate_bytes: usize,
}

impl Sizes {
    /// The sizes that nodes run with.
    ///
    /// - Segments. Smaller: more files and more rolls. Larger: a longer start after a crash.
    /// - Recent records: as many as secondaries that keep up, and their retries, ask for. More:
    ///   more memory. Fewer: more reads from files.
    /// - Preallocation. More: a nearly full disk is full earlier. Less: more syncs are expensive.
    pub const DEFAULT: Self = Self {
        segment_bytes: 64 * 1024 * 1024,
        recent_bytes: 16 * 1024 * 1024,
        chunk_bytes: super::chunk::CHUNK_BYTES,
        preallocate_bytes: 256 * 1024,
    };

    /// Returns the default sizes with segment files of `segment_bytes`, and nothing else larger
    /// than one of them.
    pub fn of_segments(segment_bytes: u64) -> Self {
        let at_most = |bytes: usize| bytes.min(segment_bytes as usize);
        let Self { recent_bytes, chunk_bytes, preallocate_bytes, .. } = Self::DEFAULT;
        Self {
            segment_bytes,
            recent_bytes: at_most(recent_bytes),
            chunk_bytes: at_most(chunk_bytes),
            preallocate_bytes: at_most(preallocate_bytes),
        }
    }
}

/// Options for opening a log on disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// The role of the node that opens it.
    pub role: Role,
    /// The moment at which to flush.
    pub fsync: Fsync,
    /// The identity of a master's log if it begins now.
    pub new_log: LogId,
    /// Number of the last keyed messages to return.
    pub keys: usize,
    /// The seed of the sync markers. Must be secret: who knows a marker can forge write groups.
    pub seed: u64,
    /// Whether to refuse a directory without a log, instead of beginning a new log in it.
    pub require_log: bool,
    /// Sizes.
    pub sizes: Sizes,
}

#[cfg(any(test, feature = "sim-disk"))]
impl DiskOptions {
    /// A master's options, with the default sizes.
    pub const OF_TESTS: Self = Self {
        role: Role::Master,
        fsync: Fsync::Always,
        new_log: LogId::new(7),
        keys: 0,
        seed: 1,
        require_log: false,
        sizes: Sizes::DEFAULT,
    };
}

/// The state that readers, the writer and the background threads of a log on disk share.
#[derive(Debug)]
pub(super) struct DiskState {
    pub(super) segments: Segments,
    /// Threads that read files for callers.
    pub(super) readers: ThreadPool,
    /// The fault because of which nothing is written until a restart.
    failure: Mutex<Option<DiskFault>>,
    /// The fault because of which nothing can be written temporarily.
    held_up: Mutex<Option<DiskFault>>,
    /// Whether any damage was ever found. Without, no caller waits for a lock.
    was_damaged: AtomicBool,
    work: Mutex<Work>,
    /// Notified when there is work for the committer.
    work_came: Condvar,
    /// Notified when there is work for the scrubber.
    scrubber_wanted: Condvar,
    /// Bytes of records that this process published.
    pub(super) published_bytes: AtomicU64,
    /// The times that syncs of the log took.
    pub(super) syncs: DurationReader,
}

/// Work for the background threads.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Something was appended.
    pub(super) dirty: bool,
    /// The log that it belongs to.
    pub(super) log: Option<LogId>,
    /// A list of members and losses to persist, and its version.
    pub(super) members: Option<(u64, Vec<NodeName>, Losses)>,
    /// A segment was sealed.
    sealed: bool,
    /// The damage that was found.
    damaged: DamageTracker,
    /// The active segment is to be sealed, so that it can be repaired.
    roll: bool,
    /// The node stops.
    closing: bool,
}

impl DiskState {
    fn new(segments: Segments, syncs: DurationReader) -> Self {
        Self {
            segments,
            readers: ThreadPool::new("log-reader", READERS_MAX),
            failure: Mutex::default(),
            held_up: Mutex::default(),
            was_damaged: AtomicBool::new(false),
            work: Mutex::default(),
            work_came: Condvar::new(),
            scrubber_wanted: Condvar::new(),
            published_bytes: AtomicU64::new(0),
            syncs,
        }
    }

    /// Returns what is wrong; none if nothing is. A permanent failure to write comes before a
    /// temporary one, and that before damage.
    pub(super) fn fault(&self) -> Option<DiskFault> {
        let failure = lock(&self.failure).clone();
        failure
            .or_else(|| lock(&self.held_up).clone())
            .or_else(|| self.damage().map(|Damage { detail, .. }| DiskFault::Damaged { detail }))
    }

    /// Returns the known damage; none if there is none.
    pub(super) fn damage(&self) -> Option<Damage> {
        if !self.was_damaged.load(Ordering::Acquire) {
            return None;
        }
        let work = self.work();
        let damaged = &work.damaged;
        Some(Damage {
            detail: self.segments.damage_text(damaged.first()?),
            until: damaged.until(),
            wanted: damaged.wanted(),
            misfits: damaged.misfits(),
            version: damaged.version(),
        })
    }

    /// Returns whether a write or a sync failed, so that nothing more is written.
    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    /// Notes why nothing can be written temporarily; none: writing works again. Returns what was
    /// noted before.
    fn hold_up(&self, why: Option<DiskFault>) -> Option<DiskFault> {
        std::mem::replace(&mut *lock(&self.held_up), why)
    }

    /// Notes that a write or a sync failed. Returns whether it is the first one.
    fn fail(&self, detail: String) -> bool {
        let mut failure = lock(&self.failure);
        let is_news = failure.is_none();
        failure.get_or_insert(DiskFault::Failed { detail });
        is_news
    }

    /// Starts to persist and repair a damaged place. Returns whether it is new.
    pub(super) fn note_damage(&self, place: &DamagedPlace) -> bool {
        let is_news = self.work().damaged.note(place);
        self.was_damaged.store(true, Ordering::Release);
        self.scrubber_wanted.notify_one();
        is_news
    }

    /// Takes records that another node sent for damaged messages.
    pub(super) fn mend(&self, peer: &NodeName, run: &Records) {
        self.work().damaged.mend(peer, run);
        self.scrubber_wanted.notify_one();
    }

    /// Adds work for the committer.
    pub(super) fn leave(&self, work: impl FnOnce(&mut Work)) {
        work(&mut self.work());
        self.work_came.notify_one();
    }

    /// Tells the background threads that the node stops.
    pub(super) fn close(&self) {
        self.leave(|work| work.closing = true);
        self.scrubber_wanted.notify_one();
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
