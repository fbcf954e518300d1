//! The log on a disk that loses data, tears writes and fails.

use std::sync::Arc;

use acklog_types::LogView;
use acklog_types::{Batch, IdRange, KeyHash, LogEnd, Losses, MessageId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::recovery::Recovered;
use super::*;
use crate::SimDisk;
use crate::{LogReader, PageCursor, PageRead};

mod batches;
mod belonging;
mod damage;
mod failures;
mod passing;
mod repair;
mod scrubber;
mod segments;

/// So small that a few messages make several segments, and almost nothing stays in memory.
const SIZES: Sizes =
    Sizes { segment_bytes: 700, recent_bytes: 100, chunk_bytes: 100, preallocate_bytes: 200 };

const OPTIONS: DiskOptions = DiskOptions { keys: 1000, sizes: SIZES, ..DiskOptions::OF_TESTS };

fn open_with(disk: &SimDisk, options: DiskOptions) -> Result<Recovered, OpenError> {
    recover(Arc::new(disk.mounted()), options)
}

fn open(disk: &SimDisk) -> Recovered {
    open_with(disk, OPTIONS).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the text of message `n`. Sizes vary; every third message has a key if it is the first of
/// its batch.
fn text(n: u64) -> String {
    format!("message {n} {}", "x".repeat((n * 7 % 40) as usize))
}

fn key(n: u64) -> Option<acklog_types::IdempotencyKey> {
    n.is_multiple_of(3).then(|| format!("key-{n}").parse().unwrap())
}

/// Appends single messages.
fn append(log: &mut Recovered, count: u64) {
    (0..count).for_each(|_| append_batch(log, 1));
}

fn append_batch(log: &mut Recovered, count: u64) {
    let first = log.shared.appended_end().get();
    let mut batch = Batch::new(text(first));
    (first + 1..first + count).for_each(|n| batch.push(&text(n)));
    assert_eq!(log.opened.writer.append(first, key(first).as_ref(), &batch).get(), first);
    log.opened.writer.flush();
}

/// Appends single messages and commits them, one commit for each count.
fn commit(log: &mut Recovered, counts: &[u64]) {
    counts.iter().for_each(|&count| commit_batches(log, &vec![1; count as usize]));
}

/// Creates a log on a disk of its own, with these commits.
fn committed(counts: &[u64]) -> (SimDisk, Recovered) {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit(&mut log, counts);
    (disk, log)
}

/// Appends all that is durable in a log to a copy, and commits each part of it.
fn replicate(log: &Recovered, copy: &mut Recovered, id: LogId) {
    let (mut from, end) = (LogEnd::ZERO, log.opened.reader.durable_end());
    while from < end {
        let run = log.opened.reader.read(from, end, 300).unwrap();
        copy.opened.writer.append_run(id, &run);
        copy.opened.writer.flush();
        copy.committer.write();
        copy.committer.sync();
        from = run.range().end();
    }
}

/// Appends batches and commits them together.
fn commit_batches(log: &mut Recovered, counts: &[u64]) {
    counts.iter().for_each(|&count| append_batch(log, count));
    log.committer.write();
    log.committer.sync();
}

/// Reads everything that is visible. It must be what was appended, in whole batches, or unreadable.
/// Returns whether all was read.
fn read_all(reader: &LogReader, max_bytes: usize) -> bool {
    let (mut from, end) = (LogEnd::ZERO, reader.durable_end());
    while from < end {
        let planned = reader.run_from(from, end, max_bytes);
        let Ok(records) = reader.read(from, end, max_bytes) else { return false };
        assert!(!records.range().is_empty(), "a gap at {from}");
        let mut is_inside_batch = false;
        for record in records.iter() {
            let n = record.id.get();
            assert_eq!(record.text, text(n));
            let key = key(n).filter(|_| !is_inside_batch);
            assert_eq!(record.key, key.as_ref().map(|key| key.as_str()), "message {n}");
            is_inside_batch = record.has_more;
        }
        assert!(!is_inside_batch, "{records:?} end inside a batch");
        let read = (records.range(), records.bytes());
        assert!(planned.is_none_or(|planned| planned == read), "{planned:?} is planned");
        match reader.read_run(from, end, max_bytes, max_bytes) {
            Ok(PageRead::Records(run)) => assert_eq!((run.range(), run.bytes()), read),
            Ok(PageRead::Longer(bytes)) => assert!(bytes > max_bytes && bytes >= records.bytes()),
            Err(_) => return false,
        }
        from = records.range().end();
    }
    true
}

fn assert_whole(log: &Recovered, end: u64) {
    assert_eq!(log.opened.reader.durable_end(), LogEnd::new(end));
    for max_bytes in [0, 50, 333, 100_000] {
        assert!(read_all(&log.opened.reader, max_bytes));
    }
}

fn segments(disk: &SimDisk) -> Vec<String> {
    let mut names = crate::storage::Storage::list(disk).unwrap();
    names.retain(|name| names::first_of(name).is_some());
    names.sort();
    names
}

#[test]
fn what_was_committed_is_there_after_a_kill() {
    let (disk, log) = committed(&[1, 2, 3, 1, 5, 9, 16, 4, 1]);
    assert_whole(&log, 42);
    assert!(segments(&disk).len() > 2, "the log has several segments");
    disk.kill();
    let mut log = open(&disk);
    assert_eq!(log.opened.log, Some(LogId::new(7)));
    assert_whole(&log, 42);
    commit(&mut log, &[1, 5]);
    disk.kill();
    assert_whole(&open(&disk), 48);
}

#[test]
fn nothing_is_shown_before_it_is_synced() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    append(&mut log, 3);
    let syncs = disk.counts().syncs;
    log.committer.write();
    assert_eq!(log.opened.reader.durable_end(), LogEnd::ZERO);
    assert!(log.opened.writer.backlog_bytes() > 0);
    log.committer.sync();
    assert_whole(&log, 3);
    assert!(disk.counts().syncs > syncs);
    assert_eq!(log.opened.writer.backlog_bytes(), 0);
}

#[test]
fn one_sync_covers_all_that_waits() {
    let disk = SimDisk::new();
    let mut log = open_with(&disk, DiskOptions { sizes: Sizes::DEFAULT, ..OPTIONS }).unwrap();
    commit(&mut log, &[1]);
    let syncs = disk.counts().syncs;
    commit(&mut log, &[1000]);
    assert_eq!(disk.counts().syncs, syncs + 1);
}

#[test]
fn memory_is_given_back_and_files_serve_what_left_it() {
    let (_, log) = committed(&[50; 10]);
    assert!(!log.opened.reader.is_recent(LogEnd::new(480)), "old records left memory");
    assert!(log.opened.reader.is_recent(LogEnd::new(500)));
    let in_memory = |from| {
        let (from, until) = (LogEnd::new(from), LogEnd::new(500));
        let records = log.opened.reader.read_in_memory(from, until, usize::MAX);
        (records.is_some(), log.opened.reader.page_in_memory(from, until, 1000).is_some())
    };
    assert_eq!((in_memory(480), in_memory(500)), ((false, false), (true, true)));
    assert_whole(&log, 500);
}

#[test]
fn a_message_that_is_not_durable_yet_can_be_looked_at() {
    let (_, mut log) = committed(&[5]);
    append(&mut log, 2);
    let seen = |id| log.opened.reader.read_appended(MessageId::new(id)).unwrap();
    assert_eq!(seen(6).iter().next().map(|record| record.text.to_owned()), Some(text(6)));
    assert_eq!(seen(1).iter().next().map(|record| record.text.to_owned()), Some(text(1)));
    assert!(seen(7).range().is_empty());
}

#[test]
fn a_message_that_only_files_have_can_be_looked_at_while_more_is_on_its_way_to_them() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    append(&mut log, 5);
    log.committer.write();
    append(&mut log, 5);
    log.committer.sync();
    assert!(!log.opened.reader.is_recent(LogEnd::new(4)));
    let seen = log.opened.reader.read_appended(MessageId::new(4)).unwrap();
    assert_eq!(seen.iter().map(|record| record.text.to_owned()).collect::<Vec<_>>(), [text(4)]);
    assert_eq!(log.opened.reader.disk_fault(), None);
}

