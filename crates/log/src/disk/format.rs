//! The bytes of a segment file: a header, then write groups of records. All numbers are
//! little-endian.
//!
//! ```text
//! segment header, 64 bytes
//!  0         8    10 11     16        32        40      48       56  57      60
//! ┌─────────┬────┬──┬──────┬─────────┬─────────┬───────┬────────┬───┬───────┬───────┐
//! │"acklog S"│ v  │r │ 0    │ log id  │ first id│marker │ running│ k │ 0     │ crc32c│
//! └─────────┴────┴──┴──────┴─────────┴─────────┴───────┴────────┴───┴───────┴───────┘
//! group header, 40 bytes (version 1: 36, without the sum), and its records
//!  0      8          16           24      28       32    36       40
//! ┌──────┬──────────┬────────────┬───────┬────────┬─────┬────────┬───────────────┐
//! │marker│ first id │ flushed end│ bytes │ records│ sum │ crc32c │ records …     │
//! └──────┴──────────┴────────────┴───────┴────────┴─────┴────────┴───────────────┘
//! ```
//!
//! - `v` is the version of the format: 2. Files of version 1 are read, and an active one is
//!   continued in its version. A checksum covers what precedes it.
//! - `r` is 1 in a secondary's file of version 1, else 0: in version 2 only the manifest has the
//!   role.
//! - *Running* is the checksum of all records before the file ([`RunningChecksum`]) if `k` is 1.
//!   Both are 0 if it is not known, which happens behind files of version 1.
//! - The *sync marker* is random, one for each file, and begins each of its groups. So whole groups
//!   can be found behind a damaged place. Nobody who does not know the marker can forge a group
//!   inside a message.
//! - The *flushed end* is the end up to which this node's log was known to be flushed when the
//!   group was written: what lies below can be missing from the disk because of damage only, never
//!   because of a crash.
//! - `bytes` counts the records behind the header, which have their own checksums. The *sum* is
//!   over those checksums: so whole records that an earlier file left in the same sectors do not
//!   pass for those that were written here.
//!
//! A file may end in zeros. They are preallocated, since overwriting is cheaper to sync than
//! growing.

use acklog_types::{
    BATCH_BYTES_MAX, IdRange, LogEnd, LogId, RECORD_BYTES_MAX, RunningChecksum, record_at,
};

/// Version of the layout of new files.
pub(super) const FORMAT_VERSION: u16 = 2;

/// Version of the files of earlier releases, which are read.
pub(super) const FORMAT_VERSION_1: u16 = 1;

/// Size of a segment's header, in bytes.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;

/// Size of a group's header, in bytes. It is 4 bytes less in files of version 1.
pub(super) const GROUP_HEADER_BYTES: usize = 40;

/// Most bytes of records in a group, unless it is a single record or batch. Larger: a reader that
/// looks for one record skips more. Smaller: more headers.
pub(super) const GROUP_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of records that a group's header may announce: more than the largest batch has. It
/// never shrinks, whatever becomes of the limits of messages and frames, since files are checked
/// against it. Smaller: files of earlier releases count as damaged. Larger: a damaged header makes
/// readers allocate more.
const GROUP_BYTES_LIMIT: usize = 16 * 1024 * 1024;

const _: () =
    assert!(BATCH_BYTES_MAX <= GROUP_BYTES_LIMIT && RECORD_BYTES_MAX <= GROUP_BYTES_LIMIT);

const MAGIC: [u8; 8] = *b"acklog S";

/// The kind of node that a directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The master.
    Master,
    /// A secondary.
    Secondary,
}

impl Role {
    /// Returns the role that a word names.
    pub(super) fn named(word: &str) -> Option<Self> {
        [Self::Master, Self::Secondary].into_iter().find(|role| role.as_str() == word)
    }

    /// Returns the role as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Secondary => "secondary",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The front of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) version: u16,
    /// The role of the file's node; only in files of version 1.
    pub(super) role: Option<Role>,
    pub(super) log: LogId,
    pub(super) first: LogEnd,
    pub(super) sync_marker: u64,
    /// The checksum of all records before the file; none if it is not known.
    pub(super) running: Option<RunningChecksum>,
}

/// The front of a write group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    pub(super) first: LogEnd,
    pub(super) flushed_end: LogEnd,
    /// Bytes of records behind the header.
    pub(super) bytes: u32,
    pub(super) records: u32,
    /// The sum of the records' checksums; none in a file of version 1.
    pub(super) sum: Option<u32>,
}

/// Copies `N` bytes, which must lie inside.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    *part.expect("the layout fits its size")
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    let place = bytes.get_mut(at..at + part.len());
    place.expect("the layout fits its size").copy_from_slice(part);
}

/// Writes the checksum of everything before `crc_at` there.
fn seal(bytes: &mut [u8], crc_at: usize) {
    let crc = crc32c::crc32c(bytes.get(..crc_at).expect("the layout fits its size"));
    put(bytes, crc_at, &crc.to_le_bytes());
}

