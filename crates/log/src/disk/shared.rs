//! The part that the two ends of a log share: the recent records in memory, and the durable end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use acklog_threads::{read_lock, write_lock};
use acklog_types::{Checksum, IdRange, LogEnd, Records, RunningChecksum};
use tokio::sync::Notify;
use tracing::{error, warn};

use super::DiskState;
use crate::chunk::{ActiveChunk, SealedChunk};
use crate::{PageRead, ReadError};

/// The state of a log.
#[derive(Debug)]
pub(crate) struct SharedLog {
    /// Locked for one append, or for one read of at most a run's size; never across an await.
    recent: RwLock<Recent>,
    /// The part that was there when the log was opened.
    pub(crate) before: Before,
    /// Stored after the records below it are in memory or in files, loaded before they are read.
    /// Never decreases.
    durable_end: AtomicU64,
    /// The version of the list of members that is persisted.
    pub(crate) members_version: AtomicU64,
    /// Notified when an end or the disk's state changed in the background.
    pub(crate) changed: Notify,
    /// None for a log in memory.
    pub(crate) disk: Option<DiskState>,
}

/// The part of a log that it had when it was opened, and that is not in memory.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) end: LogEnd,
    /// The checksum of all of its records, if it is known.
    pub(crate) running: Option<RunningChecksum>,
    /// The checksum of the last record, if it has one that can be read.
    pub(crate) last: Option<Checksum>,
    /// The time at which the last message was accepted, in milliseconds since 1970; 0 if there is
    /// none, or it cannot be read.
    pub(crate) accepted_ms: u64,
    /// Messages that a crash left torn at its end and that were cut off, as far as they are known.
    pub(crate) cut_messages: u64,
}

/// The newest records, in chunks. A log in memory has all of its records here. A log on disk has
/// those that are not durable yet, and some megabytes more.
#[derive(Debug)]
pub(crate) struct Recent {
    /// In id order, without gaps.
    sealed: VecDeque<SealedChunk>,
    /// Follows the last sealed one.
    pub(crate) active: ActiveChunk,
    /// Capacity of a chunk, in bytes, unless a single run needs more.
    chunk_bytes: usize,
    /// Memory of a chunk that was dropped, for the next one: the first access to fresh memory costs
    /// more than what is written into it.
    spare: Vec<u8>,
}

impl SharedLog {
    /// Returns a log without any records in memory. Its chunks have a capacity of `chunk_bytes`.
    pub(crate) fn new(before: Before, chunk_bytes: usize, disk: Option<DiskState>) -> Self {
        let Before { end, running, .. } = before;
        let active = ActiveChunk::new(end, running, chunk_bytes, Vec::new());
        let (sealed, spare) = (VecDeque::new(), Vec::new());
        let recent = Recent { sealed, active, chunk_bytes, spare };
        Self {
            recent: RwLock::new(recent),
            before,
            durable_end: AtomicU64::new(end.get()),
            members_version: AtomicU64::new(0),
            changed: Notify::new(),
            disk,
        }
    }

