//! Frames: what goes over the connection between a secondary and its master, and its bytes.
//!
//! A frame is a *head* (bincode: fixed-width little-endian integers, a `u32` tag first) and, for the two kinds that
//! carry messages, the records behind it as they lie in the log. On the wire a `u32` big-endian length stands before
//! each frame. `docs/PROTOCOL.md` describes every field; the fixtures in this file's tests pin the bytes.
//!
//! This file and `frame/wire.rs` are the only ones that name bincode. The crate is no longer maintained; because the
//! format is pinned here and described there, another encoder of the same bytes can replace it.

use std::time::Duration;

use acklog_types::{
    BATCH_BYTES_MAX, Checksum, IdRange, InstanceId, LogEnd, LogId, NameError, NodeName,
    RECORD_BYTES_MAX, RecordError, Records, RequestId,
};
use bincode::{Decode, Encode};
use bytes::{Buf, Bytes};
use thiserror::Error;

/// Version of the protocol. Any change of a frame's bytes or meaning makes a new one; a master refuses every other.
pub const PROTOCOL_VERSION: u16 = 3;

/// Longest frame, in bytes: a single message or batch of the largest size and its head have room. Larger would only let
/// a broken peer make us hold more.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest frame until the handshake is done, in bytes: a stranger gets no more of our memory than this.
pub const HANDSHAKE_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Longest frame without messages once the handshake is done, in bytes, and so the longest that a master takes from a
/// secondary. Far more than a head needs, so that a later one has room; longer ones would only let a broken peer make a
/// master hold more.
pub const HEAD_FRAME_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of records in one run or page, unless it is a single message or batch. Smaller: more frames and wake-ups
/// for the same messages. Larger: one frame holds up the heartbeats behind it for longer on a slow line.
pub const RUN_BYTES_MAX: usize = 256 * 1024;

/// Longest explanation in an answer, in bytes; what is longer is cut.
const DETAIL_BYTES_MAX: usize = 1024;

/// Longest head, in bytes: what the decoder may allocate for the texts in it.
const HEAD_BYTES_MAX: usize = 4096;

/// What must travel in one frame does.
const _: () = assert!(RECORD_BYTES_MAX + HEAD_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX + HEAD_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(HEAD_BYTES_MAX <= HEAD_FRAME_BYTES_MAX);

/// A request or the response to one. `R` stands for a run of messages: [`IdRange`] inside the deciding code,
/// [`Records`] where the bytes are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<R> {
    /// A request, numbered by who makes it.
    Request(RequestId, Request<R>),
    /// The response to the peer's request of that number.
    Response(RequestId, Response<R>),
}

/// What one side asks of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<R> {
    /// Secondary: who I am and what I have. First on each connection.
    Handshake(Handshake),
    /// A handshake of another protocol version; only its version could be read.
    HandshakeOfVersion(u16),
    /// Secondary: the next messages, from my contiguous end on.
    GetMessages {
        /// The secondary's contiguous end: it has everything before it.
        from: LogEnd,
        /// Whether pages sent on this connection were lost: what lies behind `from` is asked for again. Otherwise the
        /// page continues the one sent before it.
        again: bool,
    },
    /// Secondary: I have what your last page told of; send me new messages as they come.
    SecondaryNodeReady {
        /// The secondary's contiguous end.
        end: LogEnd,
    },
    /// Master: put these consecutive messages into your log.
    AddMessage {
        /// The messages; at least one.
        run: R,
    },
    /// Master: are you there?
    Heartbeat {
        /// The master's durable log end.
        log_end: LogEnd,
    },
}

/// A secondary's introduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Its name, its identity in the cluster.
    pub name: NodeName,
    /// This run of its process.
    pub instance: InstanceId,
    /// The log that its messages belong to; none while it never had one.
    pub log: Option<LogId>,
    /// Its contiguous end.
    pub end: LogEnd,
    /// The checksum of all its records before that end or, where that is not known, of the last one; none where it has
    /// no record. Earlier releases tell that of the last one always.
    pub checksum: Option<Checksum>,
}

/// What the other side answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response<R> {
    /// To a handshake: you are in.
    Welcome(Welcome),
    /// To a handshake: you are not; the connection is closed behind this.
    Refused {
        /// Why, for the program.
        code: RefusalCode,
        /// Why, for a person, and what to do.
        detail: String,
    },
    /// To `GetMessages`: the next messages.
    Page {
        /// The messages from the asked position on; empty when there are none.
        run: R,
        /// The master's durable log end when the page was made.
        log_end: LogEnd,
    },
    /// To `SecondaryNodeReady`: noted.
    ReadyNoted,
    /// To `AddMessage`: received; this is what I have.
    Added {
        /// The secondary's contiguous end: everything before it is acked.
        contiguous_end: LogEnd,
    },
    /// To `Heartbeat`: I am.
    Alive,
    /// To any request: it failed; nothing is acked by this.
    Failed {
        /// Why, for the program.
        code: ErrorCode,
        /// Why, for a person.
        detail: String,
    },
}

