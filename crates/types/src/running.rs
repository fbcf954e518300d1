//! A checksum over many records. Two logs are compared by it at any position.

use std::fmt;

use super::Checksum;
use super::record::record_size;

/// A checksum over all records of a log below a position. It combines the checksums of the records
/// in order: two logs that differ in one record have different checksums from there on, even if
/// they end alike.
///
/// It is no cryptographic hash, nor are the records' own checksums: it does not protect against
/// records that are made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningChecksum(u64);

impl RunningChecksum {
    /// The checksum over no records.
    pub const START: Self = Self(0);

    /// Returns the checksum that is stored as this number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the number that the checksum is stored as.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the lower half, for places with 32 bits.
    pub const fn short(self) -> Checksum {
        Checksum::new(self.0 as u32)
    }

    /// Adds one record, by its CRC-32C.
    ///
    /// This is the finalizer of MurmurHash3. For a given record, different checksums before lead to
    /// different ones after, and each bit before changes half of the bits after.
    #[must_use]
    pub const fn then(self, crc: u32) -> Self {
        let mut value = self.0.wrapping_add(crc as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Self(value ^ (value >> 33))
    }

    /// Removes the last record, by its CRC-32C: the inverse of [`then`](Self::then).
    #[must_use]
    pub const fn before(self, crc: u32) -> Self {
        // Each step is inverted: a shift by more than half of the bits is its own inverse, a factor
        // has an inverse factor.
        let mut value = (self.0 ^ (self.0 >> 33)).wrapping_mul(0x9cb4_b2f8_1293_37db);
        value = (value ^ (value >> 33)).wrapping_mul(0x4f74_430c_22a5_4005);
        value ^= value >> 33;
        Self(value.wrapping_sub(0x9e37_79b9_7f4a_7c15).wrapping_sub(crc as u64))
    }

    /// Adds records by the checksums stored in them, without checking those against the bytes. None
    /// if the bytes end inside a record.
    #[must_use]
    pub fn over(mut self, mut records: &[u8]) -> Option<Self> {
        while !records.is_empty() {
            let (record, behind) = records.split_at_checked(record_size(records)?)?;
            let crc = record.get(4..).and_then(|rest| rest.first_chunk())?;
            self = self.then(u32::from_le_bytes(*crc));
            records = behind;
        }
        Some(self)
    }
}

impl fmt::Display for RunningChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InBatch, MessageId, encode_record};

    fn records(texts: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, text) in texts.iter().enumerate() {
            encode_record(&mut bytes, MessageId::new(id as u64), 0, None, text, InBatch::Last);
        }
        bytes
    }

    #[test]
    fn logs_that_differ_in_an_old_record_differ_in_it_although_they_end_alike() {
        let running = |texts: &[&str]| RunningChecksum::START.over(&records(texts)).unwrap();
        assert_eq!(running(&["a", "b", "c"]), running(&["a", "b", "c"]));
        assert_ne!(running(&["a", "b", "c"]), running(&["a", "x", "c"]));
        assert_eq!(running(&[]), RunningChecksum::START);
    }

    #[test]
    fn it_goes_on_over_records_one_by_one_and_needs_them_whole() {
        let all = records(&["a", "", "longer"]);
        let first = record_size(&all).unwrap();
        let on = RunningChecksum::START.over(&all[..first]).unwrap().over(&all[first..]);
        assert_eq!(on, RunningChecksum::START.over(&all));
        assert_eq!(RunningChecksum::START.over(&all[..all.len() - 1]), None);
    }

    #[test]
    fn it_goes_back_over_a_record_to_what_was_before() {
        for crc in [0, 1, 7, 0xdead_beef, u32::MAX] {
            for before in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX].map(RunningChecksum::new) {
                assert_eq!(before.then(crc).before(crc), before);
            }
        }
    }

    #[test]
    fn its_value_is_pinned_since_it_is_kept_in_files() {
        assert_eq!(RunningChecksum::START.then(0).then(7).to_string(), "a51f303556fe6c4d");
    }
}
