//! The life of a message, from the append to the answer.

use std::time::Duration;

use acklog_types::{IdRange, LogEnd, NodeName, WaiterId};

use super::kind::EventKind;
use crate::outcome::{Outcome, Receipt};

/// An event in the life of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageEvent {
    /// The master gave a batch its ids.
    Accepted {
        /// The messages.
        ids: IdRange,
    },
    /// A client waits for other nodes.
    Waits {
        /// The message that it waits for, or those of its batch.
        ids: IdRange,
        /// The write concern, as a number of nodes.
        write_concern: u16,
        /// Time that the client gives them; none: without a timeout.
        timeout: Option<Duration>,
    },
    /// The master's log is durable further than before.
    Durable {
        /// The messages that are durable since now.
        ids: IdRange,
    },
    /// A secondary's log is durable further than before: the messages are visible and acked.
    Stored {
        /// The messages that are durable since now.
        ids: IdRange,
    },
    /// Messages came that this node has.
    Duplicate {
        /// The messages.
        ids: IdRange,
    },
    /// Messages came before others that precede them, and wait for those.
    Held {
        /// The messages.
        ids: IdRange,
        /// The log's end, where the gap begins.
        log_end: LogEnd,
    },
    /// The missing messages came, so messages that were held are appended.
    GapClosed {
        /// The messages that were held.
        ids: IdRange,
    },
    /// Messages came and are stored after an injected delay.
    StoreDelayed {
        /// The messages.
        ids: IdRange,
        /// The delay.
        delay: Duration,
    },
    /// A secondary reported a position above messages.
    Acked {
        /// The secondary.
        peer: NodeName,
        /// The messages that it had not acked before.
        ids: IdRange,
    },
    /// A client is answered.
    Answered {
        /// The message that it waited for, or those of its batch.
        ids: IdRange,
        /// The write concern, as a number of nodes.
        write_concern: u16,
        /// The answer.
        answer: AnswerKind,
    },
    /// A client stopped waiting before its answer.
    Canceled {
        /// The client's wait.
        waiter: WaiterId,
        /// The message, or those of its batch; none while that is compared with an earlier one.
        ids: Option<IdRange>,
    },
    /// A batch was compared with an earlier one, and its client had stopped waiting.
    ComparedInVain {
        /// The client's wait.
        waiter: WaiterId,
    },
}

/// The kind of a client's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The write concern holds.
    Committed,
    /// The client's own timeout passed.
    TimedOut,
    /// The node stops.
    ShuttingDown,
    /// The disk failed before the message was known to be stored.
    DiskFailed,
    /// No more clients may wait.
    TooManyWaiting,
}

impl AnswerKind {
    /// Returns the kind of an answer, and the message; none if it is about no message.
    pub(super) fn of(outcome: &Outcome) -> Option<(Self, &Receipt)> {
        match outcome {
            Outcome::Committed(receipt) => Some((Self::Committed, receipt)),
            Outcome::TimedOut(receipt) => Some((Self::TimedOut, receipt)),
            Outcome::ShuttingDown(receipt) => Some((Self::ShuttingDown, receipt)),
            Outcome::DiskFailed(receipt, _) => Some((Self::DiskFailed, receipt)),
            Outcome::TooManyWaiting(receipt) => Some((Self::TooManyWaiting, receipt)),
            Outcome::Refused(_) => None,
        }
    }
}

impl MessageEvent {
    /// Returns the messages that the event is about; none where that is not known.
    pub(super) fn ids(&self) -> Option<IdRange> {
        match self {
            Self::Accepted { ids }
            | Self::Durable { ids }
            | Self::Stored { ids }
            | Self::Duplicate { ids }
            | Self::Held { ids, .. }
            | Self::GapClosed { ids }
            | Self::StoreDelayed { ids, .. }
            | Self::Acked { ids, .. }
            | Self::Waits { ids, .. }
            | Self::Answered { ids, .. } => Some(*ids),
            Self::Canceled { ids, .. } => *ids,
            Self::ComparedInVain { .. } => None,
        }
    }

    /// Returns the kind of the event.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Self::Accepted { .. } => EventKind::Accepted,
            Self::Waits { .. } => EventKind::Waits,
            Self::Durable { .. } => EventKind::Durable,
            Self::Stored { .. } => EventKind::Stored,
            Self::Duplicate { .. } => EventKind::Duplicate,
            Self::Held { .. } => EventKind::Held,
            Self::GapClosed { .. } => EventKind::GapClosed,
            Self::StoreDelayed { .. } => EventKind::StoreDelayed,
            Self::Acked { .. } => EventKind::Acked,
            Self::Answered { .. } => EventKind::Answered,
            Self::Canceled { .. } | Self::ComparedInVain { .. } => EventKind::Canceled,
        }
    }
}
