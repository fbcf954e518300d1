//! A file, read sequentially in large pieces.

use std::io;

use crate::storage::StorageFile;

/// Reads a file forwards, at least `chunk` bytes at a time.
pub(super) struct ReadAhead<'a> {
    file: &'a dyn StorageFile,
    chunk: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> ReadAhead<'a> {
    /// Returns a reader of a file that reads at least `chunk` bytes at a time.
    pub(super) fn new(file: &'a dyn StorageFile, chunk: usize) -> Self {
        Self { file, chunk, start: 0, bytes: Vec::new() }
    }

    /// Returns `length` bytes at `at`, or fewer at the file's end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn get(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let have = self.start + self.bytes.len() as u64;
        if at < self.start || at + length as u64 > have {
            let keep = at.checked_sub(self.start).map(|skip| skip as usize);
            match keep.filter(|&skip| skip <= self.bytes.len()) {
                Some(skip) => drop(self.bytes.drain(..skip)),
                None => self.bytes.clear(),
            }
            self.start = at;
            let had = self.bytes.len();
            // Not more than the file has: most files are read to the end, and small ones are small.
            let left = self.file.length()?.saturating_sub(at).max(had as u64);
            self.bytes.resize(length.max(self.chunk).min(left as usize), 0);
            let fresh = self.bytes.get_mut(had..).unwrap_or_default();
            let got = self.file.read_at(at + had as u64, fresh)?;
            self.bytes.truncate(had + got);
        }
        let skip = (at - self.start) as usize;
        let end = (skip + length).min(self.bytes.len());
        Ok(self.bytes.get(skip..end).unwrap_or_default())
    }
}
