//! Every single change that the log makes to its disk fails, or is the last one before the machine
//! crashes.
//!
//! A *life* is a few steps from a start to a clean stop. It is lived again and again, each time
//! with one more successful change before one fails, or all do. Whatever was visible by then must
//! be there at the next start, after any crash.

use acklog_types::{Losses, NodeName};

use super::*;

/// Crashes after each failure. More: slower tests. Fewer: less is drawn; there are many failures.
const SEEDS: u64 = 4;

/// The state that a life showed, and so must keep.
#[derive(Clone, Copy, Default)]
struct Shown {
    end: LogEnd,
    /// Number of persisted members.
    members: u64,
}

impl Shown {
    fn look(&mut self, log: &Recovered) {
        self.end = self.end.max(log.opened.reader.durable_end());
        self.members = self.members.max(log.opened.reader.members_version());
    }
}

fn names(count: u64) -> Vec<NodeName> {
    (0..count).map(|n| format!("node-{n}").parse().unwrap()).collect()
}

/// A master's life: it rolls, even in the middle of a write, takes batches, writes indexes and
/// lists of members, and stops.
fn live_as_master(disk: &SimDisk, shown: &mut Shown) -> Result<(), OpenError> {
    let mut log = open_with(disk, OPTIONS)?;
    // A restarted master goes on with the members that it had.
    shown.members = log.opened.members.len() as u64;
    log.opened.reader.shared.members_version.store(shown.members, Ordering::Release);
    shown.look(&log);
    for step in 0..6 {
        if step > 3 {
            // So much that the next write begins a segment behind one that is not flushed.
            append(&mut log, 14);
            log.committer.write();
        }
        match step % 2 {
            0 => append(&mut log, [2, 1, 3][step / 2]),
            _ => append_batch(&mut log, [7, 30, 1][step / 2]),
        }
        if step % 2 == 0 {
            let version = shown.members + 1;
            log.opened.writer.persist_members(version, names(version), Losses::default());
        }
        log.committer.write();
        shown.look(&log);
        log.committer.sync();
        shown.look(&log);
        if step == 3 {
            log.scrubber.index_sealed();
        }
        assert!(read_all(&log.opened.reader, 333));
    }
    append(&mut log, 1);
    log.committer.close();
    shown.look(&log);
    assert!(read_all(&log.opened.reader, 333));
    Ok(())
}

/// Goes on as a master after the crash: enough for a new segment.
fn go_on_as_master(log: &mut Recovered) {
    commit(log, &[3, 9]);
}

/// A secondary that began with a log, crashed before it had a message of it, and joins the master
/// of another log.
fn live_as_secondary(disk: &SimDisk, shown: &mut Shown) -> Result<(), OpenError> {
    let mut log = open_with(disk, COPY)?;
    shown.look(&log);
    let from = log.opened.reader.durable_end();
    copy(&mut log, from.plus(3));
    shown.look(&log);
    copy(&mut log, from.plus(30));
    shown.look(&log);
    log.committer.close();
    shown.look(&log);
    Ok(())
}

const COPY: DiskOptions = DiskOptions { role: Role::Secondary, ..OPTIONS };

/// Appends what the master of log 99 has up to `end` in batches of three, and commits each run.
fn copy(log: &mut Recovered, end: LogEnd) {
    let mut source = open(&SimDisk::new());
    (0..end.get() / 3).for_each(|_| append_batch(&mut source, 3));
    while log.shared.appended_end() < end {
        let from = log.shared.appended_end();
        let run = source.shared.read_recent(from, end, 400).unwrap();
        log.opened.writer.append_run(LogId::new(99), &run);
        log.opened.writer.flush();
        log.committer.write();
        log.committer.sync();
        if log.opened.reader.disk_fault().is_some() {
            return;
        }
    }
}

/// Returns what a crash left: a torn end, and a segment that the manifest does not name. Everything
/// below the returned end is known to be flushed.
fn crashed() -> (SimDisk, u64) {
    let disk = SimDisk::new();
    // So that the last commit fills the first segment.
    let sizes = Sizes { segment_bytes: 750, ..SIZES };
    let mut log = open_with(&disk, DiskOptions { sizes, ..OPTIONS }).unwrap();
    commit(&mut log, &[4, 4]);
    commit_batches(&mut log, &[4, 1]);
    let names = segments(&disk);
    // The zeros are cut off and that is synced, a file is created, and its header is not written.
    disk.fail_changes(3, u64::MAX);
    commit(&mut log, &[1]);
    assert_eq!(segments(&disk).len(), names.len() + 1, "another segment was begun");
    disk.kill();
    disk.heal();
    let torn = names.last().unwrap();
    disk.flip_bit(torn, disk.bytes(torn).len() as u64 * 8 - 9);
    assert_whole(&open(&disk.snapshot()), 12);
    (disk, 8)
}

