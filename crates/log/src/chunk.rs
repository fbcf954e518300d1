//! Chunks: parts of the log that each lie in one piece of memory.

use std::ops::Range;

use acklog_types::{
    Batch, IdRange, IdempotencyKey, InBatch, LogEnd, MessageId, Records, RunningChecksum,
    encode_record, in_batch,
};
use bytes::Bytes;

use super::PageRead;

/// Capacity of a chunk, in bytes, unless a single run needs more. Larger: fewer allocations, but
/// the unused rest of the last one counts towards the node's size. Smaller than a run: runs are cut
/// at chunk borders more often than necessary.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;

/// The beginnings of the records of a chunk, relative to the chunk, and the end of the last one.
#[derive(Debug)]
struct Offsets {
    start: LogEnd,
    /// The checksum of all records before the chunk, if it is known.
    running: Option<RunningChecksum>,
    /// One element more than there are records: the last one is the chunk's length. `u32` is
    /// enough, since a chunk has at most [`CHUNK_BYTES`] or is a single run, which has less than 16
    /// MiB.
    begins: Vec<u32>,
    /// The batches of several records, as ranges of record indexes. With them the end of a long
    /// batch is found in constant time: the master looks for it in each event-loop iteration while
    /// a secondary's buffer is full.
    batches: Vec<Range<u32>>,
    /// The first record of the batch that is being appended.
    open_batch: Option<u32>,
}

impl Offsets {
    fn end(&self) -> LogEnd {
        self.start.plus(self.begins.len() as u64 - 1)
    }

    fn offset(&self, at: LogEnd) -> usize {
        let index = (at.get() - self.start.get()) as usize;
        *self.begins.get(index).expect("an id inside the chunk") as usize
    }

    /// Notes a record that ends at `end`, relative to the chunk.
    fn push(&mut self, end: usize, in_batch: InBatch) {
        let record = self.begins.len() as u32 - 1;
        self.begins.push(end as u32);
        match in_batch {
            InBatch::More => {
                self.open_batch.get_or_insert(record);
            }
            InBatch::Last => {
                self.batches.extend(self.open_batch.take().map(|first| first..record + 1));
            }
        }
    }

    /// Returns the batch that contains this record but does not start at it.
    fn batch_around(&self, record: usize) -> Option<Range<usize>> {
        let after = self.batches.partition_point(|batch| (batch.start as usize) < record);
        let batch = self.batches.get(after.checked_sub(1)?)?;
        let batch = batch.start as usize..batch.end as usize;
        (record < batch.end).then_some(batch)
    }

    /// Returns the longest run from `from` on that ends at or before `until` and the chunk's end
    /// and has at most `max_bytes`, but at least a single record or batch, with its size in bytes.
    /// Only `until` can cut a batch.
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> (IdRange, usize) {
        let first = (from.get() - self.start.get()) as usize;
        let until = until.min(self.end());
        let last = (until.get() - self.start.get()) as usize;
        let begin = self.offset(from);
        let ends = self.begins.get(first + 1..=last).unwrap_or_default();
        let fits = ends.partition_point(|&end| end as usize - begin <= max_bytes).max(1);
        let end = match self.batch_around(first + fits) {
            Some(batch) if batch.start > first => batch.start,
            Some(batch) => batch.end.min(last),
            None => first + fits,
        };
        let range = IdRange::new(from, from.plus((end - first) as u64));
        (range, self.offset(range.end()) - begin)
    }

    /// Returns the checksum of all records below `end`, which must lie in the chunk, if it is
    /// known.
    fn running_at(&self, end: LogEnd, bytes: &[u8]) -> Option<RunningChecksum> {
        self.running?.over(bytes.get(..self.offset(end)).expect("offsets inside"))
    }

