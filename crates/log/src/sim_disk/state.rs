//! The state of a simulated disk: what is on it, and what is to fail.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;

use super::cached::Cached;
use super::image::{DirectoryNames, FileBytes, FileNumber};

/// The contents of a disk, the failures that are set, and the counts.
#[derive(Clone, Debug)]
pub(super) struct SimState {
    pub(super) names: Cached<DirectoryNames>,
    /// Includes files that lost their name and may still be open.
    pub(super) files: BTreeMap<FileNumber, Cached<FileBytes>>,
    pub(super) next_number: FileNumber,
    /// Number of crashes and kills so far.
    pub(super) life: u64,
    /// Bytes that may still be written; none: any number.
    pub(super) room: Option<u64>,
    pub(super) failing_syncs: u64,
    pub(super) failing_reads: u64,
    /// Whether no file can be opened.
    pub(super) without_descriptors: bool,
    /// Changes that succeed before `failing_changes` fail.
    pub(super) good_changes: u64,
    pub(super) failing_changes: u64,
    pub(super) counts: DiskCounts,
}

/// Counts of all calls so far, including failed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Reads of files.
    pub reads: u64,
    /// Writes of files.
    pub writes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Syncs of files and of the directory.
    pub syncs: u64,
    /// All changes: writes, syncs, new files and names, and lengths.
    pub changes: u64,
}

impl Default for SimState {
    fn default() -> Self {
        Self {
            names: Cached::new(DirectoryNames::default()),
            files: BTreeMap::new(),
            next_number: 0,
            life: 0,
            room: None,
            failing_syncs: 0,
            failing_reads: 0,
            without_descriptors: false,
            good_changes: 0,
            failing_changes: 0,
            counts: DiskCounts::default(),
        }
    }
}

impl SimState {
    pub(super) fn number(&self, name: &str) -> io::Result<FileNumber> {
        self.names.seen().0.get(name).copied().ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn file(&mut self, number: FileNumber) -> &mut Cached<FileBytes> {
        self.files.get_mut(&number).expect("files go with a crash, and so does who knows them")
    }

    pub(super) fn named(&mut self, name: &str) -> &mut Cached<FileBytes> {
        let number = self.number(name).unwrap_or_else(|_| panic!("no file {name}"));
        self.file(number)
    }

    pub(super) fn sync_fails(&mut self) -> bool {
        self.counts.syncs += 1;
        let left = self.failing_syncs.checked_sub(1);
        self.failing_syncs = left.unwrap_or(0);
        self.change().is_err() || left.is_some()
    }

    /// Counts a change. Fails if it is one of those that are to fail.
    pub(super) fn change(&mut self) -> io::Result<()> {
        self.counts.changes += 1;
        match (self.good_changes, self.failing_changes) {
            (_, 0) => Ok(()),
            (0, _) => {
                self.failing_changes -= 1;
                Err(Errno::IO.into())
            }
            _ => {
                self.good_changes -= 1;
                Ok(())
            }
        }
    }
}
