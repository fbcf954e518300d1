//! The state of a node: mode, disk, damage, membership, the health of others, injected faults.

use std::time::Duration;

use acklog_types::{DiskFault, Epoch, Faults, IdRange, LogEnd, NodeName, RequestId};

use super::kind::EventKind;
use crate::status::Status;

/// A change of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeEvent {
    /// The node started.
    Started {
        /// The end of its log.
        end: LogEnd,
    },
    /// An epoch began.
    Epoch {
        /// Its number.
        epoch: Epoch,
    },
    /// The master began or ceased to take messages.
    Mode {
        /// Whether it refuses them now.
        read_only: bool,
    },
    /// A secondary was not heard from, so that its status got worse.
    Silent {
        /// The secondary.
        peer: NodeName,
        /// Its status now.
        status: Status,
        /// Time since it was heard from.
        silent: Duration,
    },
    /// A secondary is unhealthy, since its connection is gone.
    Gone {
        /// The secondary.
        peer: NodeName,
    },
    /// A secondary is healthy again.
    Recovered {
        /// The secondary.
        peer: NodeName,
        /// Its status before.
        before: Status,
        /// Whether it connected again; otherwise it was heard from on the same connection.
        reconnected: bool,
    },
    /// The number of healthy nodes came to reach the quorum, or no longer reaches it: the master
    /// takes messages, or refuses them.
    Quorum {
        /// The number of nodes that are healthy, the master included.
        healthy: u16,
        /// The number of nodes that must be.
        required: u16,
    },
    /// The disk takes nothing, for the moment or until a restart. A master refuses messages, and a
    /// secondary leaves its master.
    DiskFault {
        /// The fault.
        fault: DiskFault,
        /// The messages that are not durable.
        unflushed: IdRange,
    },
    /// The disk takes messages again, after a fault that passed.
    DiskWell,
    /// Clients whose messages are not durable are answered, since the disk failed for good.
    Aborted {
        /// The number of clients.
        answered: usize,
        /// The durable end.
        end: LogEnd,
    },
    /// Another node has more of the master's log than the master, so the master refuses messages
    /// until an operator decides.
    Behind {
        /// That node; none where that is known from an earlier run.
        peer: Option<NodeName>,
        /// The end that it was seen with.
        end: LogEnd,
        /// The end of the master's log.
        log_end: LogEnd,
    },
    /// The node stops; a master takes no more messages.
    Stopping {
        /// Clients that are answered at once; none on a secondary.
        answered: usize,
        /// Whether others wait for the disk.
        waiting: bool,
    },
    /// So few secondaries were seen lately that no majority can be reached, and messages wait for
    /// one.
    MajorityUnreachable {
        /// Secondaries that count.
        registered: usize,
        /// The number of them that were seen lately.
        seen: usize,
        /// The number of nodes that are a majority.
        required: usize,
    },
    /// A part of this secondary's log is damaged.
    Damaged {
        /// The file, the place in it and what is wrong there.
        detail: String,
    },
    /// A ready secondary began or ceased to have the messages that are damaged in the master's log.
    /// Without one the master refuses messages.
    CopyMissing {
        /// The damage; none: there is a copy, or nothing is damaged any more.
        damage: Option<DiskFault>,
    },
    /// Nothing of the log is damaged any more.
    Whole,
    /// The master asks a secondary for messages that are damaged.
    RepairRequested {
        /// The secondary.
        peer: NodeName,
        /// The messages that are damaged.
        ids: IdRange,
    },
    /// A secondary gave a page that does not help the repair.
    RepairPageUnfit {
        /// The secondary.
        peer: NodeName,
        /// The number of the request.
        request: RequestId,
        /// The messages in the page.
        ids: IdRange,
        /// Whether what was requested is still missing; otherwise another page brought it.
        is_missing: bool,
    },
    /// Messages that a peer is to get cannot be given: they are unreadable, or not there.
    CannotGive {
        /// The secondary; none: the master.
        peer: Option<NodeName>,
        /// The request for them; none where the master sends them on its own.
        request: Option<RequestId>,
        /// The position that was requested, if one was.
        from: Option<LogEnd>,
        /// Whether they were requested again.
        again: Option<bool>,
        /// The reason.
        detail: String,
    },
    /// A secondary was forgotten, as an operator asked for.
    Forgotten {
        /// The secondary.
        peer: NodeName,
        /// The number of nodes without it.
        cluster_size: u16,
    },
    /// The names of the secondaries are written down.
    MembersPersisted {
        /// The version of the list.
        version: u64,
        /// The number of nodes that count now.
        cluster_size: u16,
    },
    /// The injected faults changed.
    FaultsChanged {
        /// Those in force now.
        faults: Faults,
        /// Those before.
        was: Faults,
    },
    /// All connections to peers are closed, as a user asked for.
    ConnectionsDropped {
        /// The number of connections that there were.
        connections: usize,
    },
}

impl NodeEvent {
    /// Returns the kind of the event.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Silent { .. } | Self::Recovered { .. } | Self::Gone { .. } => EventKind::Health,
            Self::Quorum { .. } | Self::MajorityUnreachable { .. } => EventKind::Quorum,
            Self::Mode { .. } => EventKind::Mode,
            Self::DiskFault { .. } | Self::DiskWell => EventKind::Disk,
            Self::Behind { .. } => EventKind::Behind,
            Self::Epoch { .. } => EventKind::Epoch,
            Self::Started { .. } => EventKind::Started,
            Self::Stopping { .. } => EventKind::Stopping,
            Self::Aborted { .. } => EventKind::Aborted,
            Self::Damaged { .. }
            | Self::CopyMissing { .. }
            | Self::Whole
            | Self::RepairRequested { .. }
            | Self::RepairPageUnfit { .. }
            | Self::CannotGive { .. } => EventKind::Repair,
            Self::Forgotten { .. } | Self::MembersPersisted { .. } => EventKind::Members,
            Self::FaultsChanged { .. } => EventKind::Faults,
            Self::ConnectionsDropped { .. } => EventKind::Disconnected,
        }
    }
}
