//! The catch-up alone: requests, losses, partial answers, the window and the grace period.

use rand::SeedableRng;

use super::*;
use crate::secondary::request_retry::{RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX};

const TIMEOUT: Duration = Duration::from_secs(1);

/// Size of the records of each message in these pages.
const MESSAGE_BYTES: usize = 100;

/// A catch-up with the log of its node, which is flushed at once.
struct Node {
    catch_up: CatchUp,
    rng: ChaCha8Rng,
    now: Instant,
    /// Requests made so far.
    requests: u64,
    local: LocalLog,
    /// How often the last request was made in a row.
    attempt: u32,
}

impl Node {
    fn new() -> Self {
        Self {
            catch_up: CatchUp::new(TIMEOUT),
            rng: ChaCha8Rng::seed_from_u64(1),
            now: Instant::now(),
            requests: 0,
            local: LocalLog {
                log_end: LogEnd::ZERO,
                durable_end: LogEnd::ZERO,
                buffered: Buffered::default(),
                damaged_from: None,
            },
            attempt: 0,
        }
    }

    /// Returns all requests that are due now, with their numbers.
    fn requests(&mut self) -> Vec<(RequestId, Request<IdRange>)> {
        self.catch_up.wake(self.now);
        let mut made = Vec::new();
        loop {
            let id = RequestId::new(self.requests);
            let Some((request, attempt)) = self.catch_up.poll_request(id, self.local) else {
                return made;
            };
            self.requests += 1;
            self.attempt = attempt;
            made.push((id, request));
        }
    }

    /// Returns all page requests that are due now: where they begin, and whether they begin again
    /// there.
    fn page_requests(&mut self) -> Vec<(u64, bool)> {
        let made = self.requests().into_iter().map(|(_, request)| match request {
            Request::GetMessages { from, again } => (from.get(), again),
            other => panic!("{other:?}"),
        });
        made.collect()
    }

    /// Takes the page `[start, end)` as an answer that took `took`. It is stored if it continues
    /// the log.
    fn page_after(&mut self, took: Duration, start: u64, end: u64, master_end: u64) {
        self.catch_up.on_answer(Some((FrameKind::GetMessages, took)));
        self.take_page(None, start, end, master_end);
    }

    fn quick_page(&mut self, start: u64, end: u64, master_end: u64) {
        self.page_after(TIMEOUT / 10, start, end, master_end);
    }

    fn late_page(&mut self, id: RequestId, start: u64, end: u64, master_end: u64) {
        self.catch_up.on_answer(None);
        self.take_page(Some(id), start, end, master_end);
    }

    fn take_page(&mut self, late: Option<RequestId>, start: u64, end: u64, master_end: u64) {
        let range = IdRange::new(LogEnd::new(start), LogEnd::new(end));
        let bytes = MESSAGE_BYTES * range.len() as usize;
        if range.start() <= self.local.log_end {
            let end = range.end().max(self.local.log_end);
            (self.local.log_end, self.local.durable_end) = (end, end);
        } else {
            self.local.buffered.gap_bytes += bytes;
            self.local.buffered.bytes += bytes;
        }
        let page = Page { range, bytes, master_end: LogEnd::new(master_end) };
        self.catch_up.on_page(self.now, page, late, self.local.log_end);
    }

    /// Lets a page request time out. Returns the pause.
    fn page_timeout(&mut self) -> Duration {
        self.catch_up.on_timeout(self.now, FrameKind::GetMessages, &mut self.rng)
    }

    /// Lets time pass until the catch-up has something to do.
    fn wait(&mut self) {
        self.now = self.catch_up.next_deadline().expect("a pause");
    }
}

/// A node with a log of ten messages, a window of three requests, and two of them in flight (the
/// third answer came). The master has 100,000 messages.
fn busy() -> Node {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.quick_page(0, 5, 100_000);
    assert_eq!(node.page_requests(), [(5, false); 2]);
    node.quick_page(5, 10, 100_000);
    assert_eq!(node.catch_up.pages_in_flight, 1);
    assert_eq!(node.page_requests(), [(10, false); 2]);
    node
}

#[test]
fn a_node_without_messages_asks_for_a_page_and_then_says_that_it_is_ready() {
    let mut node = Node::new();
    assert!(node.catch_up.lacks_first_page());
    assert_eq!(node.page_requests(), [(0, false)]);
    assert!(!node.catch_up.may_be_ready());
    node.quick_page(0, 0, 0);
    assert!(!node.catch_up.lacks_first_page());
    let ready = Request::SecondaryNodeReady { end: LogEnd::ZERO };
    assert_eq!(node.requests(), [(RequestId::new(1), ready)]);
    assert!(node.catch_up.may_be_ready() && !node.catch_up.is_ready());
    assert!(node.catch_up.on_ready(), "news");
    assert!(node.catch_up.is_ready() && !node.catch_up.on_ready());
    assert_eq!(node.requests(), []);
}

