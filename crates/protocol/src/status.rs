//! The facts that nodes report about themselves: the content of `/health`, in no format.

use std::time::{Duration, Instant};

use acklog_types::{DiskFault, Epoch, LogEnd, NodeName, Storage};

use super::frame::RefusalCode;

/// The state of a node's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskHealth {
    /// No fault is known.
    Ok,
    /// It takes nothing, for the moment or for good; or a part of the log is damaged.
    Faulty(DiskFault),
}

impl DiskHealth {
    /// Creates the state of a node's disk; none if its log is in memory.
    pub(super) fn new(on_disk: bool, fault: Option<DiskFault>) -> Option<Self> {
        match fault {
            Some(fault) => Some(Self::Faulty(fault)),
            None => on_disk.then_some(Self::Ok),
        }
    }

    /// Returns whether a part of the log is damaged.
    fn is_damaged(&self) -> bool {
        matches!(self, Self::Faulty(DiskFault::Damaged { .. }))
    }
}

/// A secondary's status at its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Heard from within the last two heartbeat intervals.
    Healthy,
    /// Not heard from for two heartbeat intervals.
    Suspected,
    /// Not heard from for five heartbeat intervals, or not connected.
    Unhealthy,
}

impl Status {
    /// Returns its word in `/health` and in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Suspected => "suspected",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A secondary's progress in joining, at its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberPhase {
    /// Connected, and fetching the messages that it missed.
    CatchingUp,
    /// Connected, and sent new messages as they come.
    Ready,
    /// Without a connection.
    Disconnected,
}

impl MemberPhase {
    /// Returns its word in `/health`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Ready => "ready",
            Self::Disconnected => "disconnected",
        }
    }
}

/// A node's copy of a message, as the master knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStatus {
    /// The name of the node.
    pub node: NodeName,
    /// Whether the node has the message durably.
    pub held: bool,
    /// The place where the node keeps its log; none where it did not tell.
    pub storage: Option<Storage>,
    /// Time of the node's ack, on the clock outside; none where the node has not acked the message,
    /// where that is older than what is remembered, and where the message is older than the
    /// master's start: the node may have acked it before.
    pub acked_at: Option<Instant>,
    /// Time from the acceptance of the message to that ack; none without one, and where the moment
    /// of the acceptance is forgotten. One ack may cover more acceptances than are remembered.
    pub after: Option<Duration>,
    /// How often the message was sent to the node; for the master itself 1. None where that is
    /// older than what is remembered, or where the node fetched the message in a page.
    pub attempts: Option<u32>,
}

/// One secondary, as the master sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its name.
    pub name: NodeName,
    /// Its status.
    pub status: Status,
    /// Its progress in joining.
    pub phase: MemberPhase,
    /// The end of the messages that it acked; none if that is not known since the master restarted.
    pub acked_end: Option<LogEnd>,
    /// Messages that the master has and it has not acked, where that is known.
    pub lag: Option<u64>,
    /// `AddMessage` requests without an answer.
    pub in_flight: usize,
    /// `AddMessage` requests that were sent again since the master started.
    pub retries: u64,
    /// Round-trip time of the last answered heartbeat.
    pub rtt: Option<Duration>,
    /// Time since the last sign of life: a frame from it, or a part of a long frame in either
    /// direction.
    pub last_seen: Option<Duration>,
    /// The address of its connection; none without a connection.
    pub address: Option<String>,
}

/// A secondary that the master refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedHealth {
    /// Its name; none if that is not known.
    pub name: Option<NodeName>,
    /// The reason.
    pub code: RefusalCode,
    /// The end of its log; none if that is not known.
    pub log_end: Option<LogEnd>,
    /// Time since the last refusal; none if there was none since the master started.
    pub last_seen: Option<Duration>,
}

/// The number of nodes that must be healthy for the master to take messages, and that are. The
/// master is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumHealth {
    /// Nodes that must be healthy.
    pub required: u16,
    /// Nodes that are healthy and ready.
    pub healthy: u16,
}

