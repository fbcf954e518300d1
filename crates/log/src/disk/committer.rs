//! The group-commit writer.
//!
//! All appended records become write groups, one write and one sync. What is appended meanwhile
//! waits for the next sync. Production runs this code in a thread, the simulator step by step.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use acklog_threads::{wait_timeout_while, wait_while, write_lock};
use acklog_types::{DiskFault, DurationRecorder, Fsync, LogEnd, LogId, Losses, NodeName};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, error, info, warn};

use super::active_segment::{ActiveSegment, WriteFailure};
use super::cause::{is_full, is_refused};
use super::format::{GROUP_BYTES_MAX, SegmentHeader};
use super::index::SparseIndex;
use super::manifest::{Manifest, NotStored};
use super::names::segment_name;
use super::read_error::failure_text;
use super::segment_file::SegmentFile;
use super::shared::SharedLog;
use super::{DiskOptions, DiskState, Work};
use crate::storage::{Storage, StorageFile};

/// Bytes in one write to the system, about. Larger: more memory. Smaller: more system calls for a
/// large batch.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// Backoff between two attempts to write during a temporary failure: the first pause, and the
/// longest. Shorter: useless work. Longer: the node recovers later than it could.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The writing end of the segment files.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<SharedLog>,
    storage: Arc<dyn Storage>,
    options: DiskOptions,
    rng: ChaCha8Rng,
    manifest: Manifest,
    active: Option<ActiveSegment>,
    written_end: LogEnd,
    /// Everything below survives any crash. `flushed_end <= durable_end <= written_end`.
    flushed_end: LogEnd,
    /// Bytes of records that were written but not published.
    unpublished_bytes: u64,
    /// A list of members that is not persisted yet, and its version.
    members: Option<(u64, Vec<NodeName>, Losses)>,
    /// Whether to seal the active segment before it is full.
    rolls: bool,
    /// The backoff before the next attempt; none unless a failure holds writing up.
    pause: Option<Duration>,
    buffer: Vec<u8>,
    /// Counts the times that syncs of the log took.
    syncs: DurationRecorder,
}

impl Committer {
    pub(super) fn new(
        (shared, storage): (Arc<SharedLog>, Arc<dyn Storage>),
        options: DiskOptions,
        manifest: Manifest,
        active: Option<Arc<SegmentFile>>,
        syncs: DurationRecorder,
    ) -> Self {
        let end = shared.durable_end();
        let active = active.map(ActiveSegment::new);
        Self {
            shared,
            storage,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            manifest,
            active,
            written_end: end,
            flushed_end: end,
            unpublished_bytes: 0,
            members: None,
            rolls: false,
            pause: None,
            buffer: Vec::new(),
            syncs,
        }
    }

    fn disk(&self) -> &DiskState {
        self.shared.disk.as_ref().expect("a committer belongs to a log on disk")
    }

    /// Writes until the log is closed.
    pub(crate) fn run(&mut self) {
        loop {
            if self.wait_for_work() {
                return self.close();
            }
            self.write();
            self.sync();
        }
    }

    /// Waits until there is something to write, or to try again. Returns whether to close the log
    /// instead.
    fn wait_for_work(&self) -> bool {
        let (is_sound, disk) = (self.is_sound(), self.disk());
        let is_idle = |work: &mut Work| {
            let wants = is_sound && (work.dirty || work.roll || work.members.is_some());
            !wants && !work.closing
        };
        let work = match self.pause.filter(|_| is_sound) {
            Some(pause) => {
                wait_timeout_while(&disk.work_came, disk.work(), pause, |work| !work.closing)
            }
            None => wait_while(&disk.work_came, disk.work(), is_idle),
        };
        work.closing
    }

    /// Returns whether writing goes on. After a failure nothing more is written: the contents of
    /// the disk are unknown, and a later success would prove nothing.
    fn is_sound(&self) -> bool {
        !self.disk().has_failed()
    }

    /// Writes all that was appended. It is durable after [`sync`](Self::sync). After a temporary
    /// failure the next call tries again.
    pub fn write(&mut self) {
        if self.is_sound() {
            match self.try_write() {
                Ok(()) => self.go_on(),
                Err(failed) => self.note(failed),
            }
        }
    }

    /// Flushes what was written, and publishes it.
    pub fn sync(&mut self) {
        if self.is_sound()
            && self.shared.durable_end() < self.written_end
            && let Err(failed) = self.try_sync(self.options.fsync)
        {
            self.note(failed);
        }
    }

    /// Closes the log cleanly: all that was appended is durable, and the manifest says so.
    pub fn close(&mut self) {
        self.write();
        if self.is_sound() {
            match self.try_close() {
                Ok(()) => info!(end = %self.flushed_end, "flushed: the whole log is on disk"),
                Err(failed) => self.note(failed),
            }
        }
    }

