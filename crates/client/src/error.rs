//! The error of a request of [`Client`](crate::Client), and its cause.

use std::fmt;
use std::sync::Arc;

use acklog_api::{Outcome, Problem};
use thiserror::Error;

use crate::answer::NotANode;
use crate::node::{CallError, Unreachable};
use crate::nodes::NodesError;

/// The error of a request.
#[derive(Debug)]
pub struct Error {
    /// The cause of the last failure.
    pub cause: Cause,
    /// The fate of the message of an append, all attempts together. A message that was refused is
    /// not in the log; any other may be.
    pub outcome: Outcome,
}

/// The cause of a failure.
#[derive(Debug, Error)]
pub enum Cause {
    /// A node answered with a problem: it refuses, or the time was too short.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// No node answered.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// Something else than a node answered.
    #[error(transparent)]
    NotANode(#[from] NotANode),
    /// Something else than a node answered, with this status.
    #[error("status {0} and no problem: is this a node?")]
    Status(u16),
    /// A node ended a listing in the middle of a message.
    #[error("the listing ends in the middle of a message")]
    CutOff,
    /// A follower's stream comes from no node.
    #[error("{0}")]
    NoFollower(String),
    /// A node ended a follower's stream: it stops, or something in between ends connections.
    #[error("{0} ended the stream")]
    StreamEnded(String),
    /// The log is another one than the follower began with.
    #[error(
        "the log is another one than before: the node lost it, or it is a node of another \
         cluster; what was read so far says nothing about it, so begin anew"
    )]
    OtherLog,
    /// A node left messages out of a follower's stream, or repeated some.
    #[error("message {seen} came where {expected} must come next")]
    OutOfOrder {
        /// The id that must come next.
        expected: u64,
        /// The id that came.
        seen: u64,
    },
    /// No node takes a stream of appends; the cause is shared by all that wait.
    #[error(transparent)]
    Stream(Arc<Self>),
    /// A stream of appends was dropped before this one was answered.
    #[error("the stream of appends was dropped before the answer")]
    StreamDropped,
    /// No request was sent, since no time was left.
    #[error("there was no time left to ask")]
    NoTime,
}

impl Cause {
    /// Returns the failures of all nodes as one: the last one of a node that can be reached, or
    /// that none can.
    pub(crate) fn of_all(causes: Vec<Self>) -> Self {
        let (mut unreachable, mut last) = (Vec::new(), None);
        for cause in causes {
            match cause {
                Self::Nodes(NodesError::Call(CallError::Unreachable(error))) => {
                    unreachable.push(error);
                }
                cause => last = Some(cause),
            }
        }
        let nobody = || match Unreachable::of_all(unreachable) {
            Some(error) => CallError::from(error).into(),
            None => NodesError::Nobody,
        };
        last.unwrap_or_else(|| nobody().into())
    }

    /// Returns the problem that a node answered with, if it did.
    fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Stream(cause) => cause.problem(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for Error {
    /// Returns the source of the cause, which is told by the error itself.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl Error {
    /// Returns the problem that a node answered with last, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        self.cause.problem()
    }

    /// Returns the id of the message, or of the first of a batch, where one is known.
    pub fn id(&self) -> Option<u64> {
        self.problem().and_then(|problem| problem.id)
    }
}
