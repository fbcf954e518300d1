//! The lines of one connection that are not answered yet.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::StreamedAppend;

/// The lines of one connection, by their numbers, from the oldest that is not answered on.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// The number of the first of them.
    first: u64,
    lines: VecDeque<Option<StreamedAppend>>,
    unanswered: usize,
}

impl InFlight {
    /// Adds the append whose line is sent next.
    pub(super) fn push(&mut self, append: StreamedAppend) {
        self.lines.push_back(Some(append));
        self.unanswered += 1;
    }

    /// Takes the append of a line; `None` where the node was sent no such line, or answered it
    /// before.
    pub(super) fn take(&mut self, line: u64) -> Option<StreamedAppend> {
        let at = usize::try_from(line.checked_sub(self.first)?).ok()?;
        let append = self.lines.get_mut(at)?.take()?;
        self.unanswered -= 1;
        while let Some(None) = self.lines.front() {
            self.lines.pop_front();
            self.first += 1;
        }
        Some(append)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.unanswered == 0
    }

    /// Returns whether the node owes an answer for longer than it was given.
    pub(super) fn is_overdue(&self, now: Instant, more: Duration) -> bool {
        self.lines.iter().flatten().any(|append| append.is_overdue(now, more))
    }

    /// Returns what was not answered, in the order in which it was sent.
    pub(super) fn into_unanswered(self) -> impl Iterator<Item = StreamedAppend> {
        self.lines.into_iter().flatten()
    }
}
