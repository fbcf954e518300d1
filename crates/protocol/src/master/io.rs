//! What a master is told, and what it wants to be done.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use acklog_types::Unreadable;
use acklog_types::{
    Checksum, KeyHash, LogEnd, LogId, Losses, MessageId, NodeName, Quorum, SessionId, WaiterId,
    WriteConcern,
};

use crate::machine::{Effect, Input};
use crate::outcome::Outcome;

/// What a master is told once.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Its name.
    pub name: NodeName,
    /// The identity of its log.
    pub log: LogId,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
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

/// What only a master is told.
#[derive(Debug)]
pub enum LeaderInput {
    /// The names of [`LeaderEffect::Remember`] are written down, up to this version.
    Remembered(u64),
    /// A connection was accepted.
    SessionUp {
        /// The new session.
        session: SessionId,
        /// Where it comes from.
        address: String,
    },
    /// What [`LeaderEffect::Compare`] asked for is known, or cannot be read.
    Compared {
        /// The session that it was asked for; it may be gone.
        session: SessionId,
        /// Whether the secondary's log is the same up to there.
        is_same: Result<bool, Unreadable>,
    },
    /// A sender no longer waits.
    Cancel(WaiterId),
    /// The node stops now: whoever still waits is answered.
    GiveUp,
}

/// What only a master wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaderEffect {
    /// Write down the names of the secondaries that ever registered, and what they were seen with, in place of what was
    /// written down before, and tell [`LeaderInput::Remembered`] when that is done.
    Remember {
        /// Counts these lists, from 1 on.
        version: u64,
        /// The names, in the order in which they registered.
        names: Vec<NodeName>,
        /// What other nodes were seen with, beyond this log's end.
        losses: Losses,
    },
    /// Find out by the log's files whether a secondary has the same records below `end`, without keeping anything else
    /// waiting, and tell [`LeaderInput::Compared`]. Its handshake is answered then. At most one for each session at a
    /// time; void once the session is closed.
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
}

impl From<LeaderInput> for Input<LeaderInput> {
    fn from(input: LeaderInput) -> Self {
        Self::Role(input)
    }
}

impl From<LeaderEffect> for Effect<LeaderEffect> {
    fn from(effect: LeaderEffect) -> Self {
        Self::Role(effect)
    }
}

/// What the parts of a master want to be done, in this order.
pub(super) type Effects = VecDeque<Effect<LeaderEffect>>;
