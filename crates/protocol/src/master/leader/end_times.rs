//! The times at which an end of the log grew, for receipts.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_types::LogEnd;

/// Number of times that are remembered, the last ones; at least 10,000 are promised. Fewer:
/// receipts lose their times sooner. More: memory, 24 bytes each for every node.
const TIMES_MAX: usize = 16_384;

/// The times at which an end grew: what was accepted, is durable, or was acked by a node. One entry
/// for each time, however many messages it covers.
///
/// Invariant: the ends grow strictly, and all lie above `from`.
#[derive(Debug)]
pub(super) struct EndTimes {
    /// The end before the oldest time that is remembered.
    from: LogEnd,
    times: VecDeque<(LogEnd, Instant)>,
}

impl EndTimes {
    /// Creates the times of an end that has stood at `from` since nobody knows when.
    pub(super) fn new(from: LogEnd) -> Self {
        Self { from, times: VecDeque::new() }
    }

    /// Takes in that the end grew. Several times in one moment are one.
    pub(super) fn grew(&mut self, end: LogEnd, now: Instant) {
        match self.times.back_mut() {
            Some((last, at)) if *at == now => *last = end.max(*last),
            Some((last, _)) if end <= *last => {}
            None if end <= self.from => {}
            _ => {
                if self.times.len() == TIMES_MAX
                    && let Some((oldest, _)) = self.times.pop_front()
                {
                    self.from = oldest;
                }
                self.times.push_back((end, now));
            }
        }
    }

    /// Takes in that the end fell back: what lies above is reached anew.
    pub(super) fn fell(&mut self, end: LogEnd) {
        self.times.truncate(self.times.partition_point(|&(reached, _)| reached <= end));
        self.from = self.from.min(end);
    }

    /// Returns when the end reached `end`; none where it has not, or where that is older than what
    /// is remembered.
    pub(super) fn reached(&self, end: LogEnd) -> Option<Instant> {
        if end <= self.from {
            return None;
        }
        let index = self.times.partition_point(|&(reached, _)| reached < end);
        self.times.get(index).map(|&(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn end(end: u64) -> LogEnd {
        LogEnd::new(end)
    }

    #[test]
    fn an_end_is_reached_when_it_is_covered_first() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut times = EndTimes::new(end(5));
        times.grew(end(7), start);
        times.grew(end(9), start);
        times.grew(end(8), start + second);
        times.grew(end(12), start + 2 * second);
        let reached = |at| times.reached(end(at)).map(|at| (at - start).as_secs());
        assert_eq!(
            [5, 6, 9, 10, 12, 13].map(reached),
            [None, Some(0), Some(0), Some(2), Some(2), None]
        );
        times.fell(end(9));
        assert_eq!((times.reached(end(9)), times.reached(end(10))), (Some(start), None));
        times.grew(end(11), start + 3 * second);
        assert_eq!(times.reached(end(10)), Some(start + 3 * second), "it was lost and came again");
        times.fell(end(2));
        times.grew(end(4), start + 4 * second);
        assert_eq!(times.reached(end(3)), Some(start + 4 * second));
    }

    #[test]
    fn the_last_ten_thousand_times_are_remembered_and_not_without_bound() {
        let start = Instant::now();
        let mut times = EndTimes::new(end(0));
        let count = 3 * TIMES_MAX as u64;
        for n in 1..=count {
            times.grew(end(n), start + Duration::from_micros(n));
        }
        assert_eq!(times.times.len(), TIMES_MAX);
        assert!(times.reached(end(count - 10_000)).is_some());
        assert_eq!(times.reached(end(1)), None, "older than what is remembered");
    }
}
