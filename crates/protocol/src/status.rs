//! What the nodes tell about themselves: the facts behind `/health`, without a form.

use std::time::Duration;

use acklog_types::{DiskFault, LogEnd, NodeName};

use super::frame::RefusalCode;

/// How a node's disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskHealth {
    /// Nothing is wrong with it, as far as the node knows.
    Ok,
    /// It takes nothing, for the moment or for good; or a part of the log is damaged.
    Faulty(DiskFault),
}

impl DiskHealth {
    /// The health of a node's disk; none where its log is in memory.
    pub(super) fn new(on_disk: bool, fault: Option<DiskFault>) -> Option<Self> {
        match fault {
            Some(fault) => Some(Self::Faulty(fault)),
            None => on_disk.then_some(Self::Ok),
        }
    }

    /// Whether a part of the log is damaged.
    fn is_damaged(&self) -> bool {
        matches!(self, Self::Faulty(DiskFault::Damaged { .. }))
    }
}

/// How a secondary looks from the master.
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
    /// Returns its word, as `/health` and log lines have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Suspected => "suspected",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How far a secondary is in joining, as the master knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberPhase {
    /// Connected, fetching what it missed.
    CatchingUp,
    /// Connected and sent new messages as they come.
    Ready,
    /// Without a connection.
    Disconnected,
}

impl MemberPhase {
    /// Returns its word, as `/health` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Ready => "ready",
            Self::Disconnected => "disconnected",
        }
    }
}

/// One secondary as the master sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its name.
    pub name: NodeName,
    /// Whether it is heard from.
    pub status: Status,
    /// How far it is in joining.
    pub phase: MemberPhase,
    /// The end of what it acked; none while that is not known: the master was restarted since.
    pub acked_end: Option<LogEnd>,
    /// How many messages it is behind the master, where that is known.
    pub lag: Option<u64>,
    /// `AddMessage` requests that wait for its answer.
    pub in_flight: usize,
    /// `AddMessage` requests that had to be made again since the master started.
    pub retries: u64,
    /// Round-trip time of the last answered heartbeat.
    pub rtt: Option<Duration>,
    /// Time since the last sign of life: a frame from it, or a part of a long one, either way.
    pub last_seen: Option<Duration>,
    /// Where its connection comes from; none without a connection.
    pub address: Option<String>,
}

/// A secondary that the master refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedHealth {
    /// Its name; none where that is not known.
    pub name: Option<NodeName>,
    /// Why.
    pub code: RefusalCode,
    /// The end of its log; none where that is not known.
    pub log_end: Option<LogEnd>,
    /// Time since it was refused last; none: not since the master started.
    pub last_seen: Option<Duration>,
}

/// How many nodes must be healthy for the master to take messages, and how many are. The master counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumHealth {
    /// How many must be.
    pub required: u16,
    /// How many are healthy and ready.
    pub healthy: u16,
}

impl QuorumHealth {
    /// Whether enough nodes are healthy.
    pub fn is_there(self) -> bool {
        self.healthy >= self.required
    }
}

impl MasterHealth {
    /// Returns whether the node does its whole job.
    pub fn is_ready(&self) -> bool {
        let is_damaged = self.disk.as_ref().is_some_and(DiskHealth::is_damaged);
        !self.read_only && !self.is_emptier && !is_damaged
    }
}

impl SecondaryHealth {
    /// Returns whether the node does its whole job.
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
    /// Whether it refuses appends: it is stopping, its disk has a fault, no other node has what is damaged of its log,
    /// too few nodes are healthy, or a secondary has more of its log than itself.
    pub read_only: bool,
    /// The end of its log.
    pub log_end: LogEnd,
    /// Number of nodes of the cluster, the master counted.
    pub cluster_size: u16,
    /// How many nodes must be healthy and how many are; none where none need be.
    pub quorum: Option<QuorumHealth>,
    /// Senders that wait for secondaries.
    pub waiting_senders: usize,
    /// Every secondary that ever registered, in that order.
    pub secondaries: Vec<MemberHealth>,
    /// The secondaries that were refused lately.
    pub refused: Vec<RefusedHealth>,
    /// Whether its log began with this start, and lately it refused a secondary with messages of another.
    pub is_emptier: bool,
    /// Its disk; none: the log is in memory.
    pub disk: Option<DiskHealth>,
}

/// How far a secondary is, as it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondaryPhase {
    /// Without an accepted connection.
    Connecting,
    /// Fetching what it missed.
    CatchingUp,
    /// Has all that the master told of and is sent new messages as they come.
    Ready,
    /// The master refuses it, for a reason that lies in names or numbers.
    Refused,
    /// The master refuses it because its messages are not a part of the master's log.
    Diverged,
    /// Its disk takes nothing more until it is restarted, and so it does not dial again.
    Failed,
}

impl SecondaryPhase {
    /// Returns its word, as `/health` and log lines have it.
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
    /// How far it is.
    pub phase: SecondaryPhase,
    /// Its contiguous end.
    pub log_end: LogEnd,
    /// Messages that wait above a gap.
    pub buffered: u64,
    /// Whether it has a connection to the master.
    pub connected: bool,
    /// The master's name, once a handshake told it.
    pub master: Option<NodeName>,
    /// The master's log end as last told; none before the first handshake.
    pub master_log_end: Option<LogEnd>,
    /// Why the last attempt to be connected to the master failed or ended; none while it is connected.
    pub last_error: Option<String>,
    /// Its disk; none: the log is in memory.
    pub disk: Option<DiskHealth>,
}
