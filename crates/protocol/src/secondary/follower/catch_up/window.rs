//! The in-flight window: how many pages a secondary requests at once.
//!
//! One page at a time would leave the line idle while the page is checked and stored. As many as
//! the largest window holds would drown a slow line, where each request must be answered before
//! its timeout. So the window is found by AIMD, as in TCP: additive increase, here by one request
//! for each answer that comes quickly; decrease by one for each answer that comes slowly, before
//! it is too slow; and multiplicative decrease on a loss, here as far as it goes, to one request.

use std::time::Duration;

use acklog_types::LogEnd;

use crate::frame::RUN_BYTES_MAX;
use crate::progress::WINDOW_BYTES_MAX;
use crate::unflushed::Unflushed;

/// Most page requests in flight: a master's window of full pages. Fewer: a long line is not filled.
/// More would not fill the line better.
const REQUESTS_MAX: usize = WINDOW_BYTES_MAX / RUN_BYTES_MAX;

/// Most bytes appended and not flushed when a further page is requested. Smaller: a disk gets its
/// writes in pieces so small that the syncs between them count. Larger: more memory.
const UNFLUSHED_BYTES_MAX: usize = 2 * WINDOW_BYTES_MAX;

/// The number of page requests that may be in flight, and what bounds it beside the line's speed:
/// the size of pages and the disk's backlog.
#[derive(Debug)]
pub(super) struct Window {
    /// Requests that may be in flight, judged by the time that answers took.
    requests: usize,
    /// Size of the last page in bytes. One record may be much larger than a page mostly is.
    page_bytes: usize,
    /// Size of the last page in messages.
    page_messages: u64,
    /// Messages that are appended and not flushed.
    unflushed: Unflushed,
}

impl Window {
    /// Creates a window of one request.
    pub(super) fn new() -> Self {
        Self { requests: 1, page_bytes: 0, page_messages: 1, unflushed: Unflushed::default() }
    }

    /// Returns how many requests may be in flight now if `missing` messages have not come yet.
    pub(super) fn size(&self, missing: u64) -> usize {
        if self.unflushed.bytes() > UNFLUSHED_BYTES_MAX {
            return 0;
        }
        let fitting = WINDOW_BYTES_MAX / self.page_bytes.max(RUN_BYTES_MAX);
        let useful = missing.div_ceil(self.page_messages) as usize;
        self.requests.min(fitting.max(1)).min(useful)
    }

    /// Takes in the time that an answer took, where its request would have failed after `timeout`.
    pub(super) fn on_answer(&mut self, took: Duration, timeout: Duration) {
        if took < timeout / 8 {
            self.requests = (self.requests + 1).min(REQUESTS_MAX);
        } else if took > timeout / 2 {
            self.requests = (self.requests - 1).max(1);
        }
    }

    /// Shrinks to one request: a page was lost.
    pub(super) fn on_loss(&mut self) {
        self.requests = 1;
    }

    /// Notes the size of a page that came and is not empty.
    pub(super) fn on_page(&mut self, bytes: usize, messages: u64) {
        self.page_bytes = bytes;
        self.page_messages = messages;
    }

    /// Notes that a run with this end was appended, and is not flushed yet.
    pub(super) fn on_append(&mut self, end: LogEnd, bytes: usize) {
        self.unflushed.appended(end, bytes);
    }

    /// Notes that the log is durable up to `end`.
    pub(super) fn on_durable(&mut self, end: LogEnd) {
        self.unflushed.durable(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(1500);

    /// Far more messages than the window has.
    const MANY: u64 = 1_000_000;

    fn after_quick_answers(count: usize) -> Window {
        let mut window = Window::new();
        for _ in 0..count {
            window.on_answer(TIMEOUT / 10, TIMEOUT);
        }
        window
    }

    #[test]
    fn the_window_grows_with_quick_answers_and_shrinks_with_slow_ones() {
        assert_eq!(after_quick_answers(0).size(MANY), 1);
        assert_eq!(after_quick_answers(3).size(MANY), 4);
        let mut window = after_quick_answers(20);
        assert_eq!(window.size(MANY), REQUESTS_MAX);
        window.on_answer(TIMEOUT / 3, TIMEOUT);
        assert_eq!(window.size(MANY), REQUESTS_MAX);
        window.on_answer(TIMEOUT, TIMEOUT);
        assert_eq!(window.size(MANY), REQUESTS_MAX - 1);
        for _ in 0..20 {
            window.on_answer(TIMEOUT, TIMEOUT);
        }
        assert_eq!(window.size(MANY), 1);
    }

    #[test]
    fn a_loss_leaves_a_window_of_one_request_that_grows_again() {
        let mut window = after_quick_answers(20);
        window.on_loss();
        assert_eq!(window.size(MANY), 1);
        window.on_answer(TIMEOUT / 10, TIMEOUT);
        assert_eq!(window.size(MANY), 2);
    }

    #[test]
    fn pages_of_one_large_message_each_are_requested_one_at_a_time() {
        let mut window = after_quick_answers(20);
        window.on_page(8 * 1024 * 1024, 1);
        assert_eq!(window.size(MANY), 1);
        window.on_page(1_000_000, 1);
        assert_eq!(window.size(MANY), 2);
    }

    #[test]
    fn no_more_pages_are_requested_than_there_are_messages_for() {
        let mut window = after_quick_answers(20);
        window.on_page(3200, 100);
        assert_eq!(window.size(301), 4);
        assert_eq!(window.size(0), 0);
    }

    #[test]
    fn nothing_more_is_requested_while_the_disk_is_behind() {
        let mut window = after_quick_answers(1);
        window.on_append(LogEnd::new(1), UNFLUSHED_BYTES_MAX);
        window.on_append(LogEnd::new(2), 1);
        assert_eq!(window.size(MANY), 0);
        window.on_durable(LogEnd::new(1));
        assert_eq!(window.size(MANY), 2);
    }
}