impl QuorumHealth {
    /// Returns whether enough nodes are healthy.
    pub fn is_there(self) -> bool {
        self.healthy >= self.required
    }
}

impl MasterHealth {
    /// Returns whether the node does its whole job: the answer of `/ready`.
    pub fn is_ready(&self) -> bool {
        let is_damaged = self.disk.as_ref().is_some_and(DiskHealth::is_damaged);
        !self.read_only && !self.is_emptier && !is_damaged
    }
}

impl SecondaryHealth {
    /// Returns whether the node does its whole job: the answer of `/ready`.
    pub fn is_ready(&self) -> bool {
        let is_damaged = self.disk.as_ref().is_some_and(DiskHealth::is_damaged);
        self.phase == SecondaryPhase::Ready && self.connected && !is_damaged
    }
}

/// The master's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterHealth {
    /// Its name.
    pub name: NodeName,
    /// Whether it refuses appends: it is stopping, its disk has a fault, no other node has the
    /// messages that are damaged in its log, too few nodes are healthy, or a secondary has more of
    /// its log than the master itself.
    pub read_only: bool,
    /// The id of the first message in its log.
    pub log_start: LogEnd,
    /// The end of its log.
    pub log_end: LogEnd,
    /// The end of the messages that a majority of the cluster holds; none where fewer have reported
    /// a position since the start.
    pub committed_end: Option<LogEnd>,
    /// The epoch of the log.
    pub epoch: Epoch,
    /// Number of nodes of the cluster, including the master.
    pub cluster_size: u16,
    /// The quorum; none if the master takes messages without one.
    pub quorum: Option<QuorumHealth>,
    /// Clients that wait for secondaries.
    pub waiting_senders: usize,
    /// Every secondary that ever registered, in that order.
    pub secondaries: Vec<MemberHealth>,
    /// The secondaries that were refused lately.
    pub refused: Vec<RefusedHealth>,
    /// Whether its log began with this start, and it lately refused a secondary with messages of
    /// another log.
    pub is_emptier: bool,
    /// Its disk; none if the log is in memory.
    pub disk: Option<DiskHealth>,
}

/// A secondary's progress, as it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondaryPhase {
    /// Without an admitted connection.
    Connecting,
    /// Fetching the messages that it missed.
    CatchingUp,
    /// Has all messages that the master reported, and is sent new ones as they come.
    Ready,
    /// Refused by the master, because of its name or the number of nodes.
    Refused,
    /// Refused by the master, because its messages are not a part of the master's log.
    Diverged,
    /// Its disk takes nothing until a restart, so it does not dial again.
    Failed,
}

impl SecondaryPhase {
    /// Returns its word in `/health` and in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::CatchingUp => "catching-up",
            Self::Ready => "ready",
            Self::Refused => "refused",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        }
    }
}

/// A secondary's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryHealth {
    /// Its name.
    pub name: NodeName,
    /// Its progress.
    pub phase: SecondaryPhase,
    /// The id of the first message in its log.
    pub log_start: LogEnd,
    /// Its contiguous end.
    pub log_end: LogEnd,
    /// The end of the messages that it has and that a majority of the cluster is known to hold;
    /// none before its master told one.
    pub committed_end: Option<LogEnd>,
    /// The epoch of the log.
    pub epoch: Epoch,
    /// Messages that wait above a gap.
    pub buffered: u64,
    /// Whether the master has admitted it on a connection.
    pub connected: bool,
    /// The master's name; none before the first handshake.
    pub master: Option<NodeName>,
    /// The port at which the master serves HTTP, where it told it.
    pub master_http_port: Option<u16>,
    /// The end of the master's log, as last reported; none before the first handshake.
    pub master_log_end: Option<LogEnd>,
    /// The reason why the last attempt to join failed, or the last connection ended; none while it
    /// is joined.
    pub last_error: Option<String>,
    /// Its disk; none if the log is in memory.
    pub disk: Option<DiskHealth>,
}
