//! Segments that the disk failed to read: temporarily or permanently.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acklog_types::LogEnd;

/// Time between two failed reads of a segment after which it counts as damaged. Shorter: an
/// interrupted connection to the disk looks like damage. Longer: a bad sector is reported later.
const FAILS_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Segments that the disk failed to read, and when that first happened. A bad sector stays bad; a
/// connection to the disk comes back.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<LogEnd, Instant>);

impl Suspects {
    /// Notes a failed read of the segment that begins with `first`. Returns whether the failure is
    /// permanent.
    pub(super) fn note(&mut self, first: LogEnd, now: Instant) -> bool {
        let since = *self.0.entry(first).or_insert(now);
        now.saturating_duration_since(since) >= FAILS_AGAIN_AFTER
    }

    /// Forgets a segment, because it has a new file.
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
