//! Batches on disk are written, read, torn and damaged as a whole.

use acklog_types::RECORD_HEADER_BYTES;

use super::*;
use crate::disk::format::{GROUP_BYTES_MAX, GROUP_HEADER_BYTES};
use crate::disk::names::segment_name;
use crate::disk::scan::{BadSpot, no_visit, read_header, scan};
use crate::storage::Storage;
use crate::{FreezingDisk, LogReader, PageCursor, PageRead};

/// So many messages that their records exceed a group, unless they are a batch.
const MANY: u64 = 2 * GROUP_BYTES_MAX as u64 / 60;

/// Segments that a few batches do not fill.
const ROOMY: Sizes = Sizes { segment_bytes: 1 << 20, ..SIZES };

fn roomy(disk: &SimDisk) -> Recovered {
    open_with(disk, DiskOptions { sizes: ROOMY, ..OPTIONS }).unwrap()
}

/// Returns what a scan finds wrong in the first segment.
fn bad_spot(disk: &SimDisk) -> Option<BadSpot> {
    let file = disk.open(&segment_name(LogEnd::ZERO)).unwrap();
    let header = read_header(&*file).unwrap().unwrap();
    scan(&*file, &header, &mut no_visit).unwrap().bad
}

/// Returns the offset of a message's text in the first segment's file.
fn place_of_text(disk: &SimDisk, n: u64) -> u64 {
    let bytes = disk.bytes(&segment_name(LogEnd::ZERO));
    memchr::memmem::find(&bytes, text(n).as_bytes()).unwrap() as u64
}

/// Returns the offset of the record of a message without a key.
fn place_of(disk: &SimDisk, n: u64) -> u64 {
    place_of_text(disk, n) - RECORD_HEADER_BYTES as u64
}

fn damage_text(disk: &SimDisk, n: u64) {
    disk.flip_bit(&segment_name(LogEnd::ZERO), place_of_text(disk, n) * 8);
}

fn range(start: u64, end: u64) -> IdRange {
    IdRange::new(LogEnd::new(start), LogEnd::new(end))
}

#[test]
fn a_batch_longer_than_a_group_is_written_planned_and_read_as_a_whole() {
    let disk = SimDisk::new();
    let mut log = roomy(&disk);
    commit_batches(&mut log, &[2, 1, MANY, 2]);
    // So that the batch leaves memory.
    commit(&mut log, &[1, 3]);
    look_at(&log);
    disk.kill();
    look_at(&roomy(&disk));
}

/// Checks the log of the test above, whose long batch is in files only.
fn look_at(log: &Recovered) {
    let (reader, end) = (&log.opened.reader, LogEnd::new(MANY + 9));
    assert_whole(log, end.get());
    let batch = range(3, MANY + 3);
    assert!(!reader.is_recent(batch.start()));
    assert_eq!(reader.run_from(batch.start(), end, 0), None, "it is not in memory");
    let whole = reader.read(batch.start(), end, 0).unwrap();
    let (read, bytes) = (whole.range(), whole.bytes());
    assert!(read == batch && bytes > GROUP_BYTES_MAX, "{read}, {bytes} bytes");
    let run = |from, longest| reader.read_run(from, end, usize::MAX, longest).unwrap();
    let longer = run(batch.start(), bytes - 1);
    assert!(matches!(longer, PageRead::Longer(told) if told == bytes), "{longer:?}");
    let run_before = run(LogEnd::ZERO, bytes - 1);
    assert!(matches!(&run_before, PageRead::Records(run) if run.range().end() == batch.start()));
    let all = run(LogEnd::ZERO, bytes);
    assert!(matches!(&all, PageRead::Records(run) if run.range().end() >= batch.end()), "{all:?}");
    assert_eq!(reader.read(batch.start(), end, bytes - 1).unwrap().range(), batch);
    assert_eq!(reader.read_appended(MessageId::new(3)).unwrap().range(), batch);
    look_at_pages(reader, end);
    // A message that was asked for by its id is all that is read.
    assert_eq!(reader.read(LogEnd::new(7), LogEnd::new(8), 0).unwrap().range(), range(7, 8));
}

