//! Why a directory cannot be used, in words that say what can be done.

use std::io;
use std::path::Path;

use thiserror::Error;

use super::Role;

/// Why a directory cannot be used. It says what can be done.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data directory {path} is in use by another process; stop that one first, or take \
         another directory"
    )]
    InUse {
        /// The directory.
        path: String,
    },
    /// The system does not let it be used.
    #[error("{detail}; check the path, its permissions and the disk, or take another directory")]
    Unusable {
        /// What failed, where, and why.
        detail: String,
    },
    /// It is the other kind of node's.
    #[error("the data directory {path} is a {found}'s; give this {wanted} a directory of its own")]
    OtherRole {
        /// The directory.
        path: String,
        /// Whose it is.
        found: Role,
        /// Who asked.
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
    /// What is on the disk is not what was written there.
    #[error("{detail}; the log was left as it is. {}", .role.way_out(.path, *.is_manifest))]
    Damaged {
        /// The directory.
        path: String,
        /// The file, the offset, and what is wrong.
        detail: String,
        /// Whose directory it is.
        role: Role,
        /// Whether it is the manifest, which is made again from the other files.
        is_manifest: bool,
    },
}

impl OpenError {
    /// The system refused to do something with a directory.
    pub(crate) fn unusable(path: &Path, what: &str, error: &io::Error) -> Self {
        let path = path.display();
        Self::Unusable { detail: format!("cannot {what} the data directory {path}: {error}") }
    }
}

impl Role {
    /// What can be done about a damaged directory.
    fn way_out(self, path: &str, is_manifest: bool) -> String {
        match self {
            role if is_manifest => format!(
                "To have it made again from the other files, run `acklog log repair {path} --role \
                 {role}`; where a newer release wrote it, use that one"
            ),
            Self::Master => format!(
                "Take what is damaged from a stopped secondary's directory or a backup with \
                 `acklog log repair {path} --from DIR2`, or put the file back from a copy; or start the \
                 master with another --data-dir, which begins a new, empty log, and reset its \
                 secondaries' directories"
            ),
            Self::Secondary => format!(
                "To start over, run `acklog log reset {path}`: it moves the old files aside, and \
                 the node fetches everything anew; or take what is damaged from another node's directory \
                 with `acklog log repair {path} --from DIR2`"
            ),
        }
    }
}
