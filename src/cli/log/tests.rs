//! Directories as logs leave them, whole, torn and damaged.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::config::parse;
use crate::log::disk::{DiskOptions, Role, Sizes};
use crate::log::{Background, Opened, open};
use crate::types::{Batch, Fsync, LogEnd, LogId};

/// So that a few messages make several segments.
const SIZES: Sizes = Sizes { segment_bytes: 300, ..Sizes::DEFAULT };

fn opened(dir: &Path, role: Role) -> (Opened, Background) {
    let (fsync, new_log) = (Fsync::Always, LogId::new(7));
    let (require_log, sizes) = (false, SIZES);
    open(dir, DiskOptions { role, fsync, new_log, keys: 9, seed: 1, require_log, sizes }).unwrap()
}

/// Appends messages, each as a group of its own; every second one has a key.
async fn append(log: &mut Opened, count: u64) {
    let (mut source, texts) = crate::log::in_memory();
    let from = log.reader.durable_end().get();
    for n in 0..from + count {
        let key = n.is_multiple_of(2).then(|| format!("key-{n}").parse().unwrap());
        source.append(0, key.as_ref(), &format!("Msg{n}\n").as_str().into());
    }
    source.flush();
    for n in from..from + count {
        let at = LogEnd::new(n);
        log.writer.append_run(LogId::new(7), &texts.read(at, at.plus(1), 0).unwrap());
        log.writer.flush();
        while log.reader.durable_end() == at {
            log.reader.changed().await;
        }
    }
}

/// The directory of a node that was stopped with twelve messages.
async fn directory(role: Role) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(dir.path(), role);
    append(&mut log, 12).await;
    background.close();
    dir
}

/// What a node leaves that is killed: its files at that moment.
async fn killed(role: Role) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(dir.path(), role);
    append(&mut log, 12).await;
    let copy = copied(dir.path());
    background.close();
    copy
}

/// The files of a directory at this moment.
fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension() == Some("log".as_ref())).collect();
    segments.sort();
    segments
}

/// Where the file's last byte is that is not zero.
fn written_end(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Runs `acklog log`; returns what it printed and what is wrong.
fn run_log(words: &[&str], dir: &Path) -> (String, Option<String>) {
    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: LogArgs,
    }
    let dir = dir.to_str().unwrap();
    let line = [&["log", words[0], dir], &words[1..]].concat();
    let wrapped: Wrapped = parse(line).unwrap();
    let mut out = Vec::new();
    let done = wrapped.args.act(&mut out);
    (String::from_utf8(out).unwrap(), done.err().map(|error| format!("{error:#}")))
}

/// Runs it where nothing may be wrong.
fn printed(words: &[&str], dir: &Path) -> String {
    let (out, wrong) = run_log(words, dir);
    assert_eq!(wrong, None, "{out}");
    out
}

fn refusal(words: &[&str], dir: &Path) -> String {
    run_log(words, dir).1.unwrap()
}

#[tokio::test]
async fn a_whole_log_is_counted() {
    let dir = directory(Role::Secondary).await;
    let table = printed(&["verify"], dir.path());
    assert!(segments(dir.path()).len() > 2, "{table}");
    for row in [
        "role            secondary",
        "messages        12",
        "keyed messages  6",
        "synced end      12",
    ] {
        assert!(table.contains(&format!("{row}\n")), "{table}");
    }
    assert!(table.ends_with("\nwhole\n"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&printed(&["verify", "--json"], dir.path())).unwrap();
    assert_eq!((&json["messages"], &json["torn"]), (&12.into(), &serde_json::Value::Null));
    assert_eq!(json["segments"], segments(dir.path()).len());
}

#[tokio::test]
async fn messages_are_printed_as_a_node_s_are() {
    let dir = directory(Role::Master).await;
    let lines = printed(&["dump", "--from", "9", "--limit", "2"], dir.path());
    assert_eq!(lines, "9\tMsg9\\n\n10\tMsg10\\n\n");
    let lines = printed(&["dump", "--from", "11", "--json"], dir.path());
    assert_eq!(lines, "{\"id\":11,\"message\":\"Msg11\\n\"}\n");
    assert_eq!(printed(&["dump"], dir.path()).lines().count(), 12);
    assert_eq!(printed(&["dump", "--from", "12"], dir.path()), "");
    assert_eq!(printed(&["dump", "--limit", "0"], dir.path()), "");
}

#[tokio::test]
async fn a_torn_tail_alone_is_whole_and_changes_nothing() {
    let dir = killed(Role::Master).await;
    let last = segments(dir.path()).pop().unwrap();
    overwrite(&last, written_end(&last) - 2, &[0, 0]);
    let before = fs::read(&last).unwrap();
    let table = printed(&["verify"], dir.path());
    assert!(table.contains("messages        11\n"), "{table}");
    let torn = table.lines().find(|line| line.starts_with("torn tail")).unwrap();
    assert!(torn.contains("message 11") && torn.contains(last.to_str().unwrap()), "{torn}");
    assert_eq!(fs::read(&last).unwrap(), before);
    // A start does what it says.
    let (log, background) = opened(dir.path(), Role::Master);
    assert_eq!(log.reader.durable_end().get(), 11);
    background.close();
}

#[tokio::test]
async fn a_torn_batch_is_no_part_of_the_log_and_is_told_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(dir.path(), Role::Master);
    for texts in [["a", "b", "c"], ["d", "e", "f"]] {
        let mut batch = Batch::from(texts[0]);
        texts[1..].iter().for_each(|text| batch.push(text));
        let first = log.writer.append(0, Some(&texts[0].parse().unwrap()), &batch);
        log.writer.flush();
        while log.reader.durable_end() == first.before() {
            log.reader.changed().await;
        }
    }
    let copy = copied(dir.path());
    background.close();
    let last = segments(copy.path()).pop().unwrap();
    // The last message and the one before have a record of 26 bytes each, the first one with its key 28.
    let end = written_end(&last);
    overwrite(&last, end - 27, b"x");
    let table = printed(&["verify"], copy.path());
    assert!(
        table.contains("messages        3\n") && table.contains("keyed messages  1\n"),
        "{table}"
    );
    let torn = format!("80 bytes at offset {} of {}, message 3..=5: ", end - 80, last.display());
    assert!(table.contains(&torn) && table.contains("checksum of message 4"), "{table}");
    assert_eq!(printed(&["dump"], copy.path()), "0\ta\n1\tb\n2\tc\n");
}

