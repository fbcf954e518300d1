//! Records, as they lie one behind the other in the log and on the wire.

use bytes::Bytes;

use super::record::{Record, RecordError, record_at, record_size, text_of_checked};
use super::{IdRange, LogEnd, MessageId, Run};

/// The records that `bytes` are known to be, from `at` on.
///
/// # Panics
/// When they are not: memory that changed since they were checked is beyond repair.
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

/// A run of consecutive records as they lie in the log and on the wire. Cheap to clone and to cut.
///
/// Whoever holds one knows that its bytes were checked: [`Records::check`] and the log are the only sources.
#[derive(Clone, PartialEq, Eq)]
pub struct Records {
    range: IdRange,
    bytes: Bytes,
}

impl Records {
    /// No records, at `at`.
    pub fn empty(at: LogEnd) -> Self {
        Self { range: IdRange::empty(at), bytes: Bytes::new() }
    }

    /// Checks bytes from outside: they must be exactly the records of `range`, undamaged, in order, and with the last
    /// batch whole.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
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

    /// Takes bytes that this process encoded or checked before.
    pub fn trusted(range: IdRange, bytes: Bytes) -> Self {
        Self { range, bytes }
    }

    /// The records' bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        checked_records(self.range.start(), &self.bytes)
    }

    /// The id and the text of each record in turn, as bytes that are not checked once more: for whoever passes many on
    /// and needs nothing else of them.
    ///
    /// # Panics
    /// When the bytes are no records, although they were checked: memory that changed since is beyond repair.
    pub fn texts(&self) -> impl Iterator<Item = (MessageId, &[u8])> {
        let mut rest: &[u8] = &self.bytes;
        let mut at = self.range.start();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (text, behind) = text_of_checked(rest).expect("a checked record");
            let id = at.next_id();
            (rest, at) = (behind, at.plus(1));
            Some((id, text))
        })
    }

    /// Leaves out so many records at the front.
    #[must_use]
    pub fn without(&self, records: u64) -> Self {
        if records == self.range.len() {
            return Self::empty(self.range.end());
        }
        let bytes: usize = self.sizes().take(records as usize).sum();
        let start = self.range.start().plus(records);
        Self { range: self.range.from(start), bytes: self.bytes.slice(bytes..) }
    }

    /// Takes off those records at the front that have at most `max_bytes`, or the first one.
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

    /// The size in bytes of each record in turn, from the length fields alone.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let mut rest: &[u8] = &self.bytes;
        std::iter::from_fn(move || {
            let size = record_size(rest)?;
            rest = rest.get(size..).unwrap_or_default();
            Some(size)
        })
    }
}

impl Run for Records {
    fn range(&self) -> IdRange {
        self.range
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, part: IdRange) -> Self {
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

    fn detached(self) -> Self {
        Self { range: self.range, bytes: Bytes::copy_from_slice(&self.bytes) }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({}, {} bytes)", self.range, self.bytes.len())
    }
}
