//! The sparse index of a segment file, and the file that keeps it beside a sealed segment.
//!
//! An index has only what its segment has: if it is missing or damaged, it is made again by a scan.
//! It also has the hashes of the segment's idempotency keys, so that a starting master knows its
//! last keyed messages without reading old segments.
//!
//! ```text
//! header, 64 bytes: "acklog I" · version u16 · 6 zeros · sync marker u64 · first id u64 ·
//!                   end u64 · length u32 · record bytes u32 · entries u32 · keys u32 · 4 zeros ·
//!                   crc32c of the header u32
//! entries: id − first u32 · offset u32 · record bytes before u32
//! crc32c of the header and the entries u32
//! keys: hash u128 · id − first u32
//! crc32c of the keys u32
//! ```
//!
//! The keys of a damaged segment are not known: its header counts one key, and none follows.
//!
//! The sync marker is the segment file's, so that an index which another file of the same name has
//! left is noticed. Version 1 had the log id (u128) in place of the sync marker, and no checksum of
//! the header alone. It is read for segments of version 1.

use std::io;

use acklog_types::{KeyHash, LogEnd, MessageId};

use super::format::{FORMAT_VERSION, FORMAT_VERSION_1, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::names::index_name;
use crate::storage::{Storage, StorageFile};

/// Least distance between two entries, in bytes of the file. Smaller: a larger index in memory.
/// Larger: a read of one message skips more.
pub(super) const ENTRY_DISTANCE_BYTES: u32 = 4096;

const MAGIC: [u8; 8] = *b"acklog I";
const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 12;
const KEY_BYTES: usize = 20;

/// A message with an idempotency key.
pub(super) type IndexedKey = (KeyHash, MessageId);

/// The beginning of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// Its first id, relative to the segment's.
    id: u32,
    /// Its offset in the file.
    pub(super) offset: u32,
    /// Bytes of the records before it.
    bytes: u32,
}

/// The statement of an index file's header about its segment. Callers must compare it with the
/// files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexHead {
    /// The end of its messages.
    pub(super) end: LogEnd,
    /// The end of its groups in the file.
    pub(super) length: u64,
    /// Number of keyed messages; none if the header has no checksum of its own to prove it.
    pub(super) keys: Option<u32>,
}

/// The beginnings of groups of one segment: the first one, then one every few kilobytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SparseIndex {
    first: LogEnd,
    entries: Vec<IndexEntry>,
    /// The end of the segment, in the form of a beginning.
    end: IndexEntry,
}

impl SparseIndex {
    /// Returns the index of an empty segment.
    pub(super) fn new(first: LogEnd) -> Self {
        Self::starting_at(first, SEGMENT_HEADER_BYTES as u64)
    }

    /// Adds a group at the segment's end: it has `size` bytes with its header, and `bytes` of
    /// records.
    pub(super) fn push(&mut self, records: u32, size: u64, bytes: u64) {
        let distance = self.entries.last().map(|last| self.end.offset - last.offset);
        if distance.is_none_or(|distance| distance >= ENTRY_DISTANCE_BYTES) {
            self.entries.push(self.end);
        }
        self.end.id += records;
        // A segment is sealed long before it has 4 GiB.
        self.end.offset += size as u32;
        self.end.bytes += bytes as u32;
    }

    /// Returns an empty index of the part of a segment that begins with a group, at message `first`
    /// and `offset`.
    pub(super) fn starting_at(first: LogEnd, offset: u64) -> Self {
        let end = IndexEntry { id: 0, offset: offset as u32, bytes: 0 };
        Self { first, entries: Vec::new(), end }
    }

    /// Returns the end of its messages.
    pub(super) fn end(&self) -> LogEnd {
        self.first.plus(u64::from(self.end.id))
    }

    /// Returns the end of its groups in the file.
    pub(super) fn length(&self) -> u64 {
        u64::from(self.end.offset)
    }

    /// Returns the bytes of all its records.
    pub(super) fn record_bytes(&self) -> u64 {
        u64::from(self.end.bytes)
    }

    fn id_of(&self, entry: &IndexEntry) -> LogEnd {
        self.first.plus(u64::from(entry.id))
    }

