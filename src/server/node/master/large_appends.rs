//! Defers large appends while small ones are sent, so that they take a fifth of the time at most.
//!
//! A batch of a hundred thousand messages takes as long as some thousand single messages, and what
//! is appended after it is durable only once the disk has all of it. In the order of arrival, a few
//! clients with such batches would leave all others next to nothing. So a large append is taken
//! once the last one is durable and small ones then had four times the time that it took; without
//! small ones, the next one is taken at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::{LogEnd, WaiterId};

use crate::server::node::ClientAppend;
use crate::server::node::driver::ITERATION_WORK_MAX;
use crate::server::node::line_batch::LineBatch;

/// Work for a record besides its bytes, as bytes that take as long to copy.
pub(super) const RECORD_WORK: usize = 64;

/// Time for small appends for each unit of time that a large one took. Less: a small append beside
/// large ones takes longer; it is to take at most twice as long on average as without them, and
/// with 4 it takes 1.6 times as long at most. More: large appends are slower than they could be.
const RESTS: u32 = 4;

/// Time without a small append after which small ones count as having stopped: a client that sends
/// one message after the other sends one within it, also where its thread is busy with a long body.
const QUIET: Duration = Duration::from_millis(20);

/// Longest time that a large append is waited for: after that its disk hangs or has failed.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A large append that is deferred.
#[derive(Debug)]
pub(super) enum LargeAppend {
    /// A single one, and its client.
    Single(WaiterId, ClientAppend),
    /// Lines of a stream, of which the first one is large. Those behind it wait with it, so that
    /// they get later ids.
    Lines(LineBatch),
}

/// The large appends that are deferred. Their bodies are charged until they are taken, so that the
/// budget for bodies bounds their number.
#[derive(Debug)]
pub(super) struct LargeAppends {
    waiting: VecDeque<LargeAppend>,
    /// The last one that was taken, until it is durable: the end of the log after it, and when it
    /// was taken.
    under_way: Option<(LogEnd, Instant)>,
    /// The end of the time for small ones after it.
    rest_until: Instant,
    /// The time at which small appends count as having stopped.
    quiet_at: Instant,
}

/// Returns whether an append of so much work is a large one: more than one iteration's.
pub(super) fn is_large(work: usize) -> bool {
    work > ITERATION_WORK_MAX
}

impl LargeAppends {
    /// Creates an empty queue.
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: VecDeque::new(), under_way: None, rest_until: now, quiet_at: now }
    }

    /// Returns whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Defers a large append.
    pub(super) fn push(&mut self, append: LargeAppend) {
        self.waiting.push_back(append);
    }

    /// Notes that a small append was taken.
    pub(super) fn note_small(&mut self, now: Instant) {
        self.quiet_at = now + QUIET;
    }

    /// Notes that a large append was taken, and the end of the log after it.
    pub(super) fn note_taken(&mut self, now: Instant, end: LogEnd) {
        self.under_way = Some((end, now));
    }

    /// Notes the durable end of the log.
    pub(super) fn note_durable(&mut self, now: Instant, durable_end: LogEnd) {
        if let Some((_, taken)) = self.under_way.take_if(|(end, _)| *end <= durable_end) {
            self.rest_until = now + RESTS * now.saturating_duration_since(taken).min(WAIT_MAX);
            if self.is_busy_since(taken) {
                // Their clients were not answered in that time, and so sent nothing.
                self.quiet_at = now + QUIET;
            }
        }
    }

    /// Returns when the next one is due; none where none waits.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let due = match self.under_way {
            Some((_, taken)) if self.is_busy_since(taken) => taken + WAIT_MAX,
            Some(_) => self.quiet_at,
            None => self.rest_until.min(self.quiet_at),
        };
        (!self.is_empty()).then_some(due)
    }

    /// Returns whether small ones were sent when the last one was taken, or have been since.
    fn is_busy_since(&self, taken: Instant) -> bool {
        self.quiet_at > taken
    }

    /// Takes the next one, if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<LargeAppend> {
        self.next_deadline().filter(|&due| due <= now)?;
        self.waiting.pop_front()
    }

    /// Takes the next one, whether it is due or not.
    pub(super) fn pop(&mut self) -> Option<LargeAppend> {
        self.waiting.pop_front()
    }

    /// Removes an append whose client hung up before it was taken. Returns whether it was here.
    pub(super) fn cancel(&mut self, waiter: WaiterId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(
            |deferred| !matches!(deferred, LargeAppend::Single(other, _) if *other == waiter),
        );
        self.waiting.len() < before
    }

    /// Removes the lines of a stream that ended: its clients are `count` from `first` on.
    pub(super) fn cancel_lines(&mut self, first: WaiterId, count: u64) {
        self.waiting.retain(
            |deferred| !matches!(deferred, LargeAppend::Lines(batch) if batch.is_of(first, count)),
        );
    }
}

