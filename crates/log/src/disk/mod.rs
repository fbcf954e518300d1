//! The log on disk.
//!
//! A directory holds a `manifest`, a `lock`, and segment files (`<first id, 20 digits>.log`, about 64 MiB each) with a
//! sparse index beside each sealed one (`….index`). See `format.rs` for the bytes.
//!
//! - `committer` writes: all that waits becomes groups, one write and one `fdatasync`, and then is published.
//!   Whatever fails there ends all appending: see `DiskState::fail`.
//! - `files` reads what has left memory.
//! - `recovery` finds out at the start what a crash left, and what is damage.
//! - `scrubber` writes indexes, looks through old segments in the background, and writes damaged ones anew from what
//!   another node has.
//!
//! Everything below [`Storage`](super::storage::Storage) can be made to fail by the simulator.

mod active_segment;
mod cause;
mod committer;
mod damage_tracker;
mod error;
mod format;
mod index;
mod manifest;
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
mod suspects;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use acklog_threads::{ThreadPool, lock};
use acklog_types::{Damage, DiskFault, Fsync, LogId, Losses, NodeName, Records};

/// Threads that read old messages, at most. One disk does not read faster for more of them, and each holds a run's
/// memory; with fewer, one slow read holds up more of the others.
const READERS_MAX: usize = 8;

pub use self::committer::Committer;
use self::damage_tracker::DamageTracker;
pub use self::error::OpenError;
pub use self::format::Role;
pub(super) use self::format::is_of_log;
pub use self::manifest::accept_losses;
pub(super) use self::paging::Cursor;
pub use self::places::DamagedPlace;
pub use self::recovery::{Recovered, recover};
pub use self::recovery::{backup, inspect, repair};
pub use self::scrubber::Scrubber;
pub(super) use self::segments::Segments;

/// Sizes of a log on disk. Tests take small ones.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A segment file of this many bytes is sealed.
    pub segment_bytes: u64,
    /// Bytes of the newest records that are kept in memory, besides those that are not durable yet.
    pub recent_bytes: usize,
    /// A piece of that memory. It is given back as a whole.
    pub chunk_bytes: usize,
    /// Bytes of zeros that are written ahead of the log's end, so that syncing need not grow the file each time.
    pub preallocate_bytes: usize,
}

impl Sizes {
    /// What nodes run with.
    ///
    /// Segments: smaller ones mean more files and more rolls, larger ones a longer start after a crash. Recent records:
    /// as many as secondaries that keep up, and their retries, ask for. Ahead: more makes a nearly full disk full
    /// earlier, less makes more syncs expensive.
    pub const DEFAULT: Self = Self {
        segment_bytes: 64 * 1024 * 1024,
        recent_bytes: 16 * 1024 * 1024,
        chunk_bytes: super::chunk::CHUNK_BYTES,
        preallocate_bytes: 256 * 1024,
    };

    /// Returns the default sizes with segment files of `segment_bytes`, and nothing else larger than one of them.
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

/// How a log on disk is opened.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// The kind of node that opens it.
    pub role: Role,
    /// When to force things to the disk.
    pub fsync: Fsync,
    /// The identity that a master's log gets if it begins now.
    pub new_log: LogId,
    /// How many of the last keyed messages to tell of.
    pub keys: usize,
    /// What the files' marks are drawn from; nobody outside may know it.
    pub seed: u64,
    /// Whether a directory without a log is refused, rather than a new log begun in it.
    pub require_log: bool,
    /// Sizes.
    pub sizes: Sizes,
}

#[cfg(any(test, feature = "sim-disk"))]
impl DiskOptions {
    /// A master's, with the sizes of a real node.
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

/// What readers, the writer and the background share of a log on disk.
#[derive(Debug)]
pub(super) struct DiskState {
    pub(super) segments: Segments,
    /// Where others than the background read files.
    pub(super) readers: ThreadPool,
    /// Why nothing is written until a restart.
    failure: Mutex<Option<DiskFault>>,
    /// Why nothing can be written for the moment.
    held_up: Mutex<Option<DiskFault>>,
    /// Whether anything was ever found damaged: whoever asks need not wait for a lock while nothing was.
    was_damaged: AtomicBool,
    work: Mutex<Work>,
    /// Told when there is work for the committer.
    work_came: Condvar,
    /// Told when there is work for the scrubber.
    scrubber_wanted: Condvar,
    /// Bytes of records that were published by this process.
    pub(super) published_bytes: AtomicU64,
}

/// What waits to be done in the background.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Something was appended.
    pub(super) dirty: bool,
    /// The log that it belongs to.
    pub(super) log: Option<LogId>,
    /// A list of members and the losses to write down, and its version.
    pub(super) members: Option<(u64, Vec<NodeName>, Losses)>,
    /// A segment was sealed.
    sealed: bool,
    /// Places that were found damaged.
    damaged: DamageTracker,
    /// The segment that is being written is to be sealed, so that it can be repaired.
    roll: bool,
    /// The node stops.
    closing: bool,
}

impl DiskState {
    fn new(segments: Segments) -> Self {
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
        }
    }

    /// What is wrong; none while nothing is. What keeps it from writing is told before damage: for good, then for the
    /// moment.
    pub(super) fn fault(&self) -> Option<DiskFault> {
        let failure = lock(&self.failure).clone();
        failure
            .or_else(|| lock(&self.held_up).clone())
            .or_else(|| self.damage().map(|Damage { detail, .. }| DiskFault::Damaged { detail }))
    }

    /// What is damaged; none while nothing is known to be.
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

    /// Whether a write or a sync failed, so that nothing more is written.
    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    /// Notes why nothing can be written for the moment, or that it can be again (none). Returns what was noted before.
    fn hold_up(&self, why: Option<DiskFault>) -> Option<DiskFault> {
        std::mem::replace(&mut *lock(&self.held_up), why)
    }

    /// Notes that a write or a sync failed. Returns whether that is news.
    fn fail(&self, detail: String) -> bool {
        let mut failure = lock(&self.failure);
        let is_news = failure.is_none();
        failure.get_or_insert(DiskFault::Failed { detail });
        is_news
    }

    /// Has a damaged place written down and repaired. Returns whether it is news.
    pub(super) fn note_damage(&self, place: &DamagedPlace) -> bool {
        let is_news = self.work().damaged.note(place);
        self.was_damaged.store(true, Ordering::Release);
        self.scrubber_wanted.notify_one();
        is_news
    }

    /// Takes records of damaged messages that another node gave.
    pub(super) fn mend(&self, peer: &NodeName, run: &Records) {
        self.work().damaged.mend(peer, run);
        self.scrubber_wanted.notify_one();
    }

    /// Leaves work for the committer.
    pub(super) fn leave(&self, work: impl FnOnce(&mut Work)) {
        work(&mut self.work());
        self.work_came.notify_one();
    }

    /// Tells the background that the node stops.
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
