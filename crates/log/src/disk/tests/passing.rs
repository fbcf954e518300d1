//! A temporary failure is not a failed disk: the log waits, and goes on without a restart.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use acklog_types::{DiskFault, Losses, NodeName};
use rustix::io::Errno;

use super::*;
use crate::storage::{Storage, StorageFile};

/// Tries again, as the committer's thread does.
fn try_again(log: &mut Recovered) {
    log.committer.write();
    log.committer.sync();
}

fn fault(log: &Recovered) -> Option<DiskFault> {
    log.opened.reader.disk_fault()
}

fn remember(log: &mut Recovered, count: u64) {
    let names: Vec<NodeName> = (0..count).map(|n| format!("node-{n}").parse().unwrap()).collect();
    log.opened.writer.persist_members(count, names, Losses::default());
    try_again(log);
}

#[test]
fn a_full_disk_holds_messages_up_and_takes_them_once_there_is_room() {
    let probe = SimDisk::new();
    let mut log = open(&probe);
    commit(&mut log, &[4, 4, 20, 4]);
    let all = probe.counts().written_bytes;
    let mut held_up = 0;
    // Not every byte: a start writes as much again for each.
    for room in (0..all).step_by(23) {
        let disk = SimDisk::new();
        disk.fail_writes_after(room);
        let Ok(mut log) = open_with(&disk, OPTIONS) else { continue };
        commit(&mut log, &[4, 4, 20, 4]);
        let acked = log.opened.reader.durable_end();
        assert_whole(&log, acked.get());
        if acked < LogEnd::new(32) {
            assert!(matches!(fault(&log), Some(DiskFault::Full { .. })), "room for {room}");
            held_up += 1;
        }
        // A crash at this point loses nothing that was acked.
        let crashed = disk.snapshot();
        crashed.heal();
        crashed.crash(&mut ChaCha8Rng::seed_from_u64(room));
        let found = open(&crashed).opened.reader.durable_end();
        assert!(found >= acked, "{found} of {acked} with room for {room} bytes");
        disk.heal();
        try_again(&mut log);
        assert_eq!(fault(&log), None, "room for {room}");
        assert_whole(&log, 32);
        commit(&mut log, &[3]);
        disk.crash(&mut ChaCha8Rng::seed_from_u64(room));
        assert_whole(&open(&disk), 35);
    }
    assert!(held_up > 20, "{held_up} times there was not enough room");
}

#[test]
fn without_descriptors_nothing_is_begun_and_nothing_is_lost() {
    let (disk, mut log) = committed(&[10; 3]);
    assert_whole(&log, 30);
    let open_segments = |log: &Recovered| {
        let disk = log.shared.disk.as_ref().unwrap();
        disk.segments.open_count()
    };
    assert!(open_segments(&log) > 0);
    disk.take_descriptors();
    // The active segment is open: it is written to until the next one is due.
    commit(&mut log, &[10; 3]);
    let acked = log.opened.reader.durable_end();
    assert!(acked < LogEnd::new(60), "a segment was due");
    assert!(matches!(fault(&log), Some(DiskFault::Stalled { .. })), "{:?}", fault(&log));
    assert_eq!(open_segments(&log), 0, "what can be opened anew gives its descriptor");
    remember(&mut log, 2);
    assert_eq!(log.opened.reader.members_version(), 0);
    assert!(!log.scrubber.index_sealed(), "an index is not skipped for good");
    disk.heal();
    try_again(&mut log);
    assert_eq!(fault(&log), None);
    assert_eq!(log.opened.reader.members_version(), 2);
    assert_whole(&log, 60);
    assert!(log.scrubber.index_sealed());
    let index = segments(&disk)[0].replace(".log", ".index");
    assert!(!disk.bytes(&index).is_empty());
    disk.crash(&mut ChaCha8Rng::seed_from_u64(3));
    let again = open(&disk);
    assert_whole(&again, 60);
    assert_eq!(again.opened.members.len(), 2);
}

