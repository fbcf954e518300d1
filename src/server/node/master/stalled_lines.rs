//! Lines of append streams that wait for room.
//!
//! A single append is refused where as many senders wait as may. A stream is read no further
//! instead: the batch of lines that it handed over is kept here until there is room, and it hands
//! over no other one meanwhile.

use std::collections::VecDeque;
use std::time::Instant;

use acklog_types::WaiterId;

use crate::server::node::line_batch::{LineAppend, LineBatch};

/// The lines that no more senders may wait for, in batches of one stream each.
#[derive(Debug, Default)]
pub(super) struct StalledLines {
    batches: VecDeque<LineBatch>,
    /// When there is room for some of them; none while there is none.
    due: Option<Instant>,
}

impl StalledLines {
    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns when the next ones can be taken; none while they cannot.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Returns whether there may be room for some of them by now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Notes when there is room for some of them; none while there is none.
    pub(super) fn set_due(&mut self, due: Option<Instant>) {
        self.due = due;
    }

    /// Returns the one that waits longest.
    pub(super) fn next(&self) -> Option<&LineAppend> {
        self.batches.front()?.lines.front()
    }

    /// Keeps the rest of a batch.
    pub(super) fn push(&mut self, batch: LineBatch) {
        self.batches.push_back(batch);
    }

    /// Takes out all batches, in the order in which they came.
    pub(super) fn take(&mut self) -> VecDeque<LineBatch> {
        self.due = None;
        std::mem::take(&mut self.batches)
    }

    /// Removes those whose stream ended: its clients are `count` from `first` on.
    pub(super) fn cancel(&mut self, first: WaiterId, count: u64) {
        self.batches.retain(|batch| !batch.is_of(first, count));
    }
}
