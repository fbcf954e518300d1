//! Messages that other nodes have and their master does not.

use super::{Checksum, LogEnd};

/// Most logs of other nodes that are noted. More: a longer manifest. Fewer: the operator is asked
/// again about a log that was already given up.
const LONGER_MAX: usize = 255;

/// A log of another node that is longer than its master's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longer {
    /// The end of the log.
    pub end: LogEnd,
    /// The checksum of the log's records, as the node sent it. The end alone does not identify a
    /// log: once the master gives the ids below it again, other logs end there, too.
    pub checksum: Option<Checksum>,
    /// Whether the operator gave up what this log has and the master does not.
    pub is_given_up: bool,
}

/// The parts of a master's log that other nodes have beyond the master's own end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The logs, in the order in which they were first seen.
    pub longer: Vec<Longer>,
    /// The operator gave up all logs that end here or before. Only earlier releases wrote this.
    pub accepted: LogEnd,
}

impl Losses {
    /// Returns the end that the master's log must reach, or whose loss the operator must accept,
    /// before a log that ends at `end` may grow. Otherwise ids would be given twice. None if
    /// nothing is missing.
    pub fn missing(&self, end: LogEnd) -> Option<LogEnd> {
        self.not_given_up().map(|longer| longer.end).filter(|seen| *seen > end).max()
    }

    /// Notes a log that is longer than the master's. Returns whether it is new.
    pub fn note(&mut self, end: LogEnd, checksum: Option<Checksum>) -> bool {
        let is_known =
            self.longer.iter().any(|known| (known.end, known.checksum) == (end, checksum));
        if is_known || end <= self.accepted {
            return false;
        }
        if self.longer.len() >= LONGER_MAX {
            let given_up = self.longer.iter().position(|longer| longer.is_given_up);
            self.longer.remove(given_up.unwrap_or(0));
        }
        self.longer.push(Longer { end, checksum, is_given_up: false });
        true
    }

    /// Returns whether the operator gave up what a log has and the master does not.
    pub fn is_given_up(&self, end: LogEnd, checksum: Option<Checksum>) -> bool {
        let known = Longer { end, checksum, is_given_up: true };
        end <= self.accepted || self.longer.contains(&known)
    }

    /// Gives up the noted logs. Returns the largest end among those that were not given up before;
    /// none if there were none.
    pub fn give_up(&mut self) -> Option<LogEnd> {
        let end = self.not_given_up().map(|longer| longer.end).max();
        self.longer.iter_mut().for_each(|longer| longer.is_given_up = true);
        end
    }

    /// Returns the largest end of all logs that were noted or given up.
    pub fn seen_end(&self) -> LogEnd {
        self.longer.iter().map(|longer| longer.end).max().unwrap_or_default().max(self.accepted)
    }

    /// Returns the largest end of the logs that were given up.
    pub fn accepted_end(&self) -> LogEnd {
        let given_up = self.longer.iter().filter(|longer| longer.is_given_up);
        given_up.map(|longer| longer.end).max().unwrap_or_default().max(self.accepted)
    }

    fn not_given_up(&self) -> impl Iterator<Item = &Longer> {
        self.longer.iter().filter(|longer| !longer.is_given_up)
    }
}
