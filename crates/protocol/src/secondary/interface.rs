//! What a secondary is told, and what it wants to be done.

use std::time::Duration;

use acklog_types::Unreadable;
use acklog_types::{
    Damage, DiskFault, Faults, IdRange, InstanceId, LogEnd, LogId, NodeName, Records, SessionId,
};

use crate::frame::Frame;
use crate::{CloseReason, ReadOrder, SessionEnd};

/// What a secondary is told once.
#[derive(Clone, Debug)]
pub struct SecondaryOptions {
    /// Its name.
    pub name: NodeName,
    /// This run of its process.
    pub instance: InstanceId,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
    /// Longest pause between two attempts to connect.
    pub reconnect_delay: Duration,
    /// What is to go wrong with it from the start.
    pub faults: Faults,
    /// What all its chances are drawn from.
    pub seed: u64,
}

/// What a secondary's log was opened with. By default: an empty log in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoredSecondary {
    /// The identity of the log; none while it has no message.
    pub log: Option<LogId>,
    /// Its end: without gaps, and durable.
    pub end: LogEnd,
    /// Whether the log is on a disk.
    pub on_disk: bool,
}

/// What happens to a secondary.
#[derive(Debug)]
pub enum SecondaryInput {
    /// The dial succeeded.
    Connected(SessionId),
    /// The dial failed.
    DialFailed {
        /// Why, for people.
        reason: String,
    },
    /// A frame arrived.
    Frame {
        /// The session that it arrived on.
        session: SessionId,
        /// The frame.
        frame: Frame<Records>,
    },
    /// Bytes of a frame arrived that is not whole yet.
    Heard(SessionId),
    /// What [`SecondaryEffect::Read`] asked for was read, or could not be.
    Read {
        /// The session that it is for.
        session: SessionId,
        /// The messages that were read and the bytes of their records.
        found: Result<(IdRange, usize), Unreadable>,
    },
    /// The connection is gone.
    SessionDown {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// The log is durable up to here.
    Durable(LogEnd),
    /// The disk takes nothing, for the moment or until a restart.
    DiskFault(DiskFault),
    /// The disk can be used again, after a fault that passes.
    DiskWell,
    /// What of the log is damaged, or how far the repair of it is, changed; none: the log is whole again.
    Damage(Option<Damage>),
    /// The node stops.
    Shutdown,
}

/// What a secondary wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum SecondaryEffect {
    /// Connect to the master and tell [`SecondaryInput::Connected`] or [`SecondaryInput::DialFailed`].
    Dial,
    /// Send a frame; its run names the records to read from the log. Only pages of a secondary have one.
    Send {
        /// The session to send it on.
        session: SessionId,
        /// The frame.
        frame: Frame<IdRange>,
    },
    /// Read records for the master, without waiting for that, and tell [`SecondaryInput::Read`]. One at a time.
    Read {
        /// The session that they are for: if it ends meanwhile, they need not be read.
        session: SessionId,
        /// What to read.
        order: ReadOrder,
    },
    /// Give the log what the master has of the messages that are damaged here.
    Mend {
        /// The master.
        peer: NodeName,
        /// The messages.
        run: Records,
    },
    /// Append a run to the log and tell [`SecondaryInput::Durable`] when it is.
    Append(Records),
    /// Close the connection, after what was sent on it before.
    Close {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}