/// The master's introduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The master's name.
    pub master: NodeName,
    /// The identity of its log, which the secondary takes on.
    pub log: LogId,
    /// Its durable log end.
    pub log_end: LogEnd,
    /// How often it sends heartbeats, in whole milliseconds.
    pub heartbeat_interval: Duration,
}

/// Why a handshake was refused.
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
}

impl RefusalCode {
    /// Returns the code's word, as `/health` and log lines have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::NameTaken => "name-taken",
            Self::ClusterFull => "cluster-full",
            Self::OtherLog => "other-log",
            Self::LongerLog => "longer-log",
            Self::OtherRecord => "other-record",
            Self::NotListed => "not-listed",
        }
    }

    /// Whether the secondary's messages, not its name or number, are the reason.
    pub fn is_divergence(self) -> bool {
        matches!(self, Self::OtherLog | Self::LongerLog | Self::OtherRecord)
    }
}

/// Why a request failed at the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ErrorCode {
    /// An error inside the responder.
    Internal,
    /// No room for more runs that wait above a gap or for a delay.
    NoRoom,
}

/// The kinds of frame, as faults, transcripts and log lines tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// A request to be let in.
    Handshake,
    /// A request for a page.
    GetMessages,
    /// A request for runs.
    SecondaryNodeReady,
    /// A request that carries a run.
    AddMessage,
    /// A request for a sign of life.
    Heartbeat,
    /// The answer to a handshake that is accepted.
    Welcome,
    /// The answer to a handshake that is not.
    Refused,
    /// The answer to `GetMessages`.
    Page,
    /// The answer to `SecondaryNodeReady`.
    ReadyNoted,
    /// The answer to `AddMessage`.
    Added,
    /// The answer to `Heartbeat`.
    Alive,
    /// The answer to a request that failed.
    Failed,
}

impl<R> Request<R> {
    /// The request's kind.
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
    /// The response's kind.
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
    /// The frame's kind.
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Request(_, request) => request.kind(),
            Self::Response(_, response) => response.kind(),
        }
    }

    /// The number of the request that the frame is or answers.
    pub fn request(&self) -> RequestId {
        let (Self::Request(id, _) | Self::Response(id, _)) = self;
        *id
    }

    /// The messages that the frame carries, if it is of a kind that does.
    pub fn run(&self) -> Option<&R> {
        match self {
            Self::Request(_, Request::AddMessage { run })
            | Self::Response(_, Response::Page { run, .. }) => Some(run),
            _ => None,
        }
    }

    /// The same frame with its run replaced by what `f` makes of it.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_map<S, E>(self, f: impl FnOnce(R) -> Result<S, E>) -> Result<Frame<S>, E> {
        Ok(match self {
            Self::Request(id, request) => Frame::Request(
                id,
                match request {
                    Request::AddMessage { run } => Request::AddMessage { run: f(run)? },
                    Request::Handshake(handshake) => Request::Handshake(handshake),
                    Request::HandshakeOfVersion(version) => Request::HandshakeOfVersion(version),
                    Request::GetMessages { from, again } => Request::GetMessages { from, again },
                    Request::SecondaryNodeReady { end } => Request::SecondaryNodeReady { end },
                    Request::Heartbeat { log_end } => Request::Heartbeat { log_end },
                },
            ),
            Self::Response(id, response) => Frame::Response(
                id,
                match response {
                    Response::Page { run, log_end } => Response::Page { run: f(run)?, log_end },
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

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The head cannot be decoded.
    #[error("the frame's head cannot be decoded: {0}")]
    Head(String),
    /// More bytes than the frame has fields.
    #[error("{0} bytes too many at the frame's end")]
    Trailing(usize),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A count of messages that no log can have.
    #[error("a run of {count} messages from {first} on is beyond the largest id")]
    Range {
        /// Where the run claims to begin.
        first: u64,
        /// How many messages it claims to have.
        count: u32,
    },
    /// A heartbeat interval that nobody can keep.
    #[error("a heartbeat interval of {0} ms; 1 ms to one hour is possible")]
    Interval(u64),
    /// The records are damaged or not those that the head names.
    #[error(transparent)]
    Records(#[from] RecordError),
}

mod wire;

pub use wire::{EncodedFrame, decode, encode};

#[cfg(test)]
mod tests;
