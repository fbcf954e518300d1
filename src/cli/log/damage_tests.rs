//! Damaged directories: what of them is shown, what is told of them, and whether a start says the same.

use std::ops::ControlFlow;
use std::path::Path;

use tempfile::TempDir;

use super::tests::{copied, overwrite, place_of, printed, run_log, segments};
use crate::log::disk::DiskOptions;
use crate::log::inspect::inspect;
use crate::log::repair::{Source, repair};
use crate::log::{Opened, open};
use crate::types::{Batch, IdRange, LogEnd, Record};

/// Appends a message or a batch, as a group of its own.
async fn append(log: &mut Opened, texts: &[String]) {
    let mut batch = Batch::from(texts[0].as_str());
    texts[1..].iter().for_each(|text| batch.push(text));
    let first = log.writer.append(5, None, &batch);
    log.writer.flush();
    while log.reader.durable_end() <= first.before() {
        log.reader.changed().await;
    }
}

/// A master's directory with the messages 0 to 4, a batch of 5 to 10, and 11 to 13, all in one file.
async fn with_batch() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = open(dir.path(), DiskOptions::OF_TESTS).unwrap();
    let texts: Vec<String> = (0..14).map(|n| format!("text{n}.")).collect();
    for message in texts[..5].chunks(1).chain([&texts[5..11]]).chain(texts[11..].chunks(1)) {
        append(&mut log, message).await;
    }
    background.close();
    dir
}

/// Changes a byte of the text of a message.
fn damage(dir: &Path, text: &str) {
    let file = &segments(dir)[0];
    overwrite(file, place_of(file, text), b"T");
}

fn lines(ids: impl IntoIterator<Item = u64>) -> String {
    ids.into_iter().map(|n| format!("{n}\ttext{n}.\n")).collect()
}

#[tokio::test]
async fn whole_messages_of_a_damaged_batch_are_printed_and_what_is_not_is_told() {
    let dir = with_batch().await;
    damage(dir.path(), "text8.");
    let dump = |from: &str, limit: &str| {
        let (out, wrong) = run_log(&["dump", "--from", from, "--limit", limit], dir.path());
        (out, wrong.is_some())
    };
    assert_eq!(dump("6", "2"), (lines([6, 7]), false));
    assert_eq!(dump("9", "3"), (lines([9, 10, 11]), false));
    assert_eq!(dump("8", "1"), (String::new(), true));
    assert_eq!(dump("7", "3"), (lines([7, 9]), true));
    assert_eq!(dump("0", "99"), (lines((0..14).filter(|&n| n != 8)), true));
}

/// A file that is written still proves a message by that message's own checksum only.
#[tokio::test]
async fn a_damaged_message_of_a_batch_is_repaired_from_a_directory_and_from_a_node() {
    let whole = with_batch().await;
    let url = "http://127.0.0.1:8000";
    for text in ["text5.", "text8.", "text10."] {
        let text_of = |id: LogEnd| match format!("text{id}.") == text {
            true => Ok(text.to_owned()),
            false => Err(format!("asked for {id}, which is whole")),
        };
        for from in [Source::Directory(whole.path()), Source::Node { url, text_of: &text_of }] {
            let dir = copied(whole.path());
            damage(dir.path(), text);
            let repaired = repair(dir.path(), None, Some(from)).unwrap();
            assert_eq!(repaired.messages, 1, "{text}");
            assert!(printed(&["verify"], dir.path()).ends_with("\nwhole\n"));
            assert_eq!(records(dir.path()), records(whole.path()));
        }
    }
}

/// All records of a directory, with their times and flags.
fn records(dir: &Path) -> Vec<String> {
    let (mut seen, all) = (Vec::new(), IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX)));
    let mut see = |record: &Record<'_>| {
        seen.push(format!("{record:?}"));
        ControlFlow::Continue(())
    };
    inspect(dir, all, &mut see, &mut |_, _| {}).unwrap();
    seen
}
