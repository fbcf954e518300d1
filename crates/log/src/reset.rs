//! Resets a secondary's directory: its files are moved aside, so that the node fetches everything
//! again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use acklog_types::rfc3339;
use thiserror::Error;

use super::disk::directory::{lock_directory, open_directory};
use super::disk::inspect::{InspectError, role_of};
use super::disk::{OpenError, Role, is_of_log};
use super::storage::{Directory, Storage};

/// Reason why a directory was not reset.
#[derive(Debug, Error)]
pub enum ResetError {
    /// The directory is a master's.
    #[error(
        "{path} is a master's directory, and nobody else has all of its log; it was left as it \
         is. To begin a new, empty log, start the master with another --data-dir"
    )]
    Master {
        /// The directory.
        path: String,
    },
    /// The directory cannot be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The directory is in use, or not writable.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file was not moved.
    #[error("cannot move {file} to {into}: {reason}; run the reset once more")]
    Move {
        /// The file.
        file: String,
        /// The folder it should have gone to.
        into: String,
        /// The system's reason.
        reason: io::Error,
    },
}

/// The result of a reset.
#[derive(Debug)]
pub struct Moved {
    /// The number of files that were moved.
    pub files: usize,
    /// The folder that has them now.
    pub into: PathBuf,
}

/// Moves the files of a secondary's log into a new folder in the directory, named after the time.
/// Nothing is deleted.
///
/// # Errors
/// When the directory is a master's, is in use, has no log, or is not writable. Files that were
/// moved before the error stay where they are.
pub fn reset(path: &Path, now: SystemTime) -> Result<Moved, ResetError> {
    let storage = open_directory(path)?;
    if role_of(&storage)? == Role::Master {
        return Err(ResetError::Master { path: path.display().to_string() });
    }
    let _lock = lock_directory(&storage, path)?;
    let failed = |what: &str, error: &io::Error| OpenError::unusable(path, what, error);
    let mut names = storage.list().map_err(|error| failed("list", &error))?;
    names.retain(|name| is_of_log(name));
    // The manifest last: while it is there, an interrupted reset can be repeated.
    names.sort_by_key(|name| (!name.ends_with(".log"), name.starts_with("manifest")));
    let made = make_folder(&storage, now);
    let (folder, into) = made.map_err(|error| failed("make a folder in", &error))?;
    let into = path.join(into);
    for name in &names {
        storage.move_to(name, &folder).map_err(|reason| ResetError::Move {
            file: path.join(name).display().to_string(),
            into: into.display().to_string(),
            reason,
        })?;
    }
    for folder in [&folder, &storage] {
        folder.sync_directory().map_err(|error| failed("sync", &error))?;
    }
    Ok(Moved { files: names.len(), into })
}

/// Creates a folder `reset-<time>`; a second one in the same second gets a number.
fn make_folder(storage: &Directory, now: SystemTime) -> io::Result<(Directory, String)> {
    let name = format!("reset-{}", timestamp(now));
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.clone()).chain(numbered) {
        match storage.make_folder(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|folder| (folder, name)),
        }
    }
    unreachable!("there are more numbers than folders")
}

/// Formats a time as `20261121T160312Z`.
fn timestamp(time: SystemTime) -> String {
    let text = rfc3339(time);
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}
