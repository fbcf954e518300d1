//! Transcripts: `tests/golden/*.txt` are scenarios, one file per behaviour, whose name is a
//! sentence. Below `---` is the recorded trace of the simulation: the frames between nodes, and the
//! responses to clients. Changes of the protocol are reviewed as changes of these files;
//! `UPDATE_GOLDENFILES=1 cargo test --test golden` writes them again. `acklog_sim::scenario` lists
//! the steps.

use std::fs;
use std::path::PathBuf;

use acklog_sim::scenario::{Player, Script, Simulated};

/// Name of the variable that makes the test write the transcripts instead of comparing them.
const UPDATE: &str = "UPDATE_GOLDENFILES";

#[test]
fn every_transcript_happens_again_as_it_is_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_text = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "txt");
    let mut files: Vec<_> = entries.filter(is_text).collect();
    files.sort();
    assert!(files.len() >= 20, "the transcripts are there");
    for file in files {
        let (shown, text) = (file.display(), fs::read_to_string(&file).unwrap());
        let script = Script::parse(&text).unwrap_or_else(|bad| panic!("{shown}: {bad}"));
        let mut cluster = Simulated::new(0);
        let played = Player::new(&mut cluster).record(&script);
        let seen = played.unwrap_or_else(|broken| panic!("{shown}: {broken}"));
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&file, seen).unwrap();
            continue;
        }
        let differs = text.lines().zip(seen.lines()).position(|(old, new)| old != new);
        let line = differs.unwrap_or_else(|| text.lines().count().min(seen.lines().count()));
        let of = |text: &str| text.lines().nth(line).unwrap_or("nothing more").to_owned();
        let (recorded, happened) = (of(&text), of(&seen));
        assert!(
            text == seen,
            "{shown}:{}: recorded is\n{recorded}\nand this happened:\n{happened}",
            line + 1
        );
    }
}