#[test]
fn the_last_bytes_belong_to_the_manifest_and_not_to_zeros() {
    let ahead = DiskOptions { sizes: Sizes { preallocate_bytes: 5000, ..SIZES }, ..OPTIONS };
    let disk = SimDisk::new();
    let mut log = open_with(&disk, ahead).unwrap();
    disk.fail_writes_after(1000);
    commit(&mut log, &[1]);
    let last = segments(&disk).pop().unwrap();
    assert!(disk.bytes(&last).len() < 500, "the zeros that found no room are gone");
    assert_eq!(fault(&log), None);
}

#[test]
fn only_the_newest_list_of_members_that_waited_is_written() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    disk.take_descriptors();
    (1..=3).for_each(|count| remember(&mut log, count));
    disk.heal();
    try_again(&mut log);
    assert_eq!(log.opened.reader.members_version(), 3);
    disk.kill();
    assert_eq!(open(&disk).opened.members.len(), 3);
}

#[test]
fn a_stop_while_something_passes_is_no_failure() {
    let (disk, mut log) = committed(&[3]);
    disk.fail_writes_after(0);
    append(&mut log, 2);
    log.committer.close();
    assert!(matches!(fault(&log), Some(DiskFault::Full { .. })), "{:?}", fault(&log));
    disk.heal();
    disk.kill();
    let found = open(&disk);
    assert!(found.opened.reader.durable_end() >= LogEnd::new(3));
}

#[test]
fn a_log_is_opened_and_read_on_a_full_disk() {
    let (disk, mut log) = committed(&[10, 3]);
    log.committer.close();
    disk.kill();
    disk.fail_writes_after(0);
    let mut log = open(&disk);
    assert_whole(&log, 13);
    commit(&mut log, &[1]);
    assert!(matches!(fault(&log), Some(DiskFault::Full { .. })), "{:?}", fault(&log));
    disk.heal();
    try_again(&mut log);
    assert_whole(&log, 14);
}

#[test]
fn a_read_that_the_disk_fails_once_is_no_damage() {
    let (disk, log) = committed(&[10; 5]);
    disk.fail_next_reads(1);
    let refused = log.opened.reader.read(LogEnd::ZERO, LogEnd::new(1), 0).unwrap_err();
    assert!(matches!(refused, crate::ReadError::Passing { .. }), "{refused:?}");
    assert_eq!(fault(&log), None);
    assert_whole(&log, 50);
}

/// A disk that reports a lack of space only when names are synced, as a quota or a network file
/// system may.
#[derive(Debug)]
struct LateQuota {
    disk: SimDisk,
    is_full: Arc<AtomicBool>,
}

impl Storage for LateQuota {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(Errno::DQUOT.into()),
            false => self.disk.sync_directory(),
        }
    }

    fn path_of(&self, name: &str) -> String {
        self.disk.path_of(name)
    }
}

#[test]
fn a_segment_that_finds_no_room_when_its_name_is_synced_is_begun_again() {
    let is_full = Arc::new(AtomicBool::new(false));
    let storage = LateQuota { disk: SimDisk::new().mounted(), is_full: is_full.clone() };
    let disk = storage.disk.clone();
    let mut log = recover(Arc::new(storage), OPTIONS).unwrap();
    commit(&mut log, &[10]);
    is_full.store(true, Ordering::Relaxed);
    commit(&mut log, &[10; 3]);
    assert!(matches!(fault(&log), Some(DiskFault::Full { .. })), "{:?}", fault(&log));
    is_full.store(false, Ordering::Relaxed);
    try_again(&mut log);
    assert_eq!(fault(&log), None);
    disk.crash(&mut ChaCha8Rng::seed_from_u64(3));
    assert_whole(&open(&disk), 40);
}

#[test]
fn a_damaged_place_is_noted_once_there_is_room_for_that() {
    let (disk, mut log) = committed(&[10; 5]);
    log.scrubber.index_sealed();
    let name = segments(&disk)[0].clone();
    let at = memchr::memmem::find(&disk.bytes(&name), text(1).as_bytes()).unwrap();
    disk.flip_bit(&name, at as u64 * 8);
    assert!(log.opened.reader.read(LogEnd::new(1), LogEnd::new(2), 0).is_err());
    disk.fail_changes(0, u64::MAX);
    log.scrubber.note_damage();
    disk.heal();
    assert!(notes::load(&disk).is_empty());
    log.scrubber.note_damage();
    assert_eq!(notes::load(&disk).len(), 1);
}
