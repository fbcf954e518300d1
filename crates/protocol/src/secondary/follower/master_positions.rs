//! The positions of the master's log that the master told.

use acklog_types::LogEnd;

use crate::frame::Positions;

/// The positions of one log that its master told. What it told never becomes less: nodes that hold
/// a message may go, and what was shown because they held it stays shown.
#[derive(Debug, Default)]
pub(super) struct MasterPositions {
    /// The highest end of the log on the master; none before the first handshake.
    log_end: Option<LogEnd>,
    told: Positions,
}

impl MasterPositions {
    /// Takes in that the master accepted this node, and that its log ends there.
    pub(super) fn begin(&mut self, log_end: LogEnd) {
        self.log_end = Some(log_end);
    }

    /// Notes that the master's log reaches up to `end`.
    pub(super) fn note_end(&mut self, end: LogEnd) {
        self.log_end = self.log_end.max(Some(end));
    }

    /// Notes positions that a frame told. Frames may overtake each other.
    pub(super) fn note(&mut self, told: Positions) {
        let Positions { log_start, committed_end, all_end } = &mut self.told;
        *log_start = told.log_start.max(*log_start);
        *committed_end = told.committed_end.max(*committed_end);
        *all_end = told.all_end.max(*all_end);
    }

    /// Returns the end of the master's log, as far as the master told it.
    pub(super) fn log_end(&self) -> Option<LogEnd> {
        self.log_end
    }

    /// Returns the end of what a majority of the cluster holds, as far as the master told it.
    pub(super) fn committed_end(&self) -> LogEnd {
        self.told.committed_end
    }

    /// Returns the end of what all nodes hold, as far as the master told it.
    pub(super) fn all_end(&self) -> LogEnd {
        self.told.all_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(committed_end: u64, all_end: u64) -> Positions {
        let (committed_end, all_end) = (LogEnd::new(committed_end), LogEnd::new(all_end));
        Positions { log_start: LogEnd::ZERO, committed_end, all_end }
    }

    #[test]
    fn what_was_told_never_becomes_less() {
        let mut known = MasterPositions::default();
        assert_eq!(known.log_end(), None);
        known.begin(LogEnd::new(3));
        for (told, committed_end, all_end) in
            [(positions(5, 2), 5, 2), (positions(4, 3), 5, 3), (Positions::default(), 5, 3)]
        {
            known.note(told);
            assert_eq!(
                (known.committed_end().get(), known.all_end().get()),
                (committed_end, all_end)
            );
        }
        known.note_end(LogEnd::new(7));
        known.note_end(LogEnd::new(6));
        assert_eq!(known.log_end(), Some(LogEnd::new(7)));
        known.begin(LogEnd::new(6));
        assert_eq!(known.log_end(), Some(LogEnd::new(6)), "that is where it ends");
    }
}
