//! Reasons why a directory cannot be used, in words that say what to do.

use std::io;
use std::path::Path;

use thiserror::Error;

use super::Role;

/// Reason why a directory cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error(
        "the data directory {path} is in use by another process; stop that one first, or take \
         another directory"
    )]
    InUse {
        /// The directory.
        path: String,
    },
    /// The system refused.
    #[error("{detail}; check the path, its permissions and the disk, or take another directory")]
    Unusable {
        /// The operation that failed, its place, and the reason.
        detail: String,
    },
    /// It belongs to a node of the other role.
    #[error("the data directory {path} is a {found}'s; give this {wanted} a directory of its own")]
    OtherRole {
        /// The directory.
        path: String,
        /// The role it belongs to.
        found: Role,
        /// The role that it was opened in.
        wanted: Role,
    },
    /// It has no log, and one was required.
    #[error(
        "the data directory {path} holds no log, and --require-log is given: is its file system \
         mounted? To begin a new, empty log there, start once without --require-log"
    )]
    NoLog {
        /// The directory.
        path: String,
    },
    /// The stored bytes are not those that were written.
    #[error("{detail}; the log was left as it is. {}", .role.advice(.path, *.part))]
    Damaged {
        /// The directory.
        path: String,
        /// The file, the offset, and what is wrong.
        detail: String,
        /// The role it belongs to.
        role: Role,
        /// The damaged part.
        part: DamagedPart,
    },
}

/// A part of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedPart {
    /// The manifest, which can be made again from the other files.
    Manifest,
    /// A file with messages.
    Segment,
}

impl OpenError {
    /// Describes an operation on a directory that the system refused.
    pub(crate) fn unusable(path: &Path, what: &str, error: &io::Error) -> Self {
        let path = path.display();
        Self::Unusable { detail: format!("cannot {what} the data directory {path}: {error}") }
    }
}

impl Role {
    /// Says what to do about a damaged directory.
    fn advice(self, path: &str, part: DamagedPart) -> String {
        match self {
            role if part == DamagedPart::Manifest => format!(
                "To have it made again from the other files, run `acklog log repair {path} --role \
                 {role}`; where a newer release wrote it, use that one"
            ),
            Self::Master => format!(
                "Take what is damaged from a stopped secondary's directory or a backup with \
                 `acklog log repair {path} --from DIR2`, or put the file back from a copy; or \
                 start the master with another --data-dir, which begins a new, empty log, and \
                 reset its secondaries' directories"
            ),
            Self::Secondary => format!(
                "To start over, run `acklog log reset {path}`: it moves the old files aside, and \
                 the node fetches everything anew; or take what is damaged from another node's \
                 directory with `acklog log repair {path} --from DIR2`"
            ),
        }
    }
}
