//! The log on disk.
//!
//! A directory holds a `manifest`, a `lock`, and segment files (`<first id, 20 digits>.log`, about 64 MiB each) with a
//! sparse index beside each sealed one (`….index`). See `format.rs` for the bytes.
//!
//! - `committer` writes: all that waits becomes groups, one write and one `fdatasync`, and then is published.
//!   Whatever fails there ends all appending: see `Disk::fail`.
//! - `files` reads what has left memory.
//! - `recovery` finds out at the start what a crash left, and what is damage.
//! - `keeper` writes indexes and looks through old segments in the background.
//!
//! Everything below [`Storage`](super::storage::Storage) can be made to fail by the simulator.

mod cause;
mod committer;
mod error;
mod files;
mod format;
mod index;
mod keeper;
mod last;
mod manifest;
mod notes;
mod paging;
mod places;
mod recovery;
mod scan;
mod suspects;
mod window;

use std::sync::atomic::AtomicU64;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::threads::ThreadPool;
use crate::types::{DiskFault, Fsync, LogId, Losses, NodeName};

/// Threads that read old messages, at most. One disk does not read faster for more of them, and each holds a run's
/// memory; with fewer, one slow read holds up more of the others.
const READERS_MAX: usize = 8;

pub(crate) use self::committer::Committer;
pub use self::error::OpenError;
pub(super) use self::files::Files;
pub use self::format::Role;
pub(super) use self::format::is_of_log;
pub(super) use self::keeper::Keeper;
pub(crate) use self::manifest::accept_losses;
pub(super) use self::paging::Cursor;
pub use self::places::Place;
pub(crate) use self::recovery::{Recovered, recover};
pub use self::recovery::{backup, inspect, repair};

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
    pub ahead_bytes: usize,
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
        chunk_bytes: super::segment::SEGMENT_BYTES,
        ahead_bytes: 256 * 1024,
    };

    /// Returns the default sizes with segment files of `segment_bytes`, and nothing else larger than one of them.
    pub fn of_segments(segment_bytes: u64) -> Self {
        let at_most = |bytes: usize| bytes.min(segment_bytes as usize);
        let Self { recent_bytes, chunk_bytes, ahead_bytes, .. } = Self::DEFAULT;
        Self {
            segment_bytes,
            recent_bytes: at_most(recent_bytes),
            chunk_bytes: at_most(chunk_bytes),
            ahead_bytes: at_most(ahead_bytes),
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

#[cfg(test)]
impl DiskOptions {
    /// A master's, with the sizes of a real node.
    pub(crate) const OF_TESTS: Self = Self {
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
pub(super) struct Disk {
    pub(super) files: Files,
    /// Where others than the background read files.
    pub(super) readers: ThreadPool,
    /// What is wrong until a restart.
    fault: Mutex<Option<DiskFault>>,
    /// Why nothing can be written for the moment.
    held_up: Mutex<Option<DiskFault>>,
    work: Mutex<Work>,
    /// Told when there is work for the committer.
    work_came: Condvar,
    /// Told when there is work for the keeper.
    keeper_wanted: Condvar,
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
    damaged: Vec<Place>,
    /// There are more of them than were written down.
    noted: bool,
    /// The node stops.
    closing: bool,
}

impl Disk {
    fn new(files: Files) -> Self {
        Self {
            files,
            readers: ThreadPool::new("log-reader", READERS_MAX),
            fault: Mutex::default(),
            held_up: Mutex::default(),
            work: Mutex::default(),
            work_came: Condvar::new(),
            keeper_wanted: Condvar::new(),
            published_bytes: AtomicU64::new(0),
        }
    }

    /// What is wrong; none while nothing is. What lasts until a restart is told before what passes.
    pub(super) fn fault(&self) -> Option<DiskFault> {
        let lasting = self.fault.lock().expect("no holder of this lock panics").clone();
        lasting.or_else(|| self.held_up.lock().expect("no holder of this lock panics").clone())
    }

    /// Whether a write or a sync failed, so that nothing more is written.
    fn has_failed(&self) -> bool {
        let fault = self.fault.lock().expect("no holder of this lock panics");
        matches!(*fault, Some(DiskFault::Failed { .. }))
    }

    /// Notes why nothing can be written for the moment, or that it can be again (none). Returns what was noted before.
    fn hold_up(&self, why: Option<DiskFault>) -> Option<DiskFault> {
        std::mem::replace(&mut *self.held_up.lock().expect("no holder of this lock panics"), why)
    }

    /// Notes that something is wrong. Returns whether that is news: the first fault is the one that is told, but one of
    /// writing is told in place of damage, since it says more about what the node can do.
    pub(super) fn fail(&self, fault: DiskFault) -> bool {
        let mut told = self.fault.lock().expect("no holder of this lock panics");
        let is_news = match (&*told, &fault) {
            (None, _) | (Some(DiskFault::Damaged { .. }), DiskFault::Failed { .. }) => true,
            (Some(_), _) => false,
        };
        if is_news {
            *told = Some(fault);
        }
        is_news
    }

    /// Has a damaged place written down, unless it is already.
    pub(super) fn note_damage(&self, place: &Place) {
        let mut work = self.work();
        let is_known = work.damaged.iter().any(|known| known.ids.start() == place.ids.start());
        if !is_known && work.damaged.len() < notes::NOTES_MAX {
            work.damaged.push(place.clone());
            work.noted = true;
            self.keeper_wanted.notify_one();
        }
    }

    /// Leaves work for the committer.
    pub(super) fn leave(&self, work: impl FnOnce(&mut Work)) {
        work(&mut self.work());
        self.work_came.notify_one();
    }

    /// Tells the background that the node stops.
    pub(super) fn close(&self) {
        self.leave(|work| work.closing = true);
        self.keeper_wanted.notify_one();
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
