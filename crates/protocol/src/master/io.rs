//! Inputs, effects and options of a master.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use acklog_types::Unreadable;
use acklog_types::{
    Checksum, KeyHash, LogEnd, LogId, Losses, MessageId, NodeName, Quorum, SessionId, WaiterId,
    WriteConcern,
};

use crate::events::Events;
use crate::machine::{Effect, Input};
use crate::outcome::Outcome;

/// The options of a master.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Name of the node.
    pub name: NodeName,
    /// Identity of the log.
    pub log: LogId,
    /// Time after which a request without a response has failed.
    pub request_timeout: Duration,
    /// Time between two heartbeats to a secondary.
    pub heartbeat_interval: Duration,
    /// Number of nodes, including the master, where it is fixed.
    pub cluster_size: Option<u16>,
    /// The only secondaries that are admitted; none: any.
    pub secondaries: Option<BTreeSet<NodeName>>,
    /// Write concern of a message that names none.
    pub default_write_concern: WriteConcern,
    /// Number of nodes that must be healthy for the master to take messages; none: none need be.
    pub quorum: Option<Quorum>,
    /// Most clients that wait for secondaries at once.
    pub max_waiting: usize,
    /// Most pending sessions: connections that have not finished their handshake. At most
    /// [`STRANGERS_MAX`](super::STRANGERS_MAX).
    pub max_strangers: usize,
    /// Number of keyed messages, the last ones, that are remembered by their idempotency keys.
    pub idempotency_window: usize,
    /// Seed of all random draws.
    pub seed: u64,
}

/// The contents that a master's log was opened with. By default: a new log in memory.
#[derive(Clone, Debug, Default)]
pub struct RestoredMaster {
    /// The end of the log; all of it is durable.
    pub end: LogEnd,
    /// The secondaries that ever registered, in the order in which they did.
    pub members: Vec<NodeName>,
    /// The last keyed messages, in id order.
    pub keys: Vec<(KeyHash, MessageId)>,
    /// The log is on a disk, and not in memory.
    pub on_disk: bool,
    /// The log existed before this start.
    pub is_old: bool,
    /// The ends that other nodes were seen with, beyond this log's end.
    pub losses: Losses,
}

/// The inputs that only a master takes.
#[derive(Debug)]
pub enum LeaderInput {
    /// The names of [`LeaderEffect::Remember`] are persisted, up to this version.
    Remembered(u64),
    /// A connection was accepted.
    SessionUp {
        /// Its session.
        session: SessionId,
        /// Address that it comes from.
        address: String,
    },
    /// The comparison that [`LeaderEffect::Compare`] requested is done, or failed since a file
    /// cannot be read.
    Compared {
        /// The session that it was requested for; it may be gone.
        session: SessionId,
        /// Whether the secondary's log is the same up to there.
        is_same: Result<bool, Unreadable>,
    },
    /// A client no longer waits.
    Cancel(WaiterId),
    /// Clients no longer wait, whose tickets follow each other: those of an append stream.
    CancelSeries {
        /// The first ticket. No series that was taken together reaches below it.
        first: WaiterId,
        /// Number of tickets. Those that do not wait are passed over.
        count: u64,
    },
    /// The node stops now: the clients that still wait are answered.
    GiveUp,
}

/// The effects that only a master requests.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaderEffect {
    /// Persist the names of the secondaries that ever registered, and the ends that they were seen
    /// with, in place of what was persisted before, and report [`LeaderInput::Remembered`] when
    /// that is done.
    Remember {
        /// Number of this list, counted from 1.
        version: u64,
        /// The names, in the order in which they registered.
        names: Vec<NodeName>,
        /// The ends that other nodes were seen with, beyond this log's end.
        losses: Losses,
    },
    /// Compare a secondary's records below `end` with the log's files, without keeping anything
    /// else waiting, and report [`LeaderInput::Compared`]. Its handshake is answered then. At most
    /// one for each session at a time; void once the session is closed.
    Compare {
        /// The session that the handshake came on.
        session: SessionId,
        /// End of the secondary's log; below the durable end.
        end: LogEnd,
        /// The checksum that the handshake reported: of all records below, or of the last one.
        told: Checksum,
    },
    /// Answer a client, or clients of a series whose answers differ in nothing but the id.
    Release {
        /// Its ticket; of a series, the first one.
        waiter: WaiterId,
        /// Number of clients. The tickets, and the ids of the messages, follow each other.
        count: u64,
        /// The answer to the first one.
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

/// The effects that the parts of a master request, and the events that they emit, each in order.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) effects: VecDeque<Effect<LeaderEffect>>,
    pub(super) events: Events,
}

impl Output {
    /// Requests an effect.
    pub(super) fn push(&mut self, effect: impl Into<Effect<LeaderEffect>>) {
        self.effects.push_back(effect.into());
    }

    /// Answers a client.
    pub(super) fn release(&mut self, waiter: WaiterId, outcome: Outcome) {
        self.release_series(waiter, 1, outcome);
    }

    /// Answers `count` clients, from this one on.
    pub(super) fn release_series(&mut self, waiter: WaiterId, count: u64, outcome: Outcome) {
        self.events.emit_answers(&outcome, count);
        self.push(LeaderEffect::Release { waiter, count, outcome });
    }
}