#[tokio::test]
async fn damage_is_told_with_its_place_and_what_stands_before_it_is_printed() {
    let dir = directory(Role::Secondary).await;
    let first = segments(dir.path()).remove(0);
    let bytes = fs::read(&first).unwrap();
    let at = bytes.windows(4).position(|part| part == b"Msg1").unwrap() as u64;
    overwrite(&first, at, b"N");
    let (table, wrong) = run_log(&["verify"], dir.path());
    let wrong = wrong.unwrap();
    assert!(table.contains("messages        1\n") && table.contains("damaged;"), "{table}");
    assert!(wrong.contains(first.to_str().unwrap()) && wrong.contains("offset"), "{wrong}");
    assert!(wrong.contains("acklog log reset"), "{wrong}");
    let (lines, wrong) = run_log(&["dump"], dir.path());
    assert!(lines == "0\tMsg0\\n\n" && wrong.is_some(), "{lines}");
    assert_eq!(printed(&["dump", "--limit", "1"], dir.path()), lines);
    // What lies in other files is not behind it.
    assert_eq!(printed(&["dump", "--from", "11"], dir.path()), "11\tMsg11\\n\n");
    fs::remove_file(segments(dir.path()).remove(1)).unwrap();
    fs::write(&first, bytes).unwrap();
    assert!(refusal(&["verify"], dir.path()).contains("is missing"));
}

#[tokio::test]
async fn a_reset_secondary_starts_empty_and_its_files_are_kept() {
    let dir = directory(Role::Secondary).await;
    fs::write(dir.path().join("notes"), "mine").unwrap();
    let moved = printed(&["reset"], dir.path());
    let folder = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.filter(|path| path.is_dir()).collect::<Vec<_>>();
    assert!(folder.len() == 1 && moved.contains(folder[0].to_str().unwrap()), "{moved}");
    assert_eq!(segments(dir.path()), Vec::<PathBuf>::new());
    assert!(dir.path().join("notes").exists(), "what is not of the log stays");
    // It is a whole log still.
    assert!(printed(&["verify"], &folder[0]).contains("messages        12\n"));
    let (log, background) = opened(dir.path(), Role::Secondary);
    assert_eq!((log.log, log.reader.durable_end()), (None, LogEnd::ZERO));
    background.close();
    assert!(printed(&["reset"], dir.path()).contains("moved 1 file to"), "an empty log as well");
}

#[tokio::test]
async fn what_must_not_be_reset_is_left_as_it_is() {
    let master = directory(Role::Master).await;
    assert!(refusal(&["reset"], master.path()).contains("is a master's directory"));
    // Also where its manifest is gone: each file tells whose it is.
    fs::write(master.path().join("manifest"), "gone").unwrap();
    assert!(refusal(&["reset"], master.path()).contains("is a master's directory"));
    assert!(!segments(master.path()).is_empty());

    let used = tempfile::tempdir().unwrap();
    let (_log, background) = opened(used.path(), Role::Secondary);
    assert!(refusal(&["reset"], used.path()).contains("in use"));
    background.close();

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("letter"), "Dear").unwrap();
    for words in [&["reset"], &["verify"], &["dump"]] {
        assert!(refusal(words, other.path()).contains("has no log"));
    }
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1, "not even a lock was made");
    assert!(refusal(&["verify"], &other.path().join("nowhere")).contains("nowhere"));
}

#[tokio::test]
async fn a_directory_that_does_not_tell_whose_it_is_is_left_to_a_person() {
    let dir = directory(Role::Secondary).await;
    fs::write(dir.path().join("manifest"), "{}").unwrap();
    let wrong = refusal(&["verify"], dir.path());
    assert!(wrong.contains("manifest") && wrong.contains("acklog log reset"), "{wrong}");
    for segment in segments(dir.path()) {
        overwrite(&segment, 9, &[9]);
    }
    for words in [&["reset"], &["verify"]] {
        assert!(refusal(words, dir.path()).contains("by hand"));
    }
}
