//! A simulated disk in memory that fails as real ones do: it loses a part of what was not synced,
//! and fails on demand.
//!
//! Writes are visible at once. A file's bytes and length are durable once that file was synced,
//! names once the directory was. [`SimDisk::crash`] draws for all others, sector by sector, whether
//! they survive. Nothing here takes time or draws from anything but the generator that is passed
//! in.
//!
//! # Caveats
//! A directory is flat, and free space is counted in bytes written: overwriting costs space, too.

mod cached;
mod image;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use cached::Cached;
use image::{BytesChange, FileBytes, FileNumber, NamesChange};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustix::io::Errno;
pub use state::DiskCounts;
use state::SimState;

use crate::storage::{Storage, StorageFile};

/// A disk with one directory. A clone is the same disk; [`snapshot`](Self::snapshot) makes another
/// one.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<SimState>>,
    /// The process that may use this handle; none: any process.
    life: Option<u64>,
}

/// An open file. It belongs to the process that opened it, and fails once that has ended.
#[derive(Debug)]
struct OpenFile {
    state: Arc<Mutex<SimState>>,
    number: FileNumber,
    life: u64,
}

impl SimDisk {
    /// Returns an empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a handle on the same disk for one process. It fails once that process is crashed or
    /// killed, so that a thread that outlives its process does no harm.
    #[must_use]
    pub fn mounted(&self) -> Self {
        let life = self.lock().life;
        Self { state: Arc::clone(&self.state), life: Some(life) }
    }

    /// Returns an independent copy of the disk, with what is not synced and the faults that are
    /// set.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let state = self.lock().clone();
        Self { state: Arc::new(Mutex::new(state)), life: None }
    }

    /// Crashes the machine and restarts it: what was not synced survives in part, and is durable
    /// from now on. Files that were open fail from now on. Injected failures stay.
    pub fn crash(&self, rng: &mut ChaCha8Rng) {
        // All and nothing are the common cases of real disks, and a fixed probability would hardly
        // ever draw them.
        let rate = match rng.random_range(0..4) {
            0 => 0.0,
            1 => 1.0,
            _ => rng.random_range(0.0..1.0),
        };
        let mut state = self.lock();
        let SimState { names, files, life, .. } = &mut *state;
        names.crash(rate, rng);
        files.values_mut().for_each(|file| file.crash(rate, rng));
        files.retain(|number, _| names.seen().0.values().any(|named| named == number));
        *life += 1;
    }

    /// Kills the process while the machine stays up: files that were open fail from now on. All
    /// that was written is still visible, and what was not synced is still not durable: reading it
    /// back proves nothing.
    pub fn kill(&self) {
        self.lock().life += 1;
    }

    /// Makes the disk full after this many more bytes. The write that reaches the limit is done in
    /// part.
    pub fn fail_writes_after(&self, bytes: u64) {
        self.lock().room = Some(bytes);
    }

    /// Makes the next `count` syncs fail. What they should have made durable stays visible and is
    /// never made durable by a later sync, only by writing it again, as on Linux.
    pub fn fail_next_syncs(&self, count: u64) {
        self.lock().failing_syncs = count;
    }

    /// Makes the next `count` reads fail.
    pub fn fail_next_reads(&self, count: u64) {
        self.lock().failing_reads = count;
    }

    /// Lets `good` more changes succeed, and makes the next `count` fail, whatever they are: new
    /// files and names, writes, lengths, and syncs of files and of the directory. A sync fails as
    /// in [`fail_next_syncs`](Self::fail_next_syncs); the others do nothing.
    pub fn fail_changes(&self, good: u64, count: u64) {
        let mut state = self.lock();
        (state.good_changes, state.failing_changes) = (good, count);
    }

    /// Makes every opening of a file fail from now on, for lack of a descriptor.
    pub fn take_descriptors(&self) {
        self.lock().without_descriptors = true;
    }

    /// Ends all injected failures, and frees space.
    pub fn heal(&self) {
        let mut state = self.lock();
        (state.room, state.failing_syncs, state.failing_reads) = (None, 0, 0);
        (state.failing_changes, state.without_descriptors) = (0, false);
    }

    /// Returns the counts of all calls so far.
    pub fn counts(&self) -> DiskCounts {
        self.lock().counts
    }

    /// Returns the visible bytes of a file.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.lock().named(name).seen().0.clone()
    }

    /// Damages a file, on the disk and at once: flips one bit of it, counted from the lowest of its
    /// first byte.
    ///
    /// # Panics
    /// When there is no such file, or it is not that long.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        let mut state = self.lock();
        let file = state.named(name);
        let at = index(bit / 8);
        let byte = file.seen().0.get(at).expect("a bit of the file");
        let flipped = byte ^ (1 << (bit % 8));
        file.change_disk(BytesChange::Write(at, vec![flipped]));
    }

    /// Damages a file, on the disk and at once: truncates it, or extends it with zeros.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn cut(&self, name: &str, length: u64) {
        self.lock().named(name).change_disk(BytesChange::SetLength(index(length)));
    }

    /// Removes a file, on the disk and at once.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn remove(&self, name: &str) {
        let mut state = self.lock();
        state.named(name);
        state.names.change_disk(NamesChange::Remove(name.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, SimState> {
        self.state.lock().expect("no test goes on after a panic in here")
    }

    /// Locks the state for the process of this handle, unless that has ended.
    fn used(&self) -> io::Result<MutexGuard<'_, SimState>> {
        let state = self.lock();
        match self.life {
            Some(life) if life != state.life => Err(dead()),
            _ => Ok(state),
        }
    }

    fn handle(&self, number: FileNumber, life: u64) -> Arc<dyn StorageFile> {
        Arc::new(OpenFile { state: Arc::clone(&self.state), number, life })
    }
}

