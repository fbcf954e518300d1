//! What is read for a secondary, and where its pages end.

use std::time::Instant;

use acklog_types::Unreadable;
use acklog_types::{IdRange, LogEnd};
use rand_chacha::ChaCha8Rng;

use super::Member;
use crate::master::pages::{ReadFor, Reads};

impl Member {
    /// Where the next page begins, asked for by a secondary that has everything before `from`: behind the last page, or
    /// at `from` where pages were lost.
    pub(in crate::master) fn page_from(&self, from: LogEnd, again: bool) -> LogEnd {
        self.link.as_ref().filter(|_| !again).map_or(from, |link| link.paged.max(from))
    }

    /// Notes that a page was sent.
    pub(in crate::master) fn note_page(&mut self, now: Instant, end: LogEnd) {
        if let Some(link) = &mut self.link {
            link.paged = end;
            link.line.sent(now);
        }
    }

    /// Notes that a request to it goes out, where requests are delayed on demand.
    pub(in crate::master) fn sent(&mut self, now: Instant) {
        self.link.iter_mut().for_each(|link| link.line.sent(now));
    }

    /// Whether a page to it is still under way, as far as was seen.
    pub(in crate::master) fn has_page_under_way(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.line.view().has_page)
    }

    /// Its name, and what is read on its connection, if it has one.
    pub(in crate::master) fn name_and_reads(&mut self) -> (&str, Option<&mut Reads>) {
        (self.name.as_str(), self.link.as_mut().map(|link| &mut link.reads))
    }

    /// Begins to read for it, unless something is being read. Returns whether it does.
    pub(in crate::master) fn begin_read(&mut self, what: ReadFor) -> bool {
        self.link.as_mut().is_some_and(|link| link.reads.begin(what))
    }

    /// A run for it was read, or could not be.
    pub(in crate::master) fn note_read(
        &mut self,
        now: Instant,
        found: Result<(IdRange, usize), Unreadable>,
        rng: &mut ChaCha8Rng,
    ) {
        match found {
            Ok((range, bytes)) => self.progress.note_read(range, bytes),
            Err(Unreadable(_)) => self.progress.note_unreadable(now, rng),
        }
    }
}
