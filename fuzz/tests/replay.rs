//! Each target with the files of its corpus, without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use acklog_fuzz::targets::{ALL, Target};

/// Most bytes of a corpus. More: a larger repository, and a slower test. Less: fewer of the states
/// that fuzzers have found.
const CORPUS_BYTES_MAX: u64 = 128 * 1024;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Returns the files of a corpus that break a property of its target.
fn failing(target: Target, files: &[PathBuf]) -> Vec<&PathBuf> {
    let fails = |file: &&PathBuf| {
        let bytes = fs::read(file).unwrap();
        catch_unwind(|| target(&bytes)).is_err()
    };
    files.iter().filter(fails).collect()
}

#[test]
fn no_file_of_a_corpus_breaks_a_property_of_its_target() {
    let mut found = Vec::new();
    for (name, target) in ALL {
        let files = entries(&corpora().join(name));
        assert!(files.len() >= 5, "{name}: a corpus of {} files", files.len());
        let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(
            bytes <= CORPUS_BYTES_MAX,
            "{name}: {bytes} bytes; `cargo fuzz cmin` makes it smaller"
        );
        found.extend(failing(target, &files).iter().map(|file| file.display().to_string()));
    }
    assert!(found.is_empty(), "these files break a property:\n{}", found.join("\n"));
}

#[test]
fn each_corpus_is_a_targets_and_each_target_has_a_program() {
    let known: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let folders: BTreeSet<String> = entries(&corpora()).iter().map(name).collect();
    assert_eq!(folders, known, "corpora and targets");
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let programs: BTreeSet<String> = entries(&programs).iter().map(name).collect();
    assert_eq!(programs, known, "programs and targets");
}

#[test]
fn a_target_that_fails_is_named_with_its_file() {
    let files = entries(&corpora().join("frame"));
    assert_eq!(failing(|_| panic!("a property"), &files).len(), files.len());
}