#[test]
fn the_last_keys_are_known_again_with_and_without_indexes() {
    for length in [1, 2] {
        let disk = SimDisk::new();
        let mut log = open(&disk);
        let commits = |log: &mut Recovered| {
            (0..5).for_each(|_| commit_batches(log, &vec![length; 20 / length as usize]));
        };
        commits(&mut log);
        log.scrubber.index_sealed();
        commits(&mut log);
        let has_index = |name: &String| !disk.bytes(&name.replace(".log", ".index")).is_empty();
        assert!(has_index(&segments(&disk)[0]), "the scrubber wrote indexes");
        let of = |n| Some((KeyHash::of(key(n)?.as_str()), MessageId::new(n)));
        let all: Vec<_> = (0..200).step_by(length as usize).filter_map(of).collect();
        for count in [0, 1, 7, 40, 1000] {
            disk.kill();
            let log = open_with(&disk, DiskOptions { keys: count, ..OPTIONS }).unwrap();
            let last = all[all.len() - count.min(all.len())..].to_vec();
            assert_eq!(log.opened.keys, last, "the last {count}");
        }
    }
}

#[test]
fn times_of_acceptance_never_decrease_also_behind_a_restart() {
    let disk = SimDisk::new();
    for times in [[5, 3, 7], [2, 9, 8]] {
        let mut log = open(&disk);
        for time in times {
            log.opened.writer.append(time, None, &"x".into());
        }
        log.opened.writer.flush();
        log.committer.close();
    }
    let log = open(&disk);
    let all = IdRange::new(LogEnd::ZERO, log.opened.reader.durable_end());
    let records = log.opened.reader.read_range(all).unwrap();
    let times: Vec<u64> = records.iter().map(|record| record.accepted_ms).collect();
    assert_eq!(times, [5, 5, 7, 7, 9, 9]);
}

