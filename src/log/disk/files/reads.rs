//! Reads that are no runs: pages for listings, and the checksum of all records.

use super::super::paging::Cursor;
use super::Files;
use super::gathering::READ_AHEAD_BYTES_MAX;
use crate::log::{Page, ReadError};
use crate::types::{LogEnd, Run, RunningChecksum};

impl Files {
    /// Reads a page as [`LogReader::read_page`](crate::log::LogReader::read_page) does. There must be something at
    /// `from`.
    pub(in crate::log) fn page(
        &self,
        from: LogEnd,
        until: LogEnd,
        max_bytes: usize,
        cursor: &mut Option<Cursor>,
    ) -> Result<Page, ReadError> {
        let place = self.place(from)?;
        let segment = &place.segment;
        let here = cursor.take().filter(|cursor| cursor.leads_to(&segment.header, from));
        let mut here = here.unwrap_or_else(|| {
            let (next, at) = segment.index().before(from);
            Cursor::before_group(segment.header, next, at)
        });
        let page = here.read(&*segment.file, from, until.min(place.until), max_bytes);
        *cursor = Some(here);
        page.map_err(|unread| self.told(segment.header.first, unread))
    }

    /// The checksum of all records below a durable position, where it is known. Reads a segment up to there.
    pub(in crate::log) fn running_checksum(
        &self,
        end: LogEnd,
    ) -> Result<Option<RunningChecksum>, ReadError> {
        if end == LogEnd::ZERO {
            return Ok(Some(RunningChecksum::START));
        }
        let place = self.place(end)?;
        let header = place.segment.header;
        let (mut running, mut from) = (header.running, header.first);
        while let Some(before) = running.filter(|_| from < end) {
            let records = self.read_from(&place, from, end, READ_AHEAD_BYTES_MAX)?;
            running = before.over(records.as_bytes());
            from = records.range().end();
        }
        Ok(running)
    }
}
