//! Events of a simulated cluster, in the order of virtual time.

use acklog_protocol::ReadOrder;
use acklog_protocol::frame::FrameKind;
use acklog_types::{Losses, NodeName, Unreadable};
use bytes::Bytes;

/// An event for one node.
#[derive(Debug)]
pub(super) enum ScheduledEvent {
    /// The bytes of one frame arrive at one end of a link.
    Arrive { link: u64, at_master: bool, kind: FrameKind, bytes: Bytes },
    /// A part of a frame arrives at one end of a link.
    Part { link: u64, at_master: bool },
    /// One end of a link notices that it is gone.
    Down { link: u64, at_master: bool },
    /// The master accepts a connection.
    Accepted { link: u64 },
    /// A dial of a secondary succeeds or fails.
    Dialed { secondary: NodeName, life: u64, link: Option<u64> },
    /// A read of the master's files for a link is done.
    Read { link: u64, order: ReadOrder },
    /// The log of a node became durable (`None`: the master's).
    Synced { secondary: Option<NodeName>, life: u64 },
    /// The master persisted a list of members.
    Remembered { version: u64, names: Vec<NodeName>, losses: Losses, life: u64 },
    /// The master's files were compared with the log of a secondary.
    Compared { link: u64, is_same: Result<bool, Unreadable>, life: u64 },
    /// The disk of a node takes nothing more (`None`: the master's).
    DiskBroke { secondary: Option<NodeName>, life: u64 },
}
