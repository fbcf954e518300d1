//! Reasons why a directory cannot be inspected, in words that say what to do.

use std::fs;

use thiserror::Error;

use super::super::OpenError;
use super::MANIFEST;

/// Reason why a directory cannot be inspected.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It has neither a manifest nor segment files.
    #[error(
        "{path} has no log: name a node's data directory, the one with the file `manifest`{}",
        told(inside)
    )]
    NoLog {
        /// The directory.
        path: String,
        /// The directories in it that have a log.
        inside: Vec<String>,
    },
    /// It has files of a log, but none of them has the role.
    #[error(
        "{detail}; the log was left as it is. To have it made again from the other files, run \
         `acklog log repair {path} --role master` (or `secondary`, whichever it is: nothing here \
         tells); where a newer release wrote it, use that one. Or move the files to another place \
         by hand, and the node starts with an empty log: a secondary fetches everything anew, a \
         master begins a new log"
    )]
    NoRole {
        /// The directory.
        path: String,
        /// The fault of the manifest.
        detail: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Lists the directories in a directory that have a log, in order.
pub(super) fn logs_in(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| path.join(MANIFEST).is_file());
    let mut inside: Vec<String> = folders.map(|path| path.display().to_string()).collect();
    inside.sort();
    inside
}

fn told(inside: &[String]) -> String {
    match inside {
        [] => String::new(),
        [one] => format!("; perhaps {one}"),
        several => format!("; perhaps one of {}", several.join(", ")),
    }
}
