//! Connections between nodes: how they begin, get further and end.

use std::fmt;
use std::time::Duration;

use acklog_types::{Epoch, LogEnd, NodeName, RequestId, SessionId, Unreadable};

use super::kind::EventKind;
use crate::frame::RefusalCode;
use crate::status::SecondaryPhase;
use crate::{CloseReason, SessionEnd};

/// An event on a connection between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The master accepted a connection.
    Opened {
        /// Its session.
        session: SessionId,
        /// The address that it comes from.
        address: String,
    },
    /// The master got a handshake.
    Handshake {
        /// The session that it came on.
        session: SessionId,
        /// The name in it.
        peer: NodeName,
        /// Its number.
        request: RequestId,
        /// The end of the secondary's log.
        end: LogEnd,
    },
    /// A secondary that was admitted repeated its handshake.
    HandshakeRepeated {
        /// The secondary.
        peer: NodeName,
        /// The number of the repeated one.
        request: RequestId,
    },
    /// A secondary's log was compared with the master's while the master is paused or the
    /// connection ended, so the handshake is not answered.
    ComparedInVain {
        /// The session.
        session: SessionId,
        /// Whether the master is paused.
        paused: bool,
    },
    /// The master cannot admit a secondary, for a reason that lies in the master's disk.
    NotAdmitted {
        /// The secondary.
        peer: NodeName,
        /// The session.
        session: SessionId,
        /// The number of the handshake.
        request: RequestId,
        /// The reason.
        detail: String,
    },
    /// The master refused a secondary.
    Refused {
        /// The name in the handshake; none where it could not be read.
        peer: Option<NodeName>,
        /// The session.
        session: SessionId,
        /// The reason, for the program.
        code: RefusalCode,
        /// The reason, as the secondary is told.
        detail: String,
    },
    /// The master refuses this secondary.
    RefusedByMaster {
        /// The reason, for the program.
        code: RefusalCode,
        /// The reason, as the master put it.
        detail: String,
        /// The phase that this puts the node into.
        phase: SecondaryPhase,
    },
    /// The master is in an epoch that this secondary cannot follow.
    EpochNotFollowed {
        /// The epoch.
        epoch: Epoch,
        /// The reason, with what to do.
        detail: String,
    },
    /// A secondary came back without messages that it had acked.
    LostAcked {
        /// The secondary.
        peer: NodeName,
        /// The end of what it had acked.
        acked: LogEnd,
        /// The end of what it has.
        end: LogEnd,
    },
    /// A secondary was admitted, and catches up.
    Joined {
        /// The other node: to the master the secondary, to a secondary its master.
        peer: NodeName,
        /// The address that the secondary's connection comes from; none on the secondary.
        address: Option<String>,
        /// The end of the secondary's log.
        end: LogEnd,
        /// The end of the master's log.
        log_end: LogEnd,
    },
    /// A secondary caught up for the first time: its name is being written down.
    Registering {
        /// The secondary.
        peer: NodeName,
    },
    /// A secondary is sent new messages as they come.
    Ready {
        /// The secondary; none on that secondary itself.
        peer: Option<NodeName>,
        /// The end of its log.
        end: LogEnd,
    },
    /// A connection to the master ended.
    Ended {
        /// The session.
        session: SessionId,
        /// The secondary; none where no secondary was admitted on it.
        peer: Option<NodeName>,
        /// The way in which it ended.
        ending: Ending,
        /// Whether the secondary was not unhealthy before.
        was_live: bool,
    },
    /// A connection to the master ended before its handshake was done. At most some ten
    /// a minute are reported.
    EndedEarly {
        /// The session.
        session: SessionId,
        /// The address that it came from, if that is known.
        address: Option<String>,
        /// The way in which it ended.
        ending: Ending,
    },
    /// More connections ended early than were reported.
    MoreEndedEarly {
        /// The number of these, in the last minute.
        left_out: u32,
    },
    /// This secondary dials its master.
    Dialing,
    /// This secondary could not reach its master.
    DialFailed {
        /// The reason, as the system put it.
        reason: String,
        /// Pause before it dials again.
        pause: Duration,
    },
    /// This secondary reached its master, and sends its handshake.
    Connected {
        /// The end of its log.
        end: LogEnd,
    },
    /// This secondary's connection to its master ended.
    LeftMaster {
        /// The way in which it ended.
        ending: Ending,
        /// Whether this node was ready. Otherwise this was one of many attempts.
        was_ready: bool,
        /// Pause before it dials again.
        pause: Duration,
    },
    /// This secondary did not run for so long that it waits for its master once more.
    LocalStall {
        /// Time since the master should have been judged.
        late: Duration,
    },
    /// This secondary cannot make its handshake, since its last message is unreadable.
    HandshakeUnreadable {
        /// The end of its log.
        end: LogEnd,
        /// The reason.
        error: Unreadable,
    },
    /// Several connections in a row ended while a long frame was on its way: the path may drop
    /// large packets.
    MtuSuspected {
        /// The secondary; none on a secondary itself.
        peer: Option<NodeName>,
    },
    /// A secondary closes its connection when it is asked for a page: it is of an earlier release.
    PagesUnknown {
        /// The secondary.
        peer: NodeName,
    },
}

/// The way in which a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This node closed it.
    Closed(CloseReason),
    /// The peer or the network ended it.
    Lost(SessionEnd),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => reason.fmt(f),
            Self::Lost(reason) => reason.fmt(f),
        }
    }
}

impl ConnectionEvent {
    /// Returns the kind of the event.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Opened { .. } | Self::Dialing | Self::Connected { .. } => EventKind::Connecting,
            Self::Handshake { .. } | Self::HandshakeRepeated { .. } => EventKind::Handshake,
            Self::Refused { .. }
            | Self::RefusedByMaster { .. }
            | Self::EpochNotFollowed { .. }
            | Self::NotAdmitted { .. }
            | Self::ComparedInVain { .. }
            | Self::HandshakeUnreadable { .. }
            | Self::DialFailed { .. } => EventKind::Refused,
            Self::Joined { .. } => EventKind::Joined,
            Self::LostAcked { .. } => EventKind::Lost,
            Self::Registering { .. } => EventKind::Members,
            Self::Ready { .. } => EventKind::Ready,
            Self::Ended { peer: Some(_), .. } | Self::LeftMaster { .. } => EventKind::Left,
            Self::Ended { peer: None, .. }
            | Self::EndedEarly { .. }
            | Self::MoreEndedEarly { .. } => EventKind::LeftEarly,
            Self::LocalStall { .. } | Self::MtuSuspected { .. } | Self::PagesUnknown { .. } => {
                EventKind::Advice
            }
        }
    }
}
