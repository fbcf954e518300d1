//! Whole segments that do not belong together, the checksum of all records, and damage that is
//! noted across restarts.

use acklog_types::RunningChecksum;

use super::*;
use crate::disk::names::segment_name;
use crate::storage::Storage;

/// Commits single messages as [`commit`] does, accepted later by `delay`: other records of the same
/// sizes.
fn commit_later(log: &mut Recovered, counts: &[u64], delay: u64) {
    for &count in counts {
        for _ in 0..count {
            let n = log.shared.appended_end().get();
            log.opened.writer.append(n + delay, key(n).as_ref(), &Batch::new(text(n)));
            log.opened.writer.flush();
        }
        log.committer.write();
        log.committer.sync();
    }
}

fn overwrite(disk: &SimDisk, name: &str, bytes: &[u8]) {
    disk.create(name).unwrap().write_at(0, bytes).unwrap();
}

#[test]
fn records_of_another_life_of_the_same_sectors_are_not_served() {
    let (disk, other) = (SimDisk::new(), SimDisk::new());
    let (mut log, mut of_other) = (open(&disk), open(&other));
    commit(&mut log, &[10; 5]);
    commit_later(&mut of_other, &[10; 5], 1);
    let name = segment_name(LogEnd::ZERO);
    let (mut bytes, others) = (disk.bytes(&name), other.bytes(&name));
    assert_eq!(bytes.len(), others.len());
    // The records of the first group, behind its header.
    let (begin, text) = (104, text(3));
    let end = memchr::memmem::find(&bytes, text.as_bytes()).unwrap() + text.len();
    assert_ne!(bytes[begin..end], others[begin..end]);
    bytes[begin..end].copy_from_slice(&others[begin..end]);
    log.scrubber.index_sealed();
    overwrite(&disk, &name, &bytes);
    let unread = |log: &Recovered| {
        assert!(!read_all(&log.opened.reader, 333));
        let Some(DiskFault::Damaged { detail }) = log.opened.reader.disk_fault() else {
            panic!("records of another log were served");
        };
        assert!(detail.contains("not those that were written"), "{detail}");
    };
    unread(&log);
    disk.kill();
    unread(&open(&disk));
    // Without an index the start reads the segment itself.
    disk.remove(&name.replace(".log", ".index"));
    let refused = open_with(&disk, OPTIONS).unwrap_err().to_string();
    assert!(refused.contains("not those that were written"), "{refused}");
}

#[test]
fn an_index_of_another_file_of_the_same_name_is_not_used() {
    let (disk, other) = (SimDisk::new(), SimDisk::new());
    for (disk, seed) in [(&disk, 1), (&other, 2)] {
        let mut log = open_with(disk, DiskOptions { seed, ..OPTIONS }).unwrap();
        commit(&mut log, &[10; 5]);
        log.scrubber.index_sealed();
        disk.kill();
    }
    let index = segments(&disk)[0].replace(".log", ".index");
    let own = disk.bytes(&index);
    assert_ne!(own, other.bytes(&index));
    overwrite(&disk, &index, &other.bytes(&index));
    assert_whole(&open(&disk), 50);
    assert_eq!(disk.bytes(&index), own, "it was made again");
}

#[test]
fn the_checksum_of_all_records_is_the_same_in_memory_in_files_and_after_a_restart() {
    let (disk, mut in_memory) = (SimDisk::new(), Vec::new());
    let mut log = open_with(&disk, DiskOptions { sizes: Sizes::DEFAULT, ..OPTIONS }).unwrap();
    commit_batches(&mut log, &[10, 7, 13, 10, 10]);
    for end in 0..=50 {
        let running = log.opened.reader.running_checksum(LogEnd::new(end)).unwrap();
        in_memory.push(running.unwrap());
    }
    assert_eq!(log.opened.reader.running_checksum(LogEnd::new(51)), Ok(None));
    assert_eq!(in_memory[0], RunningChecksum::START);
    // Another node's files end at other messages.
    let disk = SimDisk::new();
    let mut copy = open(&disk);
    replicate(&log, &mut copy, LogId::new(7));
    assert!(segments(&disk).len() > 2);
    let all = |log: &Recovered| -> Vec<_> {
        let at = |end| log.opened.reader.running_checksum(LogEnd::new(end)).unwrap().unwrap();
        (0..=50).map(at).collect()
    };
    assert_eq!(all(&copy), in_memory);
    disk.kill();
    assert_eq!(all(&open(&disk)), in_memory);
}

#[test]
fn logs_with_another_old_record_differ_although_they_end_alike() {
    let log_with = |delays: [u64; 3]| {
        let disk = SimDisk::new();
        let mut log = open(&disk);
        for (count, delay) in [8, 1, 8].into_iter().zip(delays) {
            commit_later(&mut log, &[count], delay);
        }
        (disk, log)
    };
    let end = LogEnd::new(17);
    let last = |log: &Recovered| {
        let records = log.opened.reader.read(LogEnd::new(16), end, 0).unwrap();
        records.iter().next().unwrap().checksum
    };
    let told = |log: &Recovered| log.opened.reader.checksum_below(end).unwrap().unwrap();
    let ((_, one), (disk, mut other)) = (log_with([0, 0, 0]), log_with([0, 5, 0]));
    assert_eq!(last(&one), last(&other), "the last records are the same");
    let differ = |other: &Recovered, in_memory: bool| {
        let reader = &other.opened.reader;
        assert_eq!(reader.compare_below(end, told(&one)), Ok(false));
        // The checksum that the other log sends, and the one that earlier releases and other
        // programs send.
        for same in [told(other), last(&one)] {
            assert_eq!(reader.compare_below(end, same), Ok(true));
            assert_eq!(reader.is_same_below(end, same), in_memory.then_some(true));
        }
        assert_eq!(reader.is_same_below(end, told(&one)), in_memory.then_some(false));
    };
    differ(&other, true);
    disk.kill();
    other = open(&disk);
    differ(&other, true);
    let told_then = told(&other);
    commit(&mut other, &[9; 9]);
    let reader = &other.opened.reader;
    assert_eq!(reader.compare_below(end, told(&one)), Ok(false));
    assert_eq!(reader.compare_below(end, told_then), Ok(true));
    assert_eq!(reader.is_same_below(end, told_then), None, "only files can tell");
}

