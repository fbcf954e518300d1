//! Reads for one peer, and its requests for pages that wait for them: one page or run at a time.
//!
//! A peer that catches up requests ahead, so that its line never idles. Its requests wait here for
//! their turn: where the next page begins is known only once the last one was read, and a peer that
//! requests without end takes no more of the node than one that waits.

use std::collections::VecDeque;

use acklog_types::{IdRange, LogEnd, RequestId};

use crate::ProtocolError;
use crate::frame::RUN_BYTES_MAX;
use crate::page_tries::PageTries;
use crate::progress::ReadOrder;

/// Most requests for pages of one peer that wait for their turn: all that a correct one has in
/// flight, each written twice by a fault. Fewer: such a one would be taken for broken. More: a
/// broken one would hold more memory.
pub(in crate::master) const REQUESTS_MAX: usize = 16;

/// A request for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) struct PageRequest {
    pub(in crate::master) request: RequestId,
    /// The peer has everything before.
    pub(in crate::master) from: LogEnd,
    /// Pages were lost, so that this one begins there.
    pub(in crate::master) again: bool,
}

/// A page to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) struct ReadPage {
    /// The request that it answers.
    pub(in crate::master) wanted: PageRequest,
    /// Its messages.
    pub(in crate::master) run: IdRange,
    /// The log's end that it reports.
    pub(in crate::master) log_end: LogEnd,
}

/// The next step for a request for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum NextPage {
    /// Its messages are to be read.
    Read(ReadOrder),
    /// It can be sent: there is nothing to be read.
    Send(ReadPage),
}

/// The purpose of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum ReadFor {
    /// A page, and the log's end when the reading began. That is the end that the page reports:
    /// with a later one, a peer that has all of it would never know that it has caught up while
    /// messages come.
    Page(PageRequest, LogEnd),
    /// A run.
    Run,
}

/// The reads for one peer, and the requests that wait for them. All of it dies with the connection.
#[derive(Debug)]
pub(super) struct PeerReads {
    under_way: Option<ReadFor>,
    requests: VecDeque<PageRequest>,
    /// The cursor: the end of the last page sent.
    cursor: LogEnd,
    repeated: PageTries,
}

impl PeerReads {
    /// Creates the reads of a new connection to a peer that has everything before `end`.
    pub(super) fn new(end: LogEnd) -> Self {
        Self {
            under_way: None,
            requests: VecDeque::new(),
            cursor: end,
            repeated: PageTries::default(),
        }
    }

    /// Begins to read a run, unless something is being read. Returns whether it does.
    pub(super) fn begin_run(&mut self) -> bool {
        let is_free = self.under_way.is_none();
        if is_free {
            self.under_way = Some(ReadFor::Run);
        }
        is_free
    }

    /// Takes what was being read.
    pub(super) fn end(&mut self) -> Option<ReadFor> {
        self.under_way.take()
    }

    /// Returns whether a page is being made, or a request for one waits.
    pub(super) fn has_pages(&self) -> bool {
        !self.requests.is_empty() || matches!(self.under_way, Some(ReadFor::Page(..)))
    }

    /// Lets a request wait for its turn; one that was written twice is there once.
    ///
    /// # Errors
    /// When too many wait.
    pub(super) fn push(&mut self, wanted: PageRequest) -> Result<(), ProtocolError> {
        let is_there = |other: &PageRequest| other.request == wanted.request;
        let is_made = matches!(&self.under_way, Some(ReadFor::Page(made, _)) if is_there(made));
        if is_made || self.requests.iter().any(is_there) {
            return Ok(());
        }
        if self.requests.len() >= REQUESTS_MAX {
            return Err(ProtocolError::TooManyPages(REQUESTS_MAX));
        }
        self.requests.push_back(wanted);
        Ok(())
    }

