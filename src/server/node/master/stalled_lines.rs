//! Lines of append streams that are kept until they can be taken.
//!
//! A single append is refused where as many senders wait as may, or where too much waits for the
//! disk. A stream is read no further instead: the rest of the batch of lines that it handed over is
//! kept here until there is room, and it hands over no other one meanwhile.

use std::collections::VecDeque;

use acklog_protocol::Refusal;
use acklog_types::WaiterId;

use crate::server::node::line_batch::{LineAppend, LineBatch};

/// The reason why lines are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Time: an iteration does a limited amount of work.
    Time,
    /// Room among what waits for the disk.
    Disk,
    /// A place among the senders that wait for secondaries.
    Places,
}

impl Shortage {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Time, Self::Disk, Self::Places];

    /// Returns the shortage for which a line was refused; none where it was refused for good.
    pub(super) fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::DiskBehind { .. } => Some(Self::Disk),
            Refusal::TooManyWaiting { .. } => Some(Self::Places),
            _ => None,
        }
    }
}

/// The lines that are kept, in batches of one stream each.
#[derive(Debug, Default)]
pub(super) struct StalledLines {
    for_time: VecDeque<LineBatch>,
    for_disk: VecDeque<LineBatch>,
    for_places: VecDeque<LineBatch>,
    /// Whether some of them can be taken.
    is_due: bool,
}

impl StalledLines {
    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of batches.
    pub(super) fn len(&self) -> usize {
        self.for_time.len() + self.for_disk.len() + self.for_places.len()
    }

    /// Returns whether some of them can be taken.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Notes whether some of them can be taken.
    pub(super) fn set_due(&mut self, is_due: bool) {
        self.is_due = is_due;
    }

    /// Returns the batches of one shortage, in the order in which it is their turn.
    pub(super) fn of(&mut self, shortage: Shortage) -> &mut VecDeque<LineBatch> {
        match shortage {
            Shortage::Time => &mut self.for_time,
            Shortage::Disk => &mut self.for_disk,
            Shortage::Places => &mut self.for_places,
        }
    }

    /// Returns the line whose turn it is among those of one shortage.
    pub(super) fn next(&mut self, shortage: Shortage) -> Option<&LineAppend> {
        self.of(shortage).front()?.lines.front()
    }

    /// Takes out all batches.
    pub(super) fn take(&mut self) -> impl Iterator<Item = LineBatch> + use<> {
        let Self { for_time, for_disk, for_places, .. } = std::mem::take(self);
        for_time.into_iter().chain(for_disk).chain(for_places)
    }

    /// Removes those whose stream ended: its clients are `count` from `first` on.
    pub(super) fn cancel(&mut self, first: WaiterId, count: u64) {
        for shortage in Shortage::ALL {
            self.of(shortage).retain(|batch| !batch.is_of(first, count));
        }
    }
}
