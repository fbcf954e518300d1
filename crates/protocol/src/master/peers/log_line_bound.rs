//! A bound on log lines about connections without a handshake: each says why the connection ended,
//! and whoever reaches the port cannot fill the log with them.

use std::time::{Duration, Instant};

/// Most lines a minute. Fewer: a second cause would be hidden beside a frequent one. More: they
/// would drown the node's own lines.
const LINES_MAX: u32 = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts the lines of the current minute.
#[derive(Debug, Default)]
pub(super) struct LineBound {
    /// End of the minute that began with the first of its lines; none while there is none.
    ends_at: Option<Instant>,
    lines: u32,
}

impl LineBound {
    /// Counts a line. Returns whether it may be written.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        self.ends_at.get_or_insert(now + MINUTE);
        self.lines = self.lines.saturating_add(1);
        self.lines <= LINES_MAX
    }

    /// Ends the minute if it is over. Returns how many lines of it were not written.
    pub(super) fn end(&mut self, now: Instant) -> u32 {
        if self.ends_at.is_none_or(|at| at > now) {
            return 0;
        }
        std::mem::take(self).lines.saturating_sub(LINES_MAX)
    }

    /// Returns when the minute ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_then_one_that_counts_the_rest() {
        let now = Instant::now();
        let mut bound = LineBound::default();
        assert_eq!(bound.next_deadline(), None);
        let written = (0..25).filter(|_| bound.admits(now)).count();
        assert_eq!(written, 10);
        assert_eq!(bound.next_deadline(), Some(now + MINUTE));
        assert_eq!(bound.end(now + MINUTE / 2), 0);
        assert_eq!(bound.end(now + MINUTE), 15);
        assert_eq!(bound.next_deadline(), None);
        assert!(bound.admits(now + MINUTE));
        assert_eq!(bound.end(now + 2 * MINUTE), 0);
    }
}