    fn note(&mut self, failed: WriteFailure) {
        match failed {
            WriteFailure::Passing(fault) => {
                if matches!(fault, DiskFault::Stalled { .. }) {
                    // The failure may be due to a lack of descriptors.
                    self.disk().segments.close_sealed();
                }
                let (first, longest) = RETRY_PAUSES;
                self.pause = Some(self.pause.map_or(first, |pause| longest.min(pause * 2)));
                let before = self.disk().hold_up(Some(fault.clone()));
                if before.is_none_or(|before| !before.is_like(&fault)) {
                    warn!(%fault, "nothing can be written for the moment; trying again");
                }
            }
            WriteFailure::Final(detail) => {
                if self.disk().fail(detail.clone()) {
                    error!(
                        detail,
                        "the disk failed; nothing more is written until this node is restarted"
                    );
                }
            }
        }
        self.shared.changed.notify_one();
    }

    /// Notes that writing works, after any temporary failure.
    fn go_on(&mut self) {
        self.pause = None;
        if self.disk().hold_up(None).is_some() {
            info!("what waited for the disk is written");
            self.shared.changed.notify_one();
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> String {
        let first = self.active.as_ref().map_or(LogEnd::ZERO, |active| active.segment.header.first);
        failure_text(&*self.storage, what, &segment_name(first), error)
    }

    fn try_write(&mut self) -> Result<(), WriteFailure> {
        let (log, members, rolls) = {
            let mut work = self.disk().work();
            work.dirty = false;
            (work.log, work.members.take(), std::mem::take(&mut work.roll))
        };
        self.rolls |= rolls;
        self.members = members.or(self.members.take());
        if let Some((version, members, losses)) = &self.members {
            let (version, members, losses) = (*version, members.clone(), losses.clone());
            self.store_manifest(Manifest { members, losses, ..self.manifest.clone() })?;
            self.members = None;
            self.shared.members_version.store(version, Ordering::Release);
            self.shared.changed.notify_one();
        }
        self.cut_torn()?;
        if self.rolls {
            if let Some(log) = self.manifest.log.filter(|_| self.has_written_to_last()) {
                self.roll(log)?;
            }
            self.rolls = false;
        }
        let end = self.shared.appended_end();
        while self.written_end < end {
            let is_full = |active: &ActiveSegment| active.at >= self.options.sizes.segment_bytes;
            // A secondary with an empty log may have begun another log.
            let is_other = self.written_end == LogEnd::ZERO && log != self.manifest.log;
            if self.active.as_ref().is_none_or(is_full) || is_other {
                self.roll(log.or(self.manifest.log).expect("messages belong to a log"))?;
            }
            self.write_some(end)?;
        }
        Ok(())
    }

    fn has_written_to_last(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.segment.header.first < self.written_end)
    }

    /// Writes groups up to `end`, or about as many as fit into one write.
    fn write_some(&mut self, end: LogEnd) -> Result<(), WriteFailure> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let (mut next, mut groups) = (self.written_end, Vec::new());
        self.buffer.clear();
        while next < end && self.buffer.len() < WRITE_BYTES {
            let run = self.shared.read_recent(next, end, GROUP_BYTES_MAX).expect("not yet durable");
            let file = &active.segment.header;
            let header = file.group(run.range(), run.as_bytes(), self.flushed_end);
            header.encode(file.sync_marker, &mut self.buffer);
            self.buffer.extend_from_slice(run.as_bytes());
            groups.push(header);
            next = header.end();
        }
        if let Err(error) = active.segment.file.write_at(active.at, &self.buffer) {
            active.torn = true;
            let what = format!("write at offset {} of", active.at);
            let name = segment_name(active.segment.header.first);
            let detail = failure_text(&*self.storage, &what, &name, &error);
            // A file system that became read-only may have lost earlier writes.
            return Err(match is_refused(&error) {
                true => WriteFailure::Final(detail),
                false => WriteFailure::of(detail, &error),
            });
        }
        let mut index = write_lock(&active.segment.index);
        for group in groups {
            index.push(group.records, group.size(), group.bytes.into());
            self.unpublished_bytes += u64::from(group.bytes);
        }
        drop(index);
        active.at += self.buffer.len() as u64;
        active.preallocate(self.buffer.len(), self.options.sizes.preallocate_bytes);
        self.written_end = next;
        Ok(())
    }

