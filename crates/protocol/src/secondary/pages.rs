//! How many pages are asked for at once while the secondary catches up.
//!
//! One page at a time would leave the line idle while the page is checked and stored. Asking for as many as a window
//! holds would drown a slow line, where each request must be answered within its time limit. So the number begins at
//! one, grows while answers come soon, and shrinks before they come too late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use acklog_types::{LogEnd, Records, RequestId, Run};

use crate::frame::RUN_BYTES_MAX;
use crate::progress::WINDOW_BYTES_MAX;

/// Most requests for pages under way: a master's window of full pages. More would not fill the line better.
const REQUESTS_MAX: usize = WINDOW_BYTES_MAX / RUN_BYTES_MAX;

/// Bytes that may be in the log and not durable when a further page is asked for. Smaller: a disk gets its writes in
/// pieces so small that the syncs between them count. Larger: more memory.
const SETTLING_BYTES_MAX: usize = 2 * WINDOW_BYTES_MAX;

/// For how long after bytes of an unfinished frame, or an older page, what did not come in time is not asked for again.
/// Shorter: a line that stutters carries pages twice. Longer: what a broken line lost comes later.
pub(super) const COMING_PAUSE: Duration = Duration::from_millis(500);

/// What a connection knows of the pages on their way.
#[derive(Debug)]
pub(super) struct Pages {
    /// Requests that may be under way, as far as the answers' times tell.
    allowed: usize,
    /// Size of the last page that came, in bytes and in messages; a page may be one record, much larger than most.
    last_bytes: usize,
    last_messages: u64,
    /// What is in the log and not durable: where each run ends, and its size.
    settling: VecDeque<(LogEnd, usize)>,
    settling_bytes: usize,
    /// The highest end of a page that came since pages were asked for from the log's end on.
    pub(super) reached: LogEnd,
    /// Whether something that was asked for did not come.
    pub(super) lost: bool,
    /// The master's request for a page that is being read.
    pub(super) giving: Option<RequestId>,
    /// The newest request for a page.
    pub(super) newest: Option<RequestId>,
    /// When bytes of a frame came last that was not whole yet; none once a frame came.
    pub(super) part_at: Option<Instant>,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            allowed: 1,
            last_bytes: 0,
            last_messages: 1,
            settling: VecDeque::new(),
            settling_bytes: 0,
            reached: LogEnd::ZERO,
            lost: false,
            giving: None,
            newest: None,
            part_at: None,
        }
    }

    /// Requests that may be under way now, where so many messages are known not to have come.
    pub(super) fn allowed(&self, missing: u64) -> usize {
        if self.settling_bytes > SETTLING_BYTES_MAX {
            return 0;
        }
        let fitting = WINDOW_BYTES_MAX / self.last_bytes.max(RUN_BYTES_MAX);
        let useful = missing.div_ceil(self.last_messages) as usize;
        self.allowed.min(fitting.max(1)).min(useful)
    }

    /// A request was answered in time, or failed: after `took`, with `timeout` as its limit.
    pub(super) fn answered(&mut self, failed: bool, took: Duration, timeout: Duration) {
        if failed {
            self.lose();
        } else if took < timeout / 8 {
            self.allowed = (self.allowed + 1).min(REQUESTS_MAX);
        } else if took > timeout / 2 {
            self.allowed = (self.allowed - 1).max(1);
        }
    }

    /// A page did not come, or had no room.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.allowed = 1;
    }

    /// A page came.
    pub(super) fn came(&mut self, page: &Records) {
        self.reached = self.reached.max(page.range().end());
        if !page.range().is_empty() {
            self.last_bytes = page.bytes();
            self.last_messages = page.range().len();
        }
    }

    /// Until when something that comes in is likely what did not come in time.
    pub(super) fn coming_until(&self) -> Option<Instant> {
        self.part_at.map(|part_at| part_at + COMING_PAUSE)
    }

    /// What was lost is asked for again, with all that lies behind it.
    pub(super) fn begin_again(&mut self) {
        self.reached = LogEnd::ZERO;
        self.lost = false;
    }

    /// A run that ends there is on its way to the disk.
    pub(super) fn appended(&mut self, end: LogEnd, bytes: usize) {
        self.settling.push_back((end, bytes));
        self.settling_bytes += bytes;
    }

    /// All before `end` is durable.
    pub(super) fn durable(&mut self, end: LogEnd) {
        while let Some(&(settling, bytes)) = self.settling.front()
            && settling <= end
        {
            self.settling_bytes -= bytes;
            self.settling.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{IdRange, InBatch, MessageId, encode_record};

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(1500);

    /// Far more messages than the window has.
    const MANY: u64 = 1_000_000;

    fn after_soon_answers(count: usize) -> Pages {
        let mut pages = Pages::new();
        for _ in 0..count {
            pages.answered(false, TIMEOUT / 10, TIMEOUT);
        }
        pages
    }

    fn page(messages: u64, text: &str) -> Records {
        let mut bytes = Vec::new();
        for id in 0..messages {
            encode_record(&mut bytes, MessageId::new(id), 0, None, text, InBatch::Last);
        }
        Records::check(IdRange::new(LogEnd::ZERO, LogEnd::new(messages)), bytes.into()).unwrap()
    }

    #[test]
    fn more_is_asked_for_while_answers_come_soon_and_less_before_they_come_too_late() {
        assert_eq!(after_soon_answers(0).allowed(MANY), 1);
        let mut pages = after_soon_answers(20);
        assert_eq!(pages.allowed(MANY), REQUESTS_MAX);
        pages.answered(false, TIMEOUT / 3, TIMEOUT);
        assert_eq!(pages.allowed(MANY), REQUESTS_MAX);
        for _ in 0..20 {
            pages.answered(false, TIMEOUT, TIMEOUT);
        }
        assert_eq!(pages.allowed(MANY), 1);
        pages.answered(false, TIMEOUT / 10, TIMEOUT);
        pages.answered(true, TIMEOUT / 10, TIMEOUT);
        assert_eq!(pages.allowed(MANY), 1);
    }

    #[test]
    fn pages_of_one_large_message_each_are_asked_for_one_at_a_time() {
        let mut pages = after_soon_answers(20);
        pages.came(&page(1, &"x".repeat(8 * 1024 * 1024)));
        assert_eq!(pages.allowed(MANY), 1);
        pages.came(&page(1, &"x".repeat(1_000_000)));
        assert_eq!(pages.allowed(MANY), 2);
    }

    #[test]
    fn no_more_pages_are_asked_for_than_there_are_messages_for() {
        let mut pages = after_soon_answers(20);
        pages.came(&page(100, "Msg"));
        assert_eq!(pages.allowed(301), 4);
        assert_eq!(pages.allowed(0), 0);
    }

    #[test]
    fn nothing_more_is_asked_for_while_the_disk_is_behind() {
        let mut pages = after_soon_answers(1);
        pages.appended(LogEnd::new(1), SETTLING_BYTES_MAX);
        pages.appended(LogEnd::new(2), 1);
        assert_eq!(pages.allowed(MANY), 0);
        pages.durable(LogEnd::new(1));
        assert_eq!(pages.allowed(MANY), 2);
    }
}
