//! Messages of a log that its master's copy does not have.

use super::LogEnd;

/// How far other nodes have a master's log, as far as that is beyond what the master itself has. Both ends only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The largest end that a secondary with this very log was seen with, where it was beyond the master's own end.
    pub seen: LogEnd,
    /// The operator gave up what other nodes have below this end and the master does not.
    pub accepted: LogEnd,
}

impl Losses {
    /// Returns the end that a master has to be brought to, or whose loss has to be accepted, before a log that ends at
    /// `end` may grow: otherwise ids would be given twice.
    pub fn missing(self, end: LogEnd) -> Option<LogEnd> {
        Some(self.seen).filter(|seen| *seen > self.accepted && *seen > end)
    }
}
