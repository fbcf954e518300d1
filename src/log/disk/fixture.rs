//! The files of format version 1, byte for byte: `tests/fixtures/log-v1`. A change that cannot read them, or writes
//! others, is another version.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::log::storage::Storage;
use crate::sim::SimDisk;
use crate::types::{LogEnd, NodeName, Run};

const NAMES: [&str; 4] = [
    "manifest",
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000003.log",
];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/log-v1", name].iter().collect()
}

fn options() -> DiskOptions {
    let sizes = Sizes { segment_bytes: 200, recent_bytes: 0, chunk_bytes: 90, ahead_bytes: 128 };
    DiskOptions {
        role: Role::Master,
        fsync: Fsync::Always,
        new_log: LogId::new(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        keys: 10,
        seed: 42,
        sizes,
    }
}

/// The messages of the log: text and key.
const MESSAGES: [(&str, Option<&str>); 5] = [
    ("Msg1", None),
    ("Msg2", Some("order-17")),
    ("", None),
    ("Повідомлення", Some("order-18")),
    ("the last", None),
];

/// The log that the fixture is of: three groups in two segments, two members, not cleanly stopped.
fn write(disk: &SimDisk) {
    let mut log = recover(Arc::new(disk.clone()), options()).unwrap();
    let members: Vec<NodeName> = ["bonnie", "clyde"].map(|name| name.parse().unwrap()).into();
    log.opened.writer.remember(1, members);
    for (at, (text, key)) in MESSAGES.iter().enumerate() {
        let key = key.map(|key| key.parse().unwrap());
        log.opened.writer.append(1_700_000_000_000 + at as u64, key.as_ref(), text);
        // The groups are 0..=1, 2 and 3..=4.
        if [1, 2, 4].contains(&at) {
            log.opened.writer.flush();
            log.committer.write();
            log.committer.sync();
        }
    }
    log.keeper.index_sealed();
}

#[test]
fn the_bytes_of_format_version_1_are_pinned() {
    let disk = SimDisk::new();
    write(&disk);
    let mut names = disk.list().unwrap();
    names.sort();
    let mut pinned = NAMES;
    pinned.sort_unstable();
    assert_eq!(names, pinned);
    for name in NAMES {
        let written = disk.bytes(name);
        if !path(name).exists() {
            std::fs::create_dir_all(path("")).unwrap();
            std::fs::write(path(name), &written).unwrap();
            panic!("{name} is written: look at it, and keep it for good");
        }
        let pinned = std::fs::read(path(name)).unwrap();
        assert_eq!(written, pinned, "{name} is written differently");
    }
}

#[test]
fn a_log_of_format_version_1_is_read() {
    let disk = SimDisk::new();
    for name in NAMES {
        let file = disk.create(name).unwrap();
        file.write_at(0, &std::fs::read(path(name)).unwrap()).unwrap();
        file.sync().unwrap();
    }
    disk.sync_directory().unwrap();
    let log = recover(Arc::new(disk), options()).unwrap();
    assert_eq!(log.opened.members.len(), 2);
    assert_eq!(log.opened.keys.len(), 2);
    let (mut from, mut found) = (LogEnd::ZERO, Vec::new());
    while from < LogEnd::new(5) {
        let records = log.opened.reader.read(from, LogEnd::new(5), usize::MAX).unwrap();
        let owned = |record: crate::types::Record<'_>| {
            (record.text.to_owned(), record.key.map(str::to_owned))
        };
        found.extend(records.iter().map(owned));
        from = records.range().end();
    }
    let expected = MESSAGES.map(|(text, key)| (text.to_owned(), key.map(str::to_owned)));
    assert_eq!(found, expected);
}