    /// Takes the next request, once nothing is being read: its page is read, or sent if there is
    /// nothing to read. A page begins at the cursor, or where pages were lost.
    pub(super) fn next_page(&mut self, durable_end: LogEnd) -> Option<NextPage> {
        let wanted = self.under_way.is_none().then(|| self.requests.pop_front()).flatten()?;
        let from = if wanted.again { wanted.from } else { self.cursor.max(wanted.from) };
        if from < durable_end {
            self.under_way = Some(ReadFor::Page(wanted, durable_end));
            let order = ReadOrder { from, until: durable_end, max_bytes: RUN_BYTES_MAX };
            return Some(NextPage::Read(order));
        }
        let page = ReadPage { wanted, run: IdRange::empty(from), log_end: durable_end };
        Some(NextPage::Send(page))
    }

    /// Notes that a page is sent. Returns how often it was by now, on this connection; one that
    /// repairs the log of a peer that is ready (`is_ready`) is none of those that filled it.
    pub(super) fn note_page(&mut self, page: &ReadPage, is_ready: bool) -> u32 {
        let PageRequest { from, again, .. } = page.wanted;
        let was_sent = !is_ready && from < self.cursor;
        self.cursor = page.run.end();
        if again {
            return self.repeated.count(from, u32::from(was_sent));
        }
        self.repeated.reset();
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u64, again: bool) -> PageRequest {
        PageRequest { request: RequestId::new(id), from: LogEnd::ZERO, again }
    }

    #[test]
    fn a_page_begins_at_the_cursor_or_where_pages_were_lost() {
        let (mut reads, durable_end) = (PeerReads::new(LogEnd::ZERO), LogEnd::new(5));
        let from = |next| match next {
            Some(NextPage::Read(order)) => Some(order.from),
            _ => None,
        };
        reads.push(request(1, false)).unwrap();
        reads.push(request(2, false)).unwrap();
        assert_eq!(from(reads.next_page(durable_end)), Some(LogEnd::ZERO));
        assert_eq!(reads.next_page(durable_end), None, "one at a time");
        assert!(!reads.begin_run());
        assert_eq!(reads.end(), Some(ReadFor::Page(request(1, false), durable_end)));
        let (wanted, run) = (request(1, false), IdRange::new(LogEnd::ZERO, LogEnd::new(3)));
        reads.note_page(&ReadPage { wanted, run, log_end: durable_end }, false);
        assert_eq!(from(reads.next_page(durable_end)), Some(LogEnd::new(3)));
        reads.end();
        reads.push(request(3, true)).unwrap();
        assert_eq!(from(reads.next_page(durable_end)), Some(LogEnd::ZERO));
    }

    #[test]
    fn a_page_that_repairs_a_ready_peer_s_log_is_the_first_of_its_kind() {
        let mut reads = PeerReads::new(LogEnd::ZERO);
        let page = |start, end, again| {
            let (from, end) = (LogEnd::new(start), LogEnd::new(end));
            let wanted = PageRequest { from, ..request(1, again) };
            ReadPage { wanted, run: IdRange::new(from, end), log_end: LogEnd::new(9) }
        };
        assert_eq!(reads.note_page(&page(0, 4, false), false), 1);
        assert_eq!(reads.note_page(&page(4, 8, false), false), 1);
        assert_eq!(reads.note_page(&page(4, 8, true), false), 2, "it was lost");
        assert_eq!(reads.note_page(&page(4, 8, true), false), 3);
        assert_eq!(reads.note_page(&page(8, 9, false), false), 1);
        assert_eq!(reads.note_page(&page(2, 9, true), true), 1, "what came was damaged");
        assert_eq!(reads.note_page(&page(2, 9, true), true), 2);
        assert_eq!(reads.note_page(&page(3, 9, true), true), 1, "the rest of it");
    }

    #[test]
    fn a_page_without_messages_is_sent_at_once() {
        let (mut reads, end) = (PeerReads::new(LogEnd::new(5)), LogEnd::new(5));
        reads.push(request(1, false)).unwrap();
        assert!(reads.has_pages());
        let page = ReadPage { wanted: request(1, false), run: IdRange::empty(end), log_end: end };
        assert_eq!(reads.next_page(end), Some(NextPage::Send(page)));
        assert!(!reads.has_pages() && reads.begin_run());
    }
}
