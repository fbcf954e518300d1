//! Repairs of a log in use, with another node's records.

use acklog_types::{Damage, NodeName};

use super::*;
use crate::storage::Storage;

/// A log with a damaged message 4 in its first segment, which the scrubber has found, and a whole
/// copy.
struct Damaged {
    disk: SimDisk,
    log: Recovered,
    whole: Recovered,
}

fn peer() -> NodeName {
    "bonnie".parse().unwrap()
}

/// Flips a bit in the text of a message.
fn flip(disk: &SimDisk, n: u64) {
    let found = segments(disk).into_iter().find_map(|name| {
        let at = memchr::memmem::find(&disk.bytes(&name), text(n).as_bytes())?;
        Some((name, at as u64 * 8))
    });
    let (name, bit) = found.unwrap();
    disk.flip_bit(&name, bit);
}

fn whole(commits: &[&[u64]]) -> Recovered {
    let mut log = open(&SimDisk::new());
    commits.iter().for_each(|counts| commit_batches(&mut log, counts));
    log
}

impl Damaged {
    fn new(commits: &[&[u64]], damage: impl Fn(&SimDisk)) -> Self {
        let disk = SimDisk::new();
        let mut log = open(&disk);
        commits.iter().for_each(|counts| commit_batches(&mut log, counts));
        log.scrubber.index_sealed();
        damage(&disk);
        Self { disk, log, whole: whole(commits) }
    }

    /// Reads all old segments.
    fn scrub(&mut self) {
        for _ in segments(&self.disk) {
            self.log.scrubber.scrub_next();
        }
    }

    fn damage(&self) -> Option<Damage> {
        self.log.opened.reader.damage()
    }

    /// Gives the log what it asks for next, as far as one page of the other log has it. Returns
    /// whether it asked for anything.
    fn give_page(&mut self, from: &LogReader, max_bytes: usize) -> bool {
        self.log.scrubber.repair();
        let Some(wanted) = self.damage().and_then(|damage| damage.wanted) else { return false };
        let page = from.read(wanted.start(), from.durable_end(), max_bytes).unwrap();
        self.log.opened.reader.mend(&peer(), &page);
        true
    }

    /// Repairs all known damage.
    fn repair(&mut self) {
        let other = self.whole.opened.reader.clone();
        while self.give_page(&other, 100) {}
    }

    fn assert_repaired(&self, end: u64) {
        assert_eq!(self.damage(), None);
        assert_eq!(self.log.opened.reader.disk_fault(), None);
        assert_whole(&self.log, end);
        let disk = self.disk.snapshot();
        disk.kill();
        let log = open(&disk);
        assert_eq!(log.opened.reader.disk_fault(), None);
        assert_whole(&log, end);
        let all = log.opened.reader.running_checksum(LogEnd::new(end)).unwrap();
        let same = self.whole.opened.reader.running_checksum(LogEnd::new(end)).unwrap();
        assert!(all.is_some() && all == same, "{all:?}");
    }
}

const COMMITS: &[&[u64]] = &[&[1, 1, 1], &[2, 5, 1], &[1, 1, 1, 1], &[9, 1], &[1, 1, 7], &[1; 9]];
const END: u64 = 43;

#[test]
fn each_damaged_byte_of_an_old_segment_is_repaired_from_another_node() {
    let name = {
        let log = Damaged::new(COMMITS, |_| {});
        segments(&log.disk)[1].clone()
    };
    let length = Damaged::new(COMMITS, |_| {}).disk.bytes(&name).len() as u64;
    for at in (0..length).step_by(7) {
        let mut log = Damaged::new(COMMITS, |disk| disk.flip_bit(&name, at * 8 + at % 8));
        // Any read finds it or, if that misses it, the scrub.
        log.scrub();
        assert!(log.damage().is_some(), "byte {at}");
        log.repair();
        log.assert_repaired(END);
    }
}

#[test]
fn a_file_that_is_gone_is_made_again_and_so_are_several_damaged_ones() {
    let mut log = Damaged::new(COMMITS, |disk| {
        disk.remove(&segments(disk)[1]);
        flip(disk, 1);
    });
    log.scrub();
    log.repair();
    log.assert_repaired(END);
}

#[test]
fn a_damaged_message_of_the_file_that_is_written_is_repaired_once_that_is_sealed() {
    let mut log = Damaged::new(COMMITS, |_| {});
    let last = segments(&log.disk).pop().unwrap();
    let first = names::first_of(&last).unwrap();
    flip(&log.disk, first.get());
    let reader = log.log.opened.reader.clone();
    assert!(reader.read(first, first.plus(1), 0).is_err(), "it is read from the file");
    log.repair();
    assert!(log.damage().is_some());
    log.log.committer.write();
    log.repair();
    assert_ne!(segments(&log.disk).pop(), Some(last));
    log.assert_repaired(END);
    commit(&mut log.log, &[5]);
    assert_whole(&log.log, END + 5);
}

