//! Lines of an append stream on their way to the core task.

use std::collections::VecDeque;
use std::sync::Arc;

use acklog_types::{Share, WaiterId};
use tokio::sync::OwnedSemaphorePermit;

use super::ClientAppend;

/// A line of a stream, or several plain ones in a row.
#[derive(Debug)]
pub(super) struct LineAppend {
    /// The client of the (first) line.
    pub(super) waiter: WaiterId,
    pub(super) append: ClientAppend,
    /// Whether each message is a line of its own, with a client of its own.
    pub(super) is_series: bool,
    /// Whether it was compared, and is in the log already: it needs a place and nothing else.
    pub(super) is_replay: bool,
}

impl LineAppend {
    /// Returns the number of lines.
    pub(super) fn count(&self) -> u64 {
        if self.is_series { self.append.batch.len() as u64 } else { 1 }
    }

    /// Returns the size in memory, about, of an append that is a line of its own.
    pub(super) fn bytes_of(append: &ClientAppend) -> usize {
        size_of::<Self>() + append.record_bytes()
    }

    /// Takes out the first lines of a series, which has more.
    pub(super) fn take_front(&mut self, lines: usize) -> Self {
        let ClientAppend { wait, .. } = self.append;
        let batch = self.append.batch.take_front(lines);
        let append = ClientAppend { batch, key: None, expected_end: None, wait, share: None };
        let waiter = self.waiter;
        self.waiter = WaiterId::new(waiter.get() + lines as u64);
        Self { waiter, append, is_series: true, is_replay: false }
    }
}

/// Lines of one stream, in order, until the core task has taken them.
#[derive(Debug)]
pub(super) struct LineBatch {
    pub(super) lines: VecDeque<LineAppend>,
    /// Held until they are taken.
    pub(super) turn: StreamTurn,
}

/// The turn of a stream: it hands over the next batch once all clones of this are dropped. A line
/// that is compared on another thread has one.
#[derive(Clone, Debug)]
pub(super) struct StreamTurn(Arc<HeldByLines>);

#[derive(Debug)]
struct HeldByLines {
    /// The memory that the lines are charged for.
    share: Option<Share>,
    _permit: OwnedSemaphorePermit,
}

impl StreamTurn {
    /// Creates the turn of lines that are charged for memory.
    pub(super) fn new(share: Option<Share>, permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(HeldByLines { share, _permit: permit }))
    }
}

impl LineBatch {
    /// Creates a batch, of which there is one in a turn of its stream.
    pub(super) fn new(lines: VecDeque<LineAppend>, turn: StreamTurn) -> Self {
        Self { lines, turn }
    }

    /// Gives back memory of lines that were taken, unless one of them is still compared.
    pub(super) fn shrink(&mut self) {
        if self.lines.capacity() > 2 * self.lines.len() {
            self.lines.shrink_to_fit();
        }
        let bytes = self.lines.iter().map(|line| LineAppend::bytes_of(&line.append)).sum();
        if let Some(HeldByLines { share: Some(share), .. }) = Arc::get_mut(&mut self.turn.0) {
            share.shrink_to(bytes);
        }
    }

    /// Returns whether its clients are among these `count`, from `first` on.
    pub(super) fn is_of(&self, first: WaiterId, count: u64) -> bool {
        let clients = first.get()..first.get() + count;
        self.lines.front().is_some_and(|line| clients.contains(&line.waiter.get()))
    }
}
