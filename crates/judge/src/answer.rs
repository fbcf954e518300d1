//! The requests to programs, and the answers to them, as far as those are judged.
//!
//! Ids and numbers of nodes are plain integers here: they come from any program, also from one that
//! invents them.

use std::time::Duration;

use acklog_types::WriteConcern;

/// The statement of a node about a message that has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckReceipt {
    /// The id of the message; of a batch, of the first one.
    pub id: u64,
    /// Number of nodes that were asked for.
    pub write_concern: u64,
    /// The names of the nodes that have it, the master's first.
    pub acked_by: Vec<String>,
    /// Whether the node says that the time limit passed.
    pub timed_out: bool,
}

/// The terms of a request, and the time that its answer took.
#[derive(Clone, Copy, Debug)]
pub struct AppendTerms {
    /// The write concern; none where the request named none.
    pub concern: Option<WriteConcern>,
    /// The time limit; none: as long as it takes.
    pub timeout: Option<Duration>,
    /// From before the request was sent until after the answer came.
    pub took: Duration,
    /// `History::floor` before the request was sent; 0 where the message may have an id
    /// already.
    pub floor: u64,
}

/// The fate of messages that were sent, as their sender was told. Whatever it was not told is
/// *unknown*: the message may be in the log, now or later, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// 201: the write concern holds.
    Committed(AckReceipt),
    /// So many nodes have it; which, and under which id, is not told.
    Accepted {
        /// Number of nodes.
        nodes: u64,
    },
    /// In the log, the write concern does not hold yet.
    Stored(AckReceipt),
    /// It has an id, whether it is in the log is not known.
    Unknown(AckReceipt),
    /// Not in the log, and never will be by this request.
    Refused,
    /// Refused, since the key is another message's.
    KeyReused,
    /// The request broke off, or its answer does not tell what became of the message.
    Nothing,
    /// The answer lacks something: what.
    Malformed(String),
}

/// The answer of a node to the question for one message by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAnswer {
    /// The message with this id and text.
    Message(u64, String),
    /// The node has no such message.
    Absent,
    /// The request broke off, or the node cannot tell at the moment.
    Nothing,
    /// None of these: what.
    Malformed(String),
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunEnding {
    /// Number of messages that each node must show; none: the master did not tell.
    pub target: Option<u64>,
    /// Whether they all did before their time was up.
    pub in_time: bool,
    /// Whether no node has faults any more, as far as is known.
    pub without_faults: bool,
    /// The end of what the master had when all others had been looked at for the last time.
    pub master_end: Option<u64>,
    /// The smallest cluster size that the master told.
    pub cluster_size: u64,
    /// The largest one.
    pub cluster_size_max: u64,
}

/// A sender that the master took in and has not answered yet.
#[derive(Clone, Copy, Debug)]
pub struct AckWait {
    /// The message that it waits for; of a batch, the first one.
    pub id: u64,
    /// Number of nodes that must have it.
    pub nodes: u64,
    /// Longest time that it waits, from `since` on; none: as long as it takes.
    pub timeout: Option<Duration>,
    /// The moment at which it began to wait, on the clock of whoever tells.
    pub since: Duration,
}

/// The ends that a node shows under the read concerns that each node knows, beside 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShownEnds {
    /// Under `majority`.
    pub majority: u64,
    /// Under `all`.
    pub all: u64,
}

/// A secondary at one moment, as far as it shows messages under a read concern.
pub struct ShownMoment<'a> {
    /// The end of what it has durably.
    pub own_end: u64,
    /// The ends that it shows.
    pub shown: ShownEnds,
    /// The number of nodes of the cluster, as it was told; 0: it was not.
    pub cluster_size: u64,
    /// Returns the end that it shows to who reads on under a read concern of so many nodes.
    pub held_end: &'a dyn Fn(u64) -> u64,
}

/// The master at one moment, as far as it decides what is shown under a read concern.
pub struct HeldMoment<'a> {
    /// The number of nodes of the cluster.
    pub cluster_size: u64,
    /// The end of what the master has durably.
    pub durable_end: u64,
    /// The end that each secondary acked, by its name, without the liars.
    pub told: &'a [(&'a str, u64)],
    /// Number of secondaries of which nobody knows what they hold.
    pub liars: u64,
    /// The ends that the master shows.
    pub shown: ShownEnds,
    /// Returns the end that the master shows under a read concern of so many nodes.
    pub held_end: &'a dyn Fn(u64) -> u64,
}

/// The master at one moment, as far as it decides who may be kept waiting.
pub struct MasterMoment<'a> {
    /// The moment, on the same clock as `AckWait::since`.
    pub now: Duration,
    /// The end of what the master has durably.
    pub durable_end: u64,
    /// Returns how many secondaries told the master that they have all messages below an end.
    pub secondaries_at: &'a dyn Fn(u64) -> u64,
    /// Returns whether the master stood still at or after a moment: then its timers may be late.
    pub stood_still_since: &'a dyn Fn(Duration) -> bool,
    /// Whether its disk failed for good.
    pub disk_failed: bool,
    /// Whether it was asked to stop.
    pub is_stopping: bool,
}
