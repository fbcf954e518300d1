//! Directories as logs leave them: whole, torn and damaged.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use acklog_log::disk::{DiskOptions, Role, Sizes};
use acklog_log::{Background, Opened, open};
use acklog_types::{Batch, LogEnd, LogId};
use tempfile::TempDir;

use super::*;
use crate::config::parse;

/// Small segments, so that a few messages make several.
const SIZES: Sizes = Sizes { segment_bytes: 300, ..Sizes::DEFAULT };

const OPTIONS: DiskOptions = DiskOptions { keys: 9, sizes: SIZES, ..DiskOptions::OF_TESTS };

pub(super) fn opened(dir: &Path, role: Role) -> (Opened, Background) {
    open(dir, DiskOptions { role, ..OPTIONS }).unwrap()
}

/// Appends messages, each as a write group of its own; every second one has a key.
pub(super) async fn append(log: &mut Opened, count: u64) {
    let (mut source, texts) = acklog_log::in_memory();
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

/// Creates the directory of a node that was stopped with twelve messages.
pub(super) async fn directory(role: Role) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(dir.path(), role);
    append(&mut log, 12).await;
    indexed(dir.path()).await;
    background.close();
    dir
}

/// Waits until each sealed segment has an index; closing a log does not.
pub(super) async fn indexed(dir: &Path) {
    while printed(&["verify"], dir).contains("indexes") {
        tokio::task::yield_now().await;
    }
}

/// Creates the files that a killed node leaves.
async fn killed(role: Role) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(dir.path(), role);
    append(&mut log, 12).await;
    let copy = copied(dir.path());
    background.close();
    copy
}

/// Copies the files of a directory at this moment.
pub(super) fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

pub(super) fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension() == Some("log".as_ref())).collect();
    segments.sort();
    segments
}

/// Returns the offset after the file's last byte that is not zero.
fn written_end(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1
}

pub(super) fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn log_args(words: &[&str], dir: &Path) -> LogArgs {
    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: LogArgs,
    }
    let dir = dir.to_str().unwrap();
    let line = [&["log", words[0], dir], &words[1..]].concat();
    let wrapped: Wrapped = parse(line).unwrap();
    wrapped.args
}

/// Runs `acklog log`; returns its output and its error.
pub(super) fn run_log(words: &[&str], dir: &Path) -> (String, Option<String>) {
    let mut out = Vec::new();
    let done = log_args(words, dir).act(&mut out);
    (String::from_utf8(out).unwrap(), done.err().map(|error| format!("{error:#}")))
}

/// Runs `acklog log` where nothing may be wrong.
pub(super) fn printed(words: &[&str], dir: &Path) -> String {
    let (out, wrong) = run_log(words, dir);
    assert_eq!(wrong, None, "{out}");
    out
}

pub(super) fn refusal(words: &[&str], dir: &Path) -> String {
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
    // The record of the last message, and of the one before, has 26 bytes; that of the first, with
    // its key, has 28.
    let end = written_end(&last);
    overwrite(&last, end - 27, b"x");
    let table = printed(&["verify"], copy.path());
    assert!(
        table.contains("messages        3\n") && table.contains("keyed messages  1\n"),
        "{table}"
    );
    // With the header of their group, 40 bytes: a start cuts that off, too.
    let torn = format!("120 bytes at offset {} of {}, message 3..=5: ", end - 120, last.display());
    assert!(table.contains(&torn) && table.contains("checksum of message 4"), "{table}");
    assert_eq!(printed(&["dump"], copy.path()), "0\ta\n1\tb\n2\tc\n");
}

/// Returns the offset of a message's text in a file.
pub(super) fn place_of(path: &Path, text: &str) -> u64 {
    memchr::memmem::find(&fs::read(path).unwrap(), text.as_bytes()).unwrap() as u64
}

#[tokio::test]
async fn every_damaged_place_is_told_and_what_stands_beside_it_is_printed() {
    let dir = directory(Role::Secondary).await;
    let files = segments(dir.path());
    let (first, last) = (&files[0], &files[files.len() - 1]);
    for (path, text) in [(first, "Msg1\n"), (last, "Msg11")] {
        overwrite(path, place_of(path, text), b"N");
    }
    let (table, wrong) = run_log(&["verify"], dir.path());
    let wrong = wrong.unwrap();
    assert!(table.contains("messages        10\n") && table.contains("damaged;"), "{table}");
    let places: Vec<_> = table.lines().filter(|row| row.starts_with("damaged  ")).collect();
    assert!(places.len() == 2 && places[0].contains("message 1:"), "{table}");
    assert!(places[1].contains(last.to_str().unwrap()) && places[1].contains("message 11"));
    // Reports what a start would refuse; a start does not read the first file.
    assert!(wrong.contains(last.to_str().unwrap()) && wrong.contains("offset"), "{wrong}");
    assert!(wrong.contains("acklog log reset"), "{wrong}");
    let (lines, told) = run_log(&["dump"], dir.path());
    assert_eq!(lines.lines().count(), 10, "{lines}");
    assert!(lines.starts_with("0\tMsg0\\n\n2\tMsg2\\n\n"), "{lines}");
    assert!(told.unwrap().contains(first.to_str().unwrap()));
    assert_eq!(printed(&["dump", "--limit", "1"], dir.path()), "0\tMsg0\\n\n");
    assert_eq!(printed(&["dump", "--from", "10", "--limit", "1"], dir.path()), "10\tMsg10\\n\n");
    let (json, _) = run_log(&["verify", "--json"], dir.path());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["damagedPlaces"][0]["ids"], serde_json::json!([1, 2]));
}