#[test]
fn members_are_remembered() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    let names = ["bonnie", "clyde"].map(|name| name.parse().unwrap()).to_vec();
    let mut losses = Losses { accepted: LogEnd::new(3), ..Losses::default() };
    losses.note(LogEnd::new(7), None);
    log.opened.writer.persist_members(3, names.clone(), losses.clone());
    assert_eq!(log.opened.reader.members_version(), 0);
    log.committer.write();
    assert_eq!(log.opened.reader.members_version(), 3);
    disk.crash(&mut ChaCha8Rng::seed_from_u64(1));
    let again = open(&disk).opened;
    assert_eq!((again.members, again.losses), (names, losses));
}

#[test]
fn a_clean_stop_vouches_for_the_last_group_too() {
    let (disk, mut log) = committed(&[3, 2]);
    append(&mut log, 2);
    log.committer.close();
    let last = segments(&disk).pop().unwrap();
    let bytes = disk.bytes(&last);
    assert_ne!(bytes.last(), Some(&0), "no zeros are left at the end");
    disk.kill();
    assert_whole(&open(&disk), 7);
    disk.cut(&last, bytes.len() as u64 - 1);
    let refused = open_with(&disk, OPTIONS).unwrap_err().to_string();
    assert!(refused.contains(&last) && refused.contains("message 7 was synced"), "{refused}");
}

#[test]
fn another_roles_directory_is_refused_untouched() {
    let (disk, _log) = committed(&[3]);
    disk.kill();
    let writes = disk.counts();
    let refused = open_with(&disk, DiskOptions { role: Role::Secondary, ..OPTIONS }).unwrap_err();
    assert!(refused.to_string().contains("is a master's"), "{refused}");
    assert_eq!(disk.counts().writes, writes.writes);
}

#[test]
fn a_failed_sync_is_final_and_what_it_was_for_is_never_acked() {
    let (disk, mut log) = committed(&[4]);
    disk.fail_next_syncs(1);
    commit(&mut log, &[2]);
    assert!(matches!(log.opened.reader.disk_fault(), Some(DiskFault::Failed { .. })));
    // The next sync would succeed, but without the data.
    commit(&mut log, &[2]);
    assert_whole(&log, 4);
    disk.crash(&mut ChaCha8Rng::seed_from_u64(5));
    let found = open(&disk).opened.reader.durable_end();
    assert!(found >= LogEnd::new(4));
}

#[test]
fn a_secondary_takes_the_identity_of_the_log_that_its_messages_are_of() {
    let (source, disk) = (SimDisk::new(), SimDisk::new());
    let mut master = open(&source);
    commit(&mut master, &[30]);
    let options = DiskOptions { role: Role::Secondary, keys: 0, ..OPTIONS };
    let mut copy = open_with(&disk, options).unwrap();
    assert_eq!(copy.opened.log, None);
    replicate(&master, &mut copy, LogId::new(99));
    disk.kill();
    let copy = open_with(&disk, options).unwrap();
    assert_eq!(copy.opened.log, Some(LogId::new(99)));
    assert_whole(&copy, 30);
}

/// Crashes a log again and again: what was durable must stay, and what is visible must be what was
/// appended.
fn live_through_crashes(seed: u64, fsync: Fsync) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let disk = SimDisk::new();
    let options = DiskOptions { fsync, seed, ..OPTIONS };
    let mut log = open_with(&disk, options).unwrap();
    for _ in 0..60 {
        match rng.random_range(0..20) {
            0..4 => append(&mut log, rng.random_range(1..6)),
            4..7 => append_batch(&mut log, rng.random_range(1..15)),
            7..11 => log.committer.write(),
            11..15 => log.committer.sync(),
            15 => drop(log.scrubber.index_sealed()),
            16 => disk.fail_next_syncs(rng.random_range(0..2)),
            17 => disk.fail_writes_after(rng.random_range(0..2000)),
            end => {
                let shown = log.opened.reader.durable_end();
                if rng.random_bool(0.2) {
                    log.committer.close();
                }
                let shown = shown.max(log.opened.reader.durable_end());
                match end {
                    18 => disk.crash(&mut rng),
                    _ => disk.kill(),
                }
                disk.heal();
                log = open_with(&disk, options)
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                let found = log.opened.reader.durable_end();
                // Without syncs only the process may die, not the machine.
                let keeps = fsync == Fsync::Always || end != 18;
                assert!(!keeps || shown <= found, "seed {seed}: {shown} shown, {found} left");
                assert_eq!(log.opened.reader.disk_fault(), None);
                assert_whole(&log, found.get());
            }
        }
        assert!(read_all(&log.opened.reader, 333), "seed {seed}");
    }
}

#[test]
fn what_was_shown_survives_every_crash() {
    (0..250).for_each(|seed| live_through_crashes(seed, Fsync::Always));
}

#[test]
fn without_syncs_what_was_shown_survives_every_kill_and_every_crash_leaves_a_prefix() {
    (0..150).for_each(|seed| live_through_crashes(seed, Fsync::Never));
}