#[cfg(test)]
mod tests {
    use acklog_protocol::Wait;

    use super::*;

    fn large(waiter: u64) -> LargeAppend {
        let batch = "x".repeat(ITERATION_WORK_MAX).as_str().into();
        let (wait, share) = (Wait::default(), None);
        let append = ClientAppend { batch, key: None, expected_end: None, wait, share };
        LargeAppend::Single(WaiterId::new(waiter), append)
    }

    /// Returns a queue in which one is in progress, since `start`, and another waits. Small ones
    /// were sent as well.
    fn one_of_two_taken(start: Instant) -> LargeAppends {
        let mut queue = LargeAppends::new(start);
        queue.push(large(1));
        queue.push(large(2));
        assert!(queue.pop_due(start).is_some());
        queue.note_taken(start, LogEnd::new(7));
        queue
    }

    #[test]
    fn after_a_large_append_small_ones_have_four_times_the_time_that_it_took() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut queue = one_of_two_taken(start);
        queue.note_durable(start + ms(20), LogEnd::new(7));
        // Small ones are sent all the time.
        for passed in 20..100 {
            queue.note_small(start + ms(passed));
            assert!(queue.pop_due(start + ms(passed)).is_none());
        }
        assert_eq!(queue.next_deadline(), Some(start + ms(100)));
        assert!(queue.pop_due(start + ms(100)).is_some());
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn a_large_append_that_is_not_durable_yet_holds_up_the_next_but_not_for_ever() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut queue = one_of_two_taken(start);
        for passed in 0..1000 {
            queue.note_small(start + ms(passed));
            queue.note_durable(start + ms(passed), LogEnd::new(6));
            assert!(queue.pop_due(start + ms(passed)).is_none());
        }
        assert!(queue.pop_due(start + WAIT_MAX).is_some());
    }

    #[test]
    fn where_no_small_append_comes_a_large_one_need_not_wait() {
        let start = Instant::now();
        let mut queue = one_of_two_taken(start);
        assert!(queue.pop_due(start).is_some(), "not even for the one under way");
    }

    #[test]
    fn senders_that_wait_behind_a_large_append_are_not_taken_to_send_no_more() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut queue = one_of_two_taken(start);
        queue.note_small(start + ms(1));
        assert!(queue.pop_due(start + ms(100)).is_none(), "its sender waits for the disk");
        queue.note_durable(start + ms(100), LogEnd::new(7));
        assert!(queue.pop_due(start + ms(100)).is_none(), "its sender was answered just now");
        assert!(queue.pop_due(start + ms(100) + QUIET).is_some(), "it sent nothing");
    }

    #[test]
    fn a_large_append_whose_sender_hung_up_is_never_taken() {
        let mut queue = LargeAppends::new(Instant::now());
        queue.push(large(1));
        assert!(!queue.cancel(WaiterId::new(2)));
        assert!(queue.cancel(WaiterId::new(1)) && queue.is_empty());
    }
}
