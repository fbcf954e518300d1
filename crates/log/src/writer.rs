//! The writing end of a log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use acklog_types::{
    Batch, IdempotencyKey, InBatch, LogEnd, LogId, Losses, MessageId, NodeName,
    RECORD_HEADER_BYTES, Records, record_bytes,
};

use super::LogReader;
use super::disk::DiskState;
use super::disk::shared::SharedLog;

/// The writing end of a log. There is one; it belongs to the node's core task.
#[derive(Debug)]
pub struct LogWriter {
    shared: Arc<SharedLog>,
    /// The log that the messages belong to; none while that is not known.
    log: Option<LogId>,
    /// Bytes of records that were appended since the log was opened.
    appended_bytes: u64,
    /// The time at which the last message was accepted, in milliseconds since 1970.
    accepted_ms: u64,
}

impl LogWriter {
    /// Returns both ends of a log.
    pub(super) fn pair(shared: Arc<SharedLog>, log: Option<LogId>) -> (Self, LogReader) {
        let (appended_bytes, accepted_ms) = (0, shared.before.accepted_ms);
        (Self { shared: shared.clone(), log, appended_bytes, accepted_ms }, LogReader::new(shared))
    }

    /// Appends a batch and returns its first id. The batch is visible once it is durable: see
    /// [`flush`](Self::flush). Times of acceptance never decrease along the log: if the clock was
    /// set back, the time of the message before is used.
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

    /// Appends each message of a batch on its own, without a key, as so many calls of
    /// [`append`](Self::append) would. Returns the first id.
    pub fn append_each(&mut self, accepted_ms: u64, messages: &Batch) -> MessageId {
        let mut recent = self.shared.recent_mut();
        self.accepted_ms = self.accepted_ms.max(accepted_ms);
        let mut first = None;
        for text in messages.iter() {
            let size = RECORD_HEADER_BYTES + text.len();
            self.appended_bytes += size as u64;
            let chunk = recent.active_with_capacity(size);
            let id = chunk.push_record(self.accepted_ms, None, text, InBatch::Last);
            first.get_or_insert(id);
            recent.share_large(size);
        }
        first.expect("no batch is empty")
    }

    /// Appends a run of records of the log `log`, unchanged. They are visible once they are
    /// durable: see [`flush`](Self::flush).
    ///
    /// # Panics
    /// When the run does not begin at the log's end.
    pub fn append_run(&mut self, log: LogId, run: &Records) {
        self.log = Some(log);
        self.appended_bytes += run.bytes() as u64;
        // For the messages of its own that a node appends when it becomes the master.
        self.accepted_ms = self.accepted_ms.max(run.last_accepted_ms().unwrap_or_default());
        let mut recent = self.shared.recent_mut();
        assert_eq!(run.range().start(), recent.active.end(), "a run must continue the log");
        recent.active_with_capacity(run.bytes()).push_run(run);
    }

    /// Starts to make everything durable and visible that was appended so far. In memory that is
    /// done on return; on disk the group-commit writer does it as soon as it can.
    pub fn flush(&mut self) {
        match &self.shared.disk {
            None => self.shared.publish(self.shared.appended_end(), usize::MAX),
            Some(disk) => disk.leave(|work| {
                work.dirty = true;
                work.log = self.log;
            }),
        }
    }

    /// Starts to persist the names of the secondaries that ever registered, and the longer logs of
    /// other nodes, in place of what was persisted before. `version` numbers this list.
    /// [`LogReader::members_version`] returns it once the list is on disk; in memory, at once.
    pub fn persist_members(&mut self, version: u64, members: Vec<NodeName>, losses: Losses) {
        match &self.shared.disk {
            None => self.shared.members_version.store(version, Ordering::Release),
            Some(disk) => disk.leave(|work| work.members = Some((version, members, losses))),
        }
    }

    /// Returns the end of what was appended, durable or not.
    pub fn end(&self) -> LogEnd {
        self.shared.appended_end()
    }

    /// Returns how many appended bytes wait for the disk. For a log in memory that is 0.
    pub fn backlog_bytes(&self) -> usize {
        let published = |disk: &DiskState| disk.published_bytes.load(Ordering::Relaxed);
        let backlog = self.shared.disk.as_ref().map(|disk| self.appended_bytes - published(disk));
        backlog.unwrap_or_default() as usize
    }
}