    /// Returns the last known group that begins at or before `from`, which must lie in the segment:
    /// its first id and its offset.
    pub(super) fn before(&self, from: LogEnd) -> (LogEnd, u64) {
        let after = self.entries.partition_point(|entry| self.id_of(entry) <= from);
        let entry = after.checked_sub(1).and_then(|at| self.entries.get(at));
        entry.map_or((self.first, SEGMENT_HEADER_BYTES as u64), |entry| {
            (self.id_of(entry), u64::from(entry.offset))
        })
    }

    /// Writes the index file of a sealed segment; `keys` is none if they are not known. A crash
    /// meanwhile leaves a damaged file or none, which is as good.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn store(
        &self,
        storage: &dyn Storage,
        segment: &SegmentHeader,
        keys: Option<&[IndexedKey]>,
    ) -> io::Result<()> {
        let file = storage.create(&index_name(self.first))?;
        file.write_at(0, &self.encode(segment, keys))?;
        file.sync()?;
        storage.sync_directory()
    }

    fn encode(&self, segment: &SegmentHeader, keys: Option<&[IndexedKey]>) -> Vec<u8> {
        let entries = self.entries.len() * ENTRY_BYTES;
        let key_count = keys.map_or(1, <[IndexedKey]>::len);
        let mut out = Vec::with_capacity(HEADER_BYTES + entries + key_count * KEY_BYTES + 8);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&u64::from(FORMAT_VERSION).to_le_bytes());
        out.extend_from_slice(&segment.sync_marker.to_le_bytes());
        out.extend_from_slice(&self.first.get().to_le_bytes());
        out.extend_from_slice(&self.end().get().to_le_bytes());
        for number in [self.end.offset, self.end.bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for count in [self.entries.len(), key_count] {
            out.extend_from_slice(&(count as u32).to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        for IndexEntry { id, offset, bytes } in &self.entries {
            [id, offset, bytes].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        let Some(keys) = keys else { return out };
        let keys_at = out.len();
        for (hash, id) in keys {
            out.extend_from_slice(&hash.get().to_le_bytes());
            out.extend_from_slice(&((id.get() - self.first.get()) as u32).to_le_bytes());
        }
        let crc = crc32c::crc32c(out.get(keys_at..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Loads the header of a sealed segment's index file, so that a start need not read the rest.
    /// None if there is no valid one.
    pub(super) fn load_head(storage: &dyn Storage, segment: &SegmentHeader) -> Option<IndexHead> {
        let file = storage.open(&index_name(segment.first)).ok()?;
        let header = IndexHeader::read(&*file, segment)?;
        let keys = header.is_checked.then_some(header.keys);
        Some(IndexHead { end: header.end, length: header.length.into(), keys })
    }

    /// Loads the index file of a sealed segment; none if there is no valid one.
    pub(super) fn load(storage: &dyn Storage, segment: &SegmentHeader) -> Option<Self> {
        let file = storage.open(&index_name(segment.first)).ok()?;
        Self::decode(&*file, segment).map(|(index, _)| index)
    }

    /// Loads the keys of a sealed segment from its index file, in id order; none if there is no
    /// valid one.
    pub(super) fn load_keys(
        storage: &dyn Storage,
        segment: &SegmentHeader,
    ) -> Option<Vec<IndexedKey>> {
        let file = storage.open(&index_name(segment.first)).ok()?;
        let (index, keys) = Self::decode(&*file, segment)?;
        let keys_at = (HEADER_BYTES + index.entries.len() * ENTRY_BYTES + 4) as u64;
        let bytes = read_sealed(&*file, keys_at, keys * KEY_BYTES)?;
        let mut found = Vec::with_capacity(keys);
        let mut next = 0;
        for key in bytes.chunks_exact(KEY_BYTES) {
            let (hash, id) = key.split_first_chunk::<16>()?;
            let id = u32::from_le_bytes(*id.first_chunk()?);
            (next..index.end.id).contains(&id).then_some(())?;
            next = id + 1;
            let id = segment.first.plus(u64::from(id)).next_id();
            found.push((KeyHash::new(u128::from_le_bytes(*hash)), id));
        }
        Some(found)
    }

    /// Decodes the index, and the number of keys that follow it.
    fn decode(file: &dyn StorageFile, segment: &SegmentHeader) -> Option<(Self, usize)> {
        let IndexHeader { end, length, record_bytes, entries, keys, .. } =
            IndexHeader::read(file, segment)?;
        // Memory is allocated only for what the file really has.
        let needed = u64::from(entries) * ENTRY_BYTES as u64 + u64::from(keys) * KEY_BYTES as u64;
        (needed <= file.length().ok()?).then_some(())?;
        let all = read_sealed(file, 0, HEADER_BYTES + entries as usize * ENTRY_BYTES)?;
        let body = all.get(HEADER_BYTES..)?;
        let entries = body.chunks_exact(ENTRY_BYTES).filter_map(|entry| {
            let mut numbers = numbers(entry);
            Some(IndexEntry {
                id: numbers.next()?,
                offset: numbers.next()?,
                bytes: numbers.next()?,
            })
        });
        let entries: Vec<IndexEntry> = entries.collect();
        let id = u32::try_from(end.get().checked_sub(segment.first.get())?).ok()?;
        let end = IndexEntry { id, offset: length, bytes: record_bytes };
        let is_before = |one: &IndexEntry, next: &IndexEntry| one.id < next.id;
        let fits = entries.is_sorted_by(is_before) && entries.iter().all(|e| is_before(e, &end));
        fits.then_some(())?;
        Some((Self { first: segment.first, entries, end }, keys as usize))
    }
}

/// The header of an index file.
struct IndexHeader {
    end: LogEnd,
    length: u32,
    record_bytes: u32,
    entries: u32,
    keys: u32,
    /// Whether it has a valid checksum of its own.
    is_checked: bool,
}

impl IndexHeader {
    /// Reads the header; none if it is not this segment's.
    fn read(file: &dyn StorageFile, segment: &SegmentHeader) -> Option<Self> {
        let mut header = [0; HEADER_BYTES];
        (file.read_at(0, &mut header).ok()? == HEADER_BYTES).then_some(())?;
        let (magic, rest) = header.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then_some(())?;
        let version = u64::from_le_bytes(*version);
        let is_checked = version == u64::from(FORMAT_VERSION);
        let rest = if is_checked {
            let (body, crc) = header.split_last_chunk::<4>()?;
            (crc32c::crc32c(body) == u32::from_le_bytes(*crc)).then_some(())?;
            rest.strip_prefix(&segment.sync_marker.to_le_bytes())?
        } else {
            let is_old =
                version == u64::from(FORMAT_VERSION_1) && segment.version == FORMAT_VERSION_1;
            is_old.then_some(())?;
            rest.strip_prefix(&segment.log.get().to_le_bytes())?
        };
        let rest = rest.strip_prefix(&segment.first.get().to_le_bytes())?;
        let (end, rest) = rest.split_first_chunk::<8>()?;
        let end = LogEnd::new(u64::from_le_bytes(*end));
        let mut numbers = numbers(rest);
        Some(Self {
            end,
            length: numbers.next()?,
            record_bytes: numbers.next()?,
            entries: numbers.next()?,
            keys: numbers.next()?,
            is_checked,
        })
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number))
}

/// Reads bytes and the checksum behind them; none if it does not match.
fn read_sealed(file: &dyn StorageFile, at: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length + 4];
    (file.read_at(at, &mut bytes).ok()? == bytes.len()).then_some(())?;
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*crc)).then_some(())?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use acklog_types::LogId;

    use super::*;
    use crate::SimDisk;

    #[test]
    fn an_index_whose_entries_or_keys_are_out_of_order_is_not_used() {
        let segment = SegmentHeader::new(LogId::new(7), LogEnd::ZERO, 1, None);
        let mut index = SparseIndex::new(segment.first);
        [2, 3, 4].iter().for_each(|&records| index.push(records, 5000, 4000));
        let key = |id| (KeyHash::new(1), MessageId::new(id));
        let load = |index: &SparseIndex, keys: &[IndexedKey]| {
            let disk = SimDisk::new();
            index.store(&disk, &segment, Some(keys)).unwrap();
            let loaded = SparseIndex::load(&disk, &segment).is_some();
            (loaded, SparseIndex::load_keys(&disk, &segment).is_some())
        };
        assert_eq!(load(&index, &[key(0), key(8)]), (true, true));
        for keys in [[key(8), key(0)], [key(3), key(3)], [key(0), key(9)]] {
            assert_eq!(load(&index, &keys), (true, false), "{keys:?}");
        }
        for (at, id) in [(0, 2), (1, 5), (2, 9)] {
            let mut other = index.clone();
            other.entries[at].id = id;
            assert_eq!(load(&other, &[]), (false, false), "entry {at}");
        }
    }
}
