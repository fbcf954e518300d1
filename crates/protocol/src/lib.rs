//! The protocol as a value: everything that decides, and nothing that acts.
//!
//! Who is sent what, what counts as an ack, who may be answered, what is visible, when to retry: all of it is plain
//! code over ids and times. There is no socket, file, clock, channel, task or ambient chance in here (`clippy.toml`
//! forbids them), so that a simulator can drive a whole cluster through thousands of schedules in virtual time, and
//! the same code runs in production behind a thin shell. Log lines are the one exception: nothing depends on them.
//!
//! # How it is driven
//! [`Master`] and [`Secondary`] are both a [`Machine`], after quinn-proto's vocabulary:
//!
//! - `step(now, input)` takes in what happened; `handle_timeout(now)` does what is due;
//! - `poll_effect()` says what to do next; call it until it returns none after each of the above;
//! - `next_deadline()` says when `handle_timeout` is due next; the driver holds the only timer;
//! - what a master is asked directly: `append`, `key_compared`, `join`, `forget`.
//!
//! `now` must never go back. Chance comes from a seed in the options. [`Faulty`] wraps either machine to let things go
//! wrong on demand. A node that its [faults](acklog_types::Faults) pause is not told of connections and frames until it
//! goes on; they wait where they came from.
//!
//! # What holds
//! - *Order.* The master gives ids; a secondary appends only what continues its log and holds the rest in a
//!   [gap buffer](GapBuffer). What a node shows is a prefix of the master's log.
//! - *Exactly once.* A message's id is its place in the log. What is there already is not appended again.
//! - *Acks are positions.* A secondary tells its contiguous end; everything before it is acked. An answer to a resent or
//!   timed-out request says no less than one in time, and a duplicate counts nothing twice. No ack is by request.
//! - *Never ahead.* The master sends what is durable on itself, so no secondary has more than its master.
//! - *Everything of a connection dies with it*: delayed requests, runs that wait for a delay, the gap buffer, the table
//!   of requests. The next handshake tells the position, and sending starts there. Acks count only from a name's
//!   current connection.
//!
//! # Joining
//! [`Handshake`](frame::Handshake) → [`Welcome`](frame::Welcome) (or a refusal), then `GetMessages` and `Page` until the
//! secondary has what the last page told of, then `SecondaryNodeReady`, then `AddMessage` runs as messages come.
//!
//! # Caveats
//! One master, given by configuration: no election, no fail-over. While it is away nothing can be appended; what it
//! acked is as safe as the write concern that was asked for.

// Tests may look at a clock: they hand it in.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

mod backoff;
mod delayed;
mod faults;
pub mod frame;
mod health;
mod in_flight;
mod line;
mod machine;
mod master;
mod outcome;
mod own_time;
mod progress;
mod repair;
mod secondary;
mod status;
mod unflushed;

use std::time::Duration;

use acklog_types::{HEARTBEAT_INTERVAL_MAX, IdRange, LogEnd, RequestId};
pub use faults::{FaultHooks, Faulty, HANDSHAKE_DELAY_MAX};
pub use line::{LONG_FRAME_BYTES, LineView};
pub use machine::{Effect, Input, Machine};
pub use master::{
    FirstUse, HANDSHAKE_TIMEOUT, LeaderEffect, LeaderInput, Master, MasterOptions, RestoredMaster,
    STRANGERS_MAX,
};
pub use outcome::{Admission, AppendRequest, ForgetError, Outcome, Receipt, Refusal, Wait};
pub use own_time::OwnTime;
pub use progress::ReadOrder;
pub use secondary::{
    FollowerEffect, FollowerInput, GapBuffer, HELD_BYTES_MAX, RestoredSecondary, Secondary,
    SecondaryOptions,
};
pub use status::{
    DiskHealth, MasterHealth, MemberHealth, MemberPhase, QuorumHealth, RefusedHealth,
    SecondaryHealth, SecondaryPhase, Status,
};
use thiserror::Error;

/// How a connection ended that this side did not close.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SessionEnd {
    /// The peer closed it, between two frames.
    #[error("the peer closed the connection")]
    Closed,
    /// It broke, or was too slow or too long without a sign of life.
    #[error("{0}")]
    Lost(String),
    /// The peer sent bytes that are no frames of this protocol.
    #[error("{0}")]
    Garbage(String),
    /// An HTTP server answered.
    #[error("an HTTP server answers there")]
    HttpServer,
}

/// What a peer did that no correct peer does. Ends its connection, never the node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Something else came before the handshake.
    #[error("the first frame of a connection must be a handshake")]
    HandshakeExpected,
    /// A request that this side never answers, or not now.
    #[error("a {0:?} request is not expected here")]
    UnexpectedRequest(frame::FrameKind),
    /// A response that fits no request.
    #[error("the response to request {0} is not expected here")]
    UnexpectedResponse(RequestId),
    /// A position beyond the end of the log.
    #[error("the secondary claims to have everything before {told}, the log ends at {log_end}")]
    AckBeyondEnd {
        /// What it claims.
        told: LogEnd,
        /// What there is.
        log_end: LogEnd,
    },
    /// More requests for pages than a correct peer has under way.
    #[error("more than {0} requests for pages wait for their answers")]
    TooManyPages(usize),
    /// A run that a page or `AddMessage` cannot have.
    #[error("a run of the ids {0} makes no sense here")]
    BadRun(IdRange),
    /// A heartbeat interval that no node may have: damage, or a broken master.
    #[error(
        "a heartbeat interval of {0:?} is not plausible: it is above 0 and at most {HEARTBEAT_INTERVAL_MAX:?}"
    )]
    BadInterval(Duration),
    /// The master welcomed a node with messages into another log, or changed its log within a connection.
    #[error("the master's log is not the one that this node has messages of")]
    ChangedIdentity,
}

/// Why this side closes a connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The peer is broken.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// No handshake within [`HANDSHAKE_TIMEOUT`].
    #[error("no handshake within {HANDSHAKE_TIMEOUT:?}")]
    HandshakeTimeout,
    /// A newer connection needed the place.
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
    /// A secondary that stays unhealthy.
    #[error("nothing was heard from the secondary for too long")]
    Unresponsive,
    /// Not a byte for too long.
    #[error("nothing was heard from the master for too long")]
    Silent,
    /// This node cannot keep what comes, write down who joins, or compare what the peer has.
    #[error("this node's disk has a fault")]
    DiskFault,
    /// Somebody asked for it.
    #[error("a disconnect was asked for")]
    OnDemand,
    /// This node stops.
    #[error("this node is stopping")]
    Stopping,
}
