//! The log of one node: records in id order, appended by one writer, read by anybody.
//!
//! A log is cut into *segments* of about a megabyte. The last one is written; the others are sealed and never change
//! again, so that a reader gets a slice of their bytes without a copy. One [`LogWriter`] appends; any number of
//! [`LogReader`]s read what is *durable* (in memory: what was flushed), from any thread, without going through the
//! node's core task.
//!
//! Invariant: `durable_end <= log_end`. Readers never see anything at or above `durable_end`.
//!
//! # Caveats
//! The log lives in memory: it grows with each message and is gone when the process ends.

mod segment;
pub mod storage;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use segment::{Active, Sealed};
use thiserror::Error;
use tokio::sync::Notify;

use crate::protocol::{LogView, Unreadable};
use crate::types::{
    Checksum, DiskFault, IdRange, IdempotencyKey, KeyHash, LogEnd, LogId, MessageId, NodeName,
    Records, Run,
};

/// The writing end of a log. There is one; it belongs to the node's core task.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

/// A reading end of a log. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Held for the time of one append or of one read of at most a run's size, never across an await.
    segments: RwLock<Segments>,
    /// Stored after the records below it are in `segments`; loaded before they are read.
    durable_end: AtomicU64,
    /// Counts what [`LogWriter::remember`] was asked for and has done.
    remembered: AtomicU64,
    /// Told when one of the ends or the disk's state changed by itself.
    changed: Notify,
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
    /// The secondaries that ever registered, in that order (a master's log).
    pub members: Vec<NodeName>,
    /// The last keyed messages, in id order, as many as were asked for (a master's log).
    pub keys: Vec<(KeyHash, MessageId)>,
}

impl Opened {
    /// A new, empty log in memory. Its master draws the identity.
    pub fn in_memory() -> Self {
        let (writer, reader) = in_memory();
        Self { writer, reader, log: None, members: Vec::new(), keys: Vec::new() }
    }
}

/// A part of the log cannot be read: what is there is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct ReadError {
    /// The file, the offset, and what is wrong there.
    pub detail: String,
}

#[derive(Debug)]
struct Segments {
    /// In id order, without gaps.
    sealed: Vec<Sealed>,
    /// Follows the last sealed one.
    active: Active,
}

/// A new, empty log in memory.
pub fn in_memory() -> (LogWriter, LogReader) {
    let segments = Segments { sealed: Vec::new(), active: Active::new(LogEnd::ZERO) };
    let shared = Arc::new(Shared {
        segments: RwLock::new(segments),
        durable_end: AtomicU64::new(0),
        remembered: AtomicU64::new(0),
        changed: Notify::new(),
    });
    (LogWriter { shared: shared.clone() }, LogReader { shared })
}

impl LogWriter {
    /// Appends a message and returns its id. It is not visible before it is durable: see [`flush`](Self::flush).
    pub fn append(
        &mut self,
        accepted_ms: u64,
        key: Option<&IdempotencyKey>,
        text: &str,
    ) -> MessageId {
        let mut segments = self.shared.segments.write().expect("no holder of this lock panics");
        segments.active_with_room().push(accepted_ms, key, text)
    }

    /// Appends a run of records of the log `log` as they are. They are not visible before they are durable: see
    /// [`flush`](Self::flush).
    ///
    /// # Panics
    /// When the run does not begin at the log's end.
    pub fn append_run(&mut self, _log: LogId, run: &Records) {
        let mut segments = self.shared.segments.write().expect("no holder of this lock panics");
        let end = segments.active.end();
        assert_eq!(run.range().start(), end, "a run must continue the log");
        segments.active_with_room().push_run(run);
    }

    /// Has everything appended so far made durable and visible: in memory at once, on disk as soon as the disk can.
    pub fn flush(&mut self) {
        let end = self.shared.segments.read().expect("no holder of this lock panics").active.end();
        self.shared.durable_end.store(end.get(), Ordering::Release);
    }

