//! A node's disk: when it has to have a message, and what can be wrong with it.

use thiserror::Error;

use super::{IdRange, LogEnd};

/// When what a node acks has to be on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Synced before it is acked: it survives the loss of power.
    Always,
    /// Handed to the operating system before it is acked, and synced when a segment is full: it survives the process,
    /// and the machine only by luck.
    Never,
}

/// Why a node's log takes nothing: for the moment, or until the node is restarted. What it shows stays readable as far
/// as it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskFault {
    /// A write or a sync failed: what the disk holds then is not known. Only a restart looks.
    #[error("{detail}")]
    Failed {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// What is on the disk is not what was written there. What is elsewhere goes on being served, and more is taken
    /// while another node has what is damaged; it is over when that is fetched from there.
    #[error("{detail}")]
    Damaged {
        /// The file, the offset, and what is wrong there.
        detail: String,
    },
    /// There is no room. Nothing is in doubt: what waits is written as soon as there is.
    #[error("{detail}")]
    Full {
        /// The operation, the file and the system's reason.
        detail: String,
    },
    /// The disk does not answer, or the node lacks a descriptor or memory to use it. Nothing is in doubt: what waits is
    /// written as soon as it can be.
    #[error("{detail}")]
    Stalled {
        /// The operation, the file and, where there is one, the system's reason.
        detail: String,
    },
}

impl DiskFault {
    /// Whether the node is well again by itself once the condition is over.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Stalled { .. })
    }

    /// Whether another fault is of the same kind.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// What of a node's log is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, the offset, and what is wrong there, of the first damaged place.
    pub detail: String,
    /// A node that has everything before this has all that is damaged here.
    pub until: LogEnd,
    /// The messages to fetch next; none while the log looks at a damaged segment or writes it anew.
    pub wanted: Option<IdRange>,
    /// How often in a row what was fetched was not proven to be what had been there.
    pub misfits: u32,
    /// Grows with each change.
    pub version: u64,
}

/// How a disk is now, where it was another way before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskChange {
    /// It has this fault.
    Fault(DiskFault),
    /// It has none any more.
    Well,
}

impl DiskChange {
    /// Compares what was told last with what is; a fault is told once, whatever its details.
    pub fn between(told: Option<&DiskFault>, now: Option<&DiskFault>) -> Option<Self> {
        match (told, now) {
            (Some(told), Some(now)) if now.is_like(told) => None,
            (_, Some(now)) => Some(Self::Fault(now.clone())),
            (Some(_), None) => Some(Self::Well),
            (None, None) => None,
        }
    }
}
