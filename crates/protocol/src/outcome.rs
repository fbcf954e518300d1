//! Appends: a client's request and its answer.

use std::sync::Arc;
use std::time::Duration;

use acklog_types::{DiskFault, KeyHash, LogEnd, MessageId, NodeName, WriteConcern};
use thiserror::Error;

use crate::status::CopyStatus;

/// The condition of an answer, and what it is to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// Number of nodes that must have the message; none for the node's default.
    pub write_concern: Option<WriteConcern>,
    /// Time that the client gives them; none to wait without a timeout. Zero: answer at once with
    /// the current state.
    pub timeout: Option<Duration>,
    /// Whether the answer that the write concern holds is to show the copies.
    pub shows_copies: bool,
}

impl Wait {
    /// Returns the condition of an answer that shows no copies.
    pub const fn until(write_concern: Option<WriteConcern>, timeout: Option<Duration>) -> Self {
        Self { write_concern, timeout, shows_copies: false }
    }
}

/// An append, without the messages themselves: only their number and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendRequest {
    /// The condition of the answer.
    pub wait: Wait,
    /// The hash of the batch's idempotency key; none if the client does not send it again.
    pub key: Option<KeyHash>,
    /// The end that the log must have for the batch to be taken, so that its first message gets
    /// this id; none if any will do. A batch that was taken before, under its key, is not taken
    /// again, and so has no condition to meet.
    pub expected_end: Option<LogEnd>,
    /// Number of messages, at least one.
    pub messages: u64,
    /// Size of their records in bytes.
    pub bytes: usize,
}

/// The origin of an append, by which its room is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendOrigin {
    /// A request of its own, which is refused where there is no room.
    Single,
    /// A line of an append stream, which is kept until there is room. So streams always want more,
    /// and leave some room for single appends.
    Stream,
}

/// The master's decision about a batch that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new. The caller appends it to the log at once, from this id on, and reports when it is
    /// durable, all of it together.
    Append(MessageId),
    /// The batch that begins with this message may have its key. The caller compares the two,
    /// without blocking anything else, and reports the result by
    /// [`Master::key_compared`](crate::Master::key_compared). If the client is canceled first, no
    /// report is needed.
    Compare(MessageId),
    /// Nothing to do: the client waits for an earlier batch, or its answer is an effect.
    Waits,
}

/// The answer to one client. Each client that is not refused at once gets exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write concern holds.
    Committed(Receipt),
    /// The client's own timeout passed before the write concern held. The message stays in the log.
    TimedOut(Receipt),
    /// The node stops before the write concern held. The message stays in the log, if it is stored.
    ShuttingDown(Receipt),
    /// The disk failed before it reported whether the message is stored.
    DiskFailed(Receipt, DiskFault),
    /// The message was appended earlier, and no more clients may wait.
    TooManyWaiting(Receipt),
    /// Nothing was done. A message that was sent is not in the log, and never will be.
    Refused(Refusal),
}

impl Outcome {
    /// Returns the outcome of the `n`th client behind this one's, where a series is answered.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        match &mut self {
            Self::Committed(receipt)
            | Self::TimedOut(receipt)
            | Self::ShuttingDown(receipt)
            | Self::DiskFailed(receipt, _)
            | Self::TooManyWaiting(receipt) => {
                receipt.id = receipt.id.before().plus(n).next_id();
            }
            Self::Refused(_) => {}
        }
        self
    }
}

/// The facts about an accepted message at the time of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id; of a batch, that of its first message.
    pub id: MessageId,
    /// Number of messages of the batch; 1 where the client waits for a single one.
    pub messages: u64,
    /// The requested write concern, as a number of nodes.
    pub write_concern: u16,
    /// The nodes that had acked: the master first, then in the order in which they registered.
    pub acked_by: Arc<[NodeName]>,
    /// Whether the message is durable on the master, and so in its log for good. Otherwise its fate
    /// is not known yet.
    pub stored: bool,
    /// Whether the message was appended earlier, under the client's idempotency key.
    pub replayed: bool,
    /// The copies at the same moment; none unless the client asked for them and its write concern
    /// holds.
    pub copies: Option<Arc<[CopyStatus]>>,
}