    pub(crate) fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        read_lock(&self.recent)
    }

    pub(crate) fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        write_lock(&self.recent)
    }

    pub(crate) fn durable_end(&self) -> LogEnd {
        LogEnd::new(self.durable_end.load(Ordering::Acquire))
    }

    /// Returns the end of all records, durable or not.
    pub(crate) fn appended_end(&self) -> LogEnd {
        self.recent().active.end()
    }

    /// Makes everything below `end` visible, then drops durable chunks while more than
    /// `recent_bytes` are in memory.
    pub(crate) fn publish(&self, end: LogEnd, recent_bytes: usize) {
        self.durable_end.store(end.get(), Ordering::Release);
        if self.disk.is_some() {
            // Only what readers can see by now.
            self.recent_mut().forget(self.durable_end(), recent_bytes);
            self.changed.notify_one();
        }
    }

    /// Notes that stored bytes are damaged, unless the error says nothing about them.
    pub(crate) fn unreadable(&self, error: &ReadError) {
        match error {
            ReadError::Passing { detail } => {
                warn!(repeats = true, detail, "a read of the log failed for the moment");
            }
            ReadError::Damaged { detail, place } => {
                if self.disk.as_ref().is_some_and(|disk| disk.note_damage(place)) {
                    error!(detail, id = %place.ids,
                        "the log is damaged; what is damaged is not served");
                    self.changed.notify_one();
                }
            }
        }
    }

    /// Reads records from memory, durable or not; none if `from` lies before those.
    pub(crate) fn read_recent(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Option<Records> {
        let recent = self.recent();
        (recent.start() <= from).then(|| match recent.sealed_at(from) {
            Some(sealed) => sealed.read(from, until, max_bytes),
            None => recent.active.read(from, until, max_bytes),
        })
    }

    /// Returns the checksum of all records below `end`, durable or not; none if it is not known, or
    /// `end` lies before the records in memory.
    pub(crate) fn running_recent(&self, end: LogEnd) -> Option<RunningChecksum> {
        let recent = self.recent();
        match recent.sealed_at(end) {
            _ if end < recent.start() => None,
            Some(sealed) => sealed.running_at(end),
            None => recent.active.running_at(end),
        }
    }

    /// Returns the checksum of the last record below `end`, durable or not; none if there is no
    /// such record, or it is not in memory.
    pub(crate) fn last_recent(&self, end: LogEnd) -> Option<Checksum> {
        if end == self.before.end {
            return self.before.last;
        }
        let records = self.read_recent(end.last_id()?.before(), end, 0)?;
        records.iter().next().map(|record| record.checksum)
    }

    /// Reads a page from memory, durable or not; none if `from` lies before what is in memory.
    pub(crate) fn page_recent(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Option<PageRead> {
        let recent = self.recent();
        (recent.start() <= from).then(|| match recent.sealed_at(from) {
            // A log in memory never drops a chunk.
            Some(sealed) if self.disk.is_none() => sealed.page_shared(from, until, max_bytes),
            Some(sealed) => sealed.page(from, until, max_bytes),
            None => recent.active.page(from, until, max_bytes),
        })
    }

    /// Returns what [`read_recent`](Self::read_recent) would return: its ids and its size in bytes.
    pub(crate) fn plan_recent(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
    ) -> Option<(IdRange, usize)> {
        let recent = self.recent();
        (recent.start() <= from).then(|| match recent.sealed_at(from) {
            Some(sealed) => sealed.run_from(from, until, max_bytes),
            None => recent.active.run_from(from, until, max_bytes),
        })
    }
}

impl Recent {
    /// Returns where the records in memory begin.
    pub(crate) fn start(&self) -> LogEnd {
        self.sealed.front().map_or(self.active.start(), SealedChunk::start)
    }

    /// Returns the bytes of the records in memory from `from` on and below `until`, and where the
    /// records in memory begin.
    pub(crate) fn bytes_between(&self, from: LogEnd, until: LogEnd) -> (LogEnd, u64) {
        let first = self.sealed.partition_point(|sealed| sealed.end() <= from);
        let sealed = self.sealed.range(first..).take_while(|sealed| sealed.start() < until);
        let sealed: usize = sealed.map(|sealed| sealed.bytes_between(from, until)).sum();
        (self.start(), (sealed + self.active.bytes_between(from, until)) as u64)
    }

    /// Returns the chunk that the next `bytes` go into.
    pub(crate) fn active_with_capacity(&mut self, bytes: usize) -> &mut ActiveChunk {
        if !self.active.has_capacity(bytes) {
            self.begin_chunk(bytes);
        }
        &mut self.active
    }

    /// Seals the chunk of the last batch if that batch, of this many bytes, fills most of it. From
    /// then on all secondaries are sent slices of the same memory, instead of a copy each.
    pub(crate) fn share_large(&mut self, bytes: usize) {
        if bytes >= self.chunk_bytes / 2 {
            self.begin_chunk(0);
        }
    }

    fn begin_chunk(&mut self, bytes: usize) {
        let memory = std::mem::take(&mut self.spare);
        let (end, running) = (self.active.end(), self.active.running_at(self.active.end()));
        let next = ActiveChunk::new(end, running, self.chunk_bytes.max(bytes), memory);
        let full = std::mem::replace(&mut self.active, next);
        if full.bytes() > 0 {
            self.sealed.push_back(full.seal());
        }
    }

    fn sealed_at(&self, from: LogEnd) -> Option<&SealedChunk> {
        let after = self.sealed.partition_point(|sealed| sealed.start() <= from);
        let sealed = self.sealed.get(after.checked_sub(1)?)?;
        (from < sealed.end()).then_some(sealed)
    }

    /// Drops the oldest durable chunks while more than `bytes` are in memory.
    fn forget(&mut self, durable_end: LogEnd, bytes: usize) {
        let mut left =
            self.sealed.iter().map(SealedChunk::bytes).sum::<usize>() + self.active.bytes();
        while let Some(oldest) = self.sealed.front()
            && oldest.end() <= durable_end
            && left > bytes
        {
            left -= oldest.bytes();
            let memory = self.sealed.pop_front().and_then(SealedChunk::into_memory);
            self.spare = memory.unwrap_or_else(|| std::mem::take(&mut self.spare));
        }
    }
}
