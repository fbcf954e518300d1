//! The index file of a sealed segment.

use acklog_log::disk::DiskOptions;
use acklog_types::{LogEnd, MessageId, Record};

use crate::log_files::{disk_with, seal_index, start};

/// A directory: its manifest, the sealed segment, and the active one.
type IndexedDirectory = [&'static [u8]; 3];

/// The directories of both versions of the format, the newer one first.
const DIRECTORIES: [IndexedDirectory; 2] = [
    [
        include_bytes!("../../../crates/log/tests/fixtures/log-v2/manifest"),
        include_bytes!("../../../crates/log/tests/fixtures/log-v2/00000000000000000000.log"),
        include_bytes!("../../../crates/log/tests/fixtures/log-v2/00000000000000000003.log"),
    ],
    [
        include_bytes!("../../../crates/log/tests/fixtures/log-v1/manifest"),
        include_bytes!("../../../crates/log/tests/fixtures/log-v1/00000000000000000000.log"),
        include_bytes!("../../../crates/log/tests/fixtures/log-v1/00000000000000000003.log"),
    ],
];

const TEXTS: [&str; 5] = ["Msg1", "Msg2", "", "Повідомлення", "the last"];

/// Whatever an index says, a log has the messages of its segments and no others: a start refuses
/// the directory, a read tells an error, or the message is the right one. Keys are in id order.
///
/// Input: a byte whose lowest bit says whether checksums are made right, and whose second bit is
/// the format's version; the file.
pub fn index(data: &[u8]) {
    let Some((&[mode], bytes)) = data.split_first_chunk::<1>() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        seal_index(&mut bytes);
    }
    let [newer, older] = DIRECTORIES;
    let [manifest, sealed, active] = if mode & 2 == 0 { newer } else { older };
    let disk = disk_with(&[
        ("manifest", manifest),
        ("00000000000000000000.log", sealed),
        ("00000000000000000000.index", &bytes),
        ("00000000000000000003.log", active),
    ]);
    let Ok(opened) = start(&disk, DiskOptions { keys: 8, ..DiskOptions::OF_TESTS }) else { return };
    let keys = &opened.opened.keys;
    assert!(keys.is_sorted_by(|(_, one), (_, next)| one < next), "keys out of order: {keys:?}");
    let reader = &opened.opened.reader;
    assert_eq!(reader.durable_end(), LogEnd::new(TEXTS.len() as u64));
    for (id, text) in TEXTS.iter().enumerate() {
        let from = MessageId::new(id as u64).before();
        let Ok(run) = reader.read(from, from.plus(1), 1) else { continue };
        let found: Vec<&str> = run.iter().map(|record: Record<'_>| record.text).collect();
        assert_eq!(found, [*text], "message {id}");
    }
}