#[test]
fn damage_is_known_after_a_restart_until_it_is_mended() {
    let (disk, _log) = committed(&[10; 8]);
    disk.kill();
    let mut log = open(&disk);
    log.scrubber.index_sealed();
    let (name, whole) = (segment_name(LogEnd::ZERO), disk.bytes(&segment_name(LogEnd::ZERO)));
    let at = memchr::memmem::find(&whole, text(1).as_bytes()).unwrap();
    disk.flip_bit(&name, at as u64 * 8);
    assert!(log.opened.reader.read(LogEnd::new(1), LogEnd::new(2), 0).is_err());
    log.scrubber.note_damage();
    let told = log.opened.reader.disk_fault();
    assert!(told.is_some());
    for _ in 0..2 {
        disk.crash(&mut ChaCha8Rng::seed_from_u64(3));
        let mut log = open(&disk);
        assert_eq!(log.opened.reader.disk_fault(), told, "known without a read");
        assert!(log.opened.reader.read(LogEnd::ZERO, LogEnd::new(9), 333).is_ok());
        log.scrubber.note_damage();
    }
    disk.kill();
    let file = disk.open(&name).unwrap();
    file.write_at(0, &whole).unwrap();
    file.sync().unwrap();
    assert_eq!(open(&disk).opened.reader.disk_fault(), None);
}

/// Returns a log of 40 messages whose newest file is damaged at its second message. That was found
/// while the node ran and no other node was connected: the file is sealed by then.
fn found_damaged_in_the_newest_file(role: Role) -> (SimDisk, Recovered, LogEnd) {
    let disk = SimDisk::new();
    let mut log = open_with(&disk, DiskOptions { role, ..OPTIONS }).unwrap();
    let mut source = open(&SimDisk::new());
    commit(&mut source, &[1; 40]);
    for n in (0..40).map(LogEnd::new) {
        let run = source.opened.reader.read(n, n.plus(1), 0).unwrap();
        log.opened.writer.append_run(LogId::new(99), &run);
        log.opened.writer.flush();
        log.committer.write();
        log.committer.sync();
    }
    log.scrubber.index_sealed();
    let newest = segments(&disk).pop().unwrap();
    let damaged = names::first_of(&newest).unwrap().plus(1);
    let text = text(damaged.get());
    let at = memchr::memmem::find(&disk.bytes(&newest), text.as_bytes()).unwrap();
    disk.flip_bit(&newest, at as u64 * 8);
    assert!(log.opened.reader.read(damaged, damaged.plus(1), 0).is_err(), "read from the file");
    log.scrubber.note_damage();
    log.scrubber.repair();
    log.committer.write();
    assert_ne!(segments(&disk).pop().unwrap(), newest);
    log.scrubber.index_sealed();
    (disk, log, damaged)
}

#[test]
fn damage_of_the_newest_file_is_known_after_a_restart_and_hides_nothing_beside_it() {
    let (disk, log, damaged) = found_damaged_in_the_newest_file(Role::Secondary);
    let told = log.opened.reader.disk_fault();
    assert!(told.is_some());
    let options = DiskOptions { role: Role::Secondary, keys: 0, ..OPTIONS };
    for _ in 0..2 {
        disk.kill();
        let log = open_with(&disk, options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(log.opened.reader.disk_fault(), told);
        for n in 0..40 {
            let read = log.opened.reader.read(LogEnd::new(n), LogEnd::new(n + 1), 0);
            assert_eq!(read.is_err(), n == damaged.get(), "message {n}");
        }
    }
}

#[test]
fn a_master_that_does_not_know_the_key_of_a_damaged_message_is_not_started() {
    let (disk, _, damaged) = found_damaged_in_the_newest_file(Role::Master);
    disk.kill();
    let error = open_with(&disk, OPTIONS).map(drop).unwrap_err().to_string();
    assert!(error.contains(&format!("message {damaged}")), "{error}");
    // A start that needs no key from that file succeeds.
    assert!(open_with(&disk, DiskOptions { keys: 0, ..OPTIONS }).is_ok());
}

#[test]
fn the_scrub_reads_segments_with_noted_places_first() {
    let (disk, mut log) = committed(&[10; 8]);
    log.scrubber.index_sealed();
    let second = segments(&disk)[1].clone();
    let bytes = disk.bytes(&second);
    disk.flip_bit(&second, (bytes.len() as u64 - 3) * 8);
    disk.kill();
    let first_id = LogEnd::new(second.split('.').next().unwrap().parse().unwrap());
    let note = DamagedPlace {
        segment: first_id,
        offset: 64,
        ids: IdRange::new(first_id, first_id.plus(1)),
        what: "the checksum was wrong".to_owned(),
    };
    notes::store(&disk, &[note]).unwrap();
    let mut log = open(&disk);
    assert_eq!(log.opened.reader.disk_fault(), None, "the noted place itself is whole again");
    log.scrubber.scrub_next();
    assert!(log.opened.reader.disk_fault().is_some(), "its segment is read before the others");
}
