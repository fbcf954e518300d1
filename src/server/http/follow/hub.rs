//! The readers of one HTTP thread that wait for the log to grow.
//!
//! The core task wakes the thread, not its readers. The hub's task then wakes the readers whose end
//! has grown, some at a time, so that appends on the same thread get their turn between. A round
//! that took long is followed by a pause of the same length: what comes meanwhile goes out
//! together, and at most half of the thread's time is spent on followers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acklog_types::{LogEnd, LogId};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::pages::SharedPages;
use crate::server::http::problem::RequestProblem;
use crate::server::node::{ReadLevel, ReadPositions, ReaderThread};

/// Readers that are woken before other tasks of the thread run. Each takes some microseconds to
/// write its page. Fewer: more switches between tasks. More: an append that comes meanwhile waits
/// for longer.
const WOKEN_MAX: usize = 32;

/// Length of a round after which there is a pause. Shorter: messages come later to a few readers.
/// Longer: many readers take up more of the thread's time.
const LONG_ROUND: Duration = Duration::from_millis(1);

/// Longest pause after a round. Shorter: where a round takes longer than this, followers take up
/// more than half of the thread's time. Longer: messages come later.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The readers of one thread that wait, and the pages that they share.
pub(in crate::server::http) struct FollowHub {
    positions: ReadPositions,
    waiting: RefCell<Waiting>,
    is_closing: Cell<bool>,
    next_key: Cell<u64>,
    pub(super) pages: SharedPages,
}

struct Waiting {
    thread: ReaderThread,
    /// The readers that wait, by level and number.
    readers: BTreeMap<ReadLevel, BTreeMap<u64, WaitingReader>>,
    /// Whether the hub's task sleeps, so that a reader that comes must arm its end itself.
    is_idle: bool,
}

struct WaitingReader {
    /// The position beyond which it waits.
    beyond: LogEnd,
    /// The log that it reads; none where it knows none yet.
    log: Option<LogId>,
    waker: Waker,
}

/// A reader's place at its hub.
pub(in crate::server::http) struct Waiter {
    hub: Rc<FollowHub>,
    level: ReadLevel,
    /// The log that it reads. Where the node had none, the first one that it has then.
    log: Cell<Option<LogId>>,
    key: u64,
}

impl FollowHub {
    /// Creates the hub of the calling thread. Its readers wait until its task [runs](Self::run).
    pub(in crate::server::http) fn new(positions: ReadPositions) -> Rc<Self> {
        let thread = positions.register();
        let waiting = Waiting { thread, readers: BTreeMap::new(), is_idle: false };
        Rc::new(Self {
            positions,
            waiting: RefCell::new(waiting),
            is_closing: Cell::new(false),
            next_key: Cell::new(0),
            pages: SharedPages::default(),
        })
    }

    /// Wakes the readers of the thread in rounds, for ever.
    pub(in crate::server::http) async fn run(self: Rc<Self>) {
        let wake_up = self.waiting.borrow().thread.wake_up();
        loop {
            let due = self.take_due();
            if due.is_empty() {
                wake_up.woken().await;
                continue;
            }
            let begun = Instant::now();
            for readers in due.chunks(WOKEN_MAX) {
                readers.iter().for_each(Waker::wake_by_ref);
                yield_now().await;
            }
            let round = begun.elapsed();
            if round >= LONG_ROUND {
                sleep(round.min(PAUSE_MAX)).await;
            }
        }
    }

    /// Returns a place for a reader of this level and this log; none where the node has none yet.
    pub(in crate::server::http) fn waiter(
        self: &Rc<Self>,
        level: ReadLevel,
        log: Option<LogId>,
    ) -> Waiter {
        let key = self.next_key.get();
        self.next_key.set(key + 1);
        Waiter { hub: self.clone(), level, log: Cell::new(log), key }
    }

    /// Ends all waits, since the node stops.
    pub(in crate::server::http) fn close(&self) {
        self.is_closing.set(true);
        self.waiting.borrow().thread.wake();
    }

    /// Takes out the readers that can go on. Where there are none, it arms the ends that the others
    /// wait for.
    fn take_due(&self) -> Vec<Waker> {
        let mut waiting = self.waiting.borrow_mut();
        let waiting = &mut *waiting;
        if waiting.is_idle {
            waiting.is_idle = false;
            waiting.thread.disarm();
        }
        let mut due = self.due(waiting);
        if due.is_empty() {
            waiting.is_idle = true;
            for level in waiting.readers.keys() {
                waiting.thread.arm(*level);
            }
            // What was published before is not told.
            due = self.due(waiting);
        }
        due
    }

