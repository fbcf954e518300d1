//! Inputs and effects of a secondary.

use std::time::Duration;

use acklog_types::{InstanceId, LogEnd, LogId, NodeName, Records, SessionId};

use crate::machine::{Effect, Input};

/// Options of a secondary.
#[derive(Clone, Debug)]
pub struct SecondaryOptions {
    /// Its name.
    pub name: NodeName,
    /// This run of its process.
    pub instance: InstanceId,
    /// Port at which it serves HTTP; none where the master is not told.
    pub http_port: Option<u16>,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
    /// Longest pause between two attempts to connect.
    pub reconnect_delay: Duration,
    /// Seed of its randomness.
    pub seed: u64,
}

/// State of the log when it was opened. By default: an empty log in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoredSecondary {
    /// The identity of the log; none while it has no message.
    pub log: Option<LogId>,
    /// Its durable end.
    pub end: LogEnd,
    /// Whether the log is on a disk.
    pub on_disk: bool,
}

/// Inputs that only a secondary has.
#[derive(Debug)]
pub enum FollowerInput {
    /// The dial succeeded.
    Connected(SessionId),
    /// The dial failed.
    DialFailed {
        /// Reason, for log lines and `/health`.
        reason: String,
    },
}

/// Effects that only a secondary has.
#[derive(Debug, PartialEq, Eq)]
pub enum FollowerEffect {
    /// Connect to the master and report [`FollowerInput::Connected`] or
    /// [`FollowerInput::DialFailed`].
    Dial,
    /// Append a run to the log and report [`Input::Durable`] when it is.
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
