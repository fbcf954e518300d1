//! The log of one node: records in id order, appended by one writer, read by anybody.
//!
//! One [`LogWriter`] appends; any number of [`LogReader`]s read what is *durable*, from any thread, without going
//! through the node's core task. Durable is what lies on disk or, for a log in memory, what was flushed.
//!
//! ```text
//!  LogWriter ── append ──> recent records in memory ── committer ──> segment files
//!                                 │   durable_end <── fdatasync ──┘      │
//!                                 └──────────> LogReader <───────────────┘
//! ```
//!
//! The newest records are in memory, in *segments* of about a megabyte: the last one is written, the others are sealed
//! and never change again, so that a reader gets a slice of their bytes without a copy. A log in memory has all of its
//! records there. One on disk ([`disk`]) gives the oldest back when they are durable, so that its memory stays bounded
//! however long it is, and reads those from the files.
//!
//! Invariant: `durable_end <= appended end`. Readers never see anything at or above `durable_end`.

mod accept_loss;
mod chunk;
pub mod disk;
#[cfg(any(test, feature = "sim-disk"))]
mod freezing;
mod open;
mod reset;
mod shared;
#[cfg(any(test, feature = "sim-disk"))]
mod sim_disk;
pub mod storage;
mod view;
mod watched;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use accept_loss::{AcceptLossError, accept_loss};
use acklog_threads::{NoThread, WorkHandle};
use acklog_types::{
    Batch, Damage, DiskFault, IdRange, IdempotencyKey, KeyHash, LogEnd, LogId, Losses, MessageId,
    NodeName, Records, Run, RunningChecksum, record_bytes,
};
use bytes::BytesMut;
pub use disk::{backup, inspect, repair};
#[cfg(any(test, feature = "sim-disk"))]
pub use freezing::FreezingDisk;
#[cfg(any(test, feature = "sim-disk"))]
pub use open::open_on;
pub use open::{Background, open};
pub use reset::{Moved, ResetError, reset};
use shared::{Before, SharedLog};
#[cfg(any(test, feature = "sim-disk"))]
pub use sim_disk::{DiskCounts, SimDisk};
use thiserror::Error;

/// The writing end of a log. There is one; it belongs to the node's core task.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<SharedLog>,
    /// The log that the messages belong to, as far as it is known.
    log: Option<LogId>,
    /// Bytes of records that were appended since the log was opened.
    appended_bytes: u64,
    /// When the last message was accepted.
    accepted_ms: u64,
}

/// A reading end of a log. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<SharedLog>,
}

/// A log and what was found in it.
#[derive(Debug)]
pub struct Opened {
    /// The writing end.
    pub writer: LogWriter,
    /// A reading end.
    pub reader: LogReader,
    /// The identity of the log; none while a secondary's has no message.
    pub log: Option<LogId>,
    /// Whether the log existed before it was opened now (a master's log).
    pub is_old: bool,
    /// The secondaries that ever registered, in that order (a master's log).
    pub members: Vec<NodeName>,
    /// What other nodes were seen with, beyond this log's end (a master's log).
    pub losses: Losses,
    /// The last keyed messages, in id order, as many as were asked for (a master's log).
    pub keys: Vec<(KeyHash, MessageId)>,
}

impl Opened {
    /// A new, empty log in memory. Its master draws the identity.
    pub fn in_memory() -> Self {
        let (writer, reader) = in_memory();
        let (members, losses, keys) = (Vec::new(), Losses::default(), Vec::new());
        Self { writer, reader, log: None, is_old: false, members, losses, keys }
    }
}

/// Why a part of the log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// That says nothing about what was written: the process lacks a descriptor, memory or a thread, or the system
    /// refused. The same read may work later.
    #[error("{detail}")]
    Passing {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// What is there is not what was written there.
    #[error("{detail}")]
    Damaged {
        /// The file, the offset, and what is wrong there.
        detail: String,
        /// The place; the whole file where that cannot be read.
        place: Box<disk::DamagedPlace>,
    },
}

impl From<NoThread> for ReadError {
    fn from(error: NoThread) -> Self {
        Self::Passing { detail: format!("cannot read a file of the log: {error}") }
    }
}

/// What a read of bounded length finds.
#[derive(Debug)]
pub enum Page {
    /// Records: of a batch some of them as well, unless whole ones are asked for.
    Records(Records),
    /// A record or, where whole ones are asked for, a batch of so many bytes, which is more than may be read.
    Longer(usize),
}

/// Where the next page of a reader is, so that it need not be looked for. The default knows nothing.
#[derive(Debug, Default)]
pub struct PageCursor(Option<disk::Cursor>);

