//! The files of format versions 1 and 2, byte for byte: `tests/fixtures/log-v1…` and `log-v2…`. A
//! change that cannot read them, or writes other bytes than version 2, needs a new version.

use std::path::PathBuf;
use std::sync::Arc;

use acklog_types::LogView;
use acklog_types::{Batch, LogEnd, Losses, NodeName, RunningChecksum};

use super::*;
use crate::SimDisk;
use crate::storage::Storage;

/// A log whose files are kept.
#[derive(Clone, Copy)]
struct Fixture {
    /// The end of the folder's name, behind the version.
    folder: &'static str,
    /// Capacity of a chunk; a group on disk is from one chunk.
    chunk_bytes: usize,
    names: &'static [&'static str],
    /// The groups of batches that were written together, each batch with its texts and its key.
    groups: &'static [&'static [BatchSpec]],
}

/// The texts of a batch and its key.
type BatchSpec = (&'static [&'static str], Option<&'static str>);

/// Three groups in two segments, two members, no clean stop.
const SINGLE_MESSAGES: Fixture = Fixture {
    folder: "",
    chunk_bytes: 90,
    names: &[
        "manifest",
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000003.log",
    ],
    groups: &[
        &[(&["Msg1"], None), (&["Msg2"], Some("order-17"))],
        &[(&[""], None)],
        &[(&["Повідомлення"], Some("order-18")), (&["the last"], None)],
    ],
};

/// The same with batches.
const BATCHES: Fixture = Fixture {
    folder: "-batches",
    chunk_bytes: 130,
    names: &[
        "manifest",
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000004.log",
    ],
    groups: &[
        &[(&["Msg1"], None), (&["Msg2", "", "Msg3"], Some("order-17"))],
        &[(&["Повідомлення", "the last"], None)],
    ],
};

fn path(fixture: &Fixture, version: u16, name: &str) -> PathBuf {
    let folder = format!("log-v{version}{}", fixture.folder);
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", &folder, name].iter().collect()
}

fn options(fixture: &Fixture) -> DiskOptions {
    let chunk_bytes = fixture.chunk_bytes;
    let sizes = Sizes { segment_bytes: 200, recent_bytes: 0, chunk_bytes, preallocate_bytes: 128 };
    DiskOptions {
        role: Role::Master,
        fsync: Fsync::Always,
        new_log: LogId::new(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        keys: 10,
        seed: 42,
        require_log: false,
        sizes,
    }
}

fn write(fixture: &Fixture, disk: &SimDisk) {
    let mut log = recover(Arc::new(disk.clone()), options(fixture)).unwrap();
    let members: Vec<NodeName> = ["bonnie", "clyde"].map(|name| name.parse().unwrap()).into();
    log.opened.writer.persist_members(1, members, Losses::default());
    let mut at = 1_700_000_000_000;
    for group in fixture.groups {
        for (texts, key) in *group {
            let key = key.map(|key| key.parse().unwrap());
            let mut batch = Batch::from(texts[0]);
            texts[1..].iter().for_each(|text| batch.push(text));
            log.opened.writer.append(at, key.as_ref(), &batch);
            at += 1;
        }
        log.opened.writer.flush();
        log.committer.write();
        log.committer.sync();
    }
    log.scrubber.index_sealed();
}

#[test]
fn the_bytes_of_format_version_2_are_pinned() {
    [SINGLE_MESSAGES, BATCHES].iter().for_each(is_written_as_it_was);
}

fn is_written_as_it_was(fixture: &Fixture) {
    let disk = SimDisk::new();
    write(fixture, &disk);
    let mut names = disk.list().unwrap();
    names.sort();
    let mut pinned = fixture.names.to_vec();
    pinned.sort_unstable();
    assert_eq!(names, pinned);
    for name in fixture.names {
        let (path, written) = (path(fixture, 2, name), disk.bytes(name));
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &written).unwrap();
            panic!("{name} is written: look at it, and keep it for good");
        }
        let pinned = std::fs::read(path).unwrap();
        assert_eq!(written, pinned, "{name} is written differently");
    }
}

#[test]
fn logs_of_both_format_versions_are_read_and_go_on() {
    for version in [1, 2] {
        [SINGLE_MESSAGES, BATCHES].iter().for_each(|fixture| is_read(fixture, version));
    }
}

fn stored(fixture: &Fixture, version: u16) -> SimDisk {
    let disk = SimDisk::new();
    for name in fixture.names {
        let file = disk.create(name).unwrap();
        file.write_at(0, &std::fs::read(path(fixture, version, name)).unwrap()).unwrap();
        file.sync().unwrap();
    }
    disk.sync_directory().unwrap();
    disk
}

fn is_read(fixture: &Fixture, version: u16) {
    let disk = stored(fixture, version);
    let mut log = recover(Arc::new(disk.clone()), options(fixture)).unwrap();
    assert_eq!(log.opened.members.len(), 2);
    let end = assert_sent(fixture, &log);
    assert_eq!(end, log.opened.reader.durable_end());
    // The last file is continued in its version; later files have version 2.
    for text in ["one more", &"x".repeat(200), "a new file"] {
        log.opened.writer.append(0, None, &text.into());
        log.opened.writer.flush();
        log.committer.write();
        log.committer.sync();
    }
    log.scrubber.index_sealed();
    disk.kill();
    let log = recover(Arc::new(disk.clone()), options(fixture)).unwrap();
    assert_sent(fixture, &log);
    assert_eq!(log.opened.reader.durable_end(), end.plus(3));
    let mut names = disk.list().unwrap();
    names.retain(|name| name.ends_with(".log"));
    names.sort();
    let versions: Vec<u8> = names.iter().map(|name| disk.bytes(name)[8]).collect();
    let old = [version as u8; 2];
    assert!(versions.starts_with(&old) && versions.last() == Some(&2), "{versions:?}");
    // Only files have the checksum of all records behind the first file of an earlier release.
    let (reader, end) = (&log.opened.reader, end.plus(3));
    let (mut all, mut from) = (RunningChecksum::START, LogEnd::ZERO);
    while from < end {
        let run = reader.read(from, end, 0).unwrap();
        all = all.over(run.as_bytes()).unwrap();
        from = run.range().end();
    }
    for end in [end, end] {
        assert_eq!(reader.running_checksum(end), Ok(Some(all)));
        assert_eq!(reader.compare_below(end, all.short()), Ok(true));
    }
    let told = reader.checksum_below(end).unwrap();
    assert_eq!(told == Some(all.short()), version == 2);
    assert_eq!(reader.compare_below(end, told.unwrap()), Ok(true));
}

/// Checks all that was sent. Returns its end.
fn assert_sent(fixture: &Fixture, log: &Recovered) -> LogEnd {
    let sent = || fixture.groups.iter().copied().flatten();
    assert_eq!(log.opened.keys.len(), sent().filter(|(_, key)| key.is_some()).count());
    let mut from = LogEnd::ZERO;
    for (texts, key) in sent() {
        let records = log.opened.reader.read_appended(from.next_id()).unwrap();
        assert!(records.iter().map(|record| record.text).eq(texts.iter().copied()));
        let first = records.iter().next();
        assert_eq!(first.and_then(|first| first.key), *key);
        from = records.range().end();
    }
    from
}
