//! The log as its callers see it.

use acklog_types::{Batch, IdRange, LogEnd, LogId, LogView, MessageId};

use super::*;

/// Returns a log with enough messages for several chunks.
fn filled(messages: u64) -> (LogWriter, LogReader) {
    let (mut writer, reader) = in_memory();
    for n in 0..messages {
        let id = writer.append(
            n,
            None,
            &Batch::new(format!("message {n} {}", "x".repeat((n % 997) as usize))),
        );
        assert_eq!(id, MessageId::new(n));
    }
    (writer, reader)
}

fn read_all(reader: &LogReader, max_bytes: usize) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let from = LogEnd::new(texts.len() as u64);
        let records = reader.read(from, LogEnd::new(u64::MAX), max_bytes).unwrap();
        if records.range().is_empty() {
            return texts;
        }
        assert!(records.bytes() <= max_bytes || records.range().len() == 1);
        texts.extend(records.iter().map(|record| record.text.to_owned()));
    }
}

#[test]
fn nothing_is_visible_before_it_is_durable() {
    let (mut writer, reader) = filled(3);
    assert_eq!(reader.durable_end(), LogEnd::ZERO);
    assert!(reader.read(LogEnd::ZERO, LogEnd::new(9), 1000).unwrap().range().is_empty());
    writer.flush();
    assert_eq!(reader.durable_end(), LogEnd::new(3));
    assert_eq!(read_all(&reader, 1000).len(), 3);
}

#[test]
fn what_was_appended_is_read_back_across_segments_whatever_the_page_size() {
    let (mut writer, reader) = filled(6000);
    writer.flush();
    let whole = read_all(&reader, 256 * 1024);
    assert_eq!(whole.len(), 6000);
    assert!(whole.iter().enumerate().all(|(n, text)| text.starts_with(&format!("message {n} "))));
    assert_eq!(read_all(&reader, 0), whole);
    assert_eq!(read_all(&reader, 5000), whole);
}

#[test]
fn a_planned_run_is_what_a_read_returns() {
    let (mut writer, reader) = filled(6000);
    writer.flush();
    let mut from = LogEnd::ZERO;
    while from < LogEnd::new(6000) {
        let (range, bytes) = reader.run_from(from, LogEnd::new(5999), 100_000).unwrap();
        let records = reader.read(range.start(), range.end(), usize::MAX).unwrap();
        if range.is_empty() {
            break;
        }
        assert_eq!((records.range(), records.bytes()), (range, bytes));
        from = range.end();
    }
    assert_eq!(from, LogEnd::new(5999));
}

#[test]
fn a_copy_made_of_runs_is_the_same_log() {
    let (mut writer, reader) = filled(6000);
    writer.flush();
    let (mut copy_writer, copy) = in_memory();
    let mut from = LogEnd::ZERO;
    while from < reader.durable_end() {
        let run = reader.read(from, LogEnd::new(u64::MAX), 77_777).unwrap();
        copy_writer.append_run(LogId::new(7), &run);
        from = run.range().end();
    }
    copy_writer.flush();
    assert_eq!(read_all(&copy, 9999), read_all(&reader, 256 * 1024));
    let end = LogEnd::new(6000);
    assert!(copy.checksum_below(end).unwrap().is_some());
    assert_eq!(copy.checksum_below(end), reader.checksum_below(end));
    assert_ne!(copy.checksum_below(end), reader.checksum_below(LogEnd::new(5999)));
    assert_eq!(copy.checksum_below(LogEnd::ZERO), Ok(None));
}

#[test]
fn the_largest_message_has_a_place() {
    let (mut writer, reader) = in_memory();
    let large = "x".repeat(acklog_types::MESSAGE_BYTES_LIMIT);
    writer.append(0, None, &"before".into());
    writer.append(0, None, &large.as_str().into());
    writer.append(0, None, &"behind".into());
    writer.flush();
    let texts = read_all(&reader, 1000);
    assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [6, large.len(), 6]);
}

/// Returns a batch of messages of these sizes, in bytes.
fn batch(sizes: &[usize]) -> Batch {
    let text = |size: usize| "x".repeat(size);
    let mut batch = Batch::new(text(sizes[0]));
    sizes[1..].iter().for_each(|&size| batch.push(&text(size)));
    batch
}

#[test]
fn a_run_never_ends_inside_a_batch_unless_it_is_asked_to() {
    let (mut writer, reader) = in_memory();
    for sizes in [&[10][..], &[10, 10, 10], &[10], &[700_000, 700_000, 10], &[10]] {
        writer.append(0, None, &batch(sizes));
    }
    writer.flush();
    let (mut copy_writer, copy) = in_memory();
    let mut from = LogEnd::ZERO;
    while from < reader.durable_end() {
        let run = reader.read(from, LogEnd::new(99), 0).unwrap();
        copy_writer.append_run(LogId::new(7), &run);
        from = run.range().end();
    }
    copy_writer.flush();
    ends_are_between_batches(&reader);
    ends_are_between_batches(&copy);
}

/// Checks batches of 1, 3, 1, 3 and 1 messages, the fourth longer than a chunk.
fn ends_are_between_batches(reader: &LogReader) {
    let end = |from, max_bytes| {
        let from = LogEnd::new(from);
        let planned = reader.run_from(from, LogEnd::new(99), max_bytes).unwrap();
        let read = reader.read(from, LogEnd::new(99), max_bytes).unwrap();
        assert_eq!(planned, (read.range(), read.bytes()));
        read.range().end().get()
    };
    assert_eq!((end(0, 0), end(0, 100), end(0, 139), end(0, 140)), (1, 1, 1, 4));
    assert_eq!((end(1, 0), end(1, 70), end(2, 0)), (4, 4, 4), "a batch larger than asked for");
    assert_eq!((end(4, 1_000), end(5, 0), end(8, 0)), (5, 8, 9), "one larger than a segment");
    let part = reader.read(LogEnd::new(2), LogEnd::new(3), 0).unwrap();
    assert_eq!(part.range(), IdRange::new(LogEnd::new(2), LogEnd::new(3)));
    let whole = reader.read_appended(MessageId::new(5)).unwrap();
    assert_eq!(whole.range(), IdRange::new(LogEnd::new(5), LogEnd::new(8)));
}

#[test]
fn a_large_message_is_read_by_all_from_the_same_memory() {
    let (mut writer, reader) = in_memory();
    writer.append(0, None, &"small".into());
    writer.append(0, None, &"x".repeat(chunk::CHUNK_BYTES / 2).as_str().into());
    writer.append(0, None, &"small".into());
    writer.flush();
    let read = || reader.read(LogEnd::new(1), LogEnd::new(2), usize::MAX).unwrap();
    assert_eq!(read().as_bytes().as_ptr(), read().as_bytes().as_ptr(), "each reader has a copy");
    assert_eq!(reader.durable_end(), LogEnd::new(3));
}
