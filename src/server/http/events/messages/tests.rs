//! The list of messages of a node, as it is told.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use acklog_log::disk::{DiskOptions, Recovered, Sizes, recover};
use acklog_log::{SimDisk, in_memory};
use acklog_types::{Batch, RECORD_HEADER_BYTES};

use super::*;

fn texts(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|id| format!("m{id}")).collect()
}

fn at(end: u64) -> LogEnd {
    LogEnd::new(end)
}

#[test]
fn a_reader_begins_with_the_last_messages_and_is_told_at_most_so_many_at_once() {
    let (log, mut place) = (Some(LogId::new(7)), ListPlace::default());
    assert_eq!(place.next(log, at(0), at(0)), Some((at(0), at(0))), "an empty list is told");
    assert!(!place.is_rush);
    assert_eq!(place.next(log, at(0), at(1000)), Some((at(800), at(1000))));
    assert_eq!(place.next(log, at(900), at(1000)), Some((at(900), at(1000))), "trimmed");
    place.take(log, at(1000));
    assert_eq!(place.next(log, at(0), at(1000)), None);
    assert_eq!(place.next(log, at(0), at(1003)), Some((at(1000), at(1003))));
    assert_eq!(place.next(log, at(0), at(9000)), Some((at(8900), at(9000))), "some are left out");
    assert!(place.is_rush);
    assert_eq!(place.next(log, at(0), at(10)), Some((at(0), at(10))), "it was cut");
    let other = Some(LogId::new(8));
    assert_eq!(place.next(other, at(0), at(1000)), Some((at(800), at(1000))), "another log");
    assert_eq!(place.next(None, at(0), at(0)), Some((at(0), at(0))), "none any more");
}

#[test]
fn after_a_burst_nothing_is_left_out_where_messages_come_no_faster_than_they_are_told() {
    let (log, mut place) = (Some(LogId::new(7)), ListPlace::default());
    let mut look = |end| {
        let (from, _) = place.next(log, at(0), at(end)).unwrap();
        place.take(log, at(end));
        (from.get(), place.is_rush)
    };
    look(0);
    assert_eq!(look(101), (1, true));
    assert_eq!(look(1102), (1002, true), "1001 within ten looks");
    assert_eq!(look(2102), (1102, false), "1000 within ten looks");
    assert_eq!(look(2202), (2102, false));
}

#[test]
fn texts_of_all_pages_are_read_in_their_order() {
    let (mut writer, reader) = in_memory();
    for id in 0..300 {
        writer.append(0, None, &Batch::from(format!("m{id}").as_str()));
    }
    writer.flush();
    let read = |from, until| read_texts(&reader, at(from), at(until));
    let whole = ReadTexts { runs: vec![(at(100), texts(100..300))], end: at(300) };
    assert_eq!(read(100, 300), whole);
    assert_eq!(read(7, 9).runs, [(at(7), texts(7..9))]);
    assert_eq!(read(300, 300).runs, [(at(300), Vec::new())]);
    assert_eq!(read(300, 305), ReadTexts { runs: Vec::new(), end: at(300) }, "not there yet");
}

#[test]
fn of_long_messages_only_the_last_are_read() {
    let (mut writer, reader) = in_memory();
    for _ in 0..20 {
        writer.append(0, None, &Batch::from("x".repeat(1024 * 1024).as_str()));
    }
    writer.flush();
    let read = |from| read_texts(&reader, at(from), at(20)).runs;
    let last = |runs: Vec<(LogEnd, Vec<String>)>| (runs[0].0, runs[0].1.len(), runs.len());
    assert_eq!(last(read(0)), (at(15), 5, 1));
    assert_eq!(last(read(14)), (at(14), 6, 1));
    writer.append(0, None, &Batch::from("y".repeat(8 * 1024 * 1024).as_str()));
    writer.flush();
    assert_eq!(last(read_texts(&reader, at(0), at(21)).runs), (at(20), 1, 1), "one is always read");
}

/// Returns the positions and lengths of what is read of a log on disk that has a short message, one
/// with a record of so many bytes, which is damaged, and another short one.
fn read_around_damage(bytes: usize) -> Vec<(u64, Vec<usize>)> {
    let disk = SimDisk::new();
    // Nothing stays in memory.
    let sizes = Sizes { recent_bytes: 0, chunk_bytes: 100, ..Sizes::DEFAULT };
    let options = DiskOptions { sizes, ..DiskOptions::OF_TESTS };
    let Recovered { mut opened, mut committer, .. } =
        recover(Arc::new(disk.mounted()), options).unwrap();
    let long = "x".repeat(bytes - RECORD_HEADER_BYTES);
    for text in ["before", &long, "behind", "last"] {
        opened.writer.append(0, None, &Batch::from(text));
        opened.writer.flush();
        committer.write();
        committer.sync();
    }
    let file = "00000000000000000000.log";
    let bytes = disk.bytes(file);
    let place = bytes.windows(16).position(|bytes| bytes == [b'x'; 16]).unwrap();
    disk.flip_bit(file, place as u64 * 8);
    let log = opened.reader;
    assert!(log.page_in_memory(at(0), at(3), usize::MAX).is_none(), "it is in the file");
    // On a thread of its own: a read without an end ends the test, not its run.
    let (sender, read) = mpsc::channel();
    thread::spawn(move || sender.send(read_texts(&log, at(0), at(3))));
    let read = read.recv_timeout(Duration::from_secs(60)).expect("it is read again and again");
    assert_eq!(read.end, at(3));
    let lengths = |texts: Vec<String>| texts.iter().map(String::len).collect();
    read.runs.into_iter().map(|(from, texts)| (from.get(), lengths(texts))).collect()
}

#[test]
fn a_damaged_message_is_left_out_however_long_it_is() {
    for bytes in [100, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES] {
        let runs = read_around_damage(bytes);
        assert_eq!(runs, [(0, vec!["before".len()]), (2, vec!["behind".len()])], "{bytes} bytes");
    }
}
