//! Accepts a loss: the operator of a master that was restored from an older copy gives up the
//! messages that only other nodes have.

use std::io;
use std::path::Path;

use acklog_types::LogEnd;
use thiserror::Error;

use super::disk::directory::{lock_directory, open_directory};
use super::disk::inspect::{InspectError, accepted_losses, role_of};
use super::disk::{OpenError, Role, accept_losses};

/// Reason why no loss was accepted. Nothing was changed then.
#[derive(Debug, Error)]
pub enum AcceptLossError {
    /// The directory is a secondary's.
    #[error(
        "{path} is a secondary's directory: there is nothing to accept, since a secondary takes \
         what its master has; nothing was changed"
    )]
    Secondary {
        /// The directory.
        path: String,
    },
    /// No secondary was seen that has more.
    #[error(
        "this master has met no secondary with more of its log than itself, so there is no loss to \
         accept; nothing was changed"
    )]
    NoLoss,
    /// The loss was accepted before.
    #[error(
        "what other nodes have below id {end} and this master does not was given up before, and it \
         has met no secondary with more since, so there is no loss to accept; nothing was changed"
    )]
    Accepted {
        /// The end below which it was accepted.
        end: LogEnd,
    },
    /// The directory cannot be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The directory is in use, or not writable.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Lets the log of a stopped master grow again although other nodes have more of it. What they have
/// below the returned end, and the master does not, is given up.
///
/// # Errors
/// When the directory is not a master's, is in use, has no log, or no loss is known.
pub fn accept_loss(path: &Path) -> Result<LogEnd, AcceptLossError> {
    let directory = open_directory(path)?;
    let role = role_of(&directory)?;
    if role == Role::Secondary {
        return Err(AcceptLossError::Secondary { path: path.display().to_string() });
    }
    let _lock = lock_directory(&directory, path)?;
    let failed = |error: io::Error| OpenError::unusable(path, "write the manifest of", &error);
    if let Some(end) = accept_losses(&directory).map_err(failed)? {
        return Ok(end);
    }
    Err(match accepted_losses(&directory)? {
        LogEnd::ZERO => AcceptLossError::NoLoss,
        end => AcceptLossError::Accepted { end },
    })
}
