//! What a master is told, and what it wants to be done.

use std::collections::BTreeSet;
use std::time::Duration;

use acklog_types::Unreadable;
use acklog_types::{
    Checksum, Damage, DiskFault, Faults, IdRange, KeyHash, LogEnd, LogId, Losses, MessageId,
    NodeName, Quorum, Records, SessionId, WaiterId, WriteConcern,
};

use crate::frame::Frame;
use crate::outcome::Outcome;
use crate::progress::ReadOrder;
use crate::{CloseReason, SessionEnd};

/// What a master is told once.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Its name.
    pub name: NodeName,
    /// The identity of its log.
    pub log: LogId,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
    /// What is to go wrong with it from the start.
    pub faults: Faults,
    /// How often it sends heartbeats.
    pub heartbeat_interval: Duration,
    /// Number of nodes, the master counted, where it is fixed.
    pub cluster_size: Option<u16>,
    /// The only secondaries that are let in; none: any.
    pub secondaries: Option<BTreeSet<NodeName>>,
    /// The write concern of a message that names none.
    pub default_write_concern: WriteConcern,
    /// How many nodes must be healthy for it to take messages; none: it always does.
    pub quorum: Option<Quorum>,
    /// Most senders that wait for secondaries at once.
    pub max_waiting: usize,
    /// Most connections that have not finished their handshake; at most [`STRANGERS_MAX`](super::STRANGERS_MAX).
    pub max_strangers: usize,
    /// How many of the last keyed messages are remembered by their idempotency keys.
    pub idempotency_window: usize,
    /// What all its chances are drawn from.
    pub seed: u64,
}

/// What a master's log was opened with. By default: a new log in memory.
#[derive(Clone, Debug, Default)]
pub struct RestoredMaster {
    /// The end of the log; all of it is durable.
    pub end: LogEnd,
    /// The secondaries that ever registered, in that order.
    pub members: Vec<NodeName>,
    /// The last keyed messages, in id order.
    pub keys: Vec<(KeyHash, MessageId)>,
    /// Whether the log is on a disk.
    pub on_disk: bool,
    /// Whether the log existed before this start.
    pub is_old: bool,
    /// What other nodes were seen with, beyond this log's end.
    pub losses: Losses,
}

/// What happens to a master.
#[derive(Debug)]
pub enum Input {
    /// The log is durable up to here.
    Durable(LogEnd),
    /// The names of [`Effect::Remember`] are written down, up to this version.
    Remembered(u64),
    /// The disk takes nothing, for the moment or until a restart.
    DiskFault(DiskFault),
    /// The disk can be used again, after a fault that passes.
    DiskWell,
    /// What of the log is damaged, or how far the repair of it is, changed; none: the log is whole again.
    Damage(Option<Damage>),
    /// A connection was accepted.
    SessionUp {
        /// The new session.
        session: SessionId,
        /// Where it comes from.
        address: String,
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
    /// What [`Effect::Read`] asked for was read, or could not be.
    Read {
        /// The session that it is for.
        session: SessionId,
        /// The messages that were read and the bytes of their records.
        found: Result<(IdRange, usize), Unreadable>,
    },
    /// A connection is gone.
    SessionDown {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// What [`Effect::Compare`] asked for is known, or cannot be read.
    Compared {
        /// The session that it was asked for; it may be gone.
        session: SessionId,
        /// Whether the secondary's log is the same up to there.
        is_same: Result<bool, Unreadable>,
    },
    /// A sender no longer waits.
    Cancel(WaiterId),
    /// The node stops: no append is taken any more, and every waiter is answered as soon as its message is durable.
    Shutdown,
    /// The node stops now: whoever still waits is answered.
    GiveUp,
}

/// What a master wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame; its run names the records to read from the log.
    Send {
        /// The session to send it on.
        session: SessionId,
        /// The frame.
        frame: Frame<IdRange>,
    },
    /// Write down the names of the secondaries that ever registered, and what they were seen with, in place of what was
    /// written down before, and tell [`Input::Remembered`] when that is done.
    Remember {
        /// Counts these lists, from 1 on.
        version: u64,
        /// The names, in the order in which they registered.
        names: Vec<NodeName>,
        /// What other nodes were seen with, beyond this log's end.
        losses: Losses,
    },
    /// Read records for a session, without waiting for that, and tell [`Input::Read`]. One at a time for each session.
    Read {
        /// The session that they are for: if it ends meanwhile, they need not be read.
        session: SessionId,
        /// What to read.
        order: ReadOrder,
    },
    /// Give the log what a secondary has of the messages that are damaged here.
    Mend {
        /// The secondary.
        peer: NodeName,
        /// The messages.
        run: Records,
    },
    /// Find out by the log's files whether a secondary has the same records below `end`, without keeping anything else
    /// waiting, and tell [`Input::Compared`]. Its handshake is answered then. At most one for each session at a time;
    /// void once the session is closed.
    Compare {
        /// The session that the handshake came on.
        session: SessionId,
        /// Where the secondary's log ends; below the durable end.
        end: LogEnd,
        /// The checksum that it told: of all records below, or of the last one.
        told: Checksum,
    },
    /// Answer a sender.
    Release {
        /// The sender.
        waiter: WaiterId,
        /// Its answer.
        outcome: Outcome,
    },
    /// Close a connection, after what was sent on it before.
    Close {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}