    fn due(&self, waiting: &mut Waiting) -> Vec<Waker> {
        let mut due = Vec::new();
        let (is_closing, log) = (self.is_closing.get(), self.positions.log());
        waiting.readers.retain(|level, readers| {
            let end = self.positions.end(*level);
            let goes_on = |_: &u64, reader: &mut WaitingReader| {
                is_closing || reader.beyond < end || (reader.log.is_some() && reader.log != log)
            };
            due.extend(readers.extract_if(.., goes_on).map(|(_, reader)| reader.waker));
            !readers.is_empty()
        });
        due
    }
}

impl Waiter {
    /// Returns the hub.
    pub(super) fn hub(&self) -> &Rc<FollowHub> {
        &self.hub
    }

    /// Returns the end of what the reader may be shown.
    pub(super) fn end(&self) -> LogEnd {
        self.hub.positions.end(self.level)
    }

    /// Returns whether the node stops.
    pub(super) fn is_closing(&self) -> bool {
        self.hub.is_closing.get()
    }

    /// Returns the log that the reader reads; none where the node has never had one.
    pub(super) fn log(&self) -> Option<LogId> {
        self.log.get()
    }

    /// Checks that the node still has the log that the reader began with.
    ///
    /// # Errors
    /// When it has another one: positions in the old one mean nothing in it.
    pub(in crate::server::http) fn check_log(&self) -> Result<(), RequestProblem> {
        match (self.log.get(), self.hub.positions.log()) {
            (Some(began), Some(log)) if began != log => {
                Err(RequestProblem::LogChanged { began, log })
            }
            (None, log) => {
                self.log.set(log);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks that the cluster has as many nodes as must hold what is shown.
    ///
    /// # Errors
    /// When it has fewer: a member was forgotten, and no new message would ever be shown.
    fn check_size(&self) -> Result<(), RequestProblem> {
        match (self.level, self.hub.positions.cluster_size()) {
            (ReadLevel::Nodes(nodes), Some(size)) if nodes > size => {
                Err(RequestProblem::ReadConcern { nodes: nodes.into(), size })
            }
            _ => Ok(()),
        }
    }

    /// Returns the end of what may be shown, if that is beyond `position`.
    fn end_beyond(&self, position: LogEnd) -> Result<Option<LogEnd>, RequestProblem> {
        if self.is_closing() {
            return Err(RequestProblem::Stopped);
        }
        // In this order: the log is published before a message of it is shown.
        let end = self.end();
        self.check_log()?;
        self.check_size()?;
        Ok((end > position).then_some(end))
    }

    /// Waits until something beyond `position` may be shown, and returns the end of that.
    ///
    /// # Errors
    /// When the node stops, has another log than the reader began with, or the cluster has fewer
    /// nodes than the read concern.
    pub(in crate::server::http) fn poll_beyond(
        &self,
        position: LogEnd,
        cx: &mut Context<'_>,
    ) -> Poll<Result<LogEnd, RequestProblem>> {
        if let Some(known) = self.end_beyond(position).transpose() {
            return Poll::Ready(known);
        }
        let mut waiting = self.hub.waiting.borrow_mut();
        let readers = waiting.readers.entry(self.level).or_default();
        let (log, waker) = (self.log.get(), cx.waker().clone());
        readers.insert(self.key, WaitingReader { beyond: position, log, waker });
        if waiting.is_idle {
            waiting.thread.arm(self.level);
            // What was published before is not told.
            if let Some(known) = self.end_beyond(position).transpose() {
                return Poll::Ready(known);
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.hub.waiting.borrow_mut();
        if let Some(readers) = waiting.readers.get_mut(&self.level) {
            readers.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use acklog_log::in_memory;

    use super::*;

    #[tokio::test]
    async fn a_reader_is_told_where_the_cluster_is_smaller_than_its_read_concern() {
        let (_writer, log) = in_memory();
        let hub = FollowHub::new(ReadPositions::of_one_node(log));
        let waiter = hub.waiter(ReadLevel::Nodes(2), None);
        let told = poll_fn(|cx| waiter.poll_beyond(LogEnd::ZERO, cx)).await;
        assert!(matches!(told, Err(RequestProblem::ReadConcern { nodes: 2, size: 1 })), "{told:?}");
    }
}