impl Storage for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.used()?.names.seen().0.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let state = self.used()?;
        if state.without_descriptors {
            return Err(Errno::MFILE.into());
        }
        Ok(self.handle(state.number(name)?, state.life))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.used()?;
        if state.without_descriptors {
            return Err(Errno::MFILE.into());
        }
        state.change()?;
        let number = match state.number(name) {
            Ok(number) => {
                state.file(number).change(BytesChange::SetLength(0));
                number
            }
            Err(_) => {
                let number = state.next_number;
                state.next_number += 1;
                state.files.insert(number, Cached::new(FileBytes::default()));
                state.names.change(NamesChange::Give(name.to_owned(), number));
                number
            }
        };
        Ok(self.handle(number, state.life))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.used()?;
        state.change()?;
        let number = state.number(from)?;
        state.names.change(NamesChange::Give(to.to_owned(), number));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.used()?;
        if state.sync_fails() {
            state.names.fail_sync();
            return Err(Errno::IO.into());
        }
        state.names.sync();
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        name.to_owned()
    }
}

impl StorageFile for OpenFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.used()?;
        state.counts.reads += 1;
        if let Some(left) = state.failing_reads.checked_sub(1) {
            state.failing_reads = left;
            return Err(Errno::IO.into());
        }
        let behind = state.file(self.number).seen().0.get(index(offset)..).unwrap_or_default();
        let (got, _) = behind.split_at(behind.len().min(into.len()));
        into.iter_mut().zip(got).for_each(|(to, from)| *to = *from);
        Ok(got.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.used()?;
        state.counts.writes += 1;
        state.change()?;
        let room = state.room.map_or(bytes.len(), |room| bytes.len().min(index(room)));
        let (fits, too_much) = bytes.split_at(room);
        state.room = state.room.map(|left| left - fits.len() as u64);
        state.counts.written_bytes += fits.len() as u64;
        if !fits.is_empty() {
            state.file(self.number).change(BytesChange::Write(index(offset), fits.to_vec()));
        }
        if too_much.is_empty() { Ok(()) } else { Err(Errno::NOSPC.into()) }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.used()?.file(self.number).seen().0.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.used()?;
        state.change()?;
        state.file(self.number).change(BytesChange::SetLength(index(length)));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.used()?;
        if state.sync_fails() {
            state.file(self.number).fail_sync();
            return Err(Errno::IO.into());
        }
        state.file(self.number).sync();
        Ok(())
    }
}

impl OpenFile {
    fn used(&self) -> io::Result<MutexGuard<'_, SimState>> {
        let state = self.state.lock().expect("no test goes on after a panic in here");
        if state.life == self.life { Ok(state) } else { Err(dead()) }
    }
}

fn dead() -> io::Error {
    io::Error::other("the process that opened this is gone: open it again")
}

/// Converts an offset into an index: the file lies in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files of a simulated disk fit into memory")
}

#[cfg(test)]
mod tests;
