//! Copies a log, even while its node runs: sealed segments never change, the last one is copied as
//! far as it is whole, and the copy gets a manifest of its own.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use acklog_types::LogEnd;
use thiserror::Error;

use super::super::format::SegmentHeader;
use super::super::manifest::Manifest;
use super::super::names::{index_name, segment_name};
use super::super::notes::NOTES;
use super::super::places::DamagedPlace;
use super::super::scan::{Scanned, no_visit, scan};
use super::inspect::{InspectError, role_of};
use super::snapshot::Snapshot;
use super::walk::{LogDirectory, SegmentVisitor};
use super::{OpenError, Start, mend_file};
use crate::disk::directory::open_directory;
use crate::storage::{Directory, Storage, StorageFile};

/// Reason why a log was not copied. Nothing was changed.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The target exists already.
    #[error("{target} exists already; name a path that does not exist, in a directory that does")]
    Exists {
        /// The target.
        target: String,
    },
    /// The directory of the target does not exist.
    #[error(
        "there is no directory {parent} to make {target} in; make it first (mkdir -p {parent})"
    )]
    NoParent {
        /// The directory.
        parent: String,
        /// The target.
        target: String,
    },
    /// The log cannot be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The log is damaged, or cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be written.
    #[error("cannot write {file}: {reason}")]
    Write {
        /// The file.
        file: String,
        /// The system's reason.
        reason: io::Error,
    },
}

/// The result of a backup.
#[derive(Clone, Copy, Debug)]
pub struct BackedUp {
    /// The end of the messages.
    pub end: LogEnd,
    /// Number of segment files that are hard links.
    pub linked: usize,
    /// Number of segment files that were copied.
    pub copied: usize,
}

/// The walk along the segments of a log that may be written meanwhile.
struct Copying<'a> {
    directory: &'a Directory,
    start: Start<'a>,
    last: Option<(Snapshot, SegmentHeader, Scanned)>,
}

impl SegmentVisitor for Copying<'_> {
    fn sealed(&mut self, name: &str, first: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError> {
        self.start.sealed(name, first, next)
    }

    fn last(&mut self, name: &str, first: LogEnd) -> Result<(), OpenError> {
        let Start { found, manifest, .. } = self.start;
        let (file, header) = found.open(manifest, name, first)?;
        let file = Snapshot::take(&*file).map_err(found.failed("read", name))?;
        let scanned = scan(&file, &header, &mut no_visit).map_err(found.failed("read", name))?;
        found.check_last(manifest, name, &scanned)?;
        self.last = Some((file, header, scanned));
        Ok(())
    }

    fn damaged(&mut self, _: DamagedPlace, damage: OpenError) -> Result<(), OpenError> {
        Err(damage)
    }
}

/// Copies the log in a directory into a new one, from which a node can be started. Sealed segments
/// become hard links if the file system allows that. The node may run meanwhile.
///
/// # Errors
/// When the target exists, the log is damaged, or a file cannot be read or written. The unfinished
/// copy is removed then.
pub fn backup(path: &Path, target: &Path) -> Result<BackedUp, BackupError> {
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { target: target.display().to_string() });
    }
    if let Some(parent) = target.parent().filter(|it| !it.as_os_str().is_empty() && !it.exists()) {
        let (parent, target) = (parent.display().to_string(), target.display().to_string());
        return Err(BackupError::NoParent { parent, target });
    }
    let storage = open_directory(path)?;
    let found = LogDirectory { storage: &storage, role: role_of(&storage)? };
    let (manifest, firsts) = found.manifest_and_segments()?;
    let start = Start { makes_indexes: false, ..Start::new(&found, &manifest) };
    let mut copying = Copying { directory: &storage, start, last: None };
    found.walk(&manifest, &firsts, &mut copying)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".partial-{}", std::process::id()));
    let unfinished = target.with_file_name(name);
    let copied = copying.copy(&unfinished).and_then(|done| {
        let moved = fs::rename(&unfinished, target).and_then(|()| sync_parent(target));
        moved.map_err(failed(target)).map(|()| done)
    });
    if copied.is_err() {
        // This process created it.
        let _ = fs::remove_dir_all(&unfinished);
    }
    copied
}

fn failed(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.display().to_string();
    move |reason| BackupError::Write { file, reason }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Copies a file, if it exists.
fn copy_if_there(name: &str, from: &Directory, into: &Directory) -> io::Result<()> {
    match from.copy(name, into, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied,
    }
}

impl Copying<'_> {
    fn copy(&self, into: &Path) -> Result<BackedUp, BackupError> {
        fs::create_dir(into).map_err(failed(into))?;
        let (from, storage) = (self.directory, open_directory(into)?);
        let mut done = BackedUp { end: LogEnd::ZERO, linked: 0, copied: 0 };
        for old in &self.start.sealed {
            let name = segment_name(old.sealed.first);
            match from.link_or_copy(&name, &storage, &name) {
                Ok(true) => done.linked += 1,
                Ok(false) => done.copied += 1,
                Err(error) => return Err(failed(&into.join(&name))(error)),
            }
            // Never a link: a node overwrites an invalid index in place.
            let name = index_name(old.sealed.first);
            copy_if_there(&name, from, &storage).map_err(failed(&into.join(&name)))?;
        }
        copy_if_there(NOTES, from, &storage).map_err(failed(&into.join(NOTES)))?;
        if let Some((snapshot, header, scanned)) = &self.last {
            let name = segment_name(header.first);
            let copy = || {
                let file = storage.create(&name)?;
                let mut whole = vec![0; scanned.index.length() as usize];
                snapshot.read_at(0, &mut whole)?;
                file.write_at(0, &whole)?;
                // All of the copy is whole and flushed afterwards, whatever the original waits for.
                mend_file(&*file, header, scanned, scanned.index.end())
            };
            copy().map_err(failed(&into.join(&name)))?;
            done.end = scanned.index.end();
            done.copied += 1;
        }
        let manifest = Manifest { flushed_end: done.end, ..self.start.manifest.clone() };
        manifest.store(&storage).map_err(|failed| failed.error).map_err(failed(into))?;
        Ok(done)
    }
}
