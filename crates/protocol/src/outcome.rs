//! What a sender asks for, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use acklog_types::{DiskFault, KeyHash, LogEnd, MessageId, NodeName, WriteConcern};
use thiserror::Error;

/// What a sender waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// How many nodes must have the message; none: the node's default.
    pub write_concern: Option<WriteConcern>,
    /// How long the sender waits for them; none: as long as it takes. Zero: answer at once with what is so far.
    pub timeout: Option<Duration>,
}

/// What a sender wants to append: how much it is, never the messages themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendRequest {
    /// What the sender waits for.
    pub wait: Wait,
    /// The hash of the batch's idempotency key; none where it is not sent again.
    pub key: Option<KeyHash>,
    /// How many messages there are; at least one.
    pub messages: u64,
    /// How many bytes they take as records.
    pub bytes: usize,
}

/// What becomes of a batch that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is new. The caller appends it to the log at once, from this id on, and tells when it is durable, all of it
    /// together.
    Append(MessageId),
    /// The batch that begins with this message may have its key. The caller compares the two, without keeping anything
    /// else waiting, and tells the result by [`Master::key_compared`](crate::Master::key_compared). Nothing is to be
    /// told where the sender is canceled meanwhile.
    Compare(MessageId),
    /// Nothing is to be done: the sender waits for a batch that is there, or its answer is an effect.
    Waits,
}

/// The answer to one sender. Each that is accepted gets exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write concern holds.
    Committed(Receipt),
    /// The sender's own time limit passed before the write concern held. The message stays in the log.
    TimedOut(Receipt),
    /// The node stops before the write concern held. The message stays in the log, where it is stored.
    ShuttingDown(Receipt),
    /// The disk failed before it told whether the message is stored.
    DiskFailed(Receipt, DiskFault),
    /// The message has its id from before, and as many senders as may wait are waiting.
    TooManyWaiting(Receipt),
    /// Nothing was done; a message that was sent is not in the log and never will be.
    Refused(Refusal),
}

/// What is known about an accepted message at the moment of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id.
    pub id: MessageId,
    /// The write concern that the sender asked for, as a number of nodes.
    pub write_concern: u16,
    /// The nodes that had acked, master first, then in the order in which they registered.
    pub acked_by: Arc<[NodeName]>,
    /// Whether the message is durable on the master: in its log for good. Otherwise its fate is not known yet.
    pub stored: bool,
    /// Whether the message was there already, under the sender's idempotency key.
    pub replayed: bool,
}

/// Why a sender was refused before anything was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// More nodes than the cluster can ever have.
    #[error(
        "write concern {asked} can never be reached: the cluster has {reachable} nodes at most; \
         ask for {reachable} or less"
    )]
    WriteConcern {
        /// The write concern of the request.
        asked: u64,
        /// The largest one that is taken.
        reachable: u16,
    },
    /// As many senders as may wait are waiting.
    #[error("{limit} senders are waiting for secondaries already; try again later")]
    TooManyWaiting {
        /// How many may wait at once.
        limit: usize,
    },
    /// Too few nodes are healthy for the quorum.
    #[error(
        "{healthy} of {} healthy, {required} needed; the master takes messages again by itself when \
         enough nodes are back, see /health",
        nodes_are(*.cluster_size, *.healthy)
    )]
    NoQuorum {
        /// How many are, the master counted.
        healthy: u16,
        /// How many nodes there are.
        cluster_size: u16,
        /// How many must be.
        required: u16,
    },
    /// Another node has more of this log: ids would be given twice.
    #[error(
        "the master is behind: its log ends at {end}, and a secondary has {seen} messages of the same \
         log. Was the master put back from an older copy? Put the newer copy back; or keep that \
         secondary's messages (acklog log dump), stop the master, and give up what it lacks with \
         acklog log accept-loss DIR"
    )]
    Behind {
        /// The master's log end.
        end: LogEnd,
        /// The end that the other node was seen with.
        seen: LogEnd,
    },
    /// The node is stopping.
    #[error("the node is shutting down; send the message again when it is back")]
    ShuttingDown,
    /// The disk takes nothing.
    #[error("the node takes no messages: {0}; {help}", help = help_with(.0))]
    DiskFault(DiskFault),
    /// The disk is too far behind.
    #[error("{bytes} bytes of messages wait for the disk already; try again later")]
    DiskBehind {
        /// How many bytes wait.
        bytes: usize,
    },
    /// The message that has the idempotency key cannot be read, so nobody can tell whether it is the same.
    #[error(
        "message {first} may have this idempotency key, and cannot be compared: {detail}; nothing \
         more was stored. Look at /health"
    )]
    KeyUnreadable {
        /// The message that has the key.
        first: MessageId,
        /// Why it cannot be read.
        detail: String,
    },
    /// The idempotency key belongs to another message.
    #[error(
        "the idempotency key was used for another message, {first}; give each message a key of its own"
    )]
    KeyReused {
        /// The message that has the key.
        first: MessageId,
    },
    /// There is no message to wait for.
    #[error("no message has this id yet: the next one gets {end}")]
    NoMessage {
        /// The end of the ids given so far.
        end: LogEnd,
    },
}

/// What a person can do about the disk of a master.
pub(super) fn help_with(fault: &DiskFault) -> &'static str {
    match fault {
        DiskFault::Failed { .. } => "make room or replace the disk, then restart this node",
        DiskFault::Damaged { .. } => {
            "it takes messages again, and is repaired, when a secondary that has what is damaged is \
             connected; else stop it and take that from a copy with `acklog log repair`, or put the file \
             back, then restart this node"
        }
        DiskFault::Full { .. } => "make room; it takes messages again by itself then",
        DiskFault::Stalled { .. } => {
            "it takes messages again by itself when the disk can be used again"
        }
    }
}

/// `3 nodes is`, `3 nodes are`, `1 node is`: what stands behind "1 of" or "2 of".
fn nodes_are(nodes: u16, healthy: u16) -> String {
    let noun = if nodes == 1 { "node" } else { "nodes" };
    let verb = if healthy == 1 { "is" } else { "are" };
    format!("{nodes} {noun} {verb}")
}

/// Why a secondary was not forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgetError {
    /// No secondary of that name ever registered.
    #[error("no secondary named {0} ever registered with this master")]
    Unknown(NodeName),
    /// It is still heard from.
    #[error(
        "secondary {0} is not unhealthy; stop it first and wait until /health shows it as unhealthy"
    )]
    Live(NodeName),
    /// What is left cannot be written down.
    #[error("nothing was forgotten for good: {0}; {help}", help = help_with(.0))]
    DiskFault(DiskFault),
}
