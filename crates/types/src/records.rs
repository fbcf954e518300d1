//! Runs of records, as they are stored in the log and sent on the wire.

use bytes::Bytes;

use super::record::{
    InBatch, Record, RecordError, record_at, record_head, record_size, text_of_checked,
};
use super::{IdRange, LogEnd, MessageId};

/// Iterates over records whose bytes were checked before, starting with message `at`.
///
/// # Panics
/// When the bytes are not these records: memory that changed since the check cannot be repaired.
pub fn checked_records(mut at: LogEnd, mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (record, size) = record_at(at.next_id(), bytes).expect("a checked record");
        bytes = bytes.get(size..).unwrap_or_default();
        at = at.plus(1);
        Some(record)
    })
}

/// A run of consecutive records, encoded. Cheap to clone and to cut.
///
/// The bytes were checked: a value comes from [`Records::check`] or from a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Records {
    range: IdRange,
    bytes: Bytes,
}

impl Records {
    /// Returns no records, at position `at`.
    pub fn empty(at: LogEnd) -> Self {
        Self { range: IdRange::empty(at), bytes: Bytes::new() }
    }

    /// Returns the ids of the run.
    pub fn range(&self) -> IdRange {
        self.range
    }

    /// Returns the size of all records in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the part of the run with the ids `part`, which shares the run's memory.
    ///
    /// # Panics
    /// When `part` is not inside the run.
    #[must_use]
    pub fn slice(&self, part: IdRange) -> Self {
        assert!(
            self.range.start() <= part.start() && part.end() <= self.range.end(),
            "{part} is not inside {}",
            self.range
        );
        if part == self.range {
            return self.clone();
        }
        let before = (part.start().get() - self.range.start().get()) as usize;
        let start: usize = self.sizes().take(before).sum();
        let length: usize = self.sizes().skip(before).take(part.len() as usize).sum();
        Self { range: part, bytes: self.bytes.slice(start..start + length) }
    }

    /// Returns the run in memory of its own, so that it keeps no larger allocation alive.
    #[must_use]
    pub fn detached(self) -> Self {
        Self { range: self.range, bytes: Bytes::copy_from_slice(&self.bytes) }
    }

    /// Checks bytes from outside: they must be exactly the records of `range`, undamaged, in order,
    /// and the last batch must be complete.
    ///
    /// # Errors
    /// The first thing that is wrong with the bytes.
    pub fn check(range: IdRange, bytes: Bytes) -> Result<Self, RecordError> {
        let mut rest: &[u8] = &bytes;
        let mut at = range.start();
        let mut last = None;
        while at < range.end() {
            let (record, size) = record_at(at.next_id(), rest)?;
            last = Some(record);
            rest = rest.get(size..).unwrap_or_default();
            at = at.plus(1);
        }
        if !rest.is_empty() {
            return Err(RecordError::Trailing { bytes: rest.len() });
        }
        if let Some(Record { id, has_more: true, .. }) = last {
            return Err(RecordError::BatchCutOff { id });
        }
        Ok(Self { range, bytes })
    }

    /// Wraps bytes that this process encoded or checked before.
    pub fn trusted(range: IdRange, bytes: Bytes) -> Self {
        Self { range, bytes }
    }

    /// Returns the encoded records.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Iterates over the records.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        checked_records(self.range.start(), &self.bytes)
    }

    /// Iterates over the id of each record, its place in its batch, and its text. The bytes are not
    /// checked again: for callers that pass many texts on and need nothing else.
    ///
    /// # Panics
    /// When the bytes are not records although they were checked: memory that changed since cannot
    /// be repaired.
    pub fn texts(&self) -> impl Iterator<Item = (MessageId, InBatch, &[u8])> {
        let mut rest: &[u8] = &self.bytes;
        let mut at = self.range.start();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (in_batch, text, behind) = text_of_checked(rest).expect("a checked record");
            let id = at.next_id();
            (rest, at) = (behind, at.plus(1));
            Some((id, in_batch, text))
        })
    }

    /// Returns the run without its first `records` records.
    #[must_use]
    pub fn without(&self, records: u64) -> Self {
        if records == self.range.len() {
            return Self::empty(self.range.end());
        }
        let bytes: usize = self.sizes().take(records as usize).sum();
        let start = self.range.start().plus(records);
        Self { range: self.range.from(start), bytes: self.bytes.slice(bytes..) }
    }

    /// Removes the records at the front that have at most `max_bytes`, but at least one, and
    /// returns them.
    #[must_use]
    pub fn take_front(&mut self, max_bytes: usize) -> Self {
        let (mut end, mut bytes) = (self.range.start(), 0);
        for size in self.sizes() {
            if bytes > 0 && bytes + size > max_bytes {
                break;
            }
            (end, bytes) = (end.plus(1), bytes + size);
        }
        let front = Self { range: self.range.until(end), bytes: self.bytes.split_to(bytes) };
        self.range = self.range.from(end);
        front
    }

    /// Returns when the last message was accepted, in milliseconds since 1970; none if there is
    /// none.
    pub fn last_accepted_ms(&self) -> Option<u64> {
        let at = self.bytes.len() - self.sizes().last()?;
        record_head(self.bytes.get(at..)?).map(|head| head.accepted_ms)
    }

    /// Iterates over the size of each record in bytes, by the length fields alone.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let mut rest: &[u8] = &self.bytes;
        std::iter::from_fn(move || {
            let size = record_size(rest)?;
            rest = rest.get(size..).unwrap_or_default();
            Some(size)
        })
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({}, {} bytes)", self.range, self.bytes.len())
    }
}
