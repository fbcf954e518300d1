//! The lines of one connection that are not answered yet.

use std::collections::VecDeque;
use std::mem::replace;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::StreamedAppend;

/// The lines of one connection, by their numbers, from the oldest that is not answered on.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// The number of the first of them.
    first: u64,
    lines: VecDeque<SentLine>,
    /// The number of those that wait.
    waiting: usize,
}

/// A line that was sent.
#[derive(Debug)]
enum SentLine {
    /// Its append waits for the node's answer.
    Waiting(StreamedAppend),
    /// The node still owes the answer; the append had only until then, and was told so.
    Overdue(Instant),
    Answered,
}

impl InFlight {
    /// Adds the append whose line is sent next.
    pub(super) fn push(&mut self, append: StreamedAppend) {
        self.lines.push_back(SentLine::Waiting(append));
        self.waiting += 1;
    }

    /// Takes the append of a line; `None` where the node was sent no such line, answered it before,
    /// or answers it too late.
    pub(super) fn take(&mut self, line: u64) -> Option<StreamedAppend> {
        let at = usize::try_from(line.checked_sub(self.first)?).ok()?;
        let answered = replace(self.lines.get_mut(at)?, SentLine::Answered);
        while let Some(SentLine::Answered) = self.lines.front() {
            self.lines.pop_front();
            self.first += 1;
        }
        let SentLine::Waiting(append) = answered else { return None };
        self.waiting -= 1;
        Some(append)
    }

    /// Returns whether no append waits for its answer.
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes the appends whose time has passed, and this much more. The others wait on.
    pub(super) fn take_overdue(&mut self, now: Instant, more: Duration) -> Vec<StreamedAppend> {
        let mut overdue = Vec::new();
        for line in &mut self.lines {
            let SentLine::Waiting(append) = line else { continue };
            let Some(deadline) = append.deadline() else { continue };
            if append.is_overdue(now, more)
                && let SentLine::Waiting(append) = replace(line, SentLine::Overdue(deadline))
            {
                overdue.push(append);
            }
        }
        self.waiting -= overdue.len();
        overdue
    }

    /// Returns whether the node owes an answer for this much longer than it was given.
    pub(super) fn is_node_silent(&self, now: Instant, more: Duration) -> bool {
        self.lines.iter().any(|line| match line {
            SentLine::Waiting(append) => append.is_overdue(now, more),
            SentLine::Overdue(deadline) => now >= *deadline + more,
            SentLine::Answered => false,
        })
    }

    /// Returns what waits, in the order in which it was sent.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = StreamedAppend> {
        self.lines.into_iter().filter_map(|line| match line {
            SentLine::Waiting(append) => Some(append),
            SentLine::Overdue(_) | SentLine::Answered => None,
        })
    }
}