fn is_sealed(bytes: &[u8], crc_at: usize) -> bool {
    bytes.get(..crc_at).map(crc32c::crc32c) == Some(u32::from_le_bytes(take(bytes, crc_at)))
}

impl SegmentHeader {
    /// Returns the header of a new file, of the newest version. A log's first segment has a known
    /// running checksum.
    pub(super) fn new(
        log: LogId,
        first: LogEnd,
        sync_marker: u64,
        running: Option<RunningChecksum>,
    ) -> Self {
        Self { version: FORMAT_VERSION, role: None, log, first, sync_marker, running }
    }

    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &self.version.to_le_bytes());
        put(&mut bytes, 10, &[u8::from(self.role == Some(Role::Secondary))]);
        put(&mut bytes, 16, &self.log.get().to_le_bytes());
        put(&mut bytes, 32, &self.first.get().to_le_bytes());
        put(&mut bytes, 40, &self.sync_marker.to_le_bytes());
        if let Some(running) = self.running.filter(|_| self.version > FORMAT_VERSION_1) {
            put(&mut bytes, 48, &running.get().to_le_bytes());
            put(&mut bytes, 56, &[1]);
        }
        seal(&mut bytes, SEGMENT_HEADER_BYTES - 4);
        bytes
    }

    /// Decodes a header.
    ///
    /// # Errors
    /// In words, if the bytes are not a header.
    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, String> {
        if take::<8>(bytes, 0) != MAGIC {
            return Err("this is no segment file".to_owned());
        }
        let version = u16::from_le_bytes(take(bytes, 8));
        let is_sealed = is_sealed(bytes, SEGMENT_HEADER_BYTES - 4);
        if version != FORMAT_VERSION && version != FORMAT_VERSION_1 {
            // Another version may have its checksum elsewhere.
            let front = if is_sealed { "" } else { "the header is damaged, or " };
            return Err(format!(
                "{front}the file has format version {version}, and this release reads versions \
                 {FORMAT_VERSION_1} and {FORMAT_VERSION} only"
            ));
        }
        if !is_sealed {
            return Err("the checksum of the segment's header is wrong".to_owned());
        }
        let first = LogEnd::new(u64::from_le_bytes(take(bytes, 32)));
        let (role, running) = match (version, take::<1>(bytes, 10), take::<1>(bytes, 56)) {
            (FORMAT_VERSION_1, [0], _) => (Some(Role::Master), None),
            (FORMAT_VERSION_1, [1], _) => (Some(Role::Secondary), None),
            (FORMAT_VERSION, [0], [0]) => (None, None),
            (FORMAT_VERSION, [0], [1]) => {
                (None, Some(RunningChecksum::new(u64::from_le_bytes(take(bytes, 48)))))
            }
            (_, [role], [running]) => {
                return Err(format!("the segment's header has unknown flags {role} and {running}"));
            }
        };
        // Nothing precedes the first segment, whatever its version.
        let running = running.or((first == LogEnd::ZERO).then_some(RunningChecksum::START));
        Ok(Self {
            version,
            role,
            log: LogId::new(u128::from_le_bytes(take(bytes, 16))),
            first,
            sync_marker: u64::from_le_bytes(take(bytes, 40)),
            running,
        })
    }

    /// Returns the size of the headers of the file's groups, in bytes.
    pub(super) fn group_header_bytes(&self) -> usize {
        if self.version == FORMAT_VERSION_1 { GROUP_HEADER_BYTES - 4 } else { GROUP_HEADER_BYTES }
    }

    /// Returns the header of a group of this file for these records, whose ids are `range`. It is
    /// written while everything below `flushed_end` is flushed.
    ///
    /// # Panics
    /// When the bytes are not whole records.
    pub(super) fn group(&self, range: IdRange, records: &[u8], flushed_end: LogEnd) -> GroupHeader {
        let sum = || sum_of(records).expect("whole records");
        GroupHeader {
            first: range.start(),
            flushed_end,
            bytes: records.len() as u32,
            records: range.len() as u32,
            sum: (self.version > FORMAT_VERSION_1).then(sum),
        }
    }

    /// Decodes the header of a group of this file; none if the bytes do not begin with a whole one.
    pub(super) fn decode_group(&self, bytes: &[u8]) -> Option<GroupHeader> {
        GroupHeader::decode(bytes.get(..self.group_header_bytes())?, self.sync_marker)
    }
}

/// Returns the sum of the checksums of records; none if the bytes end inside a record.
fn sum_of(records: &[u8]) -> Option<u32> {
    // The lower half.
    RunningChecksum::START.over(records).map(|running| running.get() as u32)
}

