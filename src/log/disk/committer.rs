//! The one that writes: group commit.
//!
//! All that waits becomes groups of records, one write and one sync; meanwhile more comes and waits for the next. The
//! same code runs in a thread of its own in production and step by step in the simulator.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tracing::{debug, error, info};

use super::files::{Segment, failure};
use super::format::{
    GROUP_BYTES_MAX, GroupHeader, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name,
};
use super::index::SparseIndex;
use super::manifest::Manifest;
use super::{Disk, DiskOptions};
use crate::log::shared::Shared;
use crate::log::storage::Storage;
use crate::types::{DiskFault, Fsync, LogEnd, Run};

/// Bytes handed to the system in one write, about. Larger: more memory. Smaller: more system calls for a large batch.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// Files are lengthened to multiples of this, in bytes: what file systems give out.
const BLOCK_BYTES: u64 = 4096;

/// The writing end of the files.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    options: DiskOptions,
    rng: ChaCha8Rng,
    manifest: Manifest,
    last: Option<Last>,
    written_end: LogEnd,
    /// What is below survives every crash. `synced_end <= durable_end <= written_end`.
    synced_end: LogEnd,
    /// Bytes of records that were written and not published.
    unpublished_bytes: u64,
    buffer: Vec<u8>,
}

/// The segment that is being written.
#[derive(Debug)]
struct Last {
    segment: Arc<Segment>,
    /// Where the next group goes.
    at: u64,
    /// The file has zeros up to here.
    blank_until: u64,
    /// Whether zeros can be written ahead: not once that failed.
    ahead: bool,
}