    fn try_sync(&mut self, fsync: Fsync) -> Result<(), WriteFailure> {
        if let Some(active) = &self.active
            && fsync == Fsync::Always
        {
            let began = Instant::now();
            let synced = active.segment.file.sync();
            self.syncs.record(began.elapsed(), 1);
            synced.map_err(|error| WriteFailure::Final(self.failed("sync", &error)))?;
            if self.flushed_end < self.written_end {
                debug!(end = %self.written_end, "flushed the log to disk");
            }
            self.flushed_end = self.written_end;
        }
        self.disk().published_bytes.fetch_add(self.unpublished_bytes, Ordering::Relaxed);
        self.unpublished_bytes = 0;
        self.shared.publish(self.written_end, self.options.sizes.recent_bytes);
        Ok(())
    }

    /// Seals the active segment, if there is one, and begins the next. Only a flushed segment is
    /// sealed, so that anything missing from it is damage. The new file and its name are durable
    /// before the manifest names it. After a temporary failure all of this is done again: a file
    /// that the manifest does not name is created anew.
    fn roll(&mut self, log: LogId) -> Result<(), WriteFailure> {
        self.settle()?;
        let first = self.written_end;
        // Zero would be found everywhere.
        let sync_marker = self.rng.random_range(1..=u64::MAX);
        let running = self.shared.running_recent(first);
        let header = SegmentHeader::new(log, first, sync_marker, running);
        let name = segment_name(first);
        if self.manifest.last == Some(first) {
            // An empty segment of another log. While its file is created anew, the manifest must
            // not name it.
            self.store_manifest(Manifest { last: None, ..self.manifest.clone() })?;
        }
        let file = self.create(&name, &header)?;
        let (last, log) = (Some(first), Some(log));
        self.store_manifest(Manifest { last, log, flushed_end: first, ..self.manifest.clone() })?;
        let segment = Arc::new(SegmentFile::new(header, file, SparseIndex::new(first)));
        self.active = Some(ActiveSegment::new(segment.clone()));
        debug!(file = name, "began a segment");
        let disk = self.disk();
        disk.segments.roll(segment);
        disk.work().sealed = true;
        disk.scrubber_wanted.notify_one();
        Ok(())
    }

    /// Creates a segment's file, so that it survives a crash.
    fn create(
        &self,
        name: &str,
        header: &SegmentHeader,
    ) -> Result<Arc<dyn StorageFile>, WriteFailure> {
        let detail = |error: &io::Error| failure_text(&*self.storage, "create", name, error);
        let made = self.storage.create(name).and_then(|file| {
            file.write_at(0, &header.encode())?;
            Ok(file)
        });
        let file = made.map_err(|error| WriteFailure::of(detail(&error), &error))?;
        let synced = file.sync().and_then(|()| self.storage.sync_directory());
        synced.map_err(|error| WriteFailure::of(detail(&error), &error))?;
        Ok(file)
    }

    /// Cuts off what a failed write left behind the records.
    fn cut_torn(&mut self) -> Result<(), WriteFailure> {
        if self.active.as_ref().is_some_and(|active| active.torn) {
            self.cut_end()?;
        }
        Ok(())
    }

    /// Cuts off everything behind the records: preallocated zeros, or what a failed write left.
    fn cut_end(&mut self) -> Result<(), WriteFailure> {
        let Some(active) = &mut self.active else { return Ok(()) };
        if let Err(error) = active.segment.file.set_length(active.at) {
            let detail = self.failed("cut the zeros off", &error);
            return Err(WriteFailure::of(detail, &error));
        }
        (active.preallocated_end, active.torn) = (active.at, false);
        Ok(())
    }

    /// Cuts off the preallocated zeros of the active segment and syncs it, whatever the options
    /// say.
    fn settle(&mut self) -> Result<(), WriteFailure> {
        let has_more = |active: &ActiveSegment| active.torn || active.is_preallocated();
        if self.active.as_ref().is_some_and(has_more) {
            self.cut_end()?;
        }
        self.try_sync(Fsync::Always)
    }

    fn try_close(&mut self) -> Result<(), WriteFailure> {
        self.settle()?;
        self.store_manifest(Manifest { flushed_end: self.flushed_end, ..self.manifest.clone() })
    }

    /// Replaces the manifest. If there is no space for it, the preallocated zeros are given up.
    fn store_manifest(&mut self, manifest: Manifest) -> Result<(), WriteFailure> {
        let mut stored = manifest.store(&*self.storage);
        if stored.as_ref().is_err_and(|failed| is_full(&failed.error))
            && let Some(active) = self.active.as_mut().filter(|active| active.is_preallocated())
        {
            active.preallocates = false;
            self.cut_end()?;
            stored = manifest.store(&*self.storage);
        }
        stored.map_err(|NotStored { error, in_doubt }| {
            let detail = failure_text(&*self.storage, "write", super::manifest::MANIFEST, &error);
            if in_doubt { WriteFailure::Final(detail) } else { WriteFailure::of(detail, &error) }
        })?;
        self.manifest = manifest;
        Ok(())
    }
}
