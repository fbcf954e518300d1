//! A disk for tests that hangs on demand, and counts its calls.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::storage::{Storage, StorageFile};
use crate::SimDisk;
use acklog_threads::{lock, wait_while};

/// A simulated disk whose syncs, reads, length queries or questions for its free space hang while
/// it is frozen. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct FreezingDisk {
    inner: SimDisk,
    state: Arc<(Mutex<Frozen>, Condvar)>,
}

#[derive(Debug, Default)]
struct Frozen {
    syncs: bool,
    reads: bool,
    looks: bool,
    space: bool,
    space_asked: usize,
    reads_done: usize,
    longest_write: usize,
}

#[derive(Debug)]
struct FreezingFile {
    inner: Arc<dyn StorageFile>,
    disk: FreezingDisk,
}

impl FreezingDisk {
    /// Bytes that it has left.
    pub const FREE_BYTES: u64 = 1 << 40;

    fn state(&self) -> MutexGuard<'_, Frozen> {
        lock(&self.state.0)
    }

    /// Makes all syncs hang from now on, or continue.
    pub fn freeze(&self, is_frozen: bool) {
        self.state().syncs = is_frozen;
        self.state.1.notify_all();
    }

    /// Makes all reads of files hang from now on, or continue.
    pub fn freeze_reads(&self, is_frozen: bool) {
        self.state().reads = is_frozen;
        self.state.1.notify_all();
    }

    /// Makes all queries of files' lengths hang from now on, or continue.
    pub fn freeze_looks(&self, is_frozen: bool) {
        self.state().looks = is_frozen;
        self.state.1.notify_all();
    }

    /// Makes all questions for the free space hang from now on, or continue.
    pub fn freeze_space(&self, is_frozen: bool) {
        self.state().space = is_frozen;
        self.state.1.notify_all();
    }

    /// Returns the number of questions for the free space so far, open ones among them.
    pub fn space_asked(&self) -> usize {
        self.state().space_asked
    }

    /// Returns the number of reads of files so far.
    pub fn reads_done(&self) -> usize {
        self.state().reads_done
    }

    /// Returns the size of the longest write so far, in bytes.
    pub fn longest_write(&self) -> usize {
        self.state().longest_write
    }

    fn wait(&self, hangs: impl Fn(&Frozen) -> bool) {
        drop(wait_while(&self.state.1, self.state(), |frozen| hangs(frozen)));
    }

    fn file(&self, inner: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(FreezingFile { inner, disk: self.clone() })
    }
}

impl Storage for FreezingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.open(name).map(|file| self.file(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.inner.create(name).map(|file| self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.wait(|frozen| frozen.syncs);
        self.inner.sync_directory()
    }

    fn path_of(&self, name: &str) -> String {
        self.inner.path_of(name)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.state().space_asked += 1;
        self.wait(|frozen| frozen.space);
        Some(Self::FREE_BYTES)
    }
}

impl StorageFile for FreezingFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.wait(|frozen| frozen.reads);
        self.disk.state().reads_done += 1;
        self.inner.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.longest_write = state.longest_write.max(bytes.len());
        drop(state);
        self.inner.write_at(offset, bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.wait(|frozen| frozen.looks);
        self.inner.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.inner.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.wait(|frozen| frozen.syncs);
        self.inner.sync()
    }
}
