//! Copies a segment file at one moment while its node writes to it.

use std::io;

use crate::storage::StorageFile;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Longest file that is copied, in bytes: many times a segment's size. Longer: more memory than a
/// machine has. Shorter: a large segment cannot be inspected.
const SNAPSHOT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A copy in memory.
#[derive(Debug)]
pub(super) struct Snapshot(Vec<u8>);

impl Snapshot {
    /// Copies a file from its end to its start. A group's header has the end that was flushed
    /// before it was written. In this order, what precedes a group was read later, and so is there.
    /// In the other order it could be missing, and a sound log of a busy node would look damaged.
    pub(super) fn take(file: &dyn StorageFile) -> io::Result<Self> {
        let length = file.length()?;
        if length > SNAPSHOT_BYTES_MAX {
            let what = format!("{length} bytes are more than any segment has");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let mut bytes = vec![0; length as usize];
        for (number, piece) in bytes.chunks_mut(PIECE_BYTES).enumerate().rev() {
            // A start may have truncated the file meanwhile: what is gone reads as zeros.
            file.read_at((number * PIECE_BYTES) as u64, piece)?;
        }
        Ok(Self(bytes))
    }
}

impl StorageFile for Snapshot {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let got = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(got)
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_length(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A file that notes where it was read.
    #[derive(Debug)]
    struct Noted(Mutex<Vec<u64>>);

    const LENGTH: usize = 2 * PIECE_BYTES + 5;

    impl StorageFile for Noted {
        fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(offset);
            into.fill(7);
            Ok(into.len())
        }

        fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
            unreachable!("a snapshot only reads")
        }

        fn length(&self) -> io::Result<u64> {
            Ok(LENGTH as u64)
        }

        fn set_length(&self, _length: u64) -> io::Result<()> {
            unreachable!("a snapshot only reads")
        }

        fn sync(&self) -> io::Result<()> {
            unreachable!("a snapshot only reads")
        }
    }

    #[test]
    fn a_file_is_copied_from_its_end_to_its_front() {
        let file = Noted(Mutex::default());
        let copy = Snapshot::take(&file).unwrap();
        let piece = PIECE_BYTES as u64;
        assert_eq!(*file.0.lock().unwrap(), [2 * piece, piece, 0]);
        let mut all = vec![0; LENGTH + 1];
        assert_eq!(copy.read_at(0, &mut all).unwrap(), LENGTH);
        assert!(all[..LENGTH].iter().all(|&byte| byte == 7));
        assert_eq!(copy.read_at(LENGTH as u64 + 9, &mut all).unwrap(), 0);
    }
}