#[test]
fn the_goal_moves_with_the_master_until_the_node_has_all_that_a_page_told_of() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.quick_page(0, 5, 8);
    assert_eq!(node.page_requests(), [(5, false)], "three messages fit into one page");
    node.quick_page(5, 8, 9);
    assert_eq!(node.page_requests(), [(8, false)]);
    node.quick_page(8, 9, 9);
    let ready = Request::SecondaryNodeReady { end: LogEnd::new(9) };
    assert_eq!(node.requests(), [(RequestId::new(3), ready)]);
}

#[test]
fn a_node_says_that_it_is_ready_only_with_what_is_durable_and_again_if_that_is_lost() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.quick_page(0, 5, 5);
    node.local.durable_end = LogEnd::new(3);
    assert_eq!(node.requests(), [], "the disk is behind");
    node.local.durable_end = LogEnd::new(5);
    let ready = Request::SecondaryNodeReady { end: LogEnd::new(5) };
    assert_eq!(node.requests(), [(RequestId::new(1), ready.clone())]);
    assert_eq!(node.attempt, 1);
    node.catch_up.on_timeout(node.now, FrameKind::SecondaryNodeReady, &mut node.rng);
    assert_eq!(node.requests(), [], "a pause");
    node.wait();
    assert_eq!(node.requests(), [(RequestId::new(2), ready)]);
    assert_eq!(node.attempt, 2);
    assert!(node.catch_up.may_be_ready(), "the first may have arrived");
}

#[test]
fn quick_answers_open_the_window_and_a_timeout_closes_it() {
    let mut node = busy();
    assert_eq!(node.catch_up.pages_in_flight, 3);
    // One of three is lost; the other two come, and still nothing more is requested.
    node.page_timeout();
    node.quick_page(10, 15, 100_000);
    assert_eq!(node.page_requests(), [], "two in flight are enough to wait for");
    node.quick_page(15, 20, 100_000);
    // Both answers opened the window again. Only the first request goes back to the lost page.
    assert_eq!(node.page_requests(), [(20, true), (20, false), (20, false)]);
}

#[test]
fn slow_answers_close_the_window_one_by_one() {
    let mut node = busy();
    node.page_after(TIMEOUT * 3 / 4, 10, 15, 100_000);
    node.page_after(TIMEOUT * 3 / 4, 15, 20, 100_000);
    assert_eq!(node.catch_up.pages_in_flight, 1);
    assert_eq!(node.page_requests(), [], "a window of one");
    node.page_after(TIMEOUT / 3, 20, 25, 100_000);
    assert_eq!(node.page_requests(), [(25, false)]);
}

#[test]
fn a_gap_is_asked_for_once_nothing_that_may_fill_it_is_in_flight() {
    let mut node = busy();
    // The page [10, 15) is lost between the master and here, without a timeout.
    node.quick_page(15, 20, 100_000);
    node.quick_page(20, 25, 100_000);
    assert!(node.catch_up.pages_in_flight > 0);
    let more = node.page_requests();
    assert!(more.iter().all(|&request| request == (10, false)), "{more:?}");
    while node.catch_up.pages_in_flight > 0 {
        node.page_timeout();
    }
    node.wait();
    assert_eq!(node.page_requests(), [(10, true)]);
}

#[test]
fn what_is_not_flushed_is_not_asked_for_again() {
    let mut node = busy();
    for _ in 0..3 {
        node.page_timeout();
    }
    node.wait();
    node.local.log_end = LogEnd::new(12);
    assert_eq!(node.page_requests(), [], "two messages are on their way to the disk");
    node.local.durable_end = LogEnd::new(12);
    assert_eq!(node.page_requests(), [(12, true)]);
}

#[test]
fn a_full_buffer_and_a_run_that_is_stored_next_hold_requests_back() {
    let mut node = busy();
    node.quick_page(10, 15, 100_000);
    node.local.buffered.continues_log = true;
    assert_eq!(node.page_requests(), []);
    node.local.buffered = Buffered { bytes: WINDOW_BYTES_MAX + 1, ..Buffered::default() };
    assert_eq!(node.page_requests(), []);
    node.local.buffered = Buffered::default();
    assert!(!node.page_requests().is_empty());
}

