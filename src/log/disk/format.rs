//! The bytes of a segment file: a header, then groups of records. All numbers are little-endian.
//!
//! ```text
//! segment header, 64 bytes
//!  0         8    10   11      16        32        40      48      60
//! ┌─────────┬────┬────┬───────┬─────────┬─────────┬───────┬───────┬───────┐
//! │"acklog S"│ v  │role│ 0     │ log id  │ first id│ mark  │ 0     │ crc32c│
//! └─────────┴────┴────┴───────┴─────────┴─────────┴───────┴───────┴───────┘
//! group header, 36 bytes, and its records
//!  0      8          16           24      28       32       36
//! ┌──────┬──────────┬────────────┬───────┬────────┬────────┬───────────────┐
//! │ mark │ first id │ synced end │ bytes │ records│ crc32c │ records …     │
//! └──────┴──────────┴────────────┴───────┴────────┴────────┴───────────────┘
//! ```
//!
//! - `v` is the version of the format. The checksums cover what stands before them.
//! - The *mark* is drawn for each file and begins each of its groups. So whole groups can be found behind a damaged
//!   spot, and nobody can forge one inside a message, who does not know the mark.
//! - The *synced end* is how far this node's log was known to be synced when the group was written: what lies below it
//!   can be missing from the disk by damage only, never by a crash.
//! - `bytes` counts the records behind the header, which have their own checksums.
//!
//! A file may end in zeros: they were written ahead, since overwriting is cheaper to sync than growing.

use crate::protocol::frame::FRAME_BYTES_MAX;
use crate::types::{LogEnd, LogId};

/// Version of the segment files' layout. A file of another version is refused.
pub(super) const FORMAT_VERSION: u16 = 1;

/// Size of a segment's header, in bytes.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;

/// Size of a group's header, in bytes.
pub(super) const GROUP_HEADER_BYTES: usize = 36;

/// Most bytes of records in a group, unless it is a single record or batch. Larger: a reader that looks for one record
/// skips more. Smaller: more headers.
pub(super) const GROUP_BYTES_MAX: usize = 64 * 1024;

const MAGIC: [u8; 8] = *b"acklog S";

/// Which of the two kinds of node a directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The master.
    Master,
    /// A secondary.
    Secondary,
}

impl Role {
    /// The role as a word.
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

/// What stands at the front of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) role: Role,
    pub(super) log: LogId,
    pub(super) first: LogEnd,
    pub(super) mark: u64,
}

/// What stands at the front of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    pub(super) first: LogEnd,
    pub(super) synced_end: LogEnd,
    /// Bytes of records behind the header.
    pub(super) bytes: u32,
    pub(super) records: u32,
}

/// Reads `N` bytes at a place that lies inside.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    *part.expect("the layout fits its size")
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    let place = bytes.get_mut(at..at + part.len());
    place.expect("the layout fits its size").copy_from_slice(part);
}

/// Writes the checksum of all that stands before the last four of the header's bytes into those.
fn seal(bytes: &mut [u8], crc_at: usize) {
    let crc = crc32c::crc32c(bytes.get(..crc_at).expect("the layout fits its size"));
    put(bytes, crc_at, &crc.to_le_bytes());
}

fn is_sealed(bytes: &[u8], crc_at: usize) -> bool {
    bytes.get(..crc_at).map(crc32c::crc32c) == Some(u32::from_le_bytes(take(bytes, crc_at)))
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &FORMAT_VERSION.to_le_bytes());
        put(&mut bytes, 10, &[u8::from(self.role == Role::Secondary)]);
        put(&mut bytes, 16, &self.log.get().to_le_bytes());
        put(&mut bytes, 32, &self.first.get().to_le_bytes());
        put(&mut bytes, 40, &self.mark.to_le_bytes());
        seal(&mut bytes, SEGMENT_HEADER_BYTES - 4);
        bytes
    }

    /// Reads a header, or says in words why it is none.
    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, String> {
        if take::<8>(bytes, 0) != MAGIC {
            return Err("this is no segment file".to_owned());
        }
        let version = u16::from_le_bytes(take(bytes, 8));
        // Told before the checksum: another version may have it elsewhere.
        if version != FORMAT_VERSION && !is_sealed(bytes, SEGMENT_HEADER_BYTES - 4) {
            return Err(format!(
                "the header is damaged, or of format version {version}, and this release reads \
                 version {FORMAT_VERSION} only"
            ));
        }
        if !is_sealed(bytes, SEGMENT_HEADER_BYTES - 4) {
            return Err("the checksum of the segment's header is wrong".to_owned());
        }
        if version != FORMAT_VERSION {
            return Err(format!(
                "the file has format version {version}, and this release reads version \
                 {FORMAT_VERSION} only"
            ));
        }
        let role = match take::<1>(bytes, 10) {
            [0] => Role::Master,
            [1] => Role::Secondary,
            [other] => return Err(format!("the segment's header has an unknown role {other}")),
        };
        Ok(Self {
            role,
            log: LogId::new(u128::from_le_bytes(take(bytes, 16))),
            first: LogEnd::new(u64::from_le_bytes(take(bytes, 32))),
            mark: u64::from_le_bytes(take(bytes, 40)),
        })
    }
}

