//! Damaged directories that are repaired from others, and those that must not be.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use acklog_log::disk::Role;
use acklog_log::repair::{Source, repair as repair_from};
use acklog_types::LogEnd;

use super::tests::{
    append, copied, directory, opened, overwrite, place_of, printed, refusal, segments,
};

/// Returns the files of a directory and their bytes, except the lock and indexes.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "lock" && !name.ends_with(".index"))
        .collect();
    files.sort();
    files
}

/// Repairs a directory from another one; then it is whole and has all twelve messages.
fn repair(dir: &Path, from: &Path) -> String {
    let said = printed(&["repair", "--from", from.to_str().unwrap()], dir);
    assert!(printed(&["verify"], dir).ends_with("\nwhole\n"));
    assert_eq!(printed(&["dump"], dir), printed(&["dump"], from));
    let (log, background) = opened(dir, Role::Master);
    assert_eq!(log.reader.durable_end(), LogEnd::new(12));
    background.close();
    said
}

#[tokio::test]
async fn a_damaged_message_is_taken_from_another_directory() {
    let whole = directory(Role::Master).await;
    let dir = copied(whole.path());
    let all = segments(dir.path());
    for (file, text) in [(&all[0], "Msg1\n"), (&all[all.len() - 1], "Msg11")] {
        overwrite(file, place_of(file, text), b"N");
    }
    let before = files(dir.path());
    let lacking = refusal(&["repair"], dir.path());
    assert!(lacking.contains("damaged places: 2") && lacking.contains("--from"), "{lacking}");
    let url = refusal(&["repair", "--from", "https://127.0.0.1:8000"], dir.path());
    assert!(url.contains("no TLS"), "{url}");
    assert_eq!(files(dir.path()), before);
    let said = repair(dir.path(), whole.path());
    assert!(said.contains("took 2 messages"), "{said}");
    let damaged = dir.path().join(all[0].with_extension("log.damaged").file_name().unwrap());
    assert!(damaged.exists(), "the damaged file is kept");
    assert_eq!(printed(&["repair"], dir.path()), "nothing is damaged\n");
}

#[tokio::test]
async fn a_file_that_is_missing_or_has_no_header_is_written_anew() {
    let whole = directory(Role::Master).await;
    let dir = copied(whole.path());
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    let said = repair(dir.path(), whole.path());
    assert!(said.contains(".log anew\n") && !said.contains(".damaged"), "{said}");
    for kept in [".log.damaged", ".log.damaged-2"] {
        overwrite(&segments(dir.path())[1], 20, &[0; 300]);
        let said = repair(dir.path(), whole.path());
        let (_, aside) = said.lines().next().unwrap().split_once("kept beside it, as ").unwrap();
        assert!(aside.ends_with(kept) && dir.path().join(aside).exists(), "{said}");
    }
}

#[tokio::test]
async fn messages_that_no_checksum_proves_are_not_taken() {
    let whole = directory(Role::Master).await;
    let dir = copied(whole.path());
    // The same log id and another message, as in a master that was restored from a copy.
    let other = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(other.path(), Role::Master);
    for n in 0..12 {
        let text = format!("Lie{n}\n");
        log.writer.append(0, None, &text.as_str().into());
        log.writer.flush();
        while log.reader.durable_end() == LogEnd::new(n) {
            log.reader.changed().await;
        }
    }
    background.close();
    let file = &segments(dir.path())[1];
    let text = place_of(file, "Msg");
    overwrite(file, text - 25, &[0; 30]);
    let before = files(dir.path());
    let from = ["repair", "--from", other.path().to_str().unwrap()];
    let refused = refusal(&from, dir.path());
    assert!(refused.contains("no checksum"), "{refused}");
    assert_eq!(files(dir.path()), before, "nothing was changed");
    repair(dir.path(), whole.path());
}