/// The reason why a client was refused before anything was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A write concern of more nodes than the cluster can ever have.
    #[error(
        "write concern {asked} can never be reached: the cluster has {reachable} nodes at most; \
         ask for {reachable} or less"
    )]
    WriteConcern {
        /// The requested write concern.
        asked: u64,
        /// The largest write concern that is accepted.
        reachable: u16,
    },
    /// No more clients may wait.
    #[error("{limit} senders are waiting for secondaries already; try again later")]
    TooManyWaiting {
        /// Number that may wait at once.
        limit: usize,
    },
    /// Too few nodes are healthy for the quorum.
    #[error(
        "{healthy} of {} healthy, {required} needed; the master takes messages again by itself \
         when enough nodes are back, see /health",
        nodes_are(*.cluster_size, *.healthy)
    )]
    NoQuorum {
        /// Nodes that are healthy, including the master.
        healthy: u16,
        /// Number of nodes.
        cluster_size: u16,
        /// Nodes that must be healthy.
        required: u16,
    },
    /// Another node has more of this log, so ids would be given twice.
    #[error(
        "the master is behind: its log ends at {end}, and a secondary has {seen} messages of the \
         same log. Was the master put back from an older copy? Put the newer copy back; or keep \
         that secondary's messages (acklog log dump), stop the master, and give up what it lacks \
         with acklog log accept-loss DIR"
    )]
    Behind {
        /// The master's log end.
        end: LogEnd,
        /// The end of the other node's log.
        seen: LogEnd,
    },
    /// The node is stopping.
    #[error("the node is shutting down; send the message again when it is back")]
    ShuttingDown,
    /// The disk takes nothing.
    #[error("the node takes no messages: {0}; {help}", help = help_with(.0))]
    DiskFault(DiskFault),
    /// Too many bytes wait for the disk: backpressure.
    #[error("{bytes} bytes of messages wait for the disk already; try again later")]
    DiskBehind {
        /// Bytes that wait.
        bytes: usize,
    },
    /// The message that has the idempotency key cannot be read, so it cannot be compared.
    #[error(
        "message {first} may have this idempotency key, and cannot be compared: {detail}; nothing \
         more was stored. Look at /health"
    )]
    KeyUnreadable {
        /// The message that has the key.
        first: MessageId,
        /// The reason why it cannot be read.
        detail: String,
    },
    /// The idempotency key belongs to another message.
    #[error(
        "the idempotency key was used for another message, {first}; give each message a key of \
        its own"
    )]
    KeyReused {
        /// The message that has the key.
        first: MessageId,
    },
    /// The log does not end where the client expected.
    #[error("{}", end_moved(*.expected, *.end))]
    EndMoved {
        /// The end that the client expected.
        expected: LogEnd,
        /// The end of the ids given so far.
        end: LogEnd,
    },
    /// There is no such message to wait for.
    #[error("no message has this id yet: the next one gets {end}")]
    NoMessage {
        /// The end of the ids given so far.
        end: LogEnd,
    },
}

/// Returns what is wrong with the end that a client expected, and what it can do.
fn end_moved(expected: LogEnd, end: LogEnd) -> String {
    let advice = if expected < end {
        "read what was appended meanwhile, and decide anew"
    } else {
        "the log does not reach that far yet: send it again when it does"
    };
    format!("the log ends at {end} and not at {expected}, so nothing was stored; {advice}")
}

/// Returns what an operator can do about the disk of a master.
pub(super) fn help_with(fault: &DiskFault) -> &'static str {
    match fault {
        DiskFault::Failed { .. } => "make room or replace the disk, then restart this node",
        DiskFault::Damaged { .. } => {
            "it takes messages again, and is repaired, when a secondary that has what is damaged \
             is connected; else stop it and take that from a copy with `acklog log repair`, or put \
             the file back, then restart this node"
        }
        DiskFault::Full { .. } => "make room; it takes messages again by itself then",
        DiskFault::Stalled { .. } => {
            "it takes messages again by itself when the disk can be used again"
        }
    }
}

/// Returns `3 nodes is`, `3 nodes are` or `1 node is`: the words behind "1 of" or "2 of".
fn nodes_are(nodes: u16, healthy: u16) -> String {
    let noun = if nodes == 1 { "node" } else { "nodes" };
    let verb = if healthy == 1 { "is" } else { "are" };
    format!("{nodes} {noun} {verb}")
}

/// The reason why a secondary was not forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgetError {
    /// No secondary of that name ever registered.
    #[error("no secondary named {0} ever registered with this master")]
    Unknown(NodeName),
    /// It is live.
    #[error(
        "secondary {0} is not unhealthy; stop it first and wait until /health shows it as unhealthy"
    )]
    Live(NodeName),
    /// The new list of members cannot be written.
    #[error("nothing was forgotten for good: {0}; {help}", help = help_with(.0))]
    DiskFault(DiskFault),
}
