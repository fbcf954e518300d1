//! A master whose disk changed a message.

use std::fs::{OpenOptions, read};
use std::os::unix::fs::FileExt;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Node, append, master};

/// Starts a master on disk whose log has these messages, one of which has many `x`, and changes one
/// of these in its file: the node has not read it since its start. Returns it with its directory.
pub fn damaged_master(texts: &[&str]) -> (Node, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    {
        let (mut first, _) = master(&["--data-dir", path]);
        for text in texts {
            append(first.http, text, "1");
        }
        first.process.signal(Signal::TERM);
        assert_eq!(first.process.wait(), Some(0));
    }
    let (again, _) = master(&["--data-dir", path]);
    let file = directory.path().join("00000000000000000000.log");
    // A single one may stand in a checksum as well.
    let at = read(&file).unwrap().windows(16).position(|bytes| bytes == [b'x'; 16]).unwrap();
    let file = OpenOptions::new().write(true).open(&file).unwrap();
    file.write_all_at(b"y", at as u64).unwrap();
    (again, directory)
}
