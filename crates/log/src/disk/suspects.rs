//! Segments that the disk failed to read: for the moment, or for good.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acklog_types::LogEnd;

/// Time between two failed reads of one segment after which it counts as damaged. Shorter: a line to the disk that is
/// gone for the moment looks like damage. Longer: a bad sector is told later.
const FAILS_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Segments of which the disk could not read a part, and when that was first so. A bad sector stays bad; a line to the
/// disk comes back.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<LogEnd, Instant>);

impl Suspects {
    /// Notes a failed read of the segment that begins at `first`. Returns whether it fails for good.
    pub(super) fn note(&mut self, first: LogEnd, now: Instant) -> bool {
        let since = *self.0.entry(first).or_insert(now);
        now.saturating_duration_since(since) >= FAILS_AGAIN_AFTER
    }

    /// The segment has another file now.
    pub(super) fn forget(&mut self, first: LogEnd) {
        self.0.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_whose_reads_fail_again_after_a_while_is_damaged() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        let [first, other] = [LogEnd::ZERO, LogEnd::new(9)];
        assert!(!suspects.note(first, now));
        assert!(!suspects.note(first, now + FAILS_AGAIN_AFTER / 2));
        assert!(!suspects.note(other, now + FAILS_AGAIN_AFTER));
        assert!(suspects.note(first, now + FAILS_AGAIN_AFTER));
    }
}
