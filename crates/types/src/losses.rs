//! Messages of a log that its master's copy does not have.

use super::{Checksum, LogEnd};

/// Logs of other nodes that are noted. More: a longer manifest. Fewer: a log that was given up is asked about once
/// more.
const LONGER_MAX: usize = 255;

/// A log of another node that is longer than its master's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longer {
    /// Where it ends.
    pub end: LogEnd,
    /// The checksum of its records that the node told. By its end alone a log is not known again: once the ids up to
    /// there are given anew, others end there, too.
    pub checksum: Option<Checksum>,
    /// The operator gave up what it has and the master does not.
    pub is_given_up: bool,
}

/// What other nodes have of a master's log beyond what the master itself has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The logs, as they were first seen, the newest last.
    pub longer: Vec<Longer>,
    /// The operator gave up all logs that end here or before: so an earlier release noted it.
    pub accepted: LogEnd,
}

impl Losses {
    /// Returns the end that a master has to be brought to, or whose loss has to be accepted, before a log that ends at
    /// `end` may grow: otherwise ids would be given twice.
    pub fn missing(&self, end: LogEnd) -> Option<LogEnd> {
        self.not_given_up().map(|longer| longer.end).filter(|seen| *seen > end).max()
    }

    /// Notes a log that is longer than the master's. Returns whether that is news.
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

    /// Gives up what the noted logs have. Returns below which end that is; none where nothing was left to give up.
    pub fn give_up(&mut self) -> Option<LogEnd> {
        let end = self.not_given_up().map(|longer| longer.end).max();
        self.longer.iter_mut().for_each(|longer| longer.is_given_up = true);
        end
    }

    /// Returns the largest end of a log that is noted or was given up.
    pub fn seen_end(&self) -> LogEnd {
        self.longer.iter().map(|longer| longer.end).max().unwrap_or_default().max(self.accepted)
    }

    /// Returns the largest end of a log that was given up.
    pub fn accepted_end(&self) -> LogEnd {
        let given_up = self.longer.iter().filter(|longer| longer.is_given_up);
        given_up.map(|longer| longer.end).max().unwrap_or_default().max(self.accepted)
    }

    fn not_given_up(&self) -> impl Iterator<Item = &Longer> {
        self.longer.iter().filter(|longer| !longer.is_given_up)
    }
}
