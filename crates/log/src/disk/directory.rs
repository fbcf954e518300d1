//! The directory of a log: opening and locking it.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::OpenError;
use crate::storage::Directory;

/// The file that is locked to tell other processes that a directory is in use.
pub(crate) const LOCK: &str = "lock";

/// The lock of a directory. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// Shows users that a process has the directory, and proves that it is writable.
    _file: File,
    /// Holds even if a user removes the file.
    _directory: File,
}

/// Opens an existing directory.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_directory(path: &Path) -> Result<Directory, OpenError> {
    Directory::open(path).map_err(|error| OpenError::unusable(path, "open", &error))
}

/// Locks the directory that was opened at `path`.
///
/// # Errors
/// When another process has the lock, or the directory is not writable.
pub(crate) fn lock_directory(
    directory: &Directory,
    path: &Path,
) -> Result<DirectoryLock, OpenError> {
    let refused = |error| match error {
        TryLockError::WouldBlock => OpenError::InUse { path: path.display().to_string() },
        TryLockError::Error(error) => OpenError::unusable(path, "lock", &error),
    };
    let file = directory.open_or_create(LOCK);
    let file = file.map_err(|error| OpenError::unusable(path, "write to", &error))?;
    file.try_lock().map_err(refused)?;
    let directory = directory.lock().map_err(refused)?;
    Ok(DirectoryLock { _file: file, _directory: directory })
}
