//! Everything that can be wrong with a request, and the one map from it to an answer.
//!
//! An error answer is `application/problem+json` (RFC 9457): `title` is the status in words,
//! `detail` says what was wrong and what to do, `code` is the reason as a stable word, `retry` says
//! whether the same request can succeed later. Errors of appends also have `outcome`. Details never
//! contain more than [`CLIPPED_CHARS`] characters of what the client sent.
//!
//! `answer` maps each problem to its code, which has its status ([`acklog_api::ProblemCode`]).
//! `retry`, `outcome` and most headers follow from these by rules.

mod answer;

use acklog_api::follow::EventId;
use acklog_log::ReadError;
use acklog_protocol::{ForgetError, Refusal};
use acklog_types::{BATCH_BYTES_MAX, DiskFault, IdempotencyKeyError, LogEnd, LogId, NodeName};
pub(super) use answer::{IDEMPOTENT_REPLAYED, NO_STORE};
use thiserror::Error;

use super::accepted::Accepted;
use super::known_master::KnownMaster;
use crate::server::node::NodeStopped;

/// Most characters of a client's text in a detail: enough to recognise a typing error.
const CLIPPED_CHARS: usize = 64;

/// The reason why a request was not done, or not done in time. Its text is the `detail` of the
/// answer, or the beginning of it where a message has an id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum RequestProblem {
    /// The path does not exist.
    #[error("this node has no such path; GET /health and GET /messages are good places to start")]
    NoPath,
    /// Only a master knows secondaries.
    #[error(
        "this node is a secondary, and only the master answers this path; send the request to {0}"
    )]
    NotAMastersPath(KnownMaster),
    /// The path accepts other methods.
    #[error("this path does not take that method; it takes {}", methods(.allow))]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// A message was posted to a secondary.
    #[error("this node is a secondary and takes no messages; send them to {master}")]
    NotMaster {
        /// The value of `Allow`.
        allow: &'static str,
        /// The master.
        master: KnownMaster,
    },
    /// A secondary was asked which nodes have a message.
    #[error(
        "this node is a secondary and does not know which nodes have a message; wait for a write \
         concern at {0}"
    )]
    NotMastersWait(KnownMaster),
    /// A secondary was asked for a read concern that only a master knows.
    #[error(
        "this node is a secondary and knows only what it has itself, what a majority has and what \
         all {size} nodes have; read with readConcern 1, majority or all, or ask for {nodes} nodes \
         at {master}"
    )]
    NotMastersRead {
        /// The read concern.
        nodes: u64,
        /// The number of nodes of the cluster.
        size: u16,
        /// The node that knows it.
        master: KnownMaster,
    },
    /// A secondary was asked for a number of nodes before its master told how many there are.
    #[error(
        "this node is a secondary, and its master has not told it yet how many nodes the cluster \
         has; try again, read with readConcern 1, majority or all, or ask for {nodes} nodes at \
         {master}"
    )]
    ClusterSizeUnknown {
        /// The read concern.
        nodes: u64,
        /// The node that knows it.
        master: KnownMaster,
    },
    /// A read asked for more nodes than the cluster has.
    #[error(
        "no message is held by {nodes} nodes, since the cluster has {size}; read with a \
         readConcern of at most {size}, majority or all"
    )]
    ReadConcern {
        /// The read concern.
        nodes: u64,
        /// The number of nodes.
        size: u16,
    },
    /// The reader's last event is of another log.
    #[error(
        "the last event {given} is of another log than this node's, {log}: the log was begun \
         anew, or this is another cluster; read from its start, as with from=0, and forget the \
         position"
    )]
    OtherLog {
        /// The id of the event.
        given: EventId,
        /// The log's identity.
        log: LogId,
    },
    /// The node has another log than the one that a read began with.
    #[error(
        "this read began in the log {began}, and now this node has another one, {log}: the log was \
         begun anew; read from its start, as with from=0, and forget the position"
    )]
    LogChanged {
        /// The log that the read began with.
        began: LogId,
        /// The log that the node has now.
        log: LogId,
    },
    /// The reader's last event is of an epoch that the node does not know.
    #[error(
        "this node does not know yet the log and the epoch of the last event {given}; try again, \
         or ask another node"
    )]
    UnknownEpoch {
        /// The id of the event.
        given: EventId,
    },
    /// A reader would wait for messages beyond the end of the log.
    #[error(
        "the log ends at id {end}, and a reader that waits from {from} on could miss what comes \
         before; read from at most {end}"
    )]
    BeyondEnd {
        /// The first id that was asked for.
        from: LogEnd,
        /// The end of the log.
        end: LogEnd,
    },
    /// As many readers wait or follow as may.
    #[error(
        "{max} readers wait or follow already, which is the limit (--max-followers); try again, \
         or ask another node"
    )]
    TooManyFollowers {
        /// Most readers.
        max: usize,
    },
    /// The header `Host` is missing, given twice, or cannot name a host.
    #[error("{0}; send one line like Host: localhost:8000")]
    BadHost(&'static str),
    /// The host name is not one of the node's.
    #[error(
        "this node does not go by the host name {host:?}: it answers to IP addresses, localhost, \
         its own name {name:?} and the names given with --allowed-hosts; use one of these, or \
         start it with that flag"
    )]
    WrongHost {
        /// The host name of the request.
        host: String,
        /// The node's name.
        name: String,
    },
    /// A foreign web page wants to change something.
    #[error(
        "requests from web pages of another origin ({0:?}) may only read; send this one from a \
         program, or from a page of the same host and port"
    )]
    WrongOrigin(String),
    /// The query string has an invalid part, or a parameter twice.
    #[error("{0}")]
    Query(String),
    /// The id in the path is not a number.
    #[error("a message's id is a whole number, as in /messages/3")]
    NoNumber,
    /// No such message is visible here.
    #[error("this node has no such message yet: it shows the messages below id {end}")]
    NoMessage {
        /// The end of the messages that the node shows.
        end: LogEnd,
    },
    /// The name in the path is not a valid node name.
    #[error("{0}")]
    Name(String),
    /// Fault injection is off.
    #[error(
        "fault injection is not enabled on this node; start it with --allow-faults to script faults"
    )]
    FaultsOff,
    /// The master knows no secondary of that name.
    #[error(
        "there is no secondary {0} here; GET /health shows the secondaries by their names, and \
         without ?node= the request is for this node itself"
    )]
    NoSuchNode(NodeName),
    /// The secondary that a request is for is not reached.
    #[error("{name} is not reached: {detail}")]
    NodeUnreachable {
        /// The name of the secondary.
        name: NodeName,
        /// Why, and what to do.
        detail: String,
    },
    /// A secondary was sent a request for another node.
    #[error(
        "this node is a secondary and passes nothing on to other nodes; send the request to {0}, \
         or to the node itself"
    )]
    NotPassedOn(KnownMaster),
    /// The body is not a valid set of faults.
    #[error(
        "{0}; nothing was changed; send a JSON object like {{\"errorRate\": 0.3, \"seed\": 7}}"
    )]
    Faults(String),
    /// The body is not a valid append request.
    #[error("{0}; send a JSON object like {{\"message\": \"text\", \"writeConcern\": 2}}")]
    Body(String),
    /// The header with the idempotency key is invalid.
    #[error(
        "the header Idempotency-Key cannot be used: {0}; send it once, with 1 to 128 visible ASCII \
         characters, or leave it out"
    )]
    Key(String),
    /// The idempotency key in a line of an append stream is invalid.
    #[error(
        "the member \"key\" cannot be used: {0}; make it a string of 1 to 128 visible ASCII \
         characters, or leave it out"
    )]
    LineKey(IdempotencyKeyError),
    /// An append stream has a header with an idempotency key, which names a single append.
    #[error(
        "an append stream has its keys in its lines, each as the member \"key\"; leave the header \
         Idempotency-Key out"
    )]
    StreamKey,
    /// The bytes are not a request.
    #[error(
        "this is no HTTP/1.1 request: the request line, a header or a length is malformed, or it \
         is another protocol, such as TLS or HTTP/2; this port speaks plain HTTP/1.1"
    )]
    NoRequest,
    /// The target names neither a path nor a URL.
    #[error(
        "the target of the request is no path; send one that begins with a slash, like /messages"
    )]
    NoTarget,
    /// The request's head is too long.
    #[error(
        "the head of the request is longer than 16 KiB, or has more than 100 headers; send fewer \
         or shorter headers"
    )]
    HeadTooLong,
    /// The request's target alone is too long.
    #[error("the path and the query are longer than 16 KiB; send a shorter one")]
    TargetTooLong,
    /// The body did not arrive as a whole.
    #[error(
        "the body could not be read to its end: it is shorter than announced, or its chunks are \
         malformed; send all of it"
    )]
    BodyBroken,
    /// The body is compressed, or encoded in another way.
    #[error(
        "a body with Content-Encoding {0:?} is not understood; send it as it is, without that \
         header"
    )]
    ContentEncoding(String),
    /// The body is sent in a transfer coding other than chunks.
    #[error(
        "a body with Transfer-Encoding {0:?} is not understood; send it with Transfer-Encoding: \
         chunked or Content-Length alone"
    )]
    TransferEncoding(String),
    /// The body is declared to be chunked more than once.
    #[error("Transfer-Encoding names chunked more than once; send it once")]
    ChunkedTwice,
    /// The announced length of the body is beyond any number of bytes that can arrive.
    #[error("a body of the announced length cannot be taken; send a shorter one")]
    LengthTooLong,
    /// The body is longer than any message needs.
    #[error("the body is longer than {limit} bytes, which is the limit; send a shorter one")]
    BodyTooLong {
        /// Longest body, in bytes.
        limit: usize,
    },
    /// The message is longer than `--max-message-bytes`.
    #[error(
        "the message has {length} bytes and the limit is {limit}; send it in parts, \
         or start the master with a larger --max-message-bytes"
    )]
    MessageTooLong {
        /// The message's length, in bytes of the decoded string.
        length: usize,
        /// Longest message, in bytes.
        limit: usize,
    },
    /// The records of a batch are longer than a frame.
    #[error(
        "the batch takes {length} bytes in the log and the limit is {BATCH_BYTES_MAX}; send it as \
         several batches"
    )]
    BatchTooLong {
        /// The length of its records, in bytes.
        length: usize,
    },
    /// The client stopped sending in the middle of the body.
    #[error(
        "no byte of the body came for {seconds} s; send it again over a line that is less busy, or \
         in smaller messages; with an Idempotency-Key it is stored once"
    )]
    BodyIdle {
        /// The idle time, in seconds.
        seconds: u64,
    },
    /// The memory budget of the bodies that are being received is used up.
    #[error(
        "the bodies that the node is receiving leave no room for this one; nothing was stored, try \
         again"
    )]
    TooManyBodies,
    /// The node refused the message before it stored anything.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client's timeout passed first.
    #[error(
        "the time limit passed before {} had {}", nodes(.0.receipt.write_concern), .0
    )]
    TimedOut(Accepted),
    /// The node stops first.
    #[error(
        "the node is stopping before {} had {}", nodes(.0.receipt.write_concern), .0
    )]
    Stopping(Accepted),
    /// The disk failed first.
    #[error("the disk failed with {} on the way to it: {}", .0, .1)]
    DiskFailed(Accepted, DiskFault),
    /// Too many clients wait, so this one cannot wait again.
    #[error(
        "as many senders as may wait are waiting for secondaries already, so nobody waits for {}",
        .0
    )]
    TooManyWaiting(Accepted),
    /// The data on the disk is not what was written there.
    #[error("the message cannot be read: {0}; see /health, and read it from another node")]
    Unreadable(String),
    /// It cannot be read at the moment, which does not mean that the data on the disk is damaged.
    #[error("the message cannot be read at the moment: {0}; try again later")]
    NotReadNow(String),
    /// The node stopped after it received the message and before it answered.
    #[error(
        "the node stopped before it told what became of the message, which may be in the log or \
         not; when the node is back, look for it with GET /messages before sending it again, \
         unless it has an Idempotency-Key"
    )]
    AppendLost,
    /// The node stopped before it received the request.
    #[error("the node has stopped; try again when it is back")]
    Stopped,
    /// The secondary cannot be forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
}

/// Returns the part of a client's text that may be repeated.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(CLIPPED_CHARS).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

fn methods(allow: &str) -> &str {
    if allow.is_empty() { "none on this node" } else { allow }
}

/// Returns a number of nodes in words.
fn nodes(write_concern: u16) -> String {
    match write_concern {
        1 => "1 node".to_owned(),
        nodes => format!("{nodes} nodes"),
    }
}

impl From<ReadError> for RequestProblem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Passing { detail } => Self::NotReadNow(detail),
            ReadError::Damaged { detail, .. } => Self::Unreadable(detail),
        }
    }
}

impl From<NodeStopped> for RequestProblem {
    fn from(_: NodeStopped) -> Self {
        Self::Stopped
    }
}

#[cfg(test)]
mod tests;