    /// Copies a page from `bytes`, the chunk's memory.
    fn page(&self, bytes: &[u8], from: LogEnd, until: LogEnd, max_bytes: usize) -> PageRead {
        let (range, size) = self.part_from(from, until, max_bytes);
        if size > max_bytes {
            return PageRead::Longer(size);
        }
        let bytes = bytes.get(self.bytes_of(range)).expect("offsets inside");
        PageRead::Records(Records::trusted(range, Bytes::copy_from_slice(bytes)))
    }

    /// As [`run_from`](Self::run_from), but `max_bytes` can cut a batch.
    fn part_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> (IdRange, usize) {
        let first = (from.get() - self.start.get()) as usize;
        let last = (until.min(self.end()).get() - self.start.get()) as usize;
        let begin = self.offset(from);
        let ends = self.begins.get(first + 1..=last).unwrap_or_default();
        let fits = ends.partition_point(|&end| end as usize - begin <= max_bytes).max(1);
        let range = IdRange::new(from, from.plus(fits as u64));
        (range, self.offset(range.end()) - begin)
    }

    /// Returns the bytes of the records from `from` on and below `until`, as far as they are here.
    fn bytes_between(&self, from: LogEnd, until: LogEnd) -> usize {
        let from = from.clamp(self.start, self.end());
        let until = until.clamp(from, self.end());
        self.offset(until) - self.offset(from)
    }

    fn bytes_of(&self, range: IdRange) -> Range<usize> {
        self.offset(range.start())..self.offset(range.end())
    }
}

/// The chunk that is appended to.
#[derive(Debug)]
pub(super) struct ActiveChunk {
    offsets: Offsets,
    bytes: Vec<u8>,
    /// Capacity, in bytes.
    capacity: usize,
}

/// A chunk that never changes again.
#[derive(Debug)]
pub(super) struct SealedChunk {
    offsets: Offsets,
    bytes: Bytes,
}

impl ActiveChunk {
    /// Returns an empty chunk with a capacity of `capacity` bytes, which uses `memory` if that is
    /// large enough. `running` is the checksum of all records before, if it is known.
    pub(super) fn new(
        start: LogEnd,
        running: Option<RunningChecksum>,
        capacity: usize,
        memory: Vec<u8>,
    ) -> Self {
        let offsets =
            Offsets { start, running, begins: vec![0], batches: Vec::new(), open_batch: None };
        Self { offsets, bytes: memory, capacity }
    }

    pub(super) fn start(&self) -> LogEnd {
        self.offsets.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of the records from `from` on and below `until`, as far as they are here.
    pub(super) fn bytes_between(&self, from: LogEnd, until: LogEnd) -> usize {
        self.offsets.bytes_between(from, until)
    }

    pub(super) fn end(&self) -> LogEnd {
        self.offsets.end()
    }

    /// Returns whether this many more bytes fit.
    pub(super) fn has_capacity(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= self.capacity
    }

    /// Appends a batch and returns its first id. The key is stored with the first message, for all
    /// of them.
    pub(super) fn push(
        &mut self,
        accepted_ms: u64,
        key: Option<&IdempotencyKey>,
        batch: &Batch,
    ) -> MessageId {
        let first = self.end();
        for (at, text) in batch.iter().enumerate() {
            let key = key.filter(|_| at == 0);
            self.push_record(accepted_ms, key, text, InBatch::at(at, batch.len()));
        }
        first.next_id()
    }

    /// Appends a message and returns its id.
    pub(super) fn push_record(
        &mut self,
        accepted_ms: u64,
        key: Option<&IdempotencyKey>,
        text: &str,
        in_batch: InBatch,
    ) -> MessageId {
        self.take_memory();
        let id = self.end().next_id();
        encode_record(&mut self.bytes, id, accepted_ms, key, text, in_batch);
        self.offsets.push(self.bytes.len(), in_batch);
        id
    }

    /// Appends a run, which is never split: one that is larger than other chunks has a chunk of its
    /// own.
    pub(super) fn push_run(&mut self, run: &Records) {
        self.take_memory();
        let before = self.bytes.len();
        self.bytes.extend_from_slice(run.as_bytes());
        let mut at = 0;
        for size in run.sizes() {
            let in_batch = in_batch(run.as_bytes().get(at..).unwrap_or_default());
            at += size;
            self.offsets.push(before + at, in_batch);
        }
    }

    /// Allocates the whole capacity at the first record. Growing in steps would copy the chunk
    /// several times, and memory pages that were not written to yet cost nothing.
    fn take_memory(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(self.capacity);
        }
    }