#[test]
fn a_file_that_its_own_records_do_not_mend_is_tried_again_later() {
    let mut log = Damaged::new(COMMITS, |disk| {
        let [first, next] = [0, 1].map(|at| segments(disk)[at].clone());
        // Appends bytes that belong to no message, so that no message is damaged.
        let length = disk.bytes(&first).len() as u64;
        disk.open_to_write(&first).unwrap().write_at(length, b"more").unwrap();
        let bytes = disk.bytes(&next);
        let header = format::SegmentHeader::decode(bytes.first_chunk().unwrap()).unwrap();
        let running = header.running.map(|running| running.then(0));
        let other = format::SegmentHeader { running, ..header };
        disk.open_to_write(&next).unwrap().write_at(0, &other.encode()).unwrap();
    });
    log.scrub();
    assert!(log.log.scrubber.repair().is_some(), "after a pause");
    assert_eq!(log.damage().map(|damage| (damage.wanted, damage.misfits)), Some((None, 1)));
    let disk = log.log.shared.disk.as_ref().unwrap();
    log.log.scrubber.note_damage();
    assert!(!disk.work().damaged.is_due(), "not before");
}

#[test]
fn what_stands_above_damage_is_compared_from_behind() {
    let log = Damaged::new(COMMITS, |disk| flip(disk, 4));
    let [damaged, whole] = [&log.log, &log.whole].map(|log| &log.opened.reader);
    for end in (5..END).map(LogEnd::new) {
        let running = whole.running_checksum(end).unwrap();
        assert_eq!(damaged.running_checksum(end), Ok(running), "{end}");
        let told = running.unwrap();
        assert_eq!(damaged.compare_below(end, told.short()), Ok(true));
        // The checksum of message 4 itself may have been sent, and is not known.
        let other = damaged.compare_below(end, told.then(0).short());
        assert!(if end.get() == 5 { other.is_err() } else { other == Ok(false) }, "{end}");
    }
}

#[test]
fn what_no_checksum_proves_is_not_taken_and_another_node_may_have_it() {
    let mut log = Damaged::new(COMMITS, |disk| flip(disk, 4));
    // Another history of the same log, with whole records.
    let mut other = open(&SimDisk::new());
    COMMITS.iter().for_each(|counts| {
        counts.iter().for_each(|&count| {
            let first = other.shared.appended_end().get();
            let mut batch = Batch::new(text(first + 7));
            (first + 1..first + count).for_each(|n| batch.push(&text(n + 7)));
            other.opened.writer.append(first, None, &batch);
            other.opened.writer.flush();
        });
        other.committer.write();
        other.committer.sync();
    });
    log.log.scrubber.scrub_next();
    let files = || segments(&log.disk).iter().map(|name| log.disk.bytes(name)).collect::<Vec<_>>();
    let before = files();
    for misfits in 0..3 {
        assert_eq!(log.damage().map(|damage| damage.misfits), Some(misfits));
        while log.damage().unwrap().misfits == misfits {
            log.give_page(&other.opened.reader, 100);
        }
    }
    let files = || segments(&log.disk).iter().map(|name| log.disk.bytes(name)).collect::<Vec<_>>();
    assert_eq!(files(), before);
    log.repair();
    log.assert_repaired(END);
}

#[test]
fn a_repair_survives_every_failure_and_every_crash() {
    let live = |good: u64, count: u64| {
        let mut log = Damaged::new(COMMITS, |disk| flip(disk, 4));
        log.log.scrubber.scrub_next();
        log.log.scrubber.note_damage();
        let begun = log.disk.counts().changes;
        log.disk.fail_changes(good, count);
        log.repair();
        (log.disk.counts().changes - begun, log)
    };
    let (changes, repaired) = live(u64::MAX / 2, 0);
    repaired.assert_repaired(END);
    assert!(changes > 6, "{changes}");
    for good in 0..changes {
        for count in [1, u64::MAX] {
            for seed in 0..4 {
                let (_, log) = live(good, count);
                log.disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
                log.disk.heal();
                let again = open(&log.disk);
                let case = format!("{count} from change {good} on, seed {seed}");
                assert_eq!(again.opened.reader.durable_end(), LogEnd::new(END), "{case}");
                // Whole, or known to be damaged.
                let is_whole = read_all(&again.opened.reader, 333);
                let is_known = again.opened.reader.damage().is_some();
                assert!(is_whole != is_known, "{case}: {is_whole} {is_known}");
                let Damaged { disk, whole, .. } = log;
                let mut log = Damaged { disk, log: again, whole };
                log.repair();
                log.assert_repaired(END);
            }
        }
    }
}

#[test]
fn a_repair_that_finds_no_room_gives_back_what_it_took_and_is_tried_again() {
    let mut log = Damaged::new(COMMITS, |disk| flip(disk, 4));
    log.log.scrubber.scrub_next();
    log.disk.fail_writes_after(100);
    log.repair();
    assert!(log.log.scrubber.repair().is_some(), "it is to be tried again");
    let half = log.disk.bytes("00000000000000000000.log.repaired").len();
    assert_eq!(half, 0);
    assert!(log.damage().is_some());
    log.disk.heal();
    log.repair();
    log.assert_repaired(END);
    let names = Storage::list(&log.disk).unwrap();
    assert!(!names.iter().any(|name| name.contains("repaired")), "{names:?}");
}
