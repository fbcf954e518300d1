//! Frames: the requests and responses between a secondary and its master, and their bytes.
//!
//! A frame is a *head* (bincode: fixed-width little-endian integers, a `u32` tag first) and, for
//! the two kinds that carry messages, the records behind it as they lie in the log. On the wire, a
//! `u32` big-endian length comes before each frame and, from version 4 on, a checksum over the
//! length and the head. `docs/PROTOCOL.md` describes every field; the fixtures in this file's tests
//! pin the bytes of both versions.
//!
//! This file and `frame/wire` are the only ones that name bincode. That crate is no longer
//! maintained; because the format is pinned here and described there, another encoder of the same
//! bytes can replace it.

use acklog_types::{
    BATCH_BYTES_MAX, Epoch, LogEnd, NODES_MAX, NameError, RECORD_BYTES_MAX, RecordError, RequestId,
};
use bincode::{Decode, Encode};
use thiserror::Error;

pub use self::handshake::{
    CREDENTIALS_BYTES_MAX, Credentials, EpochRow, Handshake, NodeFacts, Positions, Welcome,
};
pub use self::version::{ConnectionTerms, ProtocolVersion};

/// Longest frame, in bytes: a single message or batch of the largest size and its head fit. Larger
/// would only let a broken peer make this node hold more.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest frame until the handshake is done, in bytes: a pending session gets no more memory than
/// this.
pub const HANDSHAKE_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Longest frame without messages once the handshake is done, in bytes, and so the longest that a
/// master takes from a secondary. Smaller: a later version could not add to a head. Larger: a
/// broken peer could make a master hold more.
pub const HEAD_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of records in one run or page, unless it is a single message or batch. Smaller: more
/// frames and wake-ups for the same messages. Larger: one frame delays the heartbeats behind it for
/// longer on a slow line.
pub const RUN_BYTES_MAX: usize = 256 * 1024;

/// Longest explanation in a response, in bytes. Longer ones are cut.
const DETAIL_BYTES_MAX: usize = 1024;

/// Longest head, in bytes: the most that the decoder allocates for the texts in it, and that a
/// reader waits for before it knows whether a frame's length is damaged.
pub const HEAD_BYTES_MAX: usize = 4096;

/// The largest message and the largest batch fit into one frame.
const _: () = assert!(RECORD_BYTES_MAX + HEAD_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX + HEAD_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(HEAD_BYTES_MAX <= HEAD_FRAME_BYTES_MAX);

/// A request or the response to one. `R` stands for a run of messages:
/// [`IdRange`](acklog_types::IdRange) inside the state machines, [`Records`](acklog_types::Records)
/// where the bytes are at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<R> {
    /// A request, numbered by the node that makes it.
    Request(RequestId, Request<R>),
    /// The response to the peer's request of that number.
    Response(RequestId, Response<R>),
}

/// A request from one node to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<R> {
    /// Secondary: its name and its log's position. The first frame of each connection.
    Handshake(Box<Handshake>),
    /// A handshake of another protocol version. Only the version could be read.
    HandshakeOfVersion(u16),
    /// Secondary: requests the next messages, from its contiguous end on.
    GetMessages {
        /// The secondary's contiguous end: it has everything before it.
        from: LogEnd,
        /// Whether pages sent on this connection were lost, so that the messages behind `from` are
        /// requested again. Otherwise the page continues the one before it.
        again: bool,
    },
    /// Secondary: has everything that the last page reported, and requests new messages as they
    /// come.
    SecondaryNodeReady {
        /// The secondary's contiguous end.
        end: LogEnd,
    },
    /// Master: consecutive messages to append to the secondary's log.
    AddMessage {
        /// The messages; at least one.
        run: R,
        /// The positions of the log.
        positions: Positions,
    },
    /// Master: requests a sign of life.
    Heartbeat {
        /// The master's durable log end.
        log_end: LogEnd,
        /// The positions of the log.
        positions: Positions,
    },
}

