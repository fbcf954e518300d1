//! What has arrived on a connection and is not in the log yet.

use std::time::Instant;

use acklog_types::{IdRange, LogEnd, MESSAGE_BYTES_LIMIT, Records, RequestId};

use super::gap_buffer::GapBuffer;
use crate::delayed::Delayed;
use crate::progress::WINDOW_BYTES_MAX;

/// Most bytes that wait above a gap or for a store delay, unless it is a single run. Smaller: a
/// master's whole window and some of it sent again have no room. Larger: more memory. A run beyond
/// that is answered with an error, and comes again.
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

/// How much a [`Buffer`] holds.
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

    /// Returns how much the buffer holds, beside a log that ends at `log_end`.
    pub(super) fn buffered(&self, log_end: LogEnd) -> Buffered {
        let continues = |run: IdRange| run.start() <= log_end && log_end < run.end();
        let continues_log = self.delayed.iter().any(|arrived| continues(arrived.run.range()));
        Buffered { bytes: self.bytes(), gap_bytes: self.gaps.bytes(), continues_log }
    }

    /// Returns the bytes of all records in the buffer.
    pub(super) fn bytes(&self) -> usize {
        self.gaps.bytes() + self.delayed_bytes
    }

    /// Returns whether there is room for a run that waits, or is appended at once to a log that
    /// ends at `log_end`.
    ///
    /// What continues the log always has room, since it makes room where a gap keeps it: appended
    /// at once, or as the one such run that waits for its delay.
    pub(super) fn has_room(&self, run: &Records, is_delayed: bool, log_end: LogEnd) -> bool {
        let is_next = |run: &Records| run.range().start() <= log_end;
        let mut delayed = self.delayed.iter();
        let is_exempt =
            is_next(run) && !(is_delayed && delayed.any(|arrived| is_next(&arrived.run)));
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

    /// Returns how many messages are above a gap.
    pub(super) fn messages_above_gap(&self) -> u64 {
        self.gaps.messages()
    }
}
