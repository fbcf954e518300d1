//! Finds out whether a start would refuse a damaged directory, by walking it as a start does,
//! without changing anything.

use std::sync::Arc;

use acklog_types::LogEnd;

use super::super::format::Role;
use super::super::index::SparseIndex;
use super::super::manifest::Manifest;
use super::super::places::DamagedPlace;
use super::super::scan::{no_visit, scan};
use super::super::segment_file::SegmentFile;
use super::snapshot::Snapshot;
use super::walk::{LogDirectory, SegmentVisitor};
use super::{OpenError, Start};

/// Number of keys that a starting master loads: the default of `--idempotency-window`.
const KEYS_OF_MASTER: usize = 1_000_000;

/// A start's walk along the segments of a log that may be written meanwhile.
struct Trial<'a>(Start<'a>);

impl SegmentVisitor for Trial<'_> {
    fn sealed(&mut self, name: &str, first: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError> {
        self.0.sealed(name, first, next)
    }

    fn last(&mut self, name: &str, first: LogEnd) -> Result<(), OpenError> {
        let Start { found, manifest, .. } = self.0;
        let (file, header) = found.open(manifest, name, first)?;
        let file = Snapshot::take(&*file).map_err(found.failed("read", name))?;
        let scanned = scan(&file, &header, &mut no_visit).map_err(found.failed("read", name))?;
        found.check_last(manifest, name, &scanned)?;
        self.0.last =
            Some((SegmentFile::new(header, Arc::new(file), SparseIndex::new(first)), scanned));
        Ok(())
    }

    fn damaged(&mut self, _: DamagedPlace, damage: OpenError) -> Result<(), OpenError> {
        Err(damage)
    }
}

/// Returns the error with which a start would refuse the directory; none if it would not.
pub(super) fn refusal(
    found: &LogDirectory<'_>,
    manifest: &Manifest,
    firsts: &[LogEnd],
) -> Option<OpenError> {
    let start = Start { makes_indexes: false, ..Start::new(found, manifest) };
    let mut trial = Trial(start);
    let keys = match found.role {
        Role::Master => KEYS_OF_MASTER,
        Role::Secondary => 0,
    };
    let walked = found.walk(manifest, firsts, &mut trial);
    walked.and_then(|()| trial.0.keys(keys)).err()
}