impl GroupHeader {
    pub(super) fn encode(&self, mark: u64) -> [u8; GROUP_HEADER_BYTES] {
        let mut bytes = [0; GROUP_HEADER_BYTES];
        put(&mut bytes, 0, &mark.to_le_bytes());
        put(&mut bytes, 8, &self.first.get().to_le_bytes());
        put(&mut bytes, 16, &self.synced_end.get().to_le_bytes());
        put(&mut bytes, 24, &self.bytes.to_le_bytes());
        put(&mut bytes, 28, &self.records.to_le_bytes());
        seal(&mut bytes, GROUP_HEADER_BYTES - 4);
        bytes
    }

    /// Reads the header of a group of the file with this mark; none where there is no whole one.
    pub(super) fn decode(bytes: &[u8; GROUP_HEADER_BYTES], mark: u64) -> Option<Self> {
        let is_whole = take(bytes, 0) == mark.to_le_bytes() && is_sealed(bytes, 32);
        let header = is_whole.then(|| Self {
            first: LogEnd::new(u64::from_le_bytes(take(bytes, 8))),
            synced_end: LogEnd::new(u64::from_le_bytes(take(bytes, 16))),
            bytes: u32::from_le_bytes(take(bytes, 24)),
            records: u32::from_le_bytes(take(bytes, 28)),
        })?;
        // The longest one is a batch or a record that came in one frame.
        let is_possible = header.bytes as usize <= FRAME_BYTES_MAX && header.records > 0;
        is_possible.then_some(header)
    }

    /// The end of the group's messages.
    pub(super) fn end(&self) -> LogEnd {
        self.first.plus(u64::from(self.records))
    }

    /// The group's size with its header, in bytes.
    pub(super) fn size(&self) -> u64 {
        GROUP_HEADER_BYTES as u64 + u64::from(self.bytes)
    }
}

/// The name of the segment file that begins with the message of this id.
pub(super) fn segment_name(first: LogEnd) -> String {
    format!("{:020}.log", first.get())
}

/// The name of that segment's index.
pub(super) fn index_name(first: LogEnd) -> String {
    format!("{:020}.index", first.get())
}

/// The first id of a segment file of this name; none for other files.
pub(super) fn first_of(name: &str) -> Option<LogEnd> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(LogEnd::new)
}

/// Whether a file of this name is a part of a log: all but the lock, and what is not ours.
pub(in crate::log) fn is_of_log(name: &str) -> bool {
    let (front, rest) = name.split_once('.').unwrap_or((name, ""));
    let is_segments = front.len() == 20 && front.bytes().all(|byte| byte.is_ascii_digit());
    front == "manifest" || (is_segments && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let segment = SegmentHeader {
            role: Role::Secondary,
            log: LogId::new(7),
            first: LogEnd::new(9),
            mark: 0x0123_4567_89ab_cdef,
        };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = segment.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
        let group = GroupHeader {
            first: LogEnd::new(9),
            synced_end: LogEnd::new(4),
            bytes: 77,
            records: 2,
        };
        assert_eq!(GroupHeader::decode(&group.encode(5), 5), Some(group));
        assert_eq!(GroupHeader::decode(&group.encode(5), 6), None);
        let longest = GroupHeader { bytes: crate::types::BATCH_BYTES_MAX as u32, ..group };
        assert_eq!(GroupHeader::decode(&longest.encode(5), 5), Some(longest));
        for bit in 0..GROUP_HEADER_BYTES * 8 {
            let mut bytes = group.encode(5);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(GroupHeader::decode(&bytes, 5), None, "bit {bit}");
        }
    }

    #[test]
    fn a_segment_of_another_version_is_refused_by_that_name() {
        let header =
            SegmentHeader { role: Role::Master, log: LogId::new(7), first: LogEnd::ZERO, mark: 1 };
        let mut bytes = header.encode();
        bytes[8] = 2;
        seal(&mut bytes, SEGMENT_HEADER_BYTES - 4);
        assert!(SegmentHeader::decode(&bytes).unwrap_err().contains("format version 2"));
    }

    #[test]
    fn only_segment_files_have_a_first_id() {
        assert_eq!(first_of(&segment_name(LogEnd::new(17))), Some(LogEnd::new(17)));
        for name in ["1.log", "manifest", "+0000000000000000017.log", "00000000000000000017.index"]
        {
            assert_eq!(first_of(name), None, "{name}");
        }
    }
}
