//! The scrubber: indexes and scrubs, step by step and in its thread.

use std::thread;
use std::time::Duration;

use acklog_types::DiskFault;

use super::*;

fn damaged(log: &Recovered) -> bool {
    matches!(log.opened.reader.disk_fault(), Some(DiskFault::Damaged { .. }))
}

/// Returns a log with some sealed segments, of which the `which`th is damaged.
fn with_damage(which: usize) -> (SimDisk, Recovered) {
    let (disk, log) = committed(&[10; 5]);
    let names = segments(&disk);
    assert!(names.len() > 3, "{names:?}");
    disk.flip_bit(&names[which], 1500);
    (disk, log)
}

#[test]
fn the_scrub_goes_on_from_one_segment_to_the_next_and_then_pauses() {
    for which in 0..3 {
        let (_disk, mut log) = with_damage(which);
        for step in 0..=which {
            assert!(!damaged(&log), "segment {which} before step {step}");
            log.scrubber.scrub_next();
        }
        assert!(damaged(&log), "segment {which}");
    }
    let (disk, mut log) = with_damage(0);
    let sealed = segments(&disk).len() - 1;
    for round in 0..2 {
        let reads = disk.counts().reads;
        let pauses: Vec<Duration> = (0..=sealed).map(|_| log.scrubber.scrub_next()).collect();
        assert!(disk.counts().reads > reads, "round {round}");
        // A pass takes much less time than the pause behind it.
        let (last, others) = pauses.split_last().unwrap();
        assert!(others.iter().all(|pause| pause < last), "{pauses:?}");
        assert!(*last > Duration::from_secs(60), "{pauses:?}");
    }
}

#[test]
fn the_scrub_takes_its_time() {
    let disk = SimDisk::new();
    let sizes = Sizes { segment_bytes: 64 * 1024, ..SIZES };
    let mut log = open_with(&disk, DiskOptions { sizes, ..OPTIONS }).unwrap();
    commit(&mut log, &[1000, 1000, 1000]);
    let bytes = disk.bytes(&segments(&disk)[0]).len() as u64;
    assert!(segments(&disk).len() > 1);
    let pause = log.scrubber.scrub_next();
    // 16 MiB per second.
    assert_eq!(pause, Duration::from_millis(bytes * 1000 / (16 * 1024 * 1024)));
    assert!(pause > Duration::ZERO);
}

#[test]
fn the_thread_writes_indexes_and_ends_when_told() {
    let (disk, log) = with_damage(1);
    let Recovered { shared, mut scrubber, .. } = log;
    let thread = thread::spawn(move || scrubber.run());
    let index = |at: usize| segments(&disk)[at].replace(".log", ".index");
    let exists = |name: &String| {
        let names = crate::storage::Storage::list(&disk).unwrap();
        names.contains(name) && !disk.bytes(name).is_empty()
    };
    while !(0..3).all(|at| exists(&index(at))) {
        thread::yield_now();
    }
    let keys = |at: usize| {
        let file = crate::storage::Storage::open(&disk, &segments(&disk)[at]).unwrap();
        let header = scan::read_header(&*file).unwrap().unwrap();
        index::SparseIndex::load_keys(&disk, &header)
    };
    assert!(keys(0).is_some_and(|keys| !keys.is_empty()));
    assert!(keys(1).is_none(), "one may be that of a damaged message");
    shared.disk.as_ref().unwrap().close();
    thread.join().unwrap();
}

#[test]
fn the_thread_finds_damage_behind_a_whole_index() {
    let (disk, mut log) = committed(&[10; 5]);
    assert!(log.scrubber.index_sealed());
    disk.flip_bit(&segments(&disk)[1], 1500);
    let Recovered { shared, mut scrubber, opened, .. } = log;
    let thread = thread::spawn(move || scrubber.run());
    while opened.reader.disk_fault().is_none() {
        thread::yield_now();
    }
    shared.disk.as_ref().unwrap().close();
    thread.join().unwrap();
}

#[test]
fn no_more_old_segments_stay_open_than_are_allowed() {
    let (disk, log) = committed(&[10; 60]);
    assert!(segments(&disk).len() > 50);
    assert!(read_all(&log.opened.reader, 333));
    let open = log.shared.disk.as_ref().unwrap().segments.open_count();
    assert!((1..=32).contains(&open), "{open} are open");
}
