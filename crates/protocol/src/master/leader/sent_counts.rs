//! How often each message was sent to a node, for receipts and events.

use std::collections::VecDeque;

use acklog_types::{IdRange, LogEnd};

/// Runs that are remembered, the last ones: what is sent between 10,000 acks. Fewer: receipts lose
/// their counts sooner. More: memory, 16 bytes each for every node.
const RUNS_MAX: usize = 16_384;

/// Counts of sending, one for each run and not for each message.
///
/// Invariant: the runs follow each other without a gap from `from` on, and none is empty.
#[derive(Debug)]
pub(super) struct SentCounts {
    /// Where the oldest run that is remembered begins.
    from: LogEnd,
    /// The end of each run, and how often it was sent; none where that is not known, or where it
    /// was fetched in a page.
    runs: VecDeque<(LogEnd, Option<u32>)>,
}

impl SentCounts {
    /// Creates the counts of a node to which nothing was sent since the log ended at `from`.
    pub(super) fn new(from: LogEnd) -> Self {
        Self { from, runs: VecDeque::new() }
    }

    /// Counts a run that is sent. Returns how often it was sent by now: the largest number of its
    /// messages, as far as is remembered.
    pub(super) fn sent(&mut self, run: IdRange) -> u32 {
        let mut most = 1;
        self.change(run, |count| {
            let count = count.map(|count| count + 1);
            most = most.max(count.unwrap_or_default());
            count
        });
        most
    }

    /// Notes messages that are sent in a page.
    pub(super) fn fetched(&mut self, page: IdRange) {
        self.change(page, |_| None);
    }

    /// Returns how often the message before `end` was sent, 0 where it was not; none where that is
    /// not known, or where it was fetched in a page.
    pub(super) fn of(&self, end: LogEnd) -> Option<u32> {
        if end <= self.from {
            return None;
        }
        let index = self.runs.partition_point(|&(run, _)| run < end);
        self.runs.get(index).map_or(Some(0), |&(_, count)| count)
    }

    fn end(&self) -> LogEnd {
        self.runs.back().map_or(self.from, |&(end, _)| end)
    }

    fn change(&mut self, range: IdRange, mut change: impl FnMut(Option<u32>) -> Option<u32>) {
        let range = range.from(self.from);
        if range.is_empty() {
            return;
        }
        if self.end() < range.start() {
            self.runs.push_back((range.start(), None));
        }
        let last = self.end();
        if range.start() < last {
            let (first, behind) = (self.split_at(range.start()), self.split_at(range.end()));
            for (_, count) in self.runs.range_mut(first..behind) {
                *count = change(*count);
            }
        }
        if last < range.end() {
            self.runs.push_back((range.end(), change(Some(0))));
        }
        while self.runs.len() > RUNS_MAX
            && let Some((oldest, _)) = self.runs.pop_front()
        {
            self.from = oldest;
        }
    }

    /// Makes a run begin at `at`. Returns its index; beyond the last run that of the next one.
    fn split_at(&mut self, at: LogEnd) -> usize {
        let index = self.runs.partition_point(|&(end, _)| end <= at);
        let start = match index.checked_sub(1) {
            Some(before) => self.runs.get(before).map_or(self.from, |&(end, _)| end),
            None => self.from,
        };
        match self.runs.get(index) {
            Some(&(_, count)) if start < at => {
                self.runs.insert(index, (at, count));
                index + 1
            }
            _ => index,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, end: u64) -> IdRange {
        IdRange::new(LogEnd::new(start), LogEnd::new(end))
    }

    /// Returns the counts of these messages.
    fn counts(sent: &SentCounts, ids: std::ops::Range<u64>) -> Vec<Option<u32>> {
        ids.map(|id| sent.of(LogEnd::new(id + 1))).collect()
    }

    #[test]
    fn a_run_that_is_cut_otherwise_is_counted_for_each_of_its_messages() {
        let mut sent = SentCounts::new(LogEnd::new(2));
        assert_eq!((sent.sent(run(2, 5)), sent.sent(run(5, 6))), (1, 1));
        assert_eq!(sent.sent(run(3, 8)), 2);
        assert_eq!(sent.sent(run(4, 5)), 3);
        let expected = [None, Some(1), Some(2), Some(3), Some(2), Some(1), Some(1), Some(0)];
        assert_eq!(counts(&sent, 1..9), expected);
    }

    #[test]
    fn what_was_fetched_in_a_page_has_no_count() {
        let mut sent = SentCounts::new(LogEnd::ZERO);
        sent.sent(run(0, 3));
        sent.fetched(run(2, 5));
        sent.fetched(run(5, 5));
        sent.fetched(run(7, 8));
        sent.sent(run(8, 9));
        let one = Some(1);
        let expected = [one, one, None, None, None, None, None, None, one, Some(0)];
        assert_eq!(counts(&sent, 0..10), expected, "between two pages nothing is known");
    }

    #[test]
    fn old_runs_are_forgotten_and_a_run_that_was_sent_again_after_that_is_none_too_many() {
        let mut sent = SentCounts::new(LogEnd::ZERO);
        let count = 2 * RUNS_MAX as u64;
        for n in 0..count {
            sent.sent(run(n, n + 1));
        }
        assert_eq!(sent.runs.len(), RUNS_MAX);
        assert_eq!((sent.sent(run(0, count)), sent.runs.len()), (2, RUNS_MAX));
        assert_eq!(sent.sent(run(0, 1)), 1, "as far as is remembered");
        assert_eq!(counts(&sent, count - 1..count + 1), [Some(2), Some(0)]);
        assert_eq!(counts(&sent, 0..1), [None]);
    }
}
