//! Accepting a loss: a master whose log is an older copy takes messages again.

use std::path::Path;

use thiserror::Error;

use super::disk::inspect::{InspectError, role_of};
use super::disk::{OpenError, Role, accept_loss as note};
use super::open::lock_directory;
use super::storage::Directory;
use crate::types::LogEnd;

/// Why a loss was not accepted. Nothing was changed.
#[derive(Debug, Error)]
pub enum AcceptLossError {
    /// It is a secondary's.
    #[error(
        "{path} is a secondary's directory; only a master's loss is accepted. A secondary that is \
         refused keeps its messages until `acklog log reset {path}`"
    )]
    Secondary {
        /// The directory.
        path: String,
    },
    /// It cannot be looked into.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It is in use, damaged, or cannot be written to.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Notes in the directory of a stopped master that an operator accepts that what lay behind the log's end is lost, so
/// that the next start gives those ids to other messages. Returns the end. When it returns, the note survives every
/// crash.
///
/// # Errors
/// When the directory is no master's, is in use, has no whole log, or cannot be written to.
pub fn accept_loss(path: &Path) -> Result<LogEnd, AcceptLossError> {
    if role_of(&Directory::read_only(path))? != Role::Master {
        return Err(AcceptLossError::Secondary { path: path.display().to_string() });
    }
    let _lock = lock_directory(path, false)?;
    Ok(note(&Directory::new(path))?)
}
