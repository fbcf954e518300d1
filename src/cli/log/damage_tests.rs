//! Damaged directories: what is shown and reported of them, and whether a start reports the same.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use acklog_log::disk::{DiskOptions, Role};
use acklog_log::inspect::inspect;
use acklog_log::repair::{Source, repair};
use acklog_log::{Opened, open};
use acklog_types::{Batch, IdRange, LogEnd, Record};
use tempfile::TempDir;

use super::tests::{copied, directory, overwrite, place_of, printed, refusal, run_log, segments};

/// Appends a message or a batch, as a write group of its own.
async fn append(log: &mut Opened, texts: &[String]) {
    let mut batch = Batch::from(texts[0].as_str());
    texts[1..].iter().for_each(|text| batch.push(text));
    let first = log.writer.append(5, None, &batch);
    log.writer.flush();
    while log.reader.durable_end() <= first.before() {
        log.reader.changed().await;
    }
}

/// Creates a master's directory with the messages 0 to 4, a batch of 5 to 10, and 11 to 13, in one
/// file: once as a stop leaves it, once as a kill does.
async fn with_batch() -> (TempDir, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = open(dir.path(), DiskOptions::OF_TESTS).unwrap();
    let texts: Vec<String> = (0..14).map(|n| format!("text{n}.")).collect();
    for message in texts[..5].chunks(1).chain([&texts[5..11]]).chain(texts[11..].chunks(1)) {
        append(&mut log, message).await;
    }
    let killed = copied(dir.path());
    background.close();
    (dir, killed)
}

/// Changes a byte in the text of a message.
fn damage(dir: &Path, text: &str) {
    let file = &segments(dir)[0];
    overwrite(file, place_of(file, text), b"T");
}

fn lines(ids: impl IntoIterator<Item = u64>) -> String {
    ids.into_iter().map(|n| format!("{n}\ttext{n}.\n")).collect()
}

