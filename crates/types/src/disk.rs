//! A node's disk: when messages are flushed to it, and what can be wrong with it.

use thiserror::Error;

use super::{IdRange, LogEnd};

/// The moment at which a message is flushed to disk, relative to its ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before the ack. An acked message survives a loss of power.
    Always,
    /// Written to the operating system before the ack, and flushed when its segment is full. An
    /// acked message survives a crash of the process, but a crash of the machine only by luck.
    Never,
}

/// Reason why a node's log takes no messages: temporarily, or until the node is restarted. What can
/// be read stays readable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskFault {
    /// A write or a flush failed. The contents of the disk are unknown until a restart reads them.
    #[error("{detail}")]
    Failed {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// The disk does not have what was written. The other messages are served. New ones are taken
    /// while a node that has the damaged messages is connected. Ends when the damaged messages were
    /// fetched from such a node.
    #[error("{detail}")]
    Damaged {
        /// The file, the offset, and what is wrong there.
        detail: String,
    },
    /// The disk is full. Nothing is in doubt: what waits is written as soon as there is space.
    #[error("{detail}")]
    Full {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// The disk does not answer, or the process lacks a descriptor or memory. Nothing is in doubt:
    /// what waits is written as soon as that ends.
    #[error("{detail}")]
    Stalled {
        /// The operation, the file and, where there is one, the system's reason.
        detail: String,
    },
}

impl DiskFault {
    /// Returns whether the node recovers without a restart once the condition ends.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Stalled { .. })
    }

    /// Returns whether another fault is of the same kind.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The damage in a node's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, the offset, and what is wrong there, of the first damaged place.
    pub detail: String,
    /// The end of the last damaged message. A node that has everything below it can repair all
    /// damage.
    pub until: LogEnd,
    /// The messages to fetch next; none while the log surveys a damaged segment or rewrites it.
    pub wanted: Option<IdRange>,
    /// Number of times in a row that fetched messages could not be proven to be the lost ones.
    pub misfits: u32,
    /// Grows with each change of the damage.
    pub version: u64,
}

/// A change in the state of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskChange {
    /// The disk has this fault now.
    Fault(DiskFault),
    /// The disk has no fault any more.
    Well,
}

impl DiskChange {
    /// Compares the state that was reported last with the current one. A fault of the same kind is
    /// not reported again, even with other details.
    pub fn between(told: Option<&DiskFault>, now: Option<&DiskFault>) -> Option<Self> {
        match (told, now) {
            (Some(told), Some(now)) if now.is_like(told) => None,
            (_, Some(now)) => Some(Self::Fault(now.clone())),
            (Some(_), None) => Some(Self::Well),
            (None, None) => None,
        }
    }
}
