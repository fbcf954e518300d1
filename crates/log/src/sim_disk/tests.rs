//! The guarantees of the disk, those that it does not give, and its injected failures.

use std::collections::BTreeSet;

use rand::SeedableRng;

use super::*;

/// Enough crashes to draw every likely result.
const SEEDS: u64 = 200;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Creates a file with synced bytes, whose name is not synced.
fn created(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn StorageFile> {
    let file = disk.create(name).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    file
}

/// Returns a disk with one durable file.
fn disk(name: &str, bytes: &[u8]) -> (SimDisk, Arc<dyn StorageFile>) {
    let disk = SimDisk::new();
    let file = created(&disk, name, bytes);
    disk.sync_directory().unwrap();
    (disk, file)
}

/// Returns all results of a crash, over many seeds.
fn crashes<T: Ord>(disk: &SimDisk, look: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    let crashed = |seed| {
        let copy = disk.snapshot();
        copy.crash(&mut rng(seed));
        look(&copy)
    };
    (0..SEEDS).map(crashed).collect()
}

fn kind(result: io::Result<impl std::fmt::Debug>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn what_is_written_is_seen_at_once_and_by_everybody() {
    let disk = SimDisk::new();
    let file = disk.create("a").unwrap();
    file.write_at(3, b"xyz").unwrap();
    let other = disk.clone().open("a").unwrap();
    let mut into = [9; 8];
    assert_eq!(other.read_at(1, &mut into).unwrap(), 5);
    assert_eq!(into, *b"\0\0xyz\x09\x09\x09");
    assert_eq!(other.read_at(6, &mut into).unwrap(), 0);
    assert_eq!(other.read_at(99, &mut into).unwrap(), 0);
    other.set_length(4).unwrap();
    assert_eq!(file.length().unwrap(), 4);
    file.set_length(6).unwrap();
    assert_eq!(disk.bytes("a"), b"\0\0\0x\0\0");
    assert_eq!(disk.list().unwrap(), ["a"]);
    assert_eq!(kind(disk.open("b")), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.rename("b", "c")), io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_is_created_again_is_emptied() {
    let (disk, file) = disk("a", b"old");
    disk.create("a").unwrap();
    assert_eq!(file.length().unwrap(), 0);
    let found = crashes(&disk, |disk| disk.bytes("a"));
    assert_eq!(found, BTreeSet::from([b"old".to_vec(), Vec::new()]), "emptying is not safe yet");
}

#[test]
fn what_was_synced_survives_every_crash() {
    let (disk, file) = disk("a", &[1; 2000]);
    file.set_length(3000).unwrap();
    file.sync().unwrap();
    file.write_at(2500, &[2; 100]).unwrap();
    for (bytes, count) in crashes(&disk, |disk| (disk.bytes("a"), disk.list().unwrap().len())) {
        assert_eq!(count, 1);
        assert_eq!(bytes.len(), 3000);
        assert!(bytes[..2000] == [1; 2000] && bytes[2000..2500] == [0; 500]);
    }
}

#[test]
fn what_was_not_synced_survives_sector_by_sector_in_any_order() {
    let (disk, file) = disk("a", &[1; 700]);
    // The rest of sector 1, sectors 2 and 3, and the beginning of sector 4.
    file.write_at(700, &[2; 1400]).unwrap();
    let found = crashes(&disk, |disk| {
        let bytes = disk.bytes("a");
        assert!(bytes[..700] == [1; 700]);
        let parts = [700..1024, 1024..1536, 1536..2048, 2048..2100];
        let survived = parts.map(|part| match bytes.get(part.clone()) {
            Some(bytes) if bytes.iter().all(|byte| *byte == 2) => true,
            Some(bytes) if bytes.iter().all(|byte| *byte == 0) => false,
            Some(_) => panic!("a torn sector: {part:?}"),
            None => false,
        });
        let last = survived.iter().rposition(|survived| *survived);
        let end = last.map_or(700, |last| [1024, 1536, 2048, 2100][last]);
        assert_eq!(bytes.len(), end, "as long as what survived");
        survived
    });
    assert_eq!(found.len(), 16, "every choice of sectors: {found:?}");
}

#[test]
fn of_two_writes_to_one_sector_the_later_one_wins() {
    let (disk, file) = disk("a", b"0");
    file.write_at(0, b"1").unwrap();
    file.write_at(0, b"2").unwrap();
    let all = [b"0".to_vec(), b"1".to_vec(), b"2".to_vec()];
    assert_eq!(crashes(&disk, |disk| disk.bytes("a")), BTreeSet::from(all));
}

#[test]
fn a_length_that_was_not_synced_happened_or_not() {
    let (disk, file) = disk("a", &[1; 1000]);
    file.set_length(100).unwrap();
    assert_eq!(crashes(&disk, |disk| disk.bytes("a").len()), BTreeSet::from([100, 1000]));
    file.write_at(100, &[2; 10]).unwrap();
    let lengths = crashes(&disk, |disk| disk.bytes("a").len());
    assert_eq!(lengths, BTreeSet::from([100, 110, 1000]), "the old end may show again");
}

#[test]
fn a_new_name_that_was_not_synced_is_there_or_gone_with_its_file() {
    let (disk, _) = disk("a", b"a");
    created(&disk, "b", b"b");
    let found = crashes(&disk, |disk| disk.list().unwrap().concat());
    assert_eq!(found, BTreeSet::from(["a".to_owned(), "ab".to_owned()]));
    disk.sync_directory().unwrap();
    assert_eq!(crashes(&disk, |disk| disk.bytes("b")), BTreeSet::from([b"b".to_vec()]));
}

#[test]
fn a_rename_that_was_not_synced_is_old_or_new_and_never_neither() {
    let (disk, _) = disk("a", b"old");
    created(&disk, "new", b"new");
    disk.sync_directory().unwrap();
    disk.rename("new", "a").unwrap();
    assert_eq!((disk.list().unwrap(), disk.bytes("a")), (vec!["a".to_owned()], b"new".to_vec()));
    let found = crashes(&disk, |disk| (disk.list().unwrap().len(), disk.bytes("a")));
    assert_eq!(found, BTreeSet::from([(1, b"new".to_vec()), (2, b"old".to_vec())]));
}

#[test]
fn a_rename_of_a_file_whose_first_name_was_never_safe_keeps_the_old_one_or_brings_the_new() {
    let (disk, _) = disk("a", b"old");
    created(&disk, "new", b"new");
    disk.rename("new", "a").unwrap();
    let found = crashes(&disk, |disk| (disk.list().unwrap().len(), disk.bytes("a")));
    let all = [(1, b"new".to_vec()), (1, b"old".to_vec()), (2, b"old".to_vec())];
    assert_eq!(found, BTreeSet::from(all));
}

#[test]
fn a_file_that_lost_its_name_can_be_used_until_the_crash() {
    let (disk, file) = disk("a", b"a");
    disk.create("b").unwrap();
    disk.rename("b", "a").unwrap();
    file.write_at(1, b"a").unwrap();
    file.sync().unwrap();
    assert_eq!((file.length().unwrap(), disk.bytes("a")), (2, Vec::new()));
}

#[test]
fn after_a_crash_all_that_is_there_is_safe_and_open_files_fail() {
    let (disk, file) = disk("a", &[1; 600]);
    let mounted = disk.mounted();
    file.write_at(0, &[2; 5000]).unwrap();
    disk.crash(&mut rng(5));
    let there = disk.bytes("a");
    assert_eq!(crashes(&disk, |disk| disk.bytes("a")), BTreeSet::from([there]));
    let mut into = [0; 1];
    assert!(file.read_at(0, &mut into).is_err() && file.write_at(0, b"x").is_err());
    assert!(file.sync().is_err() && file.length().is_err() && file.set_length(0).is_err());
    assert!(mounted.create("a").is_err() && mounted.rename("a", "b").is_err());
    assert!(mounted.open("a").is_err() && mounted.list().is_err());
    assert!(mounted.sync_directory().is_err());
    disk.open("a").unwrap().write_at(0, b"x").unwrap();
    assert_eq!(disk.mounted().list().unwrap(), ["a"]);
}

#[test]
fn a_killed_process_leaves_all_that_it_wrote_as_unsafe_as_it_was() {
    let (disk, file) = disk("a", b"");
    file.write_at(0, b"1").unwrap();
    disk.fail_next_syncs(1);
    assert!(file.sync().is_err());
    disk.kill();
    assert!(file.write_at(0, b"2").is_err());
    assert_eq!(disk.bytes("a"), b"1");
    disk.open("a").unwrap().sync().unwrap();
    let found = crashes(&disk, |disk| disk.bytes("a"));
    assert_eq!(found, BTreeSet::from([Vec::new(), b"1".to_vec()]));
}

#[test]
fn a_seed_repeats_its_crash() {
    let (disk, file) = disk("a", &[1; 100]);
    file.write_at(50, &[2; 9000]).unwrap();
    let crashed = |seed| {
        let copy = disk.snapshot();
        copy.crash(&mut rng(seed));
        copy.bytes("a")
    };
    assert!((0..20).all(|seed| crashed(seed) == crashed(seed)));
}

#[test]
fn a_full_disk_takes_a_part_of_the_last_write() {
    let (disk, file) = disk("a", b"");
    disk.fail_writes_after(5);
    file.write_at(0, b"abc").unwrap();
    assert_eq!(kind(file.write_at(3, b"defg")), io::ErrorKind::StorageFull);
    assert_eq!(disk.bytes("a"), b"abcde");
    assert_eq!(kind(file.write_at(5, b"f")), io::ErrorKind::StorageFull);
    disk.heal();
    file.write_at(5, b"f").unwrap();
    file.sync().unwrap();
    assert_eq!(crashes(&disk, |disk| disk.bytes("a")), BTreeSet::from([b"abcdef".to_vec()]));
}

#[test]
fn a_failed_sync_leaves_what_it_was_for_visible_and_never_safe() {
    let (disk, file) = disk("a", b"");
    file.write_at(0, &[1; 512]).unwrap();
    disk.fail_next_syncs(1);
    assert!(file.sync().is_err());
    file.write_at(512, &[2; 512]).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.bytes("a")[..512], [1; 512]);
    let found = crashes(&disk, |disk| {
        let bytes = disk.bytes("a");
        assert_eq!((bytes.len(), &bytes[512..]), (1024, &[2; 512][..]), "the later one is safe");
        bytes[0]
    });
    assert_eq!(found, BTreeSet::from([0, 1]), "a good sync behind a failed one proves nothing");
    file.write_at(0, &[3; 512]).unwrap();
    file.sync().unwrap();
    let found = crashes(&disk, |disk| disk.bytes("a")[0]);
    assert_eq!(found, BTreeSet::from([3]), "written again it is safe");
}

#[test]
fn a_failed_sync_of_the_directory_leaves_its_names_unsafe() {
    let disk = SimDisk::new();
    disk.create("a").unwrap();
    disk.fail_next_syncs(1);
    assert!(disk.sync_directory().is_err());
    disk.create("b").unwrap();
    disk.sync_directory().unwrap();
    let found = crashes(&disk, |disk| disk.list().unwrap().concat());
    assert_eq!(found, BTreeSet::from(["ab".to_owned(), "b".to_owned()]));
}

#[test]
fn reads_fail_as_often_as_told() {
    let (disk, file) = disk("a", b"a");
    disk.fail_next_reads(2);
    let mut into = [0; 1];
    assert!(file.read_at(0, &mut into).is_err() && file.read_at(0, &mut into).is_err());
    assert_eq!(file.read_at(0, &mut into).unwrap(), 1);
    disk.fail_next_reads(u64::MAX);
    assert!(file.read_at(0, &mut into).is_err());
    disk.heal();
    assert_eq!(file.read_at(0, &mut into).unwrap(), 1);
}

#[test]
fn damage_is_there_at_once_and_stays() {
    let (disk, _) = disk("a", &[0, 0b100, 9, 9]);
    disk.flip_bit("a", 0);
    disk.flip_bit("a", 10);
    disk.cut("a", 3);
    assert_eq!(disk.bytes("a"), [1, 0, 9]);
    assert_eq!(crashes(&disk, |disk| disk.bytes("a")), BTreeSet::from([vec![1, 0, 9]]));
    disk.remove("a");
    assert!(crashes(&disk, |disk| disk.list().unwrap().is_empty()).iter().all(|empty| *empty));
    assert_eq!(kind(disk.open("a")), io::ErrorKind::NotFound);
}

#[test]
fn a_snapshot_is_a_disk_of_its_own() {
    let (disk, file) = disk("a", b"a");
    let copy = disk.snapshot();
    file.write_at(0, b"b").unwrap();
    copy.cut("a", 0);
    assert_eq!((disk.bytes("a"), copy.bytes("a")), (b"b".to_vec(), Vec::new()));
}

#[test]
fn what_is_asked_for_is_counted() {
    let (disk, file) = disk("a", b"four");
    disk.fail_writes_after(2);
    disk.fail_next_syncs(1);
    assert!(file.write_at(0, b"four").is_err() && file.sync().is_err());
    file.read_at(0, &mut [0; 9]).unwrap();
    let counts = DiskCounts { reads: 1, writes: 2, written_bytes: 6, syncs: 3, changes: 6 };
    assert_eq!(disk.counts(), counts);
}

#[test]
fn a_change_of_any_kind_fails_when_its_turn_has_come() {
    let kinds = ["create", "write", "sync", "length", "rename", "sync directory"];
    for (at, kind) in kinds.iter().enumerate() {
        let (disk, file) = disk("a", b"a");
        let failed = |disk: &SimDisk| {
            let done = [
                disk.create("b").is_ok(),
                file.write_at(0, b"b").is_ok(),
                file.sync().is_ok(),
                file.set_length(3).is_ok(),
                disk.rename("a", "c").is_ok(),
                disk.sync_directory().is_ok(),
            ];
            (0..kinds.len()).filter(|&n| !done[n]).collect::<Vec<_>>()
        };
        let copy = disk.snapshot();
        disk.fail_changes(at as u64, 1);
        assert_eq!(failed(&disk), [at], "{kind}");
        copy.fail_changes(0, 1);
        assert!(copy.create("b").is_err());
        copy.heal();
        copy.create("b").unwrap();
    }
}
