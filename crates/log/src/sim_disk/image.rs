//! The two kinds of images on a disk: the bytes of a file, and the names in a directory.

use std::collections::BTreeMap;

use super::cached::Image;

/// The unit that a disk writes atomically, in bytes.
const SECTOR: usize = 512;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct FileBytes(pub(super) Vec<u8>);

/// A change of a file.
#[derive(Clone, Debug)]
pub(super) enum BytesChange {
    /// Writes these bytes at this offset; the file grows if necessary.
    Write(usize, Vec<u8>),
    /// Truncates the file, or extends it with zeros.
    SetLength(usize),
}

impl FileBytes {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        self.0.get_mut(offset..end).expect("it was made long enough").copy_from_slice(bytes);
    }
}

impl Image for FileBytes {
    type Change = BytesChange;

    fn apply(&mut self, change: &BytesChange) {
        match change {
            BytesChange::Write(offset, bytes) => self.write(*offset, bytes),
            BytesChange::SetLength(length) => self.0.resize(*length, 0),
        }
    }

    fn apply_torn(&mut self, change: &BytesChange, mut survives: impl FnMut() -> bool) {
        match change {
            BytesChange::Write(offset, bytes) => {
                let (mut at, mut rest) = (*offset, bytes.as_slice());
                while !rest.is_empty() {
                    let (sector, behind) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                    if survives() {
                        self.write(at, sector);
                    }
                    (at, rest) = (at + sector.len(), behind);
                }
            }
            BytesChange::SetLength(_) if survives() => self.apply(change),
            BytesChange::SetLength(_) => {}
        }
    }
}

/// The names in a directory, and the file of each.
#[derive(Clone, Debug, Default)]
pub(super) struct DirectoryNames(pub(super) BTreeMap<String, FileNumber>);

/// Identifies a file, whatever its name. Never reused.
pub(super) type FileNumber = u64;

/// A change of a directory.
#[derive(Clone, Debug)]
pub(super) enum NamesChange {
    /// Gives a file this name instead of any name that it has, and instead of any file that has it.
    Give(String, FileNumber),
    /// Removes a name.
    Remove(String),
}

impl Image for DirectoryNames {
    type Change = NamesChange;

    fn apply(&mut self, change: &NamesChange) {
        match change {
            NamesChange::Give(name, file) => {
                self.0.retain(|_, named| named != file);
                self.0.insert(name.clone(), *file);
            }
            NamesChange::Remove(name) => {
                self.0.remove(name);
            }
        }
    }

    fn apply_torn(&mut self, change: &NamesChange, mut survives: impl FnMut() -> bool) {
        if survives() {
            self.apply(change);
        }
    }
}
