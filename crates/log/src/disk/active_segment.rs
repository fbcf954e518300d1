//! The active segment, which is written to, and why a write may fail.

use std::io;
use std::sync::Arc;

use acklog_types::DiskFault;

use super::cause::{is_full, is_lack, is_refused};
use super::segment_file::SegmentFile;

/// Preallocation extends files to multiples of this many bytes, which is what file systems
/// allocate.
const BLOCK_BYTES: u64 = 4096;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct ActiveSegment {
    pub(super) segment: Arc<SegmentFile>,
    /// The offset of the next group.
    pub(super) at: u64,
    /// The file is preallocated with zeros up to here.
    pub(super) preallocated_end: u64,
    /// Whether to preallocate; false once that failed.
    pub(super) preallocates: bool,
    /// Whether a write failed in part, so that the file has more than it should.
    pub(super) torn: bool,
    /// The zeros to write; empty until the first time. Kept, since fresh memory costs a page fault
    /// for each 4 KiB, as many as the messages do.
    zeros: Vec<u8>,
}

/// Reason why a write or a flush was not done.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// Nothing is in doubt, and the same can be done later.
    Passing(DiskFault),
    /// The contents of the disk are unknown now. The words for the operator.
    Final(String),
}

impl WriteFailure {
    /// Classifies the failure of a step that leaves nothing in doubt, unless the reason is
    /// permanent.
    pub(super) fn of(detail: String, error: &io::Error) -> Self {
        if is_full(error) {
            Self::Passing(DiskFault::Full { detail })
        } else if is_lack(error) || is_refused(error) {
            Self::Passing(DiskFault::Stalled { detail })
        } else {
            Self::Final(detail)
        }
    }
}

impl ActiveSegment {
    /// Returns a segment to which nothing was written since it was opened.
    pub(super) fn new(segment: Arc<SegmentFile>) -> Self {
        let at = segment.index().length();
        // Only zeros follow the records: recovery has cut off anything else.
        let preallocated_end = segment.file.length().unwrap_or(at);
        Self { segment, at, preallocated_end, preallocates: true, torn: false, zeros: Vec::new() }
    }

    /// Returns whether the file goes on with zeros behind its records.
    pub(super) fn is_preallocated(&self) -> bool {
        self.at < self.preallocated_end
    }

    /// Preallocates zeros behind the end, if the file has none left and writes are small.
    /// Overwriting zeros needs no new blocks and no new length, which makes the next syncs about
    /// twice as fast. A failure means that the disk is nearly full; then writing goes on without.
    pub(super) fn preallocate(&mut self, written: usize, preallocate_bytes: usize) {
        if self.at <= self.preallocated_end {
            return;
        }
        self.preallocated_end = self.at;
        if self.preallocates && written < preallocate_bytes {
            let until = (self.at + preallocate_bytes as u64).next_multiple_of(BLOCK_BYTES);
            let bytes = (until - self.at) as usize;
            if self.zeros.len() < bytes {
                self.zeros = vec![0; preallocate_bytes + BLOCK_BYTES as usize];
            }
            let zeros = self.zeros.get(..bytes).unwrap_or_default();
            self.preallocates = self.segment.file.write_at(self.at, zeros).is_ok();
            if self.preallocates {
                self.preallocated_end = until;
            } else {
                // The little space left is for messages and for the manifest.
                self.torn = self.segment.file.set_length(self.at).is_err();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_systems_number_tells_what_passes() {
        let failed = |number: Errno| WriteFailure::of(String::new(), &number.into());
        for lack in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::INTR,
            Errno::ROFS,
            Errno::ACCESS,
            Errno::PERM,
        ] {
            let failed = failed(lack);
            assert!(matches!(failed, WriteFailure::Passing(DiskFault::Stalled { .. })), "{lack}");
        }
        for full in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert!(
                matches!(failed(full), WriteFailure::Passing(DiskFault::Full { .. })),
                "{full}"
            );
        }
        for fatal in [Errno::IO, Errno::NXIO, Errno::BADF, Errno::STALE] {
            assert!(matches!(failed(fatal), WriteFailure::Final(_)), "{fatal}");
        }
    }
}