/// Reads everything in pages, which cut the batch.
fn look_at_pages(reader: &LogReader, end: LogEnd) {
    let all = |max_bytes: usize| {
        let (mut at, mut pages, mut bytes) = (LogEnd::ZERO, 0, Vec::new());
        let mut cursor = PageCursor::default();
        while at < end {
            match reader.read_page(at, end, max_bytes, &mut cursor).unwrap() {
                PageRead::Records(page) => {
                    assert!(page.bytes() <= max_bytes && page.range().start() == at);
                    bytes.extend_from_slice(page.as_bytes());
                    (at, pages) = (page.range().end(), pages + 1);
                }
                PageRead::Longer(size) => panic!("{size} bytes at {at}"),
            }
        }
        (bytes, pages)
    };
    let (small, pages) = all(1000);
    let (large, few) = all(100_000);
    assert!(pages > GROUP_BYTES_MAX / 1000 && few < 10, "{pages} pages, {few} pages");
    assert!(small == large);
    // A page can begin anywhere, with and without a matching cursor.
    let mut cursor = PageCursor::default();
    for from in [MANY / 2, 3, 0, MANY + 8, 4] {
        let from = LogEnd::new(from);
        let PageRead::Records(page) = reader.read_page(from, end, 100, &mut cursor).unwrap() else {
            panic!("records");
        };
        assert_eq!(page.range().start(), from);
        assert_eq!(page.as_bytes(), reader.read(from, page.range().end(), 100).unwrap().as_bytes());
    }
    let longer = reader.read_page(LogEnd::new(3), end, 5, &mut PageCursor::default()).unwrap();
    assert!(matches!(longer, PageRead::Longer(size) if size > RECORD_HEADER_BYTES), "{longer:?}");
}

#[test]
fn a_message_inside_a_long_batch_is_walked_to_once_and_then_read_alone() {
    let disk = FreezingDisk::default();
    let options = DiskOptions { sizes: ROOMY, ..OPTIONS };
    let mut log = recover(Arc::new(disk.clone()), options).unwrap();
    let last = 20 * MANY;
    commit_batches(&mut log, &[2, last]);
    // So that the batch leaves memory.
    commit(&mut log, &[1, 3]);
    let reader = &log.opened.reader;
    let reads_of = |n: u64| {
        let before = disk.reads_done();
        let message = range(n, n + 1);
        let (from, end, cursor) = (message.start(), message.end(), &mut PageCursor::default());
        let PageRead::Records(page) = reader.read_page(from, end, 200, cursor).unwrap() else {
            panic!("it is short");
        };
        let reads = disk.reads_done() - before;
        assert_eq!(page.as_bytes(), reader.read(from, end, 0).unwrap().as_bytes());
        reads
    };
    let first = reads_of(last);
    assert!(first > 300, "{first} reads");
    for n in [last, 3, last / 2, last - 1, last / 3, MANY] {
        let reads = reads_of(n);
        assert!(reads < 30, "{reads} reads of message {n}");
    }
}

#[test]
fn what_waits_is_written_in_pieces_and_the_newest_of_it_stays_in_memory() {
    let disk = FreezingDisk::default();
    let mut log = recover(Arc::new(disk.clone()), DiskOptions::OF_TESTS).unwrap();
    let bytes = 1024 * 1024;
    for _ in 0..20 {
        log.opened.writer.append(1, None, &Batch::new("x".repeat(bytes)));
    }
    log.opened.writer.flush();
    log.committer.write();
    log.committer.sync();
    let longest = disk.longest_write();
    assert!((4 * bytes..6 * bytes).contains(&longest), "{longest} bytes in one write");
    let reader = &log.opened.reader;
    let recent = (0..20).find(|&n| reader.is_recent(LogEnd::new(n)));
    assert_eq!(recent, Some(5), "of 20 MiB the newest 16 are in memory, in whole pieces");
}

#[test]
fn a_torn_batch_is_told_as_a_whole_and_what_stands_before_it_in_its_group_stays() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit_batches(&mut log, &[1, 2]);
    commit_batches(&mut log, &[1, 1, 3, 2]);
    let bytes = disk.bytes(&segment_name(LogEnd::ZERO));
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1;
    disk.kill();
    // Nothing of their group is kept, and so not its header either.
    let cut = place_of(&disk, 5) - GROUP_HEADER_BYTES as u64;
    let offset = place_of(&disk, 7);
    damage_text(&disk, 7);
    let bad = BadSpot {
        offset,
        what: "the checksum of message 7 is wrong".to_owned(),
        cut,
        ids: range(5, 10),
        bytes: end - cut,
    };
    assert_eq!(bad_spot(&disk), Some(bad));
    let mut log = open(&disk);
    assert_whole(&log, 5);
    assert_eq!(bad_spot(&disk), None);
    commit_batches(&mut log, &[4]);
    disk.kill();
    assert_whole(&open(&disk), 9);
}

