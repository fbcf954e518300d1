//! The interface between the log and its directory of files.
//!
//! Production uses a [`Directory`] of the operating system. The simulator and the tests use one in
//! memory that loses what was not synced, tears writes, and fails at any byte. Nothing else in the
//! log touches a file.

use std::fmt::Debug;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use acklog_threads::lock;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstatvfs, linkat, mkdirat, openat, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

/// A directory of files. Names are plain: a log has no subdirectories.
pub trait Storage: Debug + Send + Sync {
    /// Lists the names of the files, in any order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens an existing file for reading only, which works on a read-only file system, too.
    ///
    /// # Errors
    /// The system's; `NotFound` if there is no such file.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens an existing file for reading and writing. By default the same as [`open`](Self::open).
    ///
    /// # Errors
    /// The system's; `NotFound` if there is no such file.
    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.open(name)
    }

    /// Creates an empty file, in place of one with that name. It survives a crash after
    /// [`sync_directory`](Self::sync_directory).
    ///
    /// # Errors
    /// The system's.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Renames a file, in place of any file with the new name. After a crash one of the two is
    /// there, complete.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names of the files survive a crash.
    ///
    /// # Errors
    /// The system's.
    fn sync_directory(&self) -> io::Result<()>;

    /// Returns the path of a file, for display.
    fn path_of(&self, name: &str) -> String;

    /// Returns the bytes that the file system has left for this process, if it tells.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// Returns the oldest pending call, if that is known: its number, which is unique, and what it
    /// is (`sync data/0….log`).
    fn oldest_call(&self) -> Option<(u64, String)> {
        None
    }
}

/// One file. Several threads may read and write it at once.
pub trait StorageFile: Debug + Send + Sync {
    /// Reads at `offset` and returns the number of bytes read: fewer than requested only at the
    /// file's end.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; the file grows if necessary.
    ///
    /// # Errors
    /// The system's. Any part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns the file's length, in bytes.
    ///
    /// # Errors
    /// The system's.
    fn length(&self) -> io::Result<u64>;

    /// Truncates the file, or extends it with zeros.
    ///
    /// # Errors
    /// The system's.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the file's bytes and its length survive a crash.
    ///
    /// # Errors
    /// The system's. What was not synced may be lost then, even if a later sync succeeds: the
    /// kernel may have dropped the pages.
    fn sync(&self) -> io::Result<()>;
}

/// Descriptors that a log keeps in reserve. Beginning a segment or replacing a manifest needs two
/// at once. More: fewer for clients. Fewer: a node whose clients use all others stops writing.
const RESERVED_DESCRIPTORS: usize = 4;

/// A directory of the operating system. It is opened once, and all work is relative to that
/// descriptor: whatever happens to the path meanwhile, a log stays in the directory that it locked.
#[derive(Debug)]
pub struct Directory {
    /// The path it was opened at, for display.
    path: PathBuf,
    handle: File,
    /// Descriptors that are released when a file cannot be opened for lack of one; none: nothing is
    /// reserved.
    reserved: Mutex<Option<Vec<OwnedFd>>>,
}

