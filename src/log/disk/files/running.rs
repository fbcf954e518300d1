//! The checksum of all records below a position, from the files.

use super::{Files, READ_AHEAD_BYTES_MAX};
use crate::log::ReadError;
use crate::types::{LogEnd, Run, RunningChecksum};

impl Files {
    /// The checksum of all records below a durable position, where it is known. Reads a segment up to there.
    pub(in crate::log) fn running_checksum(
        &self,
        end: LogEnd,
    ) -> Result<Option<RunningChecksum>, ReadError> {
        if end == LogEnd::ZERO {
            return Ok(Some(RunningChecksum::START));
        }
        let segment = self.place(end)?.segment;
        let (mut running, mut from) = (segment.header.running, segment.header.first);
        while let Some(before) = running.filter(|_| from < end) {
            let records = segment.read(&*self.storage, from, end, READ_AHEAD_BYTES_MAX)?;
            running = before.over(records.as_bytes());
            from = records.range().end();
        }
        Ok(running)
    }
}