#[test]
fn a_page_that_finds_no_room_is_asked_for_again_once_no_other_is_in_flight() {
    let mut node = busy();
    node.catch_up.on_answer(Some((FrameKind::GetMessages, TIMEOUT / 10)));
    node.catch_up.on_buffer_full(node.now, &mut node.rng);
    assert!(node.catch_up.next_deadline().unwrap() <= node.now + RETRY_PAUSE_FIRST);
    node.quick_page(10, 15, 100_000);
    assert_eq!(node.page_requests(), [], "one is in flight");
    node.quick_page(15, 20, 100_000);
    assert_eq!(node.page_requests().first(), Some(&(20, true)));
}

#[test]
fn pauses_double_with_each_timeout_and_end_with_an_answer() {
    let mut node = Node::new();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(node.page_requests().len(), 1);
        pauses.push(node.page_timeout());
        assert_eq!(node.page_requests(), [], "a pause");
        node.wait();
    }
    assert!(pauses[0] <= RETRY_PAUSE_FIRST && pauses[9] >= RETRY_PAUSE_MAX / 2, "{pauses:?}");
    assert_eq!(node.page_requests().len(), 1);
    node.quick_page(0, 5, 100_000);
    assert_eq!(node.catch_up.next_deadline(), None);
    let error_at = node.now;
    assert_eq!(node.page_requests().len(), 1 + 1);
    node.catch_up.on_error(error_at, FrameKind::GetMessages, &mut node.rng);
    let pause = node.catch_up.next_deadline().unwrap() - error_at;
    assert!(pause <= RETRY_PAUSE_FIRST, "{pause:?}");
}

#[test]
fn a_page_that_comes_in_slowly_has_a_grace_period_before_it_is_asked_for_again() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    // Bytes come a moment before the timeout: the grace period begins with them.
    node.catch_up.on_partial(node.now, LogEnd::ZERO, LogState::Whole);
    assert_eq!(node.catch_up.next_deadline(), None, "the request is in flight");
    let pause = node.page_timeout();
    assert!(pause < GRACE_PERIOD);
    assert_eq!(node.catch_up.next_deadline(), Some(node.now + GRACE_PERIOD));
    // Further bytes prolong it.
    node.now += GRACE_PERIOD / 2;
    node.catch_up.on_partial(node.now, LogEnd::ZERO, LogState::Whole);
    assert_eq!(node.catch_up.next_deadline(), Some(node.now + GRACE_PERIOD));
    assert_eq!(node.page_requests(), []);
    node.wait();
    assert_eq!(node.page_requests(), [(0, true)], "the bytes stopped");
}

#[test]
fn an_answer_ends_the_grace_period_and_an_error_shortens_it() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.page_timeout();
    node.catch_up.on_partial(node.now, LogEnd::ZERO, LogState::Whole);
    node.late_page(RequestId::new(0), 0, 5, 100_000);
    assert_eq!(node.page_requests(), [(5, true)]);
    let mut node = busy();
    node.catch_up.on_partial(node.now, node.local.log_end, LogState::Whole);
    node.page_timeout();
    assert_eq!(node.catch_up.next_deadline(), Some(node.now + GRACE_PERIOD));
    node.catch_up.on_error(node.now, FrameKind::GetMessages, &mut node.rng);
    let deadline = node.catch_up.next_deadline().unwrap();
    assert!(deadline < node.now + GRACE_PERIOD, "{:?}", deadline - node.now);
}

#[test]
fn pages_behind_a_late_one_have_a_grace_period_and_the_newest_one_ends_it() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.quick_page(0, 5, 100_000);
    assert_eq!(node.page_requests(), [(5, false); 2]);
    node.page_timeout();
    node.page_timeout();
    node.late_page(RequestId::new(1), 5, 10, 100_000);
    assert_eq!(node.page_requests(), [], "request 2 is likely as late");
    assert_eq!(node.catch_up.next_deadline(), Some(node.now + GRACE_PERIOD));
    node.late_page(RequestId::new(2), 10, 15, 100_000);
    assert_eq!(node.page_requests(), [(15, true)]);
}

#[test]
fn a_ready_node_asks_for_damaged_messages_one_page_at_a_time() {
    let mut node = Node::new();
    assert_eq!(node.page_requests(), [(0, false)]);
    node.quick_page(0, 5, 5);
    assert_eq!(node.requests().len(), 1);
    node.catch_up.on_answer(Some((FrameKind::SecondaryNodeReady, TIMEOUT / 10)));
    node.catch_up.on_ready();
    assert_eq!(node.requests(), []);
    node.local.damaged_from = Some(LogEnd::new(2));
    assert_eq!((node.page_requests(), node.attempt), (vec![(2, true)], 1));
    node.catch_up.on_partial(node.now, node.local.log_end, LogState::Damaged);
    node.page_timeout();
    assert_eq!(node.catch_up.next_deadline(), Some(node.now + GRACE_PERIOD));
    node.wait();
    assert_eq!((node.page_requests(), node.attempt), (vec![(2, true)], 2));
}
