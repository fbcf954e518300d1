//! Frames between nodes: what was sent and received, and what became of each request.

use std::time::Duration;

use acklog_types::{IdRange, LogEnd, NodeName, Records, RequestId};

use super::kind::EventKind;
use crate::frame::{ErrorCode, FrameKind, Response};

/// An event in the life of a frame or of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameEvent {
    /// The node at the other end. None: the master, or a connection whose handshake is not done.
    pub peer: Option<NodeName>,
    /// The number of the request that the frame is or answers.
    pub request: RequestId,
    /// The kind of frame. For a request that was answered, or timed out: the request's, unless that
    /// is forgotten when a late answer comes.
    pub frame: FrameKind,
    /// The messages in it, or in its answer; none where both are of a kind without messages, or
    /// where they are forgotten when a late answer comes.
    pub ids: Option<IdRange>,
    /// The stage that it reached.
    pub stage: FrameStage,
}

impl FrameEvent {
    /// Creates an event about a frame to or from `peer`, and the messages in it.
    pub(crate) fn new(
        peer: Option<&NodeName>,
        request: RequestId,
        (frame, ids): (FrameKind, Option<IdRange>),
        stage: FrameStage,
    ) -> Self {
        Self { peer: peer.cloned(), request, frame, ids, stage }
    }
}

/// Returns the messages in a response; none where it is of a kind without messages.
pub(crate) fn ids_in(response: &Response<Records>) -> Option<IdRange> {
    match response {
        Response::Page { run, .. } => Some(run.range()),
        _ => None,
    }
}

/// A stage in the life of a frame or of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameStage {
    /// This node sends it.
    Sent {
        /// The position that it is about: where a page begins, or what a secondary has. None for
        /// runs and heartbeats.
        from: Option<LogEnd>,
        /// How often the messages were sent to this node by now, as far as is remembered. For a
        /// frame other than a run of new messages: how often it was in a row, on its connection.
        attempt: u32,
    },
    /// It came.
    Received {
        /// The end of the master's log that it reports; none where it reports none.
        log_end: Option<LogEnd>,
    },
    /// The request of this node was answered in time.
    Completed {
        /// Time since the request was made.
        took: Duration,
        /// Whether the answer was an error.
        failed: bool,
    },
    /// The request of this node was answered after its time limit, or a second time.
    Late,
    /// The request of this node was not answered in time.
    TimedOut {
        /// Pause before the request is made again; none where that depends on more than time.
        pause: Option<Duration>,
    },
    /// The peer could not do what this node requested.
    Failed {
        /// The reason, for the program.
        code: ErrorCode,
        /// The reason, as the peer put it.
        detail: String,
    },
    /// The peer requested a page again while that page is still on its way, so there is no second
    /// one.
    StillUnderWay {
        /// The position at which the page begins.
        from: LogEnd,
    },
    /// The run or page is refused, since the buffer above a gap is full.
    BufferFull {
        /// Bytes that are held.
        held: usize,
    },
    /// An injected fault: it is not written.
    Dropped,
    /// An injected fault: it is written twice.
    Doubled,
    /// An injected fault: it is written later.
    Delayed {
        /// The delay.
        delay: Duration,
    },
    /// An injected fault: the messages are stored, and the answer is an error.
    ErrorInjected,
}

impl FrameStage {
    /// Returns the kind of the event.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Sent { attempt: 2.., .. } => EventKind::Resent,
            Self::Sent { .. } => EventKind::Sent,
            Self::Received { .. } => EventKind::Received,
            Self::Completed { .. } => EventKind::Completed,
            Self::Late => EventKind::Late,
            Self::TimedOut { .. } => EventKind::TimedOut,
            Self::Failed { .. } | Self::BufferFull { .. } | Self::ErrorInjected => {
                EventKind::Failed
            }
            Self::StillUnderWay { .. } => EventKind::UnderWay,
            Self::Dropped => EventKind::Dropped,
            Self::Doubled => EventKind::Doubled,
            Self::Delayed { .. } => EventKind::Delayed,
        }
    }
}
