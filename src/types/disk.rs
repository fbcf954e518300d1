//! What can be wrong with a node's disk.

use thiserror::Error;

/// Why a node's log takes nothing more until the node is restarted. What it shows stays readable as far as it can be
/// read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskFault {
    /// A write or a sync failed: the disk is full, or broken.
    #[error("{detail}")]
    Failed {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// What is on the disk is not what was written there.
    #[error("{detail}")]
    Damaged {
        /// The file, the offset, and what is wrong there.
        detail: String,
    },
}