/// A response to the other node's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<R> {
    /// To a handshake: the secondary is admitted.
    Welcome(Box<Welcome>),
    /// To a handshake: the secondary is refused, and the connection is closed behind this.
    Refused {
        /// The reason, for the program.
        code: RefusalCode,
        /// The reason and the remedy, for a user.
        detail: String,
    },
    /// To `GetMessages`: the next messages.
    Page {
        /// The messages from the requested position on; empty if there are none.
        run: R,
        /// The master's durable log end when the page was made.
        log_end: LogEnd,
        /// The positions of the log; none are known to a secondary.
        positions: Positions,
    },
    /// To `SecondaryNodeReady`: new messages follow as they come.
    ReadyNoted,
    /// To `AddMessage`: the messages are stored or buffered.
    Added {
        /// The secondary's contiguous end: everything before it is acked.
        contiguous_end: LogEnd,
    },
    /// To `Heartbeat`: a sign of life.
    Alive,
    /// To any request: it failed. Nothing is acked by this.
    Failed {
        /// The reason, for the program.
        code: ErrorCode,
        /// The reason, for a user.
        detail: String,
    },
}

/// The reason why a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RefusalCode {
    /// The master speaks another version of the protocol.
    Version,
    /// A live secondary of another instance has the name, or it is the master's own.
    NameTaken,
    /// The cluster has all the nodes that it may have.
    ClusterFull,
    /// The secondary has messages of another log.
    OtherLog,
    /// The secondary has more messages than the master.
    LongerLog,
    /// The secondary's last record is not the master's record of that id.
    OtherRecord,
    /// The secondary's name is not among those that the master lets in.
    NotListed,
    /// The secondary promised to follow an epoch that the master does not know.
    Epoch,
}

impl RefusalCode {
    /// Returns the code's word in `/health` and in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::NameTaken => "name-taken",
            Self::ClusterFull => "cluster-full",
            Self::OtherLog => "other-log",
            Self::LongerLog => "longer-log",
            Self::OtherRecord => "other-record",
            Self::NotListed => "not-listed",
            Self::Epoch => "epoch",
        }
    }

    /// Returns whether the secondary's messages are the reason, not its name or number.
    pub fn is_divergence(self) -> bool {
        matches!(self, Self::OtherLog | Self::LongerLog | Self::OtherRecord)
    }
}

/// The reason why a request failed at the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ErrorCode {
    /// An error inside the responder.
    Internal,
    /// The buffer for runs above a gap or waiting for a delay is full.
    NoRoom,
}

/// The kinds of frame, as faults, transcripts and log lines distinguish them, in the order of their
/// tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// A request to be admitted.
    Handshake,
    /// A request for a page.
    GetMessages,
    /// A request for runs.
    SecondaryNodeReady,
    /// A request that carries a run.
    AddMessage,
    /// A request for a sign of life.
    Heartbeat,
    /// The response to a handshake that is accepted.
    Welcome,
    /// The response to a handshake that is refused.
    Refused,
    /// The response to `GetMessages`.
    Page,
    /// The response to `SecondaryNodeReady`.
    ReadyNoted,
    /// The response to `AddMessage`.
    Added,
    /// The response to `Heartbeat`.
    Alive,
    /// The response to a request that failed.
    Failed,
}

impl<R> Request<R> {
    /// Returns the request's kind.
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Handshake(_) | Self::HandshakeOfVersion(_) => FrameKind::Handshake,
            Self::GetMessages { .. } => FrameKind::GetMessages,
            Self::SecondaryNodeReady { .. } => FrameKind::SecondaryNodeReady,
            Self::AddMessage { .. } => FrameKind::AddMessage,
            Self::Heartbeat { .. } => FrameKind::Heartbeat,
        }
    }
}

impl<R> Response<R> {
    /// Returns the response's kind.
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Welcome(_) => FrameKind::Welcome,
            Self::Refused { .. } => FrameKind::Refused,
            Self::Page { .. } => FrameKind::Page,
            Self::ReadyNoted => FrameKind::ReadyNoted,
            Self::Added { .. } => FrameKind::Added,
            Self::Alive => FrameKind::Alive,
            Self::Failed { .. } => FrameKind::Failed,
        }
    }
}

