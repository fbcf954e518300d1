//! The segment that is being written, and why a write may not be done.

use std::io;
use std::sync::Arc;

use acklog_types::DiskFault;

use super::cause::{is_full, is_lack, is_refused};
use super::segment_file::SegmentFile;

/// Segments are lengthened to multiples of this, in bytes: what file systems give out.
const BLOCK_BYTES: u64 = 4096;

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct ActiveSegment {
    pub(super) segment: Arc<SegmentFile>,
    /// Where the next group goes.
    pub(super) at: u64,
    /// The file has zeros up to here.
    pub(super) preallocated_end: u64,
    /// Whether zeros can be written ahead: not once that failed.
    pub(super) preallocates: bool,
    /// Whether a write failed in part, so that the file has more than it should.
    pub(super) torn: bool,
    /// What is written ahead; empty until then. Kept: fresh memory for it costs a page fault for each
    /// 4 KiB of it, as many as the messages do.
    zeros: Vec<u8>,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// Nothing is in doubt, and the same can be done later.
    Passing(DiskFault),
    /// What the disk holds is not known any more. The words for a person.
    Final(String),
}

impl WriteFailure {
    /// A failure of a step that leaves nothing in doubt, as long as the reason is one that passes.
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
    /// A segment of which nothing was written since it was opened.
    pub(super) fn new(segment: Arc<SegmentFile>) -> Self {
        let at = segment.index().length();
        // Behind the records there is nothing but zeros: else it would have been cut off.
        let preallocated_end = segment.file.length().unwrap_or(at);
        Self { segment, at, preallocated_end, preallocates: true, torn: false, zeros: Vec::new() }
    }

    /// Returns whether the file goes on with zeros behind its records.
    pub(super) fn is_preallocated(&self) -> bool {
        self.at < self.preallocated_end
    }

    /// Writes zeros ahead of the end, where the file has none left and small writes come: overwriting them needs no new
    /// blocks and no new length, which makes the next syncs about twice as fast. Where it fails, the disk is nearly
    /// full, and it goes on without.
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
                // What little room there is belongs to messages and to the manifest.
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
