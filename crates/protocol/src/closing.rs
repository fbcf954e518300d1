//! Ends of connections: the peer's reasons, this node's reasons, and a broken peer's faults.

use std::time::Duration;

use acklog_types::{HEARTBEAT_INTERVAL_MAX, IdRange, LogEnd, RequestId};
use thiserror::Error;

use crate::frame::FrameKind;
use crate::master::HANDSHAKE_TIMEOUT;

/// The reason why a connection ended that this node did not close.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionEnd {
    /// The peer closed it, between two frames.
    #[error("the peer closed the connection")]
    Closed,
    /// It broke, or the peer was too slow, or no sign of life came for too long.
    #[error("{0}")]
    Lost(String),
    /// The peer sent bytes that are not frames of this protocol.
    #[error("{0}")]
    Garbage(String),
    /// An HTTP server answered.
    #[error("an HTTP server answers there")]
    HttpServer,
}

/// A fault of a broken peer. It ends the peer's connection, never the node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Another frame came before the handshake.
    #[error("the first frame of a connection must be a handshake")]
    HandshakeExpected,
    /// A request that this node never answers, or not now.
    #[error("a {0:?} request is not expected here")]
    UnexpectedRequest(FrameKind),
    /// A response that belongs to no request.
    #[error("the response to request {0} is not expected here")]
    UnexpectedResponse(RequestId),
    /// A position beyond the end of the log.
    #[error("the secondary claims to have everything before {told}, the log ends at {log_end}")]
    AckBeyondEnd {
        /// The reported position.
        told: LogEnd,
        /// The end of the log.
        log_end: LogEnd,
    },
    /// More page requests in flight than a correct peer has.
    #[error("more than {0} requests for pages wait for their answers")]
    TooManyPages(usize),
    /// A run that neither a page nor `AddMessage` can have.
    #[error("a run of the ids {0} makes no sense here")]
    BadRun(IdRange),
    /// A heartbeat interval that no node may have, because of damage or a broken master.
    #[error(
        "a heartbeat interval of {0:?} is not plausible: it is above 0 and at most \
        {HEARTBEAT_INTERVAL_MAX:?}"
    )]
    BadInterval(Duration),
    /// The master admitted a node with messages into another log, or changed its log within a
    /// connection.
    #[error("the master's log is not the one that this node has messages of")]
    ChangedIdentity,
}

/// The reason why this node closes a connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The peer is broken.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// No handshake within [`HANDSHAKE_TIMEOUT`].
    #[error("no handshake within {HANDSHAKE_TIMEOUT:?}")]
    HandshakeTimeout,
    /// A newer pending session needed the place.
    #[error("too many connections without a handshake; this was the oldest")]
    TooManyHandshakes,
    /// The handshake was refused.
    #[error("the handshake was refused")]
    Refused,
    /// The same node connected again.
    #[error("the node connected again")]
    Replaced,
    /// The secondary was forgotten.
    #[error("the secondary was forgotten")]
    Forgotten,
    /// The secondary stays unhealthy.
    #[error("nothing was heard from the secondary for too long")]
    Unresponsive,
    /// No byte came from the master for too long.
    #[error("nothing was heard from the master for too long")]
    Silent,
    /// This node's disk cannot keep messages, write down a new member, or compare the peer's log.
    #[error("this node's disk has a fault")]
    DiskFault,
    /// A user asked for it.
    #[error("a disconnect was asked for")]
    OnDemand,
    /// This node stops.
    #[error("this node is stopping")]
    Stopping,
}
