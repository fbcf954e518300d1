//! Directories of a log whose files a fuzzer has made, and checksums that are made right in them.
//!
//! A fuzzer finds no CRC by itself, so nothing behind a checksum would be reached. What is sealed
//! here is what damage cannot make, and what a broken or hostile release could.

use std::sync::Arc;

use acklog_log::SimDisk;
use acklog_log::disk::{DiskOptions, OpenError, Recovered, recover};
use acklog_log::storage::Storage;
use acklog_types::{
    LogEnd, RECORD_HEADER_BYTES, Record, Records, RunningChecksum, encode_record, record_size,
};

/// Offset of a segment header's checksum, in bytes; its size is 4 more.
const SEGMENT_CRC_AT: usize = 60;

/// Most bytes that are read from a log at once: few, so that there are several pages.
const READ_BYTES: usize = 200;

/// Returns a disk with these files, all of them durable.
pub(crate) fn disk_with(files: &[(&str, &[u8])]) -> SimDisk {
    let disk = SimDisk::new();
    for (name, bytes) in files {
        let file = disk.create(name).expect("a new file");
        file.write_at(0, bytes).expect("room");
        file.sync().expect("a sync");
    }
    disk.sync_directory().expect("a sync");
    disk
}

/// Opens the log of a disk as a start does.
pub(crate) fn start(disk: &SimDisk, options: DiskOptions) -> Result<Recovered, OpenError> {
    recover(Arc::new(disk.mounted()), options)
}

/// Returns a manifest: a line with its checksum below.
pub(crate) fn manifest_of(line: &[u8]) -> Vec<u8> {
    let crc = crc32c::crc32c(line);
    [line, format!("\ncrc32c {crc:08x}\n").as_bytes()].concat()
}

/// Reads a whole log, and checks that its ids are dense and its batches whole.
pub(crate) fn read_all(opened: &Recovered) -> Vec<Records> {
    let reader = &opened.opened.reader;
    let (mut at, end, mut runs) = (LogEnd::ZERO, reader.durable_end(), Vec::new());
    while at < end {
        let Ok(run) = reader.read(at, end, READ_BYTES) else { break };
        let range = run.range();
        assert!(range.start() == at && range.end() > at && range.end() <= end, "{range} at {at}");
        let checked = Records::check(range, run.as_bytes().clone());
        assert_eq!(checked.as_ref(), Ok(&run), "what a log gives is whole");
        at = range.end();
        runs.push(run);
    }
    runs
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

/// Puts the checksum of everything before `at` there.
fn seal(bytes: &mut [u8], at: usize) {
    if let Some(front) = bytes.get(..at) {
        let crc = crc32c::crc32c(front);
        put(bytes, at, &crc.to_le_bytes());
    }
}

/// Makes the checksums of records right, up to the first that does not fit.
pub(crate) fn seal_records(mut records: &mut [u8]) {
    while let Some(size) = record_size(records) {
        if size > records.len() {
            return;
        }
        let (record, behind) = records.split_at_mut(size);
        if let Some((length, rest)) = record.split_first_chunk_mut::<4>()
            && let Some((place, rest)) = rest.split_first_chunk_mut::<4>()
        {
            *place = crc32c::crc32c_append(crc32c::crc32c(length), rest).to_le_bytes();
        }
        records = behind;
    }
}

/// Which checksums of a segment are made right, as bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seals(pub(crate) u8);

impl Seals {
    fn of_segment(self) -> bool {
        self.0 & 1 != 0
    }

    fn of_groups(self) -> bool {
        self.0 & 2 != 0
    }

    fn of_records(self) -> bool {
        self.0 & 4 != 0
    }

    fn of_sums(self) -> bool {
        self.0 & 8 != 0
    }
}

/// Makes the checksums of a segment file right, and the marker that begins each group.
pub(crate) fn seal_segment(file: &mut [u8], seals: Seals) {
    if seals.of_segment() {
        seal(file, SEGMENT_CRC_AT);
    }
    let Some(header) = file.first_chunk::<{ SEGMENT_CRC_AT + 4 }>().copied() else { return };
    let [_, _, _, _, _, _, _, _, version, ..] = header;
    let group_header = if version == 1 { 36 } else { 40 };
    let marker: Vec<u8> = header.iter().skip(40).take(8).copied().collect();
    let mut at = header.len();
    while let Some(group) = file.get_mut(at..).filter(|group| group.len() > group_header) {
        if group.iter().all(|&byte| byte == 0) {
            return;
        }
        let count = group.get(24..28).and_then(<[u8]>::first_chunk::<4>);
        let bytes = count.map_or(0, |count| u32::from_le_bytes(*count)) as usize;
        let end = (group_header + bytes).min(group.len());
        if seals.of_records() {
            seal_records(group.get_mut(group_header..end).unwrap_or_default());
        }
        let records = group.get(group_header..end).unwrap_or_default();
        if seals.of_sums()
            && group_header == 40
            && let Some(sum) = RunningChecksum::START.over(records)
        {
            put(group, 32, &(sum.get() as u32).to_le_bytes());
        }
        if seals.of_groups() {
            put(group, 0, &marker);
            seal(group, group_header - 4);
        }
        at += end;
    }
}

/// Makes the checksums of an index file right: of its header, of its entries, and of its keys.
pub(crate) fn seal_index(file: &mut [u8]) {
    const HEADER_BYTES: usize = 64;
    const ENTRY_BYTES: usize = 12;
    const KEY_BYTES: usize = 20;
    let number = |file: &[u8], at: usize| {
        let bytes = file.get(at..).and_then(<[u8]>::first_chunk::<4>);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize
    };
    let (entries, keys) = (number(file, 48), number(file, 52));
    seal(file, HEADER_BYTES - 4);
    let entries_end = HEADER_BYTES + entries.saturating_mul(ENTRY_BYTES);
    seal(file, entries_end);
    let behind = file.get_mut(entries_end.saturating_add(4)..).unwrap_or_default();
    seal(behind, keys.saturating_mul(KEY_BYTES));
}

/// Returns the shortest record's size, to tell how many a file can have.
pub(crate) const fn records_max(bytes: usize) -> usize {
    bytes / RECORD_HEADER_BYTES
}

/// Encodes a record anew.
pub(crate) fn encoded_record(record: &Record<'_>) -> Vec<u8> {
    let key = record.key.map(|key| key.parse().expect("a key that was checked"));
    let mut bytes = Vec::new();
    let Record { id, accepted_ms, text, .. } = *record;
    encode_record(&mut bytes, id, accepted_ms, key.as_ref(), text, record.in_batch());
    bytes
}