/// A new, empty log in memory.
pub fn in_memory() -> (LogWriter, LogReader) {
    let (end, running) = (LogEnd::ZERO, Some(RunningChecksum::START));
    let before = Before { end, running, last: None, accepted_ms: 0 };
    let shared = Arc::new(SharedLog::new(before, chunk::CHUNK_BYTES, None));
    LogWriter::of(shared, None)
}

impl LogWriter {
    /// Both ends of a log.
    fn of(shared: Arc<SharedLog>, log: Option<LogId>) -> (Self, LogReader) {
        let (appended_bytes, accepted_ms) = (0, shared.before.accepted_ms);
        (Self { shared: shared.clone(), log, appended_bytes, accepted_ms }, LogReader { shared })
    }

    /// Appends a batch and returns its first id. It is not visible before it is durable: see [`flush`](Self::flush).
    /// Times of acceptance never decrease along the log: where the clock was put back, that of the
    /// message before counts.
    pub fn append(
        &mut self,
        accepted_ms: u64,
        key: Option<&IdempotencyKey>,
        batch: &Batch,
    ) -> MessageId {
        let mut recent = self.shared.recent_mut();
        let size = record_bytes(key, batch);
        self.appended_bytes += size as u64;
        self.accepted_ms = self.accepted_ms.max(accepted_ms);
        let first = recent.active_with_capacity(size).push(self.accepted_ms, key, batch);
        recent.share_large(size);
        first
    }

    /// Appends a run of records of the log `log` as they are. They are not visible before they are durable: see
    /// [`flush`](Self::flush).
    ///
    /// # Panics
    /// When the run does not begin at the log's end.
    pub fn append_run(&mut self, log: LogId, run: &Records) {
        self.log = Some(log);
        self.appended_bytes += run.bytes() as u64;
        let mut recent = self.shared.recent_mut();
        assert_eq!(run.range().start(), recent.active.end(), "a run must continue the log");
        recent.active_with_capacity(run.bytes()).push_run(run);
    }

    /// Has everything appended so far made durable and visible: in memory at once, on disk as soon as the disk can.
    pub fn flush(&mut self) {
        match &self.shared.disk {
            None => self.shared.publish(self.shared.appended_end(), usize::MAX),
            Some(disk) => disk.leave(|work| {
                work.dirty = true;
                work.log = self.log;
            }),
        }
    }

    /// Has the names of the secondaries that ever registered written down, and what others were seen with beyond this
    /// log's end, in place of what was written before, as the `version`th such list; [`LogReader::remembered`] tells
    /// when that is done. In memory at once.
    pub fn remember(&mut self, version: u64, members: Vec<NodeName>, losses: Losses) {
        match &self.shared.disk {
            None => self.shared.remembered.store(version, Ordering::Release),
            Some(disk) => disk.leave(|work| work.members = Some((version, members, losses))),
        }
    }

    /// The end of what was appended, durable or not.
    pub fn end(&self) -> LogEnd {
        self.shared.appended_end()
    }

    /// How many bytes of what was appended wait for the disk. In memory none ever do.
    pub fn backlog_bytes(&self) -> usize {
        let published = |disk: &disk::DiskState| disk.published_bytes.load(Ordering::Relaxed);
        let backlog = self.shared.disk.as_ref().map(|disk| self.appended_bytes - published(disk));
        backlog.unwrap_or_default() as usize
    }
}

impl LogReader {
    /// The end of what is durable, and so of what may be shown. Never shrinks.
    pub fn durable_end(&self) -> LogEnd {
        self.shared.durable_end()
    }

    /// The version of the list of members that is written down; see [`LogWriter::remember`].
    pub fn remembered(&self) -> u64 {
        self.shared.remembered.load(Ordering::Acquire)
    }

    /// Whether the log is on a disk, so that what is durable survives the process.
    pub fn is_on_disk(&self) -> bool {
        self.shared.disk.is_some()
    }

    /// What is wrong with the disk; none while nothing is.
    pub fn disk_fault(&self) -> Option<DiskFault> {
        self.shared.disk.as_ref().and_then(disk::DiskState::fault)
    }

    /// What of the log is known to be damaged; none while nothing is.
    pub fn damage(&self) -> Option<Damage> {
        self.shared.disk.as_ref().and_then(disk::DiskState::damage)
    }

    /// Takes records that another node gave of messages that are damaged here. What [`damage`](Self::damage) does not
    /// want is dropped. The log is mended on a thread of its own, once it has all that it wants of a segment.
    pub fn mend(&self, peer: &NodeName, run: &Records) {
        if let Some(disk) = &self.shared.disk {
            disk.mend(peer, run);
            self.shared.changed.notify_one();
        }
    }

