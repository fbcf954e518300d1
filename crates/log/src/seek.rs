//! Finds positions in the log: by the time of acceptance, and by where a batch begins.

use acklog_types::{IdRange, InBatch, LogEnd, MessageId, Records};

use super::{LogReader, PageCursor, PageRead, ReadError};

/// Bytes of records that are read at once: one record at a place in the middle of the log, or some
/// of a batch. A longer record is read as a whole.
const PROBE_BYTES: usize = 4096;

/// Messages of a batch that are read first on the way back to its beginning; then twice as many
/// each time.
const FIRST_STEP: u64 = 64;

impl LogReader {
    /// Returns the position of the first message that was accepted at or after a time in
    /// milliseconds since 1970; the durable end where there is none. Reads about one record for
    /// each doubling of the log's length; may read files, so call it [aside](Self::aside).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn position_at(&self, accepted_ms: u64) -> Result<LogEnd, ReadError> {
        let (mut low, mut high) = (0, self.durable_end().get());
        // Times of acceptance never decrease along the log.
        while low < high {
            let middle = low + (high - low) / 2;
            if self.accepted_ms(LogEnd::new(middle))? < accepted_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(LogEnd::new(low))
    }

    /// Returns the beginning of the batch that goes on at a position: the position itself unless
    /// the message before it and the one at it are of one batch. May read files, so call it
    /// [aside](Self::aside).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn batch_begin(&self, at: LogEnd) -> Result<LogEnd, ReadError> {
        let (mut begin, mut step) = (at, 1);
        while begin > LogEnd::ZERO {
            let from = LogEnd::new(begin.get().saturating_sub(step));
            let ends = self.last_batch_end(IdRange::new(from, begin))?;
            if let Some(end) = ends {
                return Ok(end);
            }
            begin = from;
            step = (2 * step).max(FIRST_STEP);
        }
        Ok(begin)
    }

    /// Returns the ids of the batch that a durable message belongs to; one that was sent alone is a
    /// batch too. May read files, so call it [aside](Self::aside).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// When the message is not durable.
    pub fn batch_of(&self, id: MessageId) -> Result<IdRange, ReadError> {
        let begin = self.batch_begin(id.before())?;
        let (mut at, mut cursor) = (id.before(), PageCursor::default());
        loop {
            let records = self.probe(IdRange::new(at, self.durable_end()), &mut cursor)?;
            let mut texts = records.texts();
            match texts.find(|(_, in_batch, _)| *in_batch == InBatch::Last) {
                Some((last, ..)) => return Ok(IdRange::new(begin, last.end())),
                None => at = records.range().end(),
            }
        }
    }

    /// Returns when the message at a position below the durable end was accepted, in milliseconds
    /// since 1970. May read files, so call it [aside](Self::aside).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn accepted_ms(&self, at: LogEnd) -> Result<u64, ReadError> {
        let records = self.probe(IdRange::new(at, at.plus(1)), &mut PageCursor::default())?;
        Ok(records.iter().next().map(|record| record.accepted_ms).expect("a durable message"))
    }

    /// Returns the end of the last batch that ends inside a range.
    fn last_batch_end(&self, range: IdRange) -> Result<Option<LogEnd>, ReadError> {
        let (mut rest, mut cursor, mut end) = (range, PageCursor::default(), None);
        while !rest.is_empty() {
            let records = self.probe(rest, &mut cursor)?;
            let lasts = records.texts().filter(|(_, in_batch, _)| *in_batch == InBatch::Last);
            end = lasts.last().map(|(id, ..)| id.end()).or(end);
            rest = rest.from(records.range().end());
        }
        Ok(end)
    }

    /// Reads the first records of a range, which must be durable.
    fn probe(&self, range: IdRange, cursor: &mut PageCursor) -> Result<Records, ReadError> {
        let mut bytes = PROBE_BYTES;
        loop {
            match self.read_page(range.start(), range.end(), bytes, cursor)? {
                PageRead::Longer(longer) => bytes = longer,
                PageRead::Records(records) => {
                    assert!(!records.range().is_empty(), "the log lacks message {}", range.start());
                    return Ok(records);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{Batch, LogId};

    use super::*;
    use crate::{LogWriter, in_memory};

    fn append(writer: &mut LogWriter, accepted_ms: u64, texts: &[&str]) {
        let mut batch = Batch::from(texts[0]);
        texts[1..].iter().for_each(|text| batch.push(text));
        writer.append(accepted_ms, None, &batch);
    }

    #[test]
    fn a_time_leads_to_the_first_message_accepted_at_it_or_later() {
        let (mut writer, reader) = in_memory();
        assert_eq!(reader.position_at(0).unwrap(), LogEnd::ZERO);
        // The clock goes back before the fourth message, which has the time of the third.
        for accepted_ms in [10, 20, 20, 5, 30] {
            append(&mut writer, accepted_ms, &["Msg"]);
        }
        writer.flush();
        let found = |ms| reader.position_at(ms).unwrap().get();
        assert_eq!([0, 10, 11, 20, 21, 30, 31].map(found), [0, 0, 1, 1, 4, 4, 5]);
    }

    #[test]
    fn a_message_behind_another_node_s_is_accepted_no_earlier_than_these() {
        let (mut theirs, their_log) = in_memory();
        append(&mut theirs, 10, &["Msg1"]);
        append(&mut theirs, 50, &["Msg2"]);
        theirs.flush();
        let run = their_log.read(LogEnd::ZERO, their_log.durable_end(), usize::MAX).unwrap();
        let (mut writer, reader) = in_memory();
        writer.append_run(LogId::new(7), &run);
        append(&mut writer, 20, &["Msg3"]);
        writer.flush();
        assert_eq!(reader.position_at(50).unwrap(), LogEnd::new(1));
        assert_eq!(reader.accepted_ms(LogEnd::new(2)).unwrap(), 50);
    }

    #[test]
    fn what_is_not_durable_is_not_found() {
        let (mut writer, reader) = in_memory();
        append(&mut writer, 10, &["Msg1"]);
        writer.flush();
        append(&mut writer, 20, &["Msg2"]);
        assert_eq!(reader.position_at(20).unwrap(), LogEnd::new(1));
    }

    #[test]
    fn a_batch_begins_behind_the_one_before_however_long_it_is() {
        let (mut writer, reader) = in_memory();
        append(&mut writer, 0, &["single"]);
        append(&mut writer, 0, &["x"; 1000]);
        append(&mut writer, 0, &["single"]);
        writer.flush();
        let begin = |at| reader.batch_begin(LogEnd::new(at)).unwrap().get();
        assert_eq!([0, 1, 1001, 1002].map(begin), [0, 1, 1001, 1002], "between two batches");
        assert_eq!([2, 3, 66, 500, 1000].map(begin), [1; 5], "inside one");
        let batch = |id| reader.batch_of(MessageId::new(id)).unwrap().to_string();
        assert_eq!([0, 1001].map(batch), ["0", "1001"]);
        assert_eq!([1, 2, 500, 1000].map(batch), ["1..=1000"; 4]);
    }
}
