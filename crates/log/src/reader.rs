//! The reading ends of a log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use acklog_threads::{NoThread, WorkHandle};
use acklog_types::{Damage, DiskFault, IdRange, LogEnd, MessageId, NodeName, Records};
use bytes::BytesMut;
use thiserror::Error;

use super::disk::shared::SharedLog;
use super::disk::{Cursor, DamagedPlace, DiskState, Segments};

/// A reading end of a log. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) shared: Arc<SharedLog>,
}

/// Reason why a part of the log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// A temporary condition that says nothing about the stored bytes: the process lacks a
    /// descriptor, memory or a thread, or the system refused. The same read may succeed later.
    #[error("{detail}")]
    Passing {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// The stored bytes are not those that were written.
    #[error("{detail}")]
    Damaged {
        /// The file, the offset, and what is wrong there.
        detail: String,
        /// The damaged place. It is the whole file if that cannot be read.
        place: Box<DamagedPlace>,
    },
}

impl From<NoThread> for ReadError {
    fn from(error: NoThread) -> Self {
        Self::Passing { detail: format!("cannot read a file of the log: {error}") }
    }
}

/// The result of a read of bounded length.
#[derive(Debug)]
pub enum PageRead {
    /// Records. They may end inside a batch, unless whole batches were asked for.
    Records(Records),
    /// The next record or, if whole batches were asked for, the next batch has this many bytes,
    /// which is more than the limit.
    Longer(usize),
}

/// The place in its file at which the next page begins, so that it need not be searched for. The
/// default knows nothing.
#[derive(Debug, Default)]
pub struct PageCursor(Option<Cursor>);

impl LogReader {
    pub(super) fn new(shared: Arc<SharedLog>) -> Self {
        Self { shared }
    }

    /// Returns the end of what is durable, and so may be shown. It never decreases.
    pub fn durable_end(&self) -> LogEnd {
        self.shared.durable_end()
    }

    /// Returns the version of the list of members that is persisted; see
    /// [`LogWriter::persist_members`](super::LogWriter::persist_members).
    pub fn members_version(&self) -> u64 {
        self.shared.members_version.load(Ordering::Acquire)
    }

    /// Returns whether the log is on a disk, so that durable messages survive the process.
    pub fn is_on_disk(&self) -> bool {
        self.shared.disk.is_some()
    }

    /// Returns what is wrong with the disk; none if nothing is.
    pub fn disk_fault(&self) -> Option<DiskFault> {
        self.shared.disk.as_ref().and_then(DiskState::fault)
    }

    /// Returns the known damage of the log; none if there is none.
    pub fn damage(&self) -> Option<Damage> {
        self.shared.disk.as_ref().and_then(DiskState::damage)
    }

    /// Takes records that another node sent for damaged messages. Records that
    /// [`damage`](Self::damage) does not ask for are dropped. The scrubber repairs a segment once
    /// all of its missing records are there.
    pub fn mend(&self, peer: &NodeName, run: &Records) {
        if let Some(disk) = &self.shared.disk {
            disk.mend(peer, run);
            self.shared.changed.notify_one();
        }
    }

    /// Returns the oldest call that the disk has not answered yet: its number, which is unique, and
    /// what it is.
    pub fn oldest_disk_call(&self) -> Option<(u64, String)> {
        self.shared.disk.as_ref().and_then(|disk| disk.segments.oldest_call())
    }

    /// Waits until [`durable_end`](Self::durable_end), [`members_version`](Self::members_version),
    /// [`disk_fault`](Self::disk_fault) or [`damage`](Self::damage) has changed in the background
    /// since the last call. For one task only. Cancel safe.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Reads records from `from` on, below `until` and the durable end: at most `max_bytes`, but at
    /// least one record or batch, and not beyond the end of a chunk or segment. Only `from` and
    /// `until` can cut a batch. Empty if there is nothing (yet).
    ///
    /// # Errors
    /// When the records cannot be read. The node's core task is notified of damage separately.
    pub fn read(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Result<Records, ReadError> {
        self.read_below(from, until.min(self.durable_end()), max_bytes)
    }

    /// Reads records from `from` on, below `until` and the durable end, for a reader that needs no
    /// whole batches: at most `max_bytes` where they are copied, and not beyond the end of a chunk
    /// or segment. `cursor` is the one of the page before, or a new one. Empty if there is nothing
    /// (yet).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_page(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        cursor: &mut PageCursor,
    ) -> Result<PageRead, ReadError> {
        let until = until.min(self.durable_end());
        match self.page_in_memory(from, until, max_bytes) {
            Some(page) => Ok(page),
            None => self.on_disk(|segments| segments.page(from, until, max_bytes, &mut cursor.0)),
        }
    }

    /// As [`read_page`](Self::read_page), but only from memory; none if that takes a file.
    pub fn page_in_memory(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Option<PageRead> {
        let until = until.min(self.durable_end());
        match from < until {
            true => self.shared.page_recent(from, until, max_bytes),
            false => Some(PageRead::Records(Records::empty(from))),
        }
    }

    /// Reads the batch that begins with a message, durable or not. Empty if there is none.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_appended(&self, id: MessageId) -> Result<Records, ReadError> {
        self.read_below(id.before(), self.shared.appended_end(), 0)
    }

    /// Returns the size in bytes of the records of the batch that begins with a message, as far as
    /// they lie in one chunk; none if the message is not in memory. Never reads a file.
    pub fn size_in_memory(&self, id: MessageId) -> Option<usize> {
        let (_, bytes) = self.shared.plan_recent(id.before(), self.shared.appended_end(), 0)?;
        Some(bytes)
    }

    /// Runs work that may read files on one of the log's reader threads, never on the caller's; for
    /// a log in memory, which has no files, on the caller's, at once. Without a thread the result
    /// is [`NoThread`], which converts to [`ReadError::Passing`]; see
    /// [`ThreadPool::run`](acklog_threads::ThreadPool::run).
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

    /// Reads all records of a range of durable ones, from memory or files.
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
        // The range was in memory when it was planned, has left it since, and lies in two files.
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
                // Only durable records leave memory. What follows them in a file may be incomplete.
                let until = until.min(self.durable_end());
                self.on_disk(|segments| segments.read(from, until, max_bytes))
            }
        }
    }

    /// Reads from the files what is not in memory. Notes any damage that the read finds.
    pub(super) fn on_disk<T>(
        &self,
        ask: impl FnOnce(&Segments) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let disk = self.shared.disk.as_ref().expect("a log in memory has all in memory");
        let asked = ask(&disk.segments);
        if let Err(error) = &asked {
            self.shared.unreadable(error);
        }
        asked
    }
}
