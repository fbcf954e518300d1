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

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use segment::{Active, Sealed};

use crate::protocol::LogView;
use crate::types::{Checksum, IdRange, LogEnd, MessageId, Records, Run};

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
    let shared =
        Arc::new(Shared { segments: RwLock::new(segments), durable_end: AtomicU64::new(0) });
    (LogWriter { shared: shared.clone() }, LogReader { shared })
}

impl LogWriter {
    /// Appends a message and returns its id. It is not visible before the next [`flush`](Self::flush).
    pub fn append(&mut self, accepted_ms: u64, text: &str) -> MessageId {
        let mut segments = self.shared.segments.write().expect("no holder of this lock panics");
        segments.active_with_room().push(accepted_ms, text)
    }

    /// Appends a run of records as they are. They are not visible before the next [`flush`](Self::flush).
    ///
    /// # Panics
    /// When the run does not begin at the log's end.
    pub fn append_run(&mut self, run: &Records) {
        let mut segments = self.shared.segments.write().expect("no holder of this lock panics");
        let end = segments.active.end();
        assert_eq!(run.range().start(), end, "a run must continue the log");
        segments.active_with_room().push_run(run);
    }

    /// Makes everything appended so far durable and visible, and returns the durable end.
    pub fn flush(&mut self) -> LogEnd {
        let end = self.shared.segments.read().expect("no holder of this lock panics").active.end();
        self.shared.durable_end.store(end.get(), Ordering::Release);
        end
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

    /// Reads records from `from` on: below `until` and the durable end, of at most `max_bytes` or a single record,
    /// and not beyond the end of a segment. Empty when nothing is there (yet).
    pub fn read(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Records {
        let until = until.min(self.durable_end());
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
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> (IdRange, usize) {
        let until = until.min(self.durable_end());
        if from >= until {
            return (IdRange::empty(from), 0);
        }
        let segments = self.shared.segments.read().expect("no holder of this lock panics");
        match segments.sealed_at(from) {
            Some(sealed) => sealed.run_from(from, until, max_bytes),
            None => segments.active.run_from(from, until, max_bytes),
        }
    }

    fn checksum_before(&self, end: LogEnd) -> Option<Checksum> {
        let last = end.last_id()?;
        self.read(last.before(), end, 0).iter().next().map(|record| record.checksum)
    }
}

#[cfg(test)]
mod tests;