#[test]
fn a_group_across_the_border_of_two_pieces_is_found_behind_a_damaged_one() {
    use crate::disk::format::{SEGMENT_HEADER_BYTES, SegmentHeader};
    use crate::disk::scan::SCAN_BYTES;
    let disk = SimDisk::new();
    let header = SegmentHeader::new(LogId::new(7), LogEnd::ZERO, 0x0102_0304_0506_0708, None);
    // Places every byte of the second group's header at the end of the first piece that is
    // searched.
    for inside in 1..GROUP_HEADER_BYTES {
        let room = SCAN_BYTES - inside - GROUP_HEADER_BYTES - RECORD_HEADER_BYTES;
        let mut file = header.encode().to_vec();
        for (n, text) in ["x".repeat(room), "next".to_owned()].iter().enumerate() {
            let (id, mut record) = (MessageId::new(n as u64), Vec::new());
            acklog_types::encode_record(
                &mut record,
                id,
                0,
                None,
                text,
                acklog_types::InBatch::Last,
            );
            let range = IdRange::new(id.before(), id.end());
            let group = header.group(range, &record, LogEnd::new(n as u64));
            group.encode(header.sync_marker, &mut file);
            file.extend_from_slice(&record);
        }
        file[SEGMENT_HEADER_BYTES] ^= 1;
        disk.create("file").unwrap().write_at(0, &file).unwrap();
        let scanned = scan(&*disk.open("file").unwrap(), &header, &mut no_visit).unwrap();
        let bad = scanned.bad.unwrap();
        assert_eq!((scanned.flushed_end, bad.ids), (LogEnd::new(1), range(0, 2)), "{inside} bytes");
    }
}

#[test]
fn all_of_a_long_end_that_was_not_synced_is_synced_before_it_is_shown() {
    for seed in 0..8 {
        let disk = SimDisk::new();
        let mut log = roomy(&disk);
        commit(&mut log, &[2]);
        (0..3000).for_each(|_| append(&mut log, 1));
        log.committer.write();
        disk.kill();
        let end = roomy(&disk).opened.reader.durable_end();
        assert_eq!(end, LogEnd::new(3002), "a kill loses nothing that was written");
        disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(roomy(&disk).opened.reader.durable_end(), end, "seed {seed}");
    }
}

#[test]
fn damage_inside_a_synced_batch_is_told_with_its_own_place() {
    let disk = SimDisk::new();
    let mut log = open(&disk);
    commit_batches(&mut log, &[2, 3]);
    commit(&mut log, &[1]);
    disk.kill();
    let offset = place_of(&disk, 4);
    damage_text(&disk, 4);
    let before = disk.bytes(&segment_name(LogEnd::ZERO));
    let refused = open_with(&disk, OPTIONS).unwrap_err().to_string();
    let place = format!("offset {offset}: the checksum of message 4 is wrong");
    assert!(refused.contains(&place) && refused.contains("message 5 was synced"), "{refused}");
    assert_eq!(disk.bytes(&segment_name(LogEnd::ZERO)), before);
}

#[test]
fn bits_flipped_and_bytes_cut_in_a_batch_longer_than_a_group_leave_all_or_nothing_of_it() {
    let disk = SimDisk::new();
    let mut log = roomy(&disk);
    commit_batches(&mut log, &[2]);
    commit_batches(&mut log, &[1, MANY, 1]);
    let name = segments(&disk).pop().unwrap();
    let length = disk.bytes(&name).len() as u64;
    disk.kill();
    let ends = [2, 3, MANY + 3, MANY + 4];
    let mut seen = std::collections::BTreeSet::new();
    // What lies before is tested bit by bit elsewhere.
    for at in (300..length).step_by(997).chain(length - 400..length) {
        let flipped = disk.snapshot();
        flipped.flip_bit(&name, at * 8 + at % 8);
        let cut = disk.snapshot();
        cut.cut(&name, at);
        for disk in [flipped, cut] {
            let log = roomy(&disk);
            let end = log.opened.reader.durable_end().get();
            assert!(read_all(&log.opened.reader, 100_000) && ends.contains(&end), "{end}");
            seen.insert(end);
        }
    }
    assert!(seen.contains(&3) && seen.contains(&(MANY + 3)), "{seen:?}");
}