    pub(super) fn run_from(&self, from: LogEnd, until: LogEnd, max: usize) -> (IdRange, usize) {
        self.offsets.run_from(from, until, max)
    }

    /// Copies a run, since the chunk's memory is still written to.
    pub(super) fn read(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Records {
        let (range, _) = self.offsets.run_from(from, until, max_bytes);
        let bytes = self.bytes.get(self.offsets.bytes_of(range)).expect("offsets inside");
        Records::trusted(range, Bytes::copy_from_slice(bytes))
    }

    /// Returns the checksum of all records below `end`, which must lie in the chunk, if it is
    /// known.
    pub(super) fn running_at(&self, end: LogEnd) -> Option<RunningChecksum> {
        self.offsets.running_at(end, &self.bytes)
    }

    /// Copies a page of the records from `from` on.
    pub(super) fn page(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> PageRead {
        self.offsets.page(&self.bytes, from, until, max_bytes)
    }

    pub(super) fn seal(mut self) -> SealedChunk {
        self.offsets.begins.shrink_to_fit();
        self.offsets.batches.shrink_to_fit();
        // A small unused rest is not worth a copy, and the memory may be reused as it is.
        if self.bytes.len() < self.bytes.capacity() / 8 * 7 {
            self.bytes.shrink_to_fit();
        }
        SealedChunk { offsets: self.offsets, bytes: self.bytes.into() }
    }
}

impl SealedChunk {
    pub(super) fn start(&self) -> LogEnd {
        self.offsets.start
    }

    pub(super) fn end(&self) -> LogEnd {
        self.offsets.end()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of the records from `from` on and below `until`, as far as they are here.
    pub(super) fn bytes_between(&self, from: LogEnd, until: LogEnd) -> usize {
        self.offsets.bytes_between(from, until)
    }

    pub(super) fn run_from(&self, from: LogEnd, until: LogEnd, max: usize) -> (IdRange, usize) {
        self.offsets.run_from(from, until, max)
    }

    /// Returns the checksum of all records below `end`, which must lie in the chunk, if it is
    /// known.
    pub(super) fn running_at(&self, end: LogEnd) -> Option<RunningChecksum> {
        self.offsets.running_at(end, &self.bytes)
    }

    /// Returns the chunk's memory, emptied; none if a reader holds a slice of it.
    pub(super) fn into_memory(self) -> Option<Vec<u8>> {
        let is_unique = self.bytes.is_unique();
        is_unique.then(|| {
            let mut memory = Vec::from(self.bytes);
            memory.clear();
            memory
        })
    }

    /// Copies a page of the records from `from` on, so that the chunk's memory can be reused.
    pub(super) fn page(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> PageRead {
        self.offsets.page(&self.bytes, from, until, max_bytes)
    }

    /// Returns a page as a slice of the chunk, even if its only record is larger than the limit.
    pub(super) fn page_shared(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> PageRead {
        let (range, _) = self.offsets.part_from(from, until, max_bytes);
        PageRead::Records(Records::trusted(range, self.bytes.slice(self.offsets.bytes_of(range))))
    }

    /// Returns a run as a slice of the chunk, without a copy.
    pub(super) fn read(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Records {
        let (range, _) = self.offsets.run_from(from, until, max_bytes);
        Records::trusted(range, self.bytes.slice(self.offsets.bytes_of(range)))
    }
}