/// A text is requested twice, to check it and to write it: several nodes may share a URL, or its
/// answer changes.
#[tokio::test]
async fn a_node_that_gives_another_text_once_the_first_was_proven_changes_nothing() {
    let dir = directory(Role::Master).await;
    let file = &segments(dir.path())[0];
    overwrite(file, place_of(file, "Msg1\n"), b"N");
    let before = files(dir.path());
    let asked = Cell::new(0);
    let text_of = |_| {
        asked.set(asked.get() + 1);
        Ok(if asked.get() == 1 { "Msg1\n" } else { "Lie1\n" }.to_owned())
    };
    let from = Source::Node { url: "http://127.0.0.1:8000", text_of: &text_of };
    let refused = repair_from(dir.path(), None, Some(from)).unwrap_err().to_string();
    assert!(refused.contains("no checksum"), "{refused}");
    assert_eq!(asked.get(), 2);
    assert_eq!(files(dir.path()), before);
    let from = Source::Node { url: "http://127.0.0.1:8000", text_of: &|_| Ok("Msg1\n".to_owned()) };
    assert_eq!(repair_from(dir.path(), None, Some(from)).unwrap().messages, 1);
    assert!(printed(&["verify"], dir.path()).ends_with("\nwhole\n"));
}

#[tokio::test]
async fn a_manifest_is_made_again() {
    let whole = directory(Role::Master).await;
    let dir = copied(whole.path());
    fs::remove_file(dir.path().join("manifest")).unwrap();
    assert!(refusal(&["repair"], dir.path()).contains("--role master"));
    assert!(!dir.path().join("manifest").exists());
    let said = printed(&["repair", "--role", "master"], dir.path());
    assert!(said.contains("made a manifest") && said.contains("names are lost"), "{said}");
    let (mut log, background) = opened(dir.path(), Role::Master);
    assert_eq!(log.reader.durable_end(), LogEnd::new(12));
    append(&mut log, 1).await;
    background.close();
}

#[tokio::test]
async fn a_manifest_of_a_newer_release_is_left_alone_and_a_damaged_one_is_kept() {
    let dir = directory(Role::Master).await;
    let manifest = dir.path().join("manifest");
    let text = fs::read_to_string(&manifest).unwrap();
    let (line, _) = text.split_once('\n').unwrap();
    let with_checksum =
        |line: &str| format!("{line}\ncrc32c {:08x}\n", crc32c::crc32c(line.as_bytes()));
    for newer in [
        line.replace("\"format\":2", "\"format\":3"),
        line.replace("\"start\":0", "\"start\":0,\"required\":{\"epochs\":1}"),
        line.replace("\"start\":0", "\"start\":0,\"future\":1"),
        line.replace("\"start\":0", "\"start\":5"),
    ] {
        fs::write(&manifest, with_checksum(&newer)).unwrap();
        let before = files(dir.path());
        let refused = refusal(&["repair", "--role", "master"], dir.path());
        assert!(refused.contains("does not understand it"), "{refused}");
        assert_eq!(files(dir.path()), before);
    }
    for kept in ["manifest.damaged", "manifest.damaged-2"] {
        let damaged = text.replace("\"start\":0", "\"start\":1");
        fs::write(&manifest, &damaged).unwrap();
        let said = printed(&["repair", "--role", "master"], dir.path());
        assert!(said.contains(&format!("is kept beside it, as {kept}\n")), "{said}");
        assert_eq!(fs::read_to_string(dir.path().join(kept)).unwrap(), damaged);
        assert!(printed(&["verify"], dir.path()).ends_with("\nwhole\n"));
    }
}

#[tokio::test]
async fn a_copy_with_an_older_manifest_is_made_to_start() {
    let dir = directory(Role::Master).await;
    let older = tempfile::tempdir().unwrap();
    let (mut log, background) = opened(older.path(), Role::Master);
    append(&mut log, 3).await;
    background.close();
    fs::copy(older.path().join("manifest"), dir.path().join("manifest")).unwrap();
    assert!(refusal(&["verify"], dir.path()).contains("the manifest is older"));
    printed(&["repair"], dir.path());
    let (log, background) = opened(dir.path(), Role::Master);
    assert_eq!(log.reader.durable_end(), LogEnd::new(12));
    background.close();
}

#[tokio::test]
async fn a_directory_in_use_is_not_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, background) = opened(dir.path(), Role::Master);
    assert!(refusal(&["repair"], dir.path()).contains("in use"));
    background.close();
}
