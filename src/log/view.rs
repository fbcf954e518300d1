//! What the state machines may ask of the log.

use super::LogReader;
use crate::protocol::{LogView, Unreadable};
use crate::types::{Checksum, IdRange, LogEnd};

impl LogView for LogReader {
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<(IdRange, usize)> {
        let until = until.min(self.durable_end());
        if from >= until {
            return Some((IdRange::empty(from), 0));
        }
        self.shared.plan_recent(from, until, max_bytes)
    }

    fn checksum_before(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        let Some(last) = end.last_id() else { return Ok(None) };
        let records = self.read(last.before(), end, 0).map_err(|_| Unreadable)?;
        Ok(records.iter().next().map(|record| record.checksum))
    }
}