impl<R> Frame<R> {
    /// Returns the frame's kind.
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Request(_, request) => request.kind(),
            Self::Response(_, response) => response.kind(),
        }
    }

    /// Returns the number of the request that the frame is or answers.
    pub fn request(&self) -> RequestId {
        let (Self::Request(id, _) | Self::Response(id, _)) = self;
        *id
    }

    /// Returns the messages that the frame carries, if its kind carries any.
    pub fn run(&self) -> Option<&R> {
        match self {
            Self::Request(_, Request::AddMessage { run, .. })
            | Self::Response(_, Response::Page { run, .. }) => Some(run),
            _ => None,
        }
    }

    /// Replaces the frame's run by the result of `f`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_map<S, E>(self, f: impl FnOnce(R) -> Result<S, E>) -> Result<Frame<S>, E> {
        Ok(match self {
            Self::Request(id, request) => Frame::Request(
                id,
                match request {
                    Request::AddMessage { run, positions } => {
                        Request::AddMessage { run: f(run)?, positions }
                    }
                    Request::Handshake(handshake) => Request::Handshake(handshake),
                    Request::HandshakeOfVersion(version) => Request::HandshakeOfVersion(version),
                    Request::GetMessages { from, again } => Request::GetMessages { from, again },
                    Request::SecondaryNodeReady { end } => Request::SecondaryNodeReady { end },
                    Request::Heartbeat { log_end, positions } => {
                        Request::Heartbeat { log_end, positions }
                    }
                },
            ),
            Self::Response(id, response) => Frame::Response(
                id,
                match response {
                    Response::Page { run, log_end, positions } => {
                        Response::Page { run: f(run)?, log_end, positions }
                    }
                    Response::Welcome(welcome) => Response::Welcome(welcome),
                    Response::Refused { code, detail } => Response::Refused { code, detail },
                    Response::ReadyNoted => Response::ReadyNoted,
                    Response::Added { contiguous_end } => Response::Added { contiguous_end },
                    Response::Alive => Response::Alive,
                    Response::Failed { code, detail } => Response::Failed { code, detail },
                },
            ),
        })
    }
}

/// The reason why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length, or the head, is not what was sent.
    #[error("the frame's length or head is damaged: their checksum is {found:08x}, not {told:08x}")]
    Damaged {
        /// The checksum in the frame.
        told: u32,
        /// The checksum of the bytes that came.
        found: u32,
    },
    /// The head is longer than one may be, or than its frame.
    #[error("a head of {head} bytes in a frame of {frame} cannot be: its length is damaged")]
    HeadLength {
        /// The length of the head, in bytes.
        head: usize,
        /// The length of the frame, in bytes.
        frame: usize,
    },
    /// The frame is of another version than its connection.
    #[error(
        "a frame of version {told} of the protocol on a connection of version {settled}: it is \
         damaged, or the peer is of another release; upgrade the master first, then its secondaries"
    )]
    OtherVersion {
        /// The version of the frame.
        told: u16,
        /// The version of the connection.
        settled: ProtocolVersion,
    },
    /// The frame is of another epoch than its connection.
    #[error("a frame of epoch {told} on a connection of epoch {settled}")]
    OtherEpoch {
        /// The epoch of the frame.
        told: Epoch,
        /// The epoch of the connection.
        settled: Epoch,
    },
    /// An epoch table with more rows than fit into one frame.
    #[error("an epoch table that is longer than one frame; this release takes no further ones")]
    LongEpochTable,
    /// A place of the log that is neither memory nor disk.
    #[error("{0} is neither the number of a log in memory nor of one on disk")]
    Storage(u8),
    /// A cluster of more nodes than one can have.
    #[error("a cluster of {0} nodes; at most {NODES_MAX} are possible")]
    ClusterSize(u16),
    /// Credentials that are longer than they may be, in bytes.
    #[error("credentials of {0} bytes; at most {CREDENTIALS_BYTES_MAX} are taken")]
    Credentials(usize),
    /// The head cannot be decoded.
    #[error("the frame's head cannot be decoded: {0}")]
    Head(String),
    /// Bytes are left over behind the frame's fields.
    #[error("{0} bytes too many at the frame's end")]
    Trailing(usize),
    /// A name that no node can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A count of messages that no log can have.
    #[error("a run of {count} messages from {first} on is beyond the largest id")]
    Range {
        /// The first id of the run.
        first: u64,
        /// The number of messages in it.
        count: u32,
    },
    /// A heartbeat interval that no node can keep.
    #[error("a heartbeat interval of {0} ms; 1 ms to one hour is possible")]
    Interval(u64),
    /// The records are damaged, or not those that the head names.
    #[error(transparent)]
    Records(#[from] RecordError),
}

mod handshake;
mod version;
mod wire;

pub use wire::{EncodedFrame, check_start, decode, decode_in, encode, encode_as};

#[cfg(test)]
mod tests;
