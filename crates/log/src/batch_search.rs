//! Finds the batch that a message belongs to.

use acklog_types::{IdRange, LogEnd, MessageId};

use super::reader::{LogReader, ReadError};

/// Most records that are looked at in one step. Fewer: more reads of a long batch. More: a step
/// backwards may read more of what precedes the batch, which can be long messages.
const STEP_MAX: u64 = 64;

/// A batch, as its records tell of it; a message that was sent alone is a batch too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundBatch {
    /// Its messages.
    pub ids: IdRange,
    /// The time at which the master accepted it, in milliseconds since 1970.
    pub accepted_ms: u64,
}

impl LogReader {
    /// Returns the batch that a durable message belongs to. Reads at most twice what the batch
    /// holds, or a neighbour of it; use [`aside`](Self::aside) where a file must not be waited for.
    ///
    /// # Errors
    /// When the records cannot be read.
    ///
    /// # Panics
    /// When the message is not durable.
    pub fn find_batch(&self, id: MessageId) -> Result<FoundBatch, ReadError> {
        let (end, accepted_ms) = self.batch_end(id)?;
        Ok(FoundBatch { ids: IdRange::new(self.batch_start(id)?, end), accepted_ms })
    }

    /// Returns the position behind the last message of a batch, and when it was accepted.
    fn batch_end(&self, id: MessageId) -> Result<(LogEnd, u64), ReadError> {
        let (mut from, mut step) = (id.before(), 1);
        loop {
            let until = from.plus(step).min(self.durable_end());
            let records = self.read_range(IdRange::new(from, until))?;
            let last = records.iter().find(|record| !record.has_more);
            if let Some(record) = last {
                return Ok((record.id.end(), record.accepted_ms));
            }
            assert!(from < until, "message {id} is not durable, or its batch is cut off");
            (from, step) = (until, STEP_MAX.min(2 * step));
        }
    }

    /// Returns the position before the first message of a batch.
    fn batch_start(&self, id: MessageId) -> Result<LogEnd, ReadError> {
        let (mut until, mut step) = (id.before(), 1);
        while until > LogEnd::ZERO {
            let from = LogEnd::new(until.get().saturating_sub(step));
            let records = self.read_range(IdRange::new(from, until))?;
            let before = records.iter().filter(|record| !record.has_more).last();
            if let Some(record) = before {
                return Ok(record.id.end());
            }
            (until, step) = (from, STEP_MAX.min(2 * step));
        }
        Ok(until)
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::Batch;

    use super::*;
    use crate::in_memory;

    #[test]
    fn every_message_of_a_batch_leads_to_it() {
        let (mut writer, reader) = in_memory();
        let mut start = 0;
        for (n, count) in [1_u64, 3, 1, 200, 2].into_iter().enumerate() {
            let mut batch = Batch::from("first");
            (1..count).for_each(|_| batch.push("next"));
            writer.append(n as u64, None, &batch);
            writer.flush();
            let ids = IdRange::new(LogEnd::new(start), LogEnd::new(start + count));
            for id in start..start + count {
                let found = reader.find_batch(MessageId::new(id)).unwrap();
                assert_eq!(found, FoundBatch { ids, accepted_ms: n as u64 }, "{id}");
            }
            start += count;
        }
    }
}