impl GroupHeader {
    /// Appends the header to a buffer.
    pub(super) fn encode(&self, sync_marker: u64, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&sync_marker.to_le_bytes());
        out.extend_from_slice(&self.first.get().to_le_bytes());
        out.extend_from_slice(&self.flushed_end.get().to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        if let Some(sum) = self.sum {
            out.extend_from_slice(&sum.to_le_bytes());
        }
        let crc = crc32c::crc32c(out.get(begin..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Decodes the header of a group of the file with this sync marker. Its version follows from
    /// its length. None if it is not a whole header.
    fn decode(bytes: &[u8], sync_marker: u64) -> Option<Self> {
        let crc_at = bytes.len() - 4;
        let is_whole = take(bytes, 0) == sync_marker.to_le_bytes() && is_sealed(bytes, crc_at);
        let header = is_whole.then(|| Self {
            first: LogEnd::new(u64::from_le_bytes(take(bytes, 8))),
            flushed_end: LogEnd::new(u64::from_le_bytes(take(bytes, 16))),
            bytes: u32::from_le_bytes(take(bytes, 24)),
            records: u32::from_le_bytes(take(bytes, 28)),
            sum: (crc_at > 32).then(|| u32::from_le_bytes(take(bytes, 32))),
        })?;
        let has_ids = header.first.get().checked_add(header.records.into()).is_some();
        let is_possible = header.bytes as usize <= GROUP_BYTES_LIMIT && header.records > 0;
        (has_ids && is_possible).then_some(header)
    }

    /// Returns the size of the header, in bytes.
    pub(super) fn header_bytes(&self) -> usize {
        if self.sum.is_some() { GROUP_HEADER_BYTES } else { GROUP_HEADER_BYTES - 4 }
    }

    /// Returns whether these records, which are all of the group's, are whole but not those that
    /// were written with the header. If one of them is damaged, that is the fault, and the result
    /// is false.
    pub(super) fn is_of_others(&self, records: &[u8]) -> bool {
        let Some(sum) = self.sum.filter(|_| records.len() == self.bytes as usize) else {
            return false;
        };
        sum_of(records).is_some_and(|found| found != sum) && self.are_whole(records)
    }

    fn are_whole(&self, mut records: &[u8]) -> bool {
        let mut next = self.first;
        while let Ok((_, size)) = record_at(next.next_id(), records) {
            records = records.get(size..).unwrap_or_default();
            next = next.plus(1);
        }
        next == self.end()
    }

    /// Returns the end of the group's messages.
    pub(super) fn end(&self) -> LogEnd {
        self.first.plus(u64::from(self.records))
    }

    /// Returns the size of the group with its header, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.header_bytes() as u64 + u64::from(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let running = Some(RunningChecksum::new(0x1234));
        let new = SegmentHeader::new(LogId::new(7), LogEnd::new(9), 0x0123_4567_89ab_cdef, running);
        let old = SegmentHeader {
            version: FORMAT_VERSION_1,
            role: Some(Role::Secondary),
            running: None,
            ..new
        };
        for segment in [new, old, SegmentHeader { running: None, ..new }] {
            assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
            for bit in 0..SEGMENT_HEADER_BYTES * 8 {
                let mut bytes = segment.encode();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
            }
            let group = GroupHeader {
                first: LogEnd::new(9),
                flushed_end: LogEnd::new(4),
                bytes: 77,
                records: 2,
                sum: (segment.version == FORMAT_VERSION).then_some(5),
            };
            let encoded = |group: &GroupHeader| {
                let mut bytes = Vec::new();
                group.encode(segment.sync_marker, &mut bytes);
                bytes
            };
            assert_eq!(encoded(&group).len(), segment.group_header_bytes());
            assert_eq!(segment.decode_group(&encoded(&group)), Some(group));
            assert_eq!(
                SegmentHeader { sync_marker: 6, ..segment }.decode_group(&encoded(&group)),
                None
            );
            let longest = GroupHeader { bytes: BATCH_BYTES_MAX as u32, ..group };
            assert_eq!(segment.decode_group(&encoded(&longest)), Some(longest));
            let last = GroupHeader { first: LogEnd::new(u64::MAX - 2), ..group };
            assert_eq!(segment.decode_group(&encoded(&last)), Some(last));
            let beyond = GroupHeader { records: 3, ..last };
            assert_eq!(segment.decode_group(&encoded(&beyond)), None, "no message has such an id");
            for bit in 0..encoded(&group).len() * 8 {
                let mut bytes = encoded(&group);
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(segment.decode_group(&bytes), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn a_segment_of_another_version_is_refused_by_that_name() {
        let header = SegmentHeader::new(LogId::new(7), LogEnd::ZERO, 1, None);
        let mut bytes = header.encode();
        bytes[8] = 3;
        seal(&mut bytes, SEGMENT_HEADER_BYTES - 4);
        assert!(SegmentHeader::decode(&bytes).unwrap_err().contains("format version 3"));
    }
}