    /// How many bytes of what was appended wait for the disk. In memory none ever do.
    pub fn backlog_bytes(&self) -> usize {
        0
    }

    /// Has the names of the secondaries that ever registered written down, in place of those before, as the `version`th
    /// such list; [`LogReader::remembered`] tells when that is done. In memory at once.
    pub fn remember(&mut self, version: u64, _members: Vec<NodeName>) {
        self.shared.remembered.store(version, Ordering::Release);
    }
}

impl Segments {
    fn active_with_room(&mut self) -> &mut Active {
        if self.active.is_full() {
            let next = Active::new(self.active.end());
            self.sealed.push(std::mem::replace(&mut self.active, next).seal());
        }
        &mut self.active
    }

    fn sealed_at(&self, from: LogEnd) -> Option<&Sealed> {
        let after = self.sealed.partition_point(|segment| segment.start() <= from);
        let segment = self.sealed.get(after.checked_sub(1)?)?;
        (from < segment.end()).then_some(segment)
    }
}

impl LogReader {
    /// The end of what is durable, and so of what may be shown. Never shrinks.
    pub fn durable_end(&self) -> LogEnd {
        LogEnd::new(self.shared.durable_end.load(Ordering::Acquire))
    }

    /// The version of the list of members that is written down; see [`LogWriter::remember`].
    pub fn remembered(&self) -> u64 {
        self.shared.remembered.load(Ordering::Acquire)
    }

    /// Whether the log is on a disk, so that what is durable survives the process.
    pub fn is_on_disk(&self) -> bool {
        false
    }

    /// Whether reading the record at this position takes no access to a file.
    pub fn is_recent(&self, _at: LogEnd) -> bool {
        true
    }

    /// What is wrong with the disk; none while nothing is.
    pub fn disk_fault(&self) -> Option<DiskFault> {
        None
    }

    /// Returns when [`durable_end`](Self::durable_end), [`remembered`](Self::remembered) or
    /// [`disk_fault`](Self::disk_fault) changed by itself since the last time. For one task only. Cancel safe.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Reads records from `from` on: below `until` and the durable end, of at most `max_bytes` or a single record,
    /// and not beyond the end of a segment. Empty when nothing is there (yet).
    ///
    /// # Errors
    /// When what is there cannot be read; the node's core task learns of that by itself.
    pub fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        Ok(self.read_below(from, until.min(self.durable_end()), max_bytes))
    }

    /// Reads one record, also one that is not durable yet. Empty when nothing is there.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_appended(&self, id: MessageId) -> Result<Records, ReadError> {
        let end = self.shared.segments.read().expect("no holder of this lock panics").active.end();
        Ok(self.read_below(id.before(), id.end().min(end), 0))
    }

    fn read_below(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Records {
        if from >= until {
            return Records::empty(from);
        }
        let segments = self.shared.segments.read().expect("no holder of this lock panics");
        match segments.sealed_at(from) {
            Some(sealed) => sealed.read(from, until, max_bytes),
            None => segments.active.read(from, until, max_bytes),
        }
    }
}

impl LogView for LogReader {
    fn run_from(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<(IdRange, usize), Unreadable> {
        let until = until.min(self.durable_end());
        if from >= until {
            return Ok((IdRange::empty(from), 0));
        }
        let segments = self.shared.segments.read().expect("no holder of this lock panics");
        Ok(match segments.sealed_at(from) {
            Some(sealed) => sealed.run_from(from, until, max_bytes),
            None => segments.active.run_from(from, until, max_bytes),
        })
    }

    fn checksum_before(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        let Some(last) = end.last_id() else { return Ok(None) };
        let records = self.read(last.before(), end, 0).map_err(|_| Unreadable)?;
        Ok(records.iter().next().map(|record| record.checksum))
    }
}

#[cfg(test)]
mod tests;
