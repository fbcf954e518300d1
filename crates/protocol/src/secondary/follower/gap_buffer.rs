//! The gap buffer: runs that arrived before the messages below them.

use std::collections::BTreeMap;

use acklog_types::{LogEnd, Records};

/// Runs above a node's log end, held until the gap below them closes.
///
/// Invariants: the held runs do not overlap, none is empty, and `bytes` is their size. A message
/// that arrives again is not held twice: the first one stays.
#[derive(Debug, Default)]
pub struct GapBuffer {
    /// By the start of each run.
    runs: BTreeMap<LogEnd, Records>,
    bytes: usize,
}

impl GapBuffer {
    /// Creates an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the size of the held records in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of held messages.
    pub fn messages(&self) -> u64 {
        self.runs.values().map(|run| run.range().len()).sum()
    }

    /// Holds the part of the run that is not held yet.
    pub fn insert(&mut self, run: Records) {
        let mut rest = run.range();
        while !rest.is_empty() {
            // The held run that covers the rest's start, or else the first one behind it.
            let covering = self.runs.range(..=rest.start()).next_back();
            if let Some((_, held)) = covering.filter(|(_, held)| held.range().end() > rest.start())
            {
                rest = rest.from(held.range().end());
                continue;
            }
            let next = self.runs.range(rest.start()..).next().map(|(&start, _)| start);
            let free = next.map_or(rest, |next| rest.until(next));
            self.hold(run.slice(free));
            rest = rest.from(free.end());
        }
    }

    /// Holds a copy. A run is a slice of all that was read from the socket with it, which may be
    /// many times as long; the limit of the buffer counts the bytes of the runs alone.
    fn hold(&mut self, run: Records) {
        let run = run.detached();
        self.bytes += run.bytes();
        self.runs.insert(run.range().start(), run);
    }

    /// Takes out the part of a held run that continues a log that ends at `end`. Drops the runs
    /// wholly below `end`. Call until it returns none.
    #[must_use]
    pub fn pop(&mut self, end: LogEnd) -> Option<Records> {
        while let Some(first) = self.runs.first_entry() {
            let range = first.get().range();
            if range.start() > end {
                return None;
            }
            let run = first.remove();
            self.bytes -= run.bytes();
            if range.end() > end {
                return Some(run.slice(range.from(end)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{IdRange, InBatch, MessageId, encode_record};

    use super::*;
    use crate::test_records::records;

    fn range(start: u64, end: u64) -> IdRange {
        IdRange::new(LogEnd::new(start), LogEnd::new(end))
    }

    /// Messages of one batch each, all of the same size.
    fn run(start: u64, end: u64) -> Records {
        records(start, end, "Msg")
    }

    fn drain(buffer: &mut GapBuffer, end: u64) -> Vec<IdRange> {
        let mut end = LogEnd::new(end);
        let mut out = Vec::new();
        while let Some(popped) = buffer.pop(end) {
            let range = popped.range();
            assert_eq!(range.start(), end);
            assert_eq!(popped, run(range.start().get(), range.end().get()));
            end = range.end();
            out.push(range);
        }
        out
    }

    #[test]
    fn a_run_above_a_gap_stays_until_the_gap_closes() {
        let mut buffer = GapBuffer::new();
        buffer.insert(run(5, 8));
        assert_eq!(buffer.pop(LogEnd::new(4)), None);
        assert_eq!(buffer.messages(), 3);
        assert_eq!(drain(&mut buffer, 5), [range(5, 8)]);
        assert_eq!((buffer.messages(), buffer.bytes()), (0, 0));
    }

    #[test]
    fn what_is_held_already_is_not_held_twice() {
        let mut buffer = GapBuffer::new();
        buffer.insert(run(5, 7));
        buffer.insert(run(9, 11));
        buffer.insert(run(4, 13));
        buffer.insert(run(4, 13));
        assert_eq!(buffer.messages(), 9);
        assert_eq!(buffer.bytes(), run(4, 13).bytes());
        assert_eq!(
            drain(&mut buffer, 4),
            [range(4, 5), range(5, 7), range(7, 9), range(9, 11), range(11, 13)]
        );
    }

    #[test]
    fn a_run_that_is_held_keeps_nothing_of_what_was_read_with_it() {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, MessageId::new(5), 0, None, "Msg", InBatch::Last);
        let length = bytes.len();
        bytes.resize(64 * 1024, 0);
        let read = bytes::Bytes::from(bytes);
        let run = Records::check(range(5, 6), read.slice(..length)).unwrap();
        let mut buffer = GapBuffer::new();
        buffer.insert(run.clone());
        drop(run);
        assert!(read.is_unique(), "the buffer pins 64 KiB for {length} bytes");
        assert_eq!(buffer.pop(LogEnd::new(5)).unwrap().bytes(), length);
    }

    #[test]
    fn what_the_log_has_by_now_is_cut_off() {
        let mut buffer = GapBuffer::new();
        buffer.insert(run(2, 4));
        buffer.insert(run(5, 9));
        assert_eq!(drain(&mut buffer, 7), [range(7, 9)]);
        assert_eq!(buffer.bytes(), 0);
    }
}
