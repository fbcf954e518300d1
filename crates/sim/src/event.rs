//! What happens in a simulated cluster, in the order of virtual time.

use acklog_protocol::ReadOrder;
use acklog_protocol::frame::FrameKind;
use acklog_types::{Losses, NodeName, Unreadable};
use bytes::Bytes;

/// Something that happens to one node.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes of one frame arrive at one end of a link.
    Arrive { link: u64, at_master: bool, kind: FrameKind, bytes: Bytes },
    /// A part of a frame arrives at one end of a link.
    Part { link: u64, at_master: bool },
    /// One end of a link learns that it is gone.
    Down { link: u64, at_master: bool },
    /// The master accepts a connection.
    Accepted { link: u64 },
    /// A secondary's dial is over.
    Dialed { secondary: NodeName, life: u64, link: Option<u64> },
    /// What the master asked of its files for a link was read.
    Read { link: u64, order: ReadOrder },
    /// A node's log made durable what it had (none: the master's).
    Synced { secondary: Option<NodeName>, life: u64 },
    /// The master wrote down a list of names.
    Remembered { version: u64, names: Vec<NodeName>, losses: Losses, life: u64 },
    /// The master's files told whether a secondary's log is the same.
    Compared { link: u64, is_same: Result<bool, Unreadable>, life: u64 },
    /// A node's disk takes nothing more (none: the master's).
    DiskBroke { secondary: Option<NodeName>, life: u64 },
}
