//! Lines about the life of a message.

use acklog_protocol::{AnswerKind, MessageEvent};
use acklog_types::MESSAGE_TARGET;
use tracing::debug;

use super::{MASTER, SECONDARY};

/// Writes the line of an event, if it has one.
pub(super) fn write(event: &MessageEvent) {
    match event {
        // The line that shows the message's text is written where the text is, and the log writes a
        // line for each flush.
        MessageEvent::Accepted { .. } | MessageEvent::Durable { .. } => {}
        MessageEvent::Waits { ids, write_concern, timeout } => {
            debug!(target: MASTER, id = %ids, w = write_concern, ?timeout,
                "a sender waits for its write concern");
        }
        MessageEvent::Stored { ids } => {
            debug!(target: MESSAGE_TARGET, id = %ids, "stored");
        }
        MessageEvent::Duplicate { ids } => {
            debug!(target: MESSAGE_TARGET, id = %ids, "already present");
        }
        MessageEvent::Held { ids, log_end } => {
            debug!(target: MESSAGE_TARGET, id = %ids, end = %log_end, "above a gap: held back");
        }
        MessageEvent::GapClosed { ids } => {
            debug!(target: MESSAGE_TARGET, id = %ids, "the gap is closed");
        }
        MessageEvent::StoreDelayed { ids, delay } => {
            debug!(target: SECONDARY, id = %ids, ?delay, "storing is delayed");
        }
        MessageEvent::Acked { peer, ids } => {
            debug!(target: MESSAGE_TARGET, %peer, id = %ids, "acked");
        }
        MessageEvent::Answered { ids, write_concern, answer: AnswerKind::Committed } => {
            if *write_concern > 1 {
                debug!(target: MESSAGE_TARGET, id = %ids, w = write_concern,
                    "the write concern holds");
            }
        }
        MessageEvent::Answered { ids, answer: AnswerKind::TimedOut, .. } => {
            debug!(target: MASTER, id = %ids, "the sender's time is up");
        }
        // Lines of the node say why all of them are answered.
        MessageEvent::Answered {
            answer: AnswerKind::ShuttingDown | AnswerKind::DiskFailed | AnswerKind::TooManyWaiting,
            ..
        } => {}
        MessageEvent::Canceled { waiter, ids: None } => {
            debug!(target: MASTER, %waiter, "the sender whose batch is compared no longer waits");
        }
        MessageEvent::Canceled { ids: Some(ids), .. } => {
            debug!(target: MASTER, id = %ids, "the sender no longer waits");
        }
        MessageEvent::ComparedInVain { waiter } => {
            debug!(target: MASTER, %waiter, "a comparison is done, and its sender no longer waits");
        }
    }
}