/// A failed operation: the words for a person.
type Failed = String;

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        options: DiskOptions,
        manifest: Manifest,
        last: Option<Arc<Segment>>,
    ) -> Self {
        let end = shared.durable_end();
        let last = last.map(|segment| {
            let at = segment.index().length();
            // Behind the records there is nothing but zeros: else it would have been cut off.
            let blank_until = segment.file.length().unwrap_or(at);
            Last { segment, at, blank_until, ahead: true }
        });
        Self {
            shared,
            storage,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            manifest,
            last,
            written_end: end,
            synced_end: end,
            unpublished_bytes: 0,
            buffer: Vec::new(),
        }
    }

    fn disk(&self) -> &Disk {
        self.shared.disk.as_ref().expect("a committer belongs to a log on disk")
    }

    /// Works until the log is closed.
    pub(in crate::log) fn run(&mut self) {
        loop {
            let is_sound = self.is_sound();
            let disk = self.disk();
            let idle = disk.work_came.wait_while(disk.work(), |work| {
                let wants = is_sound && (work.dirty || work.members.is_some());
                !wants && !work.closing
            });
            let closing = idle.expect("no holder of this lock panics").closing;
            if closing {
                return self.close();
            }
            self.write();
            self.sync();
        }
    }

    /// Whether writing goes on. After a failure nothing more is written: what the disk holds then is not known, and a
    /// later success would prove nothing.
    fn is_sound(&self) -> bool {
        !matches!(self.disk().fault(), Some(DiskFault::Failed { .. }))
    }

    /// Writes all that waits. It is not durable before [`sync`](Self::sync).
    pub(crate) fn write(&mut self) {
        if self.is_sound()
            && let Err(detail) = self.try_write()
        {
            self.poison(detail);
        }
    }

    /// Makes durable what was written, and publishes it.
    pub(crate) fn sync(&mut self) {
        if self.is_sound()
            && self.shared.durable_end() < self.written_end
            && let Err(detail) = self.try_sync(self.options.fsync)
        {
            self.poison(detail);
        }
    }

    /// Ends cleanly: all that was appended is durable, and the next start need not doubt it.
    pub(crate) fn close(&mut self) {
        self.write();
        if self.is_sound() {
            match self.try_close() {
                Ok(()) => info!(end = %self.synced_end, "the log is on disk as a whole"),
                Err(detail) => self.poison(detail),
            }
        }
    }

    fn poison(&self, detail: Failed) {
        let fault = DiskFault::Failed { detail: detail.clone() };
        if self.disk().fail(fault) {
            error!(detail, "the disk failed; nothing more is written until this node is restarted");
        }
        self.shared.changed.notify_one();
    }

    fn failed(&self, what: &str, error: &io::Error) -> Failed {
        let first = self.last.as_ref().map_or(LogEnd::ZERO, |last| last.segment.header.first);
        failure(&*self.storage, what, &segment_name(first), error)
    }

    fn try_write(&mut self) -> Result<(), Failed> {
        let (log, members) = {
            let mut work = self.disk().work();
            work.dirty = false;
            (work.log, work.members.take())
        };
        if let Some((version, members, losses)) = members {
            (self.manifest.members, self.manifest.losses) = (members, losses);
            self.store_manifest()?;
            self.shared.remembered.store(version, Ordering::Release);
            self.shared.changed.notify_one();
        }
        let end = self.shared.appended_end();
        while self.written_end < end {
            let is_full = |last: &Last| last.at >= self.options.sizes.segment_bytes;
            // A secondary whose log is empty may have begun with another log.
            let is_other = self.written_end == LogEnd::ZERO && log != self.manifest.log;
            if self.last.as_ref().is_none_or(is_full) || is_other {
                if log.is_some() {
                    self.manifest.log = log;
                }
                self.roll()?;
            }
            self.write_some(end)?;
        }
        Ok(())
    }

    /// Writes groups up to `end`, or about as many as go into one write.
    fn write_some(&mut self, end: LogEnd) -> Result<(), Failed> {
        let Some(last) = &mut self.last else { return Ok(()) };
        let (mut next, mut groups) = (self.written_end, Vec::new());
        self.buffer.clear();
        while next < end && self.buffer.len() < WRITE_BYTES {
            let run = self.shared.read_recent(next, end, GROUP_BYTES_MAX).expect("not yet durable");
            let header = GroupHeader {
                first: next,
                synced_end: self.synced_end,
                bytes: run.bytes() as u32,
                records: run.range().len() as u32,
            };
            self.buffer.extend_from_slice(&header.encode(last.segment.header.mark));
            self.buffer.extend_from_slice(run.as_bytes());
            groups.push(header);
            next = header.end();
        }
        let written = last.segment.file.write_at(last.at, &self.buffer);
        written.map_err(|error| {
            let what = format!("write at offset {} of", last.at);
            failure(&*self.storage, &what, &segment_name(last.segment.header.first), &error)
        })?;
        let mut index = last.segment.index.write().expect("no holder of this lock panics");
        for group in groups {
            index.push(group.records, group.size(), group.bytes.into());
            self.unpublished_bytes += u64::from(group.bytes);
        }
        drop(index);
        last.at += self.buffer.len() as u64;
        last.blank(self.buffer.len(), self.options.sizes.ahead_bytes);
        self.written_end = next;
        Ok(())
    }

    fn try_sync(&mut self, fsync: Fsync) -> Result<(), Failed> {
        if let Some(last) = &self.last
            && fsync == Fsync::Always
        {
            last.segment.file.sync().map_err(|error| self.failed("sync", &error))?;
            self.synced_end = self.written_end;
        }
        self.disk().published_bytes.fetch_add(self.unpublished_bytes, Ordering::Relaxed);
        self.unpublished_bytes = 0;
        self.shared.publish(self.written_end, self.options.sizes.recent_bytes);
        Ok(())
    }

    /// Seals the last segment, if there is one, and begins the next. Only a synced segment is sealed, so that what is
    /// missing from one is damage. The new file is there, name and all, before the manifest tells of it.
    fn roll(&mut self) -> Result<(), Failed> {
        self.settle()?;
        let log = self.manifest.log.expect("messages belong to a log");
        let first = self.written_end;
        // Zero would be found everywhere.
        let mark = self.rng.random_range(1..=u64::MAX);
        let header = SegmentHeader { role: self.options.role, log, first, mark };
        let name = segment_name(first);
        if self.manifest.last == Some(first) {
            // An empty one of another log: while its file is made anew, the manifest must not tell of it.
            self.manifest.last = None;
            self.store_manifest()?;
        }
        let create = || {
            let file = self.storage.create(&name)?;
            file.write_at(0, &header.encode())?;
            file.sync()?;
            self.storage.sync_directory()?;
            Ok(file)
        };
        let file = create().map_err(|error| failure(&*self.storage, "create", &name, &error))?;
        self.manifest.last = Some(first);
        self.manifest.synced = first;
        self.store_manifest()?;
        let index = RwLock::new(SparseIndex::new(first));
        let segment = Arc::new(Segment { header, file, index });
        let at = SEGMENT_HEADER_BYTES as u64;
        self.last = Some(Last { segment: segment.clone(), at, blank_until: at, ahead: true });
        debug!(file = name, "began a segment");
        let disk = self.disk();
        disk.files.roll(segment);
        disk.work().sealed = true;
        disk.keeper_wanted.notify_one();
        Ok(())
    }

    /// Cuts the zeros off the last segment and syncs it, whatever the options say.
    fn settle(&mut self) -> Result<(), Failed> {
        let Some(last) = &self.last else { return Ok(()) };
        if last.at < last.blank_until {
            let cut = last.segment.file.set_length(last.at);
            cut.map_err(|error| self.failed("cut the zeros off", &error))?;
        }
        self.try_sync(Fsync::Always)
    }

    fn try_close(&mut self) -> Result<(), Failed> {
        self.settle()?;
        self.manifest.synced = self.synced_end;
        self.store_manifest()
    }

    fn store_manifest(&self) -> Result<(), Failed> {
        let stored = self.manifest.store(&*self.storage);
        stored.map_err(|error| failure(&*self.storage, "write", super::manifest::MANIFEST, &error))
    }
}

impl Last {
    /// Writes zeros ahead of the end, where the file has none left and small writes come: overwriting them needs no new
    /// blocks and no new length, which makes the next syncs about twice as fast. Where it fails, the disk is nearly
    /// full, and it goes on without.
    fn blank(&mut self, written: usize, ahead_bytes: usize) {
        if self.at <= self.blank_until {
            return;
        }
        self.blank_until = self.at;
        if self.ahead && written < ahead_bytes {
            let until = (self.at + ahead_bytes as u64).next_multiple_of(BLOCK_BYTES);
            let zeros = vec![0; (until - self.at) as usize];
            self.ahead = self.segment.file.write_at(self.at, &zeros).is_ok();
            self.blank_until = until;
        }
    }
}
