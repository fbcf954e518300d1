//! What a secondary is told, and what it wants to be done.

use std::time::Duration;

use acklog_types::{InstanceId, LogEnd, LogId, NodeName, Records, SessionId};

use crate::machine::{Effect, Input};

/// What a secondary is told once.
#[derive(Clone, Debug)]
pub struct SecondaryOptions {
    /// Its name.
    pub name: NodeName,
    /// This run of its process.
    pub instance: InstanceId,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
    /// Longest pause between two attempts to connect.
    pub reconnect_delay: Duration,
    /// What all its chances are drawn from.
    pub seed: u64,
}

/// What a secondary's log was opened with. By default: an empty log in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoredSecondary {
    /// The identity of the log; none while it has no message.
    pub log: Option<LogId>,
    /// Its end: without gaps, and durable.
    pub end: LogEnd,
    /// Whether the log is on a disk.
    pub on_disk: bool,
}

/// What only a secondary is told.
#[derive(Debug)]
pub enum FollowerInput {
    /// The dial succeeded.
    Connected(SessionId),
    /// The dial failed.
    DialFailed {
        /// Why, for people.
        reason: String,
    },
}

/// What only a secondary wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum FollowerEffect {
    /// Connect to the master and tell [`FollowerInput::Connected`] or [`FollowerInput::DialFailed`].
    Dial,
    /// Append a run to the log and tell [`Input::Durable`] when it is.
    Append(Records),
}

impl From<FollowerInput> for Input<FollowerInput> {
    fn from(input: FollowerInput) -> Self {
        Self::Role(input)
    }
}

impl From<FollowerEffect> for Effect<FollowerEffect> {
    fn from(effect: FollowerEffect) -> Self {
        Self::Role(effect)
    }
}