impl Directory {
    /// Opens the existing directory at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = File::from(openat(CWD, path, flags, Mode::empty())?);
        Ok(Self { path: path.to_owned(), handle, reserved: Mutex::default() })
    }

    /// Keeps descriptors in reserve for this directory's files from now on, so that clients cannot
    /// use up the last ones.
    pub fn reserve_descriptors(&self) {
        let mut reserved = self.reserved();
        self.fill(reserved.get_or_insert_default());
    }

    fn reserved(&self) -> MutexGuard<'_, Option<Vec<OwnedFd>>> {
        lock(&self.reserved)
    }

    fn fill(&self, reserved: &mut Vec<OwnedFd>) {
        while reserved.len() < RESERVED_DESCRIPTORS
            && let Ok(spare) = self.handle.try_clone()
        {
            reserved.push(spare.into());
        }
    }

    /// Locks the directory itself against other processes. Dropping the returned file releases the
    /// lock.
    ///
    /// # Errors
    /// When another process has the lock, or the system refuses.
    pub(super) fn lock(&self) -> Result<File, TryLockError> {
        // A separate open file: a lock ends with the last copy of its descriptor.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let own = self.open_at(".", flags).map_err(TryLockError::Error)?;
        own.try_lock().map(|()| own)
    }

    /// Opens a file for writing, and creates it if it is missing.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<File> {
        self.open_at(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Creates a new folder in this directory.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` if the name is taken.
    pub(super) fn make_folder(&self, name: &str) -> io::Result<Self> {
        mkdirat(&self.handle, name, Mode::from_raw_mode(0o777))?;
        let handle = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Self { path: self.path.join(name), handle, reserved: Mutex::default() })
    }

    /// Moves a file into another directory of the same file system.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn move_to(&self, name: &str, into: &Self) -> io::Result<()> {
        Ok(renameat(&self.handle, name, &into.handle, name)?)
    }

    /// Gives a file a second name, `other`, which must be free, in this directory or another one.
    /// On a file system without hard links the second name is a copy, which is synced. Returns
    /// whether both names are the same file.
    ///
    /// # Errors
    /// The system's. A part of a copy may be left then.
    pub(super) fn link_or_copy(&self, name: &str, into: &Self, other: &str) -> io::Result<bool> {
        let linked = linkat(&self.handle, name, &into.handle, other, AtFlags::empty());
        if linked.is_err() {
            self.copy(name, into, other)?;
        }
        Ok(linked.is_ok())
    }

    /// Copies a file to the name `other` in this directory or another one, and syncs it.
    ///
    /// # Errors
    /// The system's; `NotFound` if there is no such file. With other errors a part of the copy may
    /// be left.
    pub(super) fn copy(&self, name: &str, into: &Self, other: &str) -> io::Result<()> {
        let mut from = self.open_at(name, OFlags::RDONLY)?;
        let mut to = into.open_at(other, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    }

    /// Removes a name. Only for files that this process created, or replaces.
    ///
    /// # Errors
    /// The system's; `NotFound` if there is no such file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Opens a file of the directory. Without a free descriptor, one of the reserved ones is
    /// released for it. The reserve is filled up again by the next sync of the directory.
    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let mode = Mode::from_raw_mode(0o666);
        loop {
            match openat(&self.handle, name, flags | OFlags::CLOEXEC, mode) {
                Ok(file) => return Ok(file.into()),
                Err(Errno::INTR) => {}
                Err(error @ (Errno::MFILE | Errno::NFILE)) => {
                    if self.reserved().as_mut().and_then(Vec::pop).is_none() {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Storage for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_file = match entry.file_type() {
                FileType::RegularFile => true,
                // Not every file system reports the type of an entry.
                FileType::Symlink | FileType::Unknown => {
                    statat(&self.handle, name, AtFlags::empty())
                        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_file())
                }
                _ => false,
            };
            // A name that is not UTF-8 is not one of the log's.
            if let Ok(name) = name.to_str().map(str::to_owned)
                && is_file
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(self.open_at(name, OFlags::RDONLY)?))
    }

    fn open_to_write(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(self.open_at(name, OFlags::RDWR)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        // Not truncated: the file may have other names, in a backup for example, or be a link to
        // another.
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Arc::new(self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.handle, from, &self.handle, to)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.handle.sync_all()?;
        // The file that needed the descriptor is usually closed by now.
        if let Some(reserved) = &mut *self.reserved() {
            self.fill(reserved);
        }
        Ok(())
    }

    fn path_of(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn free_bytes(&self) -> Option<u64> {
        let file_system = fstatvfs(&self.handle).ok()?;
        Some(file_system.f_bavail.saturating_mul(file_system.f_frsize))
    }
}

impl StorageFile for File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + got as u64) {
                Ok(0) => break,
                Ok(bytes) => got += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    /// `fdatasync`: includes the file's length, but not its times.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_new_file_takes_the_place_of_a_link_and_leaves_what_that_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let [other, soft, hard] =
            ["other", "soft.log", "hard.log"].map(|name| dir.path().join(name));
        fs::write(&other, "kept").unwrap();
        symlink("other", &soft).unwrap();
        fs::hard_link(&other, &hard).unwrap();
        for link in [soft, hard] {
            let name = link.file_name().unwrap().to_str().unwrap();
            directory.create(name).unwrap().write_at(0, b"new").unwrap();
            assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    }
}
