//! The buffer of a connection: runs and pages that have arrived and are not in the log yet.

use std::time::{Duration, Instant};

use acklog_types::{IdRange, LogEnd, MESSAGE_BYTES_LIMIT, Records, RequestId};

use super::gap_buffer::GapBuffer;
use crate::delayed::Delayed;
use crate::progress::WINDOW_BYTES_MAX;

/// Most bytes that wait above a gap or for a store delay, unless it is a single run. Smaller: no
/// capacity for a master's whole window and the part of it that is sent again. Larger: more memory.
/// A run beyond that is answered with an error, and comes again.
pub const HELD_BYTES_MAX: usize = 4 * WINDOW_BYTES_MAX + MESSAGE_BYTES_LIMIT;

/// A run or a page that waits for its store delay.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The messages.
    pub(super) run: Records,
    /// The request to answer; none for a page.
    pub(super) request: Option<RequestId>,
}

/// Runs above a gap, and runs that wait for an artificial store delay.
#[derive(Debug)]
pub(super) struct Buffer {
    delayed: Delayed<Arrived>,
    delayed_bytes: usize,
    gaps: GapBuffer,
}

/// Contents of a [`Buffer`], as the catch-up needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Buffered {
    /// Bytes of all records in it.
    pub(super) bytes: usize,
    /// Bytes of the records above a gap.
    pub(super) gap_bytes: usize,
    /// Whether a run that continues the log waits for its store delay.
    pub(super) continues_log: bool,
}

impl Buffer {
    /// Creates an empty buffer.
    pub(super) fn new() -> Self {
        Self { delayed: Delayed::new(), delayed_bytes: 0, gaps: GapBuffer::new() }
    }

    /// Returns what the buffer holds, beside a log that ends at `log_end`.
    pub(super) fn buffered(&self, log_end: LogEnd) -> Buffered {
        let continues = |run: IdRange| run.start() <= log_end && log_end < run.end();
        let continues_log = self.delayed.iter().any(|arrived| continues(arrived.run.range()));
        Buffered { bytes: self.bytes(), gap_bytes: self.gaps.bytes(), continues_log }
    }

    /// Returns the size of all records in the buffer, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.gaps.bytes() + self.delayed_bytes
    }

    /// Returns whether the buffer can take a run, for a `delay` or for none, beside a log that ends
    /// at `log_end`.
    ///
    /// A run that continues the log always fits, since it empties the buffer where a gap fills it:
    /// appended at once, or as the one such run that is delayed.
    pub(super) fn fits(&self, run: &Records, delay: Duration, log_end: LogEnd) -> bool {
        let is_next = |run: &Records| run.range().start() <= log_end;
        let mut delayed = self.delayed.iter();
        let is_exempt =
            is_next(run) && (delay.is_zero() || !delayed.any(|arrived| is_next(&arrived.run)));
        let bytes = self.bytes();
        is_exempt || bytes == 0 || bytes + run.bytes() <= HELD_BYTES_MAX
    }

    /// Holds a run until its store delay is over.
    pub(super) fn delay(&mut self, due: Instant, arrived: Arrived) {
        self.delayed_bytes += arrived.run.bytes();
        self.delayed.insert(due, arrived);
    }

    /// Takes out one run whose store delay is over. Call until it returns none.
    #[must_use]
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Arrived> {
        let arrived = self.delayed.pop(now)?;
        self.delayed_bytes -= arrived.run.bytes();
        Some(arrived)
    }

    /// Ends all store delays at `now`; the order stays.
    pub(super) fn make_due(&mut self, now: Instant) {
        self.delayed.make_due(now);
    }

    /// Returns when the next store delay is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.delayed.next_deadline()
    }

    /// Holds a run above a gap.
    pub(super) fn hold(&mut self, run: Records) {
        self.gaps.insert(run);
    }

    /// Takes out a run above a gap that continues a log that ends at `log_end`. Call until it
    /// returns none.
    #[must_use]
    pub(super) fn pop_next(&mut self, log_end: LogEnd) -> Option<Records> {
        self.gaps.pop(log_end)
    }

    /// Returns the number of messages above a gap.
    pub(super) fn messages_above_gap(&self) -> u64 {
        self.gaps.messages()
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{InBatch, MessageId, encode_record};

    use super::*;

    /// Length of a text; four records of it fit into the buffer, and five do not.
    const LENGTH: usize = HELD_BYTES_MAX / 5;

    fn run(id: u64) -> Records {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, MessageId::new(id), 0, None, &"x".repeat(LENGTH), InBatch::Last);
        let range = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
        Records::check(range, bytes.into()).unwrap()
    }

    fn delayed(run: Records) -> Arrived {
        Arrived { run, request: None }
    }

    #[test]
    fn the_buffer_takes_what_fits_and_always_what_continues_the_log() {
        let (end, delay) = (LogEnd::new(0), Duration::from_secs(1));
        let mut buffer = Buffer::new();
        for id in 2..6 {
            assert!(buffer.fits(&run(id), Duration::ZERO, end));
            buffer.hold(run(id));
        }
        assert!(!buffer.fits(&run(6), Duration::ZERO, end), "the buffer is full");
        assert!(buffer.fits(&run(0), Duration::ZERO, end));
        assert!(buffer.fits(&run(0), delay, end));
        buffer.delay(Instant::now() + delay, delayed(run(0)));
        assert!(!buffer.fits(&run(0), delay, end), "one that continues the log is delayed already");
        let buffered = buffer.buffered(end);
        assert!(buffered.continues_log && buffered.bytes > buffered.gap_bytes);
        assert_eq!(buffer.messages_above_gap(), 4);
    }

    #[test]
    fn delayed_runs_come_out_when_their_time_has_come() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut buffer = Buffer::new();
        buffer.delay(now + 2 * second, delayed(run(0)));
        buffer.delay(now + second, delayed(run(1)));
        let mut popped = |now| buffer.pop_due(now).map(|arrived| arrived.run.range().start().get());
        assert_eq!(popped(now), None);
        assert_eq!((popped(now + second), popped(now + second)), (Some(1), None));
        buffer.make_due(now);
        assert_eq!(buffer.next_deadline(), Some(now));
        assert!(buffer.pop_due(now).is_some());
        assert_eq!((buffer.bytes(), buffer.next_deadline()), (0, None));
    }
}
