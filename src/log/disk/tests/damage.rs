//! Cut, flipped and missing bytes: what is refused, what is cut off, and what is never served.

use super::*;

/// A log whose last group may be torn: what is below `.1` is known to be synced.
fn crashed_log() -> (SimDisk, u64, u64) {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, &[2, 3, 4]);
    disk.kill();
    (disk, 5, 9)
}

#[test]
fn every_cut_is_a_torn_tail_or_refused_and_what_is_kept_goes_on() {
    let (disk, synced, end) = crashed_log();
    let name = segments(&disk).pop().unwrap();
    let whole = disk.bytes(&name).len() as u64;
    let records =
        (synced..end).map(|n| 25 + key(n).map_or(0, |key| 1 + key.as_str().len()) + text(n).len());
    let data = disk.bytes(&name).iter().rposition(|&byte| byte != 0).unwrap() + 1;
    // From here on the last group's header is whole.
    let last_header = (data - records.sum::<usize>()) as u64;
    let mut kept = Vec::new();
    for length in 0..whole {
        let disk = disk.snapshot();
        disk.cut(&name, length);
        match open_with(&disk, OPTIONS) {
            Ok(mut log) => {
                let found = log.opened.reader.durable_end().get();
                assert_whole(&log, found);
                // The last group's header names what was synced; before that, the group before names less.
                assert!(found >= synced || length < last_header, "{found} at length {length}");
                kept.push(found);
                commit(&mut log, &[3]);
                disk.crash(&mut ChaCha8Rng::seed_from_u64(length));
                assert_whole(&open(&disk), found + 3);
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
                assert!(error.to_string().contains(&name), "{error}");
                assert!(length < 64, "without the file's header: length {length}");
            }
        }
    }
    assert!(kept.is_sorted(), "the more is left, the more is kept");
    kept.dedup();
    assert_eq!(kept, (0..=end).collect::<Vec<_>>());
}

/// Flips each bit of each file in turn. Whatever opens must show what was written, from the front on, or fail visibly.
fn flip_every_bit(disk: &SimDisk, synced: u64, end: u64) -> (usize, usize) {
    let (mut opened, mut refused) = (0, 0);
    for name in crate::log::storage::Storage::list(disk).unwrap() {
        for bit in 0..disk.bytes(&name).len() as u64 * 8 {
            let disk = disk.snapshot();
            disk.flip_bit(&name, bit);
            match open_with(&disk, OPTIONS) {
                Ok(log) => {
                    opened += 1;
                    let found = log.opened.reader.durable_end().get();
                    assert!((synced..=end).contains(&found), "{name} bit {bit}: {found}");
                    let is_readable = read_all(&log.opened.reader, 300);
                    let fault = log.opened.reader.disk_fault();
                    assert_eq!(is_readable, fault.is_none(), "{name} bit {bit}: {fault:?}");
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        matches!(error, OpenError::Damaged { .. }),
                        "{name} bit {bit}: {error}"
                    );
                }
            }
        }
    }
    (opened, refused)
}

#[test]
fn no_flipped_bit_of_a_crashed_log_is_served_or_ends_it_below_what_was_synced() {
    let (disk, synced, end) = crashed_log();
    let (opened, refused) = flip_every_bit(&disk, synced, end);
    assert!(opened > 1000 && refused > 1000, "{opened} opened, {refused} refused");
}

#[test]
fn no_flipped_bit_of_a_stopped_log_with_old_segments_goes_unnoticed() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, &[3, 4, 6, 2]);
    log.keeper.index_sealed();
    log.committer.close();
    disk.kill();
    assert_eq!(segments(&disk).len(), 2);
    flip_every_bit(&disk, 15, 15);
}

#[test]
fn the_scrub_finds_damage_in_old_segments() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, &[10; 5]);
    let first = segments(&disk)[0].clone();
    disk.flip_bit(&first, 1500);
    assert_eq!(log.opened.reader.disk_fault(), None);
    log.keeper.scrub_next();
    let Some(DiskFault::Damaged { detail }) = log.opened.reader.disk_fault() else {
        panic!("the damage was not found");
    };
    assert!(detail.contains(&first) && detail.contains("offset"), "{detail}");
}

#[test]
fn a_read_without_a_free_descriptor_fails_and_is_no_damage() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, &[10; 5]);
    disk.kill();
    let mut log = open(&disk);
    disk.take_descriptors();
    assert!(!read_all(&log.opened.reader, 333));
    log.keeper.scrub_next();
    assert_eq!(log.opened.reader.disk_fault(), None);
    disk.heal();
    assert_whole(&log, 50);
}

#[test]
fn what_is_missing_is_damage() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, &[10; 5]);
    disk.kill();
    let mut names = segments(&disk);
    names.push("manifest".to_owned());
    assert!(names.len() >= 4);
    for name in names {
        let disk = disk.snapshot();
        disk.remove(&name);
        let refused = open_with(&disk, OPTIONS).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains(&format!("{name} is missing")), "{refused}");
    }
}
