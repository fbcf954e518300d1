//! Lines about frames and requests.

use acklog_protocol::frame::FrameKind;
use acklog_protocol::{FrameEvent, FrameStage};
use acklog_types::{LogEnd, NodeName};
use tracing::field::display;
use tracing::{debug, trace, warn};

use super::{FAULTS, LogRole, MASTER, SECONDARY, line};

/// Writes the line of an event.
pub(super) fn write(role: LogRole, event: &FrameEvent) {
    let FrameEvent { peer, request, frame: kind, ids, stage } = event;
    let (peer, id) = (peer.as_ref().map(NodeName::as_str), ids.map(display));
    match stage {
        FrameStage::Sent { from, attempt } => sent(role, event, *from, *attempt > 1),
        FrameStage::Received { log_end } => received(event, *log_end),
        FrameStage::Completed { took, failed } => match (role, kind) {
            (LogRole::Secondary, _) => {
                debug!(target: SECONDARY, %request, ?kind, ?took, "answered");
            }
            (LogRole::Master, FrameKind::Heartbeat) => {
                trace!(target: MASTER, peer, %request, ?took, "Heartbeat answered");
            }
            // A page for the repair of the log: what it brings has lines of its own.
            (LogRole::Master, FrameKind::GetMessages) => {}
            (LogRole::Master, _) if *failed => {
                debug!(target: MASTER, peer, %request, id, ?took, "AddMessage failed");
            }
            (LogRole::Master, _) => {
                debug!(target: MASTER, peer, %request, id, ?took, "AddMessage answered");
            }
        },
        FrameStage::Late => {
            line!(role, DEBUG, peer, %request, id,
                "late answer: the request is no longer pending");
        }
        FrameStage::TimedOut { pause: Some(pause) } => {
            debug!(target: SECONDARY, %request, ?kind, ?pause,
                "request to the master timed out; making it again");
        }
        FrameStage::TimedOut { pause: None } => match kind {
            FrameKind::AddMessage => {
                debug!(target: MASTER, peer, %request, id, "AddMessage timed out");
            }
            _ => debug!(target: MASTER, peer, %request, asked = ?kind, "a request timed out"),
        },
        FrameStage::Failed { code, detail } => match role {
            LogRole::Master => {
                debug!(target: MASTER, peer, %request, ?code, detail,
                    "the request failed at the secondary");
            }
            LogRole::Secondary => {
                warn!(target: SECONDARY, repeats = true, %request, ?code, detail,
                    "the request failed at the master");
            }
        },
        FrameStage::StillUnderWay { from } => {
            line!(role, DEBUG, peer, %request, %from,
                "asked again for a page that is still under way");
        }
        FrameStage::BufferFull { held } => {
            debug!(target: SECONDARY, held, "the buffer is full: a run is dropped");
        }
        FrameStage::Dropped => {
            debug!(target: FAULTS, peer, %request, ?kind, "a fault: the frame is dropped");
        }
        FrameStage::Doubled => {
            debug!(target: FAULTS, peer, %request, ?kind, "a fault: the frame is written twice");
        }
        FrameStage::Delayed { delay } => {
            debug!(target: FAULTS, peer, %request, ?kind, ?delay, "a fault: the frame is delayed");
        }
        FrameStage::ErrorInjected => {
            debug!(target: SECONDARY, %request,
                "a fault: what is stored is answered with an error");
        }
    }
}

/// Writes what this node sends.
fn sent(role: LogRole, event: &FrameEvent, from: Option<LogEnd>, again: bool) {
    let FrameEvent { peer, request, frame: kind, ids, .. } = event;
    let (peer, id) = (peer.as_ref().map(NodeName::as_str), ids.map(display));
    let from = from.map(display);
    match (role, kind) {
        (LogRole::Master, FrameKind::Heartbeat) => {
            trace!(target: MASTER, peer, %request, "sending Heartbeat");
        }
        (LogRole::Master, FrameKind::Page) => {
            debug!(target: MASTER, peer, %request, from, again, id,
                "asked for messages; sending a page");
        }
        (LogRole::Master, FrameKind::GetMessages) => {
            debug!(target: MASTER, peer, %request, from, "sending GetMessages");
        }
        (LogRole::Master, _) if again => {
            debug!(target: MASTER, peer, %request, id, "sending AddMessage again");
        }
        (LogRole::Master, _) => debug!(target: MASTER, peer, %request, id, "sending AddMessage"),
        (LogRole::Secondary, FrameKind::Page) => {
            debug!(target: SECONDARY, %request, id, "the master asks for messages; sending a page");
        }
        (LogRole::Secondary, _) => {
            debug!(target: SECONDARY, %request, end = from, "sending {kind:?}");
        }
    }
}

/// Writes what this secondary received.
fn received(event: &FrameEvent, log_end: Option<LogEnd>) {
    let (id, request) = (event.ids.map(display), event.request);
    match log_end {
        Some(log_end) => debug!(target: SECONDARY, id, %log_end, "a page of messages"),
        None => debug!(target: SECONDARY, %request, id, "AddMessage received"),
    }
}