    /// The oldest call that the disk has not answered yet: its number, which no other has, and what it is.
    pub fn oldest_disk_call(&self) -> Option<(u64, String)> {
        self.shared.disk.as_ref().and_then(|disk| disk.segments.oldest_call())
    }

    /// Returns when [`durable_end`](Self::durable_end), [`remembered`](Self::remembered) or
    /// [`disk_fault`](Self::disk_fault) changed by itself since the last time. For one task only. Cancel safe.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Reads records from `from` on: below `until` and the durable end, of at most `max_bytes` or a single record or
    /// batch, and not beyond the end of a segment. Only `from` and `until` cut a batch. Empty when nothing is there
    /// (yet).
    ///
    /// # Errors
    /// When what is there cannot be read; the node's core task learns of that by itself.
    pub fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        self.read_below(from, until.min(self.durable_end()), max_bytes)
    }

    /// Reads records from `from` on for a reader that needs no whole batches: below `until` and the durable end, of at
    /// most `max_bytes` where they are copied, and not beyond the end of a segment. The cursor is that of the page
    /// before, or a new one. Empty when nothing is there (yet).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_page(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        cursor: &mut PageCursor,
    ) -> Result<Page, ReadError> {
        let until = until.min(self.durable_end());
        match self.page_in_memory(from, until, max_bytes) {
            Some(page) => Ok(page),
            None => self.on_disk(|segments| segments.page(from, until, max_bytes, &mut cursor.0)),
        }
    }

    /// As [`read_page`](Self::read_page), but only of what is in memory: none where that takes an access to a file.
    pub fn page_in_memory(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<Page> {
        let until = until.min(self.durable_end());
        match from < until {
            true => self.shared.page_recent(from, until, max_bytes),
            false => Some(Page::Records(Records::empty(from))),
        }
    }

    /// Reads the batch that begins with a message, also one that is not durable yet. Empty when nothing is there.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_appended(&self, id: MessageId) -> Result<Records, ReadError> {
        self.read_below(id.before(), self.shared.appended_end(), 0)
    }

    /// Returns the bytes of the records of the batch that begins with a message, as far as they lie
    /// in one piece of memory; none where it is not in memory. Takes no access to a file.
    pub fn size_in_memory(&self, id: MessageId) -> Option<usize> {
        let (_, bytes) = self.shared.plan_recent(id.before(), self.shared.appended_end(), 0)?;
        Some(bytes)
    }

    /// Does work that may read files on a thread that may wait for the disk, never on the caller's; for a log in
    /// memory, which has no files, at once. Where the system has no thread, the answer is [`NoThread`], which becomes
    /// [`ReadError::Passing`]; see [`ThreadPool::run`](acklog_threads::ThreadPool::run).
    pub fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> WorkHandle<T> {
        let log = self.clone();
        match &self.shared.disk {
            None => WorkHandle::ready(work(&log)),
            Some(disk) => disk.readers.run(move || work(&log)),
        }
    }

    /// Reads all records of a range of durable ones, wherever they lie.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// When the range reaches beyond the durable end.
    pub fn read_range(&self, range: IdRange) -> Result<Records, ReadError> {
        let first = self.read(range.start(), range.end(), usize::MAX)?;
        if first.range() == range {
            return Ok(first);
        }
        // It was planned in memory, and meanwhile left it and lies in two files.
        let mut bytes = BytesMut::from(first.as_bytes().as_ref());
        let mut from = first.range().end();
        while from < range.end() {
            let next = self.read(from, range.end(), usize::MAX)?;
            assert!(!next.range().is_empty(), "a planned run is there to be read: {range}");
            bytes.extend_from_slice(next.as_bytes());
            from = next.range().end();
        }
        Ok(Records::trusted(range, bytes.freeze()))
    }

    fn read_below(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        if from >= until {
            return Ok(Records::empty(from));
        }
        match self.shared.read_recent(from, until, max_bytes) {
            Some(records) => Ok(records),
            None => {
                // Only what is durable leaves memory. What stands behind that in a file may still be on its way there.
                let until = until.min(self.durable_end());
                self.on_disk(|segments| segments.read(from, until, max_bytes))
            }
        }
    }

    /// Asks the files for what is not in memory. That something there is damaged is noted.
    fn on_disk<T>(
        &self,
        ask: impl FnOnce(&disk::Segments) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let disk = self.shared.disk.as_ref().expect("a log in memory has all in memory");
        let asked = ask(&disk.segments);
        if let Err(error) = &asked {
            self.shared.unreadable(error);
        }
        asked
    }
}

#[cfg(test)]
mod tests;