/// Lives on disks like `first`, and makes every change fail: alone, or with all after it.
fn fail_at_each_change(
    first: &SimDisk,
    options: DiskOptions,
    live: impl Fn(&SimDisk, &mut Shown) -> Result<(), OpenError>,
    go_on: impl Fn(&mut Recovered),
    kept: u64,
) {
    let begin = first.counts().changes;
    let whole = first.snapshot();
    live(&whole, &mut Shown::default()).unwrap_or_else(|error| panic!("{error}"));
    let changes = whole.counts().changes - begin;
    assert!(changes > 20, "{changes} changes make no life");
    for good in 0..changes {
        for count in [1, u64::MAX] {
            let disk = first.snapshot();
            let mut lived_shown = Shown { end: LogEnd::new(kept), members: 0 };
            disk.fail_changes(good, count);
            let lived = live(&disk, &mut lived_shown);
            let unusable = |error| matches!(error, OpenError::Unusable { .. });
            assert!(lived.is_ok() || lived.is_err_and(unusable));
            disk.heal();
            for seed in 0..=SEEDS {
                let (disk, mut shown) = (disk.snapshot(), lived_shown);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let case = format!("{count} from change {good} of {changes} on, seed {seed}");
                // After a kill, nothing that was written is lost.
                if seed == SEEDS {
                    disk.kill()
                } else {
                    disk.crash(&mut rng)
                }
                let open = || open_with(&disk, options).unwrap_or_else(|e| panic!("{case}: {e}"));
                let mut log = open();
                check(&log, &shown, &case);
                let found = log.opened.reader.durable_end();
                // What the start found and repaired is as durable as what comes later.
                shown.end = found;
                let again = disk.snapshot();
                again.crash(&mut rng);
                let again = open_with(&again, options).unwrap_or_else(|e| panic!("{case}: {e}"));
                check(&again, &shown, &case);
                go_on(&mut log);
                shown.end = log.opened.reader.durable_end();
                assert_eq!(shown.end, found.plus(12), "{case}");
                disk.crash(&mut rng);
                check(&open(), &shown, &case);
            }
        }
    }
}

fn check(log: &Recovered, shown: &Shown, case: &str) {
    let found = log.opened.reader.durable_end();
    assert!(shown.end <= found, "{case}: {} shown, {found} left", shown.end);
    assert_eq!(log.opened.reader.disk_fault(), None, "{case}");
    assert!(read_all(&log.opened.reader, 333), "{case}");
    let members = &log.opened.members;
    assert!(shown.members <= members.len() as u64, "{case}: {members:?}");
}

#[test]
fn a_new_log_loses_nothing_that_it_showed_whatever_fails() {
    fail_at_each_change(&SimDisk::new(), OPTIONS, live_as_master, go_on_as_master, 0);
}

#[test]
fn a_log_that_is_mended_loses_nothing_that_it_showed_whatever_fails() {
    let (disk, synced) = crashed();
    fail_at_each_change(&disk, OPTIONS, live_as_master, go_on_as_master, synced);
}

#[test]
fn a_copy_of_another_log_than_the_first_loses_nothing_that_it_showed_whatever_fails() {
    let disk = SimDisk::new();
    let mut log = open_with(&disk, COPY).unwrap();
    let run = {
        let mut source = open(&SimDisk::new());
        append(&mut source, 1);
        source.shared.read_recent(LogEnd::ZERO, LogEnd::new(1), 0).unwrap()
    };
    // The first segment is begun for log 50, and gets none of its messages.
    log.opened.writer.append_run(LogId::new(50), &run);
    log.opened.writer.flush();
    disk.fail_changes(9, u64::MAX);
    log.committer.write();
    assert!(log.opened.reader.disk_fault().is_some());
    disk.kill();
    disk.heal();
    let found = open_with(&disk.snapshot(), COPY).unwrap().opened;
    assert_eq!((found.log, segments(&disk).len()), (None, 1));
    let go_on = |log: &mut Recovered| copy(log, log.shared.appended_end().plus(12));
    fail_at_each_change(&disk, COPY, live_as_secondary, go_on, 0);
}

#[test]
fn messages_of_a_torn_end_are_counted_once_they_are_cut_off() {
    let (disk, options) = (SimDisk::new(), DiskOptions { sizes: Sizes::DEFAULT, ..OPTIONS });
    let open = || open_with(&disk, options).unwrap();
    let mut log = open();
    commit(&mut log, &[4, 3]);
    let last = segments(&disk).pop().unwrap();
    let written = disk.bytes(&last).iter().rposition(|&byte| byte != 0).unwrap();
    disk.kill();
    disk.cut(&last, written as u64);
    let log = open();
    assert_whole(&log, 6);
    assert_eq!(log.opened.reader.measures().cut_messages, 1);
    disk.kill();
    assert_eq!(
        open().opened.reader.measures().cut_messages,
        0,
        "the next start finds nothing torn"
    );
}
