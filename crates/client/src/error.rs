//! The error of a request of [`Client`](crate::Client), and its cause.

use acklog_api::{Outcome, Problem};
use thiserror::Error;

use crate::answer::NotANode;
use crate::nodes::NodesError;

/// The error of a request.
#[derive(Debug, Error)]
#[error("{cause}")]
pub struct Error {
    /// The cause of the last failure.
    #[source]
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
    /// No request was sent, since no time was left.
    #[error("there was no time left to ask")]
    NoTime,
}

impl Error {
    /// Returns the problem that a node answered with last, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.cause {
            Cause::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Returns the id of the message, or of the first of a batch, where one is known.
    pub fn id(&self) -> Option<u64> {
        self.problem().and_then(|problem| problem.id)
    }
}
