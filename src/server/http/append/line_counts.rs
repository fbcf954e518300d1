//! Counts the answers to the lines of an append stream, and how long each took.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use acklog_protocol::Outcome;

use super::committed;
use crate::server::http::accepted::RequestKind;
use crate::server::http::problem::RequestProblem;
use crate::server::http::tally::Tally;
use crate::server::node::LineOutcome;

/// The kind of a line's request. Whether it has a key has no part in its outcome.
const LINE: RequestKind = RequestKind::Append { keyed: false };

/// Counts the lines of one stream.
#[derive(Debug)]
pub(super) struct LineCounts {
    tally: Rc<Tally>,
    /// The lines that wait for their outcomes, by the first line of those that were read together.
    /// There are never more of these than lines that wait.
    waiting: RefCell<BTreeMap<u64, LinesReadTogether>>,
}

/// Lines that were read together.
#[derive(Debug)]
struct LinesReadTogether {
    at: Instant,
    /// The lines that wait for their outcomes.
    left: u64,
}

impl LineCounts {
    /// Creates the counts of a stream, which go to the thread's own.
    pub(super) fn new(tally: Rc<Tally>) -> Self {
        Self { tally, waiting: RefCell::default() }
    }

    /// Notes that a line waits for its outcome. Those that were read together have the same time.
    pub(super) fn note_read(&self, line: u64, at: Instant) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.last_entry() {
            Some(mut last) if last.get().at == at => last.get_mut().left += 1,
            _ => drop(waiting.insert(line, LinesReadTogether { at, left: 1 })),
        }
    }

    /// Counts the lines that got this outcome now. To be called once for each outcome.
    pub(super) fn count_answered(&self, now: Instant, answered: &LineOutcome) {
        let LineOutcome { line, count, outcome } = answered;
        let write_concern = match outcome {
            Outcome::Committed(receipt) => receipt.write_concern,
            other => {
                self.take(*line, *count, |_, _| {});
                if let Err(problem) = committed(other.clone(), None) {
                    self.count_problem(&problem, *count);
                }
                return;
            }
        };
        self.take(*line, *count, |at, lines| {
            self.tally.acked(write_concern, now.saturating_duration_since(at), lines);
        });
    }

    /// Counts a line that was answered without having been appended.
    pub(super) fn count_refused(&self, problem: &RequestProblem) {
        self.count_problem(problem, 1);
    }

    fn count_problem(&self, problem: &RequestProblem, lines: u64) {
        if let Some(outcome) = problem.outcome(LINE) {
            self.tally.failed(&outcome, lines);
        }
    }

    /// Takes lines in a row out of those that wait, and calls `each` with the time and the number
    /// of those that were read together.
    fn take(&self, mut line: u64, mut count: u64, mut each: impl FnMut(Instant, u64)) {
        let mut waiting = self.waiting.borrow_mut();
        while count > 0 {
            let next = waiting.range(line + 1..).next().map(|(&first, _)| first);
            let here = next.map_or(count, |next| count.min(next - line));
            let Some((&first, together)) = waiting.range_mut(..=line).next_back() else { return };
            each(together.at, here);
            together.left = together.left.saturating_sub(here);
            if together.left == 0 {
                waiting.remove(&first);
            }
            (line, count) = (line + here, count - here);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_log::in_memory;
    use acklog_protocol::Refusal;
    use acklog_types::MessageId;

    use super::*;
    use crate::server::http::accepted::receipt_of_two;
    use crate::server::http::tally::Tallies;
    use crate::server::node::ReadPositions;

    #[test]
    fn each_line_is_counted_once_with_the_time_since_it_was_read() {
        let tallies = Tallies::default();
        let positions = ReadPositions::of_one_node(in_memory().1);
        let counts = LineCounts::new(Rc::new(tallies.register(positions)));
        let (now, long) = (Instant::now(), Duration::from_secs(100));
        let early = now.checked_sub(long).unwrap();
        // The line 2 is blank.
        for (line, at) in [(0, early), (1, early), (3, early), (4, now), (5, now)] {
            counts.note_read(line, at);
        }
        let committed = |line, count| LineOutcome {
            line,
            count,
            outcome: Outcome::Committed(receipt_of_two(MessageId::new(line))),
        };
        counts.count_answered(now, &committed(3, 2));
        let refused = Outcome::Refused(Refusal::ShuttingDown);
        counts.count_answered(now, &LineOutcome { line: 5, count: 1, outcome: refused });
        let late = Outcome::TimedOut(receipt_of_two(MessageId::new(1)));
        counts.count_answered(now, &LineOutcome { line: 1, count: 1, outcome: late });
        counts.count_refused(&RequestProblem::TooManyBodies);
        assert_eq!(counts.waiting.borrow().len(), 1, "line 0 waits");
        counts.count_answered(now, &committed(0, 1));
        assert_eq!(counts.waiting.borrow().len(), 0);
        let sums = tallies.sums();
        assert_eq!(sums.appends, [3, 2, 1, 0]);
        let times = sums.append_times.into_values().next().unwrap();
        assert_eq!(times.buckets().last(), Some((None, 2)), "those that were read early");
        assert_eq!(times.count(), 3);
    }
}
