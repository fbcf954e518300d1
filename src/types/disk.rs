//! A node's disk: when it has to have a message, and what can be wrong with it.

use thiserror::Error;

/// When what a node acks has to be on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Synced before it is acked: it survives the loss of power.
    Always,
    /// Handed to the operating system before it is acked, and synced when a segment is full: it survives the process,
    /// and the machine only by luck.
    Never,
}

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
