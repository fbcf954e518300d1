//! Reads that are no runs: pages for listings, and the checksum of all records.

use acklog_threads::lock;
use acklog_types::{LogEnd, Run, RunningChecksum};

use super::super::paging::Cursor;
use super::gathering::READ_AHEAD_BYTES_MAX;
use super::{Files, Place};
use crate::{Page, ReadError};

impl Files {
    /// Reads a page as [`LogReader::read_page`](crate::LogReader::read_page) does. There must be something at
    /// `from`.
    pub(crate) fn page(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        cursor: &mut Option<Cursor>,
    ) -> Result<Page, ReadError> {
        let place = self.place(from)?;
        let segment = &place.segment;
        let known = cursor.take().filter(|cursor| cursor.leads_to(&segment.header, from));
        let begins = known.is_none();
        let mut here = known.unwrap_or_else(|| {
            segment.marks.before(segment.header, from, segment.index().before(from))
        });
        let read = here.read(&*segment.file, from, until.min(place.until), max_bytes);
        *cursor = Some(here);
        let (page, passed) = read.map_err(|unread| self.told(segment.header.first, unread))?;
        if begins {
            segment.marks.note(passed);
        }
        Ok(page)
    }

    /// The checksum of all records below a durable position. Reads a segment up to there; and once all before it that
    /// an earlier release wrote, which did not note the checksum.
    pub(crate) fn running_checksum(&self, end: LogEnd) -> Result<RunningChecksum, ReadError> {
        let place = self.place(end)?;
        let header = place.segment.header;
        let before = match header.running {
            Some(running) => running,
            None => self.running_before(header.first)?,
        };
        self.running_over(&place, before, end)
    }

    /// A position behind `end` at which the next file begins, and the checksum of all records before it, if that file
    /// tells it.
    pub(crate) fn running_behind(&self, end: LogEnd) -> Option<(LogEnd, RunningChecksum)> {
        let until = self.place(end).ok()?.until;
        let next = self.place(until).ok()?.segment.header;
        next.running.filter(|_| next.first == until).map(|running| (until, running))
    }

    /// The checksum of all records before a segment that does not tell it.
    fn running_before(&self, first: LogEnd) -> Result<RunningChecksum, ReadError> {
        // One at a time: the next one finds what this one read.
        let mut known = lock(&self.running);
        let nearest = known.range(..=first).next_back().map(|(&at, &running)| (at, running));
        let (mut at, mut running) = nearest.unwrap_or((LogEnd::ZERO, RunningChecksum::START));
        while at < first {
            let place = self.place(at)?;
            let before = place.segment.header.running.unwrap_or(running);
            running = self.running_over(&place, before, place.until)?;
            at = place.until;
            known.insert(at, running);
        }
        Ok(running)
    }

    /// Goes on over the records of a segment, from its first to `end`.
    fn running_over(
        &self,
        place: &Place,
        mut running: RunningChecksum,
        end: LogEnd,
    ) -> Result<RunningChecksum, ReadError> {
        let mut from = place.segment.header.first;
        while from < end {
            let records = self.read_from(place, from, end, READ_AHEAD_BYTES_MAX)?;
            running = running.over(records.as_bytes()).expect("checked records are whole");
            from = records.range().end();
        }
        Ok(running)
    }
}
