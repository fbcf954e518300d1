//! The active segment file of a log, as a start finds it.

use acklog_log::disk::{DiskOptions, Role};
use acklog_types::LogId;
use memchr::memmem;

use crate::log_files::{
    Seals, disk_with, encoded_record, manifest_of, read_all, records_max, seal_segment, start,
};

const NAME: &str = "00000000000000000000.log";

/// A start either refuses the directory and changes nothing in the file, or opens a log that is a
/// beginning of what the file has: each record stands there, byte for byte and in order. Nothing
/// below the flushed end is missing then, and the next start finds the same log.
///
/// Input: a byte of `Seals`, whose bit 4 says whether the node is a secondary; the flushed end
/// that the manifest tells; the file.
pub fn segment(data: &[u8]) {
    let Some((&[mode, flushed], bytes)) = data.split_first_chunk::<2>() else { return };
    let mut bytes = bytes.to_vec();
    seal_segment(&mut bytes, Seals(mode));
    let role = if mode & 16 == 0 { Role::Master } else { Role::Secondary };
    let log = bytes.get(16..).and_then(<[u8]>::first_chunk::<16>);
    let log = LogId::new(log.map_or(7, |log| u128::from_le_bytes(*log)));
    let line = format!(
        concat!(
            r#"{{"format":2,"role":"{role}","log":"{log}","start":0,"last":0,"#,
            r#""synced":{flushed},"secondaries":[]}}"#
        ),
        role = role,
        log = log,
        flushed = flushed
    );
    let disk = disk_with(&[("manifest", &manifest_of(line.as_bytes())), (NAME, &bytes)]);
    let options = DiskOptions { role, new_log: log, keys: 8, ..DiskOptions::OF_TESTS };
    let Ok(opened) = start(&disk, options) else {
        assert_eq!(disk.bytes(NAME), bytes, "a refused file was changed");
        return;
    };
    let end = opened.opened.reader.durable_end().get();
    assert!(end >= u64::from(flushed), "{end} messages of {flushed} that were flushed");
    assert!(end <= records_max(bytes.len()) as u64, "{end} messages in {} bytes", bytes.len());
    let runs = read_all(&opened);
    let read: u64 = runs.iter().map(|run| run.range().len()).sum();
    assert_eq!(read, end, "what was just found can be read");
    let mut rest = bytes.as_slice();
    for record in runs.iter().flat_map(|run| run.iter()) {
        let encoded = encoded_record(&record);
        let at = memmem::find(rest, &encoded);
        let at = at.unwrap_or_else(|| panic!("{record:?} is not in the file"));
        rest = rest.get(at + encoded.len()..).unwrap_or_default();
    }
    let keys = &opened.opened.keys;
    assert!(keys.is_sorted_by(|(_, one), (_, next)| one < next), "keys out of order");
    drop(opened);
    let again = start(&disk, options).expect("a log that was opened is opened again");
    assert_eq!(read_all(&again), runs, "the next start finds another log");
}