#[tokio::test]
async fn a_missing_segment_hides_nothing_behind_it() {
    let dir = directory(Role::Secondary).await;
    fs::remove_file(segments(dir.path()).remove(1)).unwrap();
    assert!(refusal(&["verify"], dir.path()).contains("is missing"));
    let (lines, wrong) = run_log(&["dump"], dir.path());
    assert!(lines.starts_with("0\t") && lines.contains("\n11\t") && wrong.is_some(), "{lines}");
}

#[tokio::test]
async fn verify_refuses_what_the_start_refuses() {
    let dir = directory(Role::Master).await;
    let (older, newer) = (tempfile::tempdir().unwrap(), copied(dir.path()));
    let (mut log, background) = opened(older.path(), Role::Master);
    append(&mut log, 3).await;
    background.close();
    // A copy that took the manifest before the segments.
    fs::copy(older.path().join("manifest"), newer.path().join("manifest")).unwrap();
    let refused = open_err(newer.path());
    assert!(refused.contains("the manifest is older than this file"), "{refused}");
    assert_eq!(refusal(&["verify"], newer.path()), refused);
}

/// Returns the error with which a start refuses a master's directory.
fn open_err(dir: &Path) -> String {
    open(dir, OPTIONS).unwrap_err().to_string()
}

#[tokio::test]
async fn indexes_that_do_not_fit_are_counted_and_no_damage() {
    let dir = directory(Role::Master).await;
    let first = dir.path().join("00000000000000000000.index");
    assert!(!printed(&["verify"], dir.path()).contains("indexes"));
    let bytes = fs::read(&first).unwrap();
    overwrite(&first, bytes.len() as u64 - 1, &[!bytes[bytes.len() - 1]]);
    let table = printed(&["verify"], dir.path());
    assert!(table.contains("indexes         1 missing, damaged") && table.ends_with("whole\n"));
}

#[tokio::test]
async fn a_dump_whose_reader_is_gone_reads_no_further() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = directory(Role::Master).await;
    // The missing file would be reported if it were read.
    fs::remove_file(segments(dir.path()).remove(1)).unwrap();
    let all = acklog_types::IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX));
    let (mut seen, mut read) = (0, 0);
    let mut stop = |_: &acklog_types::Record<'_>| {
        seen += 1;
        std::ops::ControlFlow::Break(())
    };
    let inspected =
        acklog_log::inspect::inspect(dir.path(), all, &mut stop, &mut |done, _| read = done);
    inspected.unwrap();
    assert_eq!((seen, read), (1, 1));
    let args = log_args(&["dump"], dir.path());
    let wrong = super::super::seen_enough(args.act(&mut Gone));
    assert!(wrong.is_ok(), "{wrong:?}");
}

#[tokio::test]
async fn the_directories_with_a_log_are_named() {
    let parent = tempfile::tempdir().unwrap();
    let dir = directory(Role::Master).await;
    fs::create_dir(parent.path().join("other")).unwrap();
    let inside = parent.path().join("bonnie");
    fs::rename(dir.path(), &inside).unwrap();
    fs::create_dir(dir.path()).unwrap();
    let wrong = refusal(&["verify"], parent.path());
    assert!(wrong.contains(inside.to_str().unwrap()) && !wrong.contains("other"), "{wrong}");
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
    // Also where its manifest is damaged, and where it is gone.
    let manifest = master.path().join("manifest");
    overwrite(&manifest, fs::metadata(&manifest).unwrap().len() - 2, b"X");
    assert!(refusal(&["reset"], master.path()).contains("is a master's directory"));
    fs::remove_file(&manifest).unwrap();
    assert!(refusal(&["reset"], master.path()).contains("by hand"));
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
    let manifest = dir.path().join("manifest");
    overwrite(&manifest, fs::metadata(&manifest).unwrap().len() - 2, b"X");
    let wrong = refusal(&["verify"], dir.path());
    let way_out = format!("acklog log repair {} --role secondary", dir.path().display());
    assert!(wrong.contains("manifest") && wrong.contains(&way_out), "{wrong}");
    fs::write(&manifest, "{}").unwrap();
    for words in [&["reset"], &["verify"]] {
        assert!(refusal(words, dir.path()).contains("by hand"));
    }
    assert!(printed(&["repair", "--role", "secondary"], dir.path()).contains("made a manifest"));
    assert!(printed(&["verify"], dir.path()).ends_with("whole\n"));
}