#[tokio::test]
async fn whole_messages_of_a_damaged_batch_are_printed_and_what_is_not_is_told() {
    let (dir, _) = with_batch().await;
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

/// In a file that is being written, only a message's own checksum proves it.
#[tokio::test]
async fn a_damaged_message_of_a_batch_is_repaired_from_a_directory_and_from_a_node() {
    let (whole, _) = with_batch().await;
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

#[tokio::test]
async fn damaged_messages_in_a_row_hide_nothing_of_their_batch() {
    let (whole, _) = with_batch().await;
    for rows in [[6, 7], [9, 10], [5, 6]] {
        let dir = copied(whole.path());
        rows.iter().for_each(|n| damage(dir.path(), &format!("text{n}.")));
        let (shown, wrong) = run_log(&["dump"], dir.path());
        assert_eq!(shown, lines((0..14).filter(|n| !rows.contains(n))));
        assert!(wrong.unwrap().contains(&format!("message {}", rows[0])));
        let from = Some(Source::Directory(whole.path()));
        assert_eq!(repair(dir.path(), None, from).unwrap().messages, 2);
        assert_eq!(records(dir.path()), records(whole.path()));
    }
}

#[tokio::test]
async fn messages_that_nothing_leads_to_are_not_left_out_in_silence() {
    let (dir, _) = with_batch().await;
    // The manifest names the messages up to 13.
    let (mut log, background) = open(dir.path(), DiskOptions::OF_TESTS).unwrap();
    append(&mut log, &["text14.".to_owned()]).await;
    let killed = copied(dir.path());
    background.close();
    assert_eq!(printed(&["dump", "--from", "14"], killed.path()), lines([14]));
    let file = &segments(killed.path())[0];
    let last = place_of(file, "text14.");
    // The file's header, then the headers of all write groups.
    for (begin, end) in [(20, 25), (64, last)] {
        let dir = copied(killed.path());
        let file = &segments(dir.path())[0];
        overwrite(file, begin, &vec![9; (end - begin) as usize]);
        assert!(refusal(&["dump", "--from", "14"], dir.path()).contains("is damaged"));
    }
}

#[tokio::test]
async fn messages_behind_damage_that_are_not_known_to_be_synced_are_printed_and_kept() {
    let (whole, killed) = with_batch().await;
    damage(killed.path(), "text3.");
    assert_eq!(printed(&["dump", "--from", "12"], killed.path()), lines([12, 13]));
    let torn = copied(killed.path());
    damage(torn.path(), "text13.");
    let (table, wrong) = run_log(&["verify"], torn.path());
    assert!(wrong.unwrap().contains("message 3"), "{table}");
    assert!(table.contains("messages        12\n") && table.contains("\ntorn tail"), "{table}");
    let from = Some(Source::Directory(whole.path()));
    assert_eq!(repair(killed.path(), None, from).unwrap().messages, 1);
    assert_eq!(records(killed.path()), records(whole.path()));
    // Messages that a start would cut off are not kept.
    assert_eq!(repair(torn.path(), None, from).unwrap().messages, 1);
    assert_eq!(records(torn.path()), records(whole.path())[..13]);
}

/// Changes something in a directory.
type Change<'a> = &'a dyn Fn(&Path);

/// Returns what `verify` reports about a directory, and how a start on a copy of it ends.
fn verified_and_started(dir: &Path, role: Role) -> (String, String, Option<String>) {
    let (table, wrong) = run_log(&["verify"], dir);
    // As a node does without --idempotency-window.
    let keys = if role == Role::Master { 1_000_000 } else { 0 };
    let options = DiskOptions { role, keys, ..DiskOptions::OF_TESTS };
    let started = open(dir, options);
    let refused = started.map(|(_, background)| background.close()).err();
    (table, wrong.unwrap_or_default(), refused.map(|error| error.to_string()))
}

#[tokio::test]
async fn verify_says_of_damage_what_the_start_says() {
    for role in [Role::Master, Role::Secondary] {
        let whole = directory(role).await;
        let index = |dir: &Path| segments(dir)[0].with_extension("index");
        let flip_last = |dir: &Path| {
            let length = fs::metadata(index(dir)).unwrap().len();
            overwrite(&index(dir), length - 1, b"\xff\x00\xff");
        };
        let text =
            |dir: &Path| overwrite(&segments(dir)[0], place_of(&segments(dir)[0], "Msg1\n"), b"N");
        let header = |dir: &Path| overwrite(&segments(dir)[0], 70, b"\xff\x00\xff");
        let (master, none) = (role == Role::Master, |_: &Path| {});
        let cases: [(Change<'_>, Change<'_>, bool, bool); 6] = [
            (&text, &none, false, false),
            (&header, &none, false, false),
            (&text, &|dir| fs::remove_file(index(dir)).unwrap(), true, true),
            (&text, &|dir| overwrite(&index(dir), 20, b"x"), true, true),
            (&text, &flip_last, master, true),
            (&none, &flip_last, false, true),
        ];
        for (number, (damage, spoil, is_refused, is_bad_index)) in cases.into_iter().enumerate() {
            let dir = copied(whole.path());
            damage(dir.path());
            spoil(dir.path());
            let before = fs::read(index(dir.path())).ok();
            let (table, told) = run_log(&["verify"], dir.path());
            assert_eq!(fs::read(index(dir.path())).ok(), before, "it makes no index");
            let context = format!("{role} {number}: {table}{told:?}");
            assert_eq!(table.contains("\nindexes         1 "), is_bad_index, "{context}");
            let (table, told, refused) = verified_and_started(dir.path(), role);
            assert_eq!(refused.is_some(), is_refused, "{context}");
            match refused {
                Some(refused) => assert_eq!(told, refused),
                None if number == 5 => assert!(told.is_empty() && table.ends_with("\nwhole\n")),
                None => assert!(told.contains("starts with it all the same"), "{context}"),
            }
        }
    }
}

#[tokio::test]
async fn verify_says_of_a_manifest_what_the_start_says() {
    let whole = directory(Role::Master).await;
    let spoilt: [Change<'_>; 2] =
        [&|file| fs::remove_file(file).unwrap(), &|file| overwrite(file, 3, b"\xff")];
    for spoil in spoilt {
        let dir = copied(whole.path());
        spoil(&dir.path().join("manifest"));
        let refused = open(dir.path(), DiskOptions::OF_TESTS).unwrap_err().to_string();
        let told = refusal(&["verify"], dir.path());
        let (same, _) = refused.split_once(" --role master").unwrap();
        assert!(told.starts_with(same) && told.contains("(or `secondary`"), "{told}");
    }
    let dir = copied(whole.path());
    let manifest = dir.path().join("manifest");
    overwrite(&manifest, fs::metadata(&manifest).unwrap().len() - 2, b"X");
    let (table, told, refused) = verified_and_started(dir.path(), Role::Master);
    assert_eq!(refused, Some(told));
    assert!(table.contains("no segment was looked at"), "{table}");
}

/// Returns all records of a directory, with their times and flags.
fn records(dir: &Path) -> Vec<String> {
    let (mut seen, all) = (Vec::new(), IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX)));
    let mut see = |record: &Record<'_>| {
        seen.push(format!("{record:?}"));
        ControlFlow::Continue(())
    };
    inspect(dir, all, &mut see, &mut |_, _| {}).unwrap();
    seen
}
