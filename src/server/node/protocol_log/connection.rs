//! Lines about connections between nodes.

use std::time::Duration;

use acklog_protocol::{CloseReason, ConnectionEvent, Ending, Status};
use acklog_types::{NodeName, SessionId};
use tracing::{debug, info, warn};

use super::{LogRole, MASTER, SECONDARY};

/// Writes the line of an event.
pub(super) fn write(role: LogRole, event: &ConnectionEvent) {
    match role {
        LogRole::Master => of_master(event),
        LogRole::Secondary => of_secondary(event),
    }
}

/// Writes the line of an event on a master. Those of a secondary do not happen there.
fn of_master(event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Opened { session, address } => {
            debug!(target: MASTER, %session, address, "accepted a connection");
        }
        ConnectionEvent::Handshake { session, peer, request, end } => {
            debug!(target: MASTER, %session, %peer, %request, %end, "handshake");
        }
        ConnectionEvent::HandshakeRepeated { peer, request } => {
            debug!(target: MASTER, %peer, %request, "handshake repeated");
        }
        ConnectionEvent::ComparedInVain { session, paused: true } => {
            debug!(target: MASTER, %session, "this node is paused; the secondary asks again later");
        }
        ConnectionEvent::ComparedInVain { session, paused: false } => {
            debug!(target: MASTER, %session, "a log is compared, and its connection is gone");
        }
        ConnectionEvent::NotAdmitted { peer, session, request, detail } => {
            warn!(target: MASTER, repeats = true, %peer, %session, %request, detail,
                "cannot admit a secondary");
        }
        ConnectionEvent::Refused { peer, session, code, detail } => {
            let peer = peer.as_ref().map_or("unknown", NodeName::as_str);
            warn!(target: MASTER, repeats = true, peer, %session, code = code.as_str(), detail,
                "refused a secondary");
        }
        ConnectionEvent::LostAcked { peer, acked, end } => {
            warn!(target: MASTER, %peer, %acked, %end,
                "a secondary came back without messages that it had acked");
        }
        ConnectionEvent::Joined { peer, address, end, log_end } => {
            info!(target: MASTER, %peer, address, %end, %log_end, "a secondary joins");
        }
        ConnectionEvent::Registering { peer } => {
            debug!(target: MASTER, %peer, "ready for the first time: its name is written down");
        }
        ConnectionEvent::Ready { peer, end } => {
            let peer = peer.as_ref().map(NodeName::as_str);
            info!(target: MASTER, peer, %end, "a secondary is ready");
        }
        ConnectionEvent::Ended { session, peer, ending, was_live } => {
            ended(*session, peer.as_ref(), ending, *was_live);
        }
        ConnectionEvent::EndedEarly { session, address, ending } => {
            warn!(target: MASTER, %session, address, reason = %ending,
                "a connection ended without a handshake");
        }
        ConnectionEvent::MoreEndedEarly { left_out } => {
            warn!(target: MASTER, left_out,
                "further connections ended without a handshake in this minute");
        }
        ConnectionEvent::MtuSuspected { peer } => mtu_suspected(peer.as_ref()),
        ConnectionEvent::PagesUnknown { peer } => {
            warn!(target: MASTER, %peer,
                "a secondary ends its connection when it is asked for messages that are damaged \
                 here: it is of an earlier release, and is not asked again");
        }
        ConnectionEvent::RefusedByMaster { .. }
        | ConnectionEvent::EpochNotFollowed { .. }
        | ConnectionEvent::Dialing
        | ConnectionEvent::DialFailed { .. }
        | ConnectionEvent::Connected { .. }
        | ConnectionEvent::LeftMaster { .. }
        | ConnectionEvent::LocalStall { .. }
        | ConnectionEvent::HandshakeUnreadable { .. } => {}
    }
}

/// Writes how a connection to a master ended: the loss of a secondary is louder than that of a
/// connection whose place is taken at once.
fn ended(session: SessionId, peer: Option<&NodeName>, ending: &Ending, was_live: bool) {
    let status = Status::Unhealthy.as_str();
    let peer = peer.map(NodeName::as_str);
    match (ending, peer) {
        (Ending::Lost(reason), Some(peer)) => {
            warn!(target: MASTER, peer, %reason, status, "secondary disconnected");
        }
        (Ending::Lost(reason), None) => {
            debug!(target: MASTER, %session, %reason, "a connection is gone");
        }
        (Ending::Closed(CloseReason::Protocol(error)), Some(peer)) => {
            warn!(target: MASTER, peer, %session, %error, status,
                "closing a connection: the peer is broken");
        }
        (Ending::Closed(reason @ CloseReason::Unresponsive), Some(peer)) => {
            warn!(target: MASTER, peer, %session, %reason, "closing a connection");
        }
        (Ending::Closed(reason @ CloseReason::Replaced), _) | (Ending::Closed(reason), None) => {
            debug!(target: MASTER, %session, %reason, "closing a connection");
        }
        (Ending::Closed(reason), Some(peer)) if was_live => {
            info!(target: MASTER, peer, %session, %reason, status, "closing a connection");
        }
        (Ending::Closed(reason), Some(peer)) => {
            debug!(target: MASTER, peer, %session, %reason, "closing a connection");
        }
    }
}

/// Writes the line of an event on a secondary. Those of a master do not happen there.
fn of_secondary(event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Dialing => {
            info!(target: SECONDARY, repeats = true, "connecting to the master");
        }
        ConnectionEvent::DialFailed { reason, pause } => {
            warn!(target: SECONDARY, repeats = true, reason, ?pause,
                "cannot reach the master; trying again");
        }
        ConnectionEvent::Connected { end } => {
            info!(target: SECONDARY, repeats = true, %end, "connected; introducing this node");
        }
        ConnectionEvent::Joined { peer, end, log_end, .. } => {
            info!(target: SECONDARY, %peer, %end, %log_end, "joined; catching up");
        }
        ConnectionEvent::Ready { end, .. } => info!(target: SECONDARY, %end, "ready"),
        ConnectionEvent::RefusedByMaster { code, detail, phase } => {
            let (code, phase) = (code.as_str(), phase.as_str());
            warn!(target: SECONDARY, repeats = true, code, detail, phase,
                "the master refuses this node");
        }
        ConnectionEvent::EpochNotFollowed { epoch, detail } => {
            warn!(target: SECONDARY, repeats = true, %epoch, detail,
                "the master is in an epoch that this node cannot follow");
        }
        ConnectionEvent::LeftMaster { ending, was_ready, pause } => {
            left_master(ending, !was_ready, *pause);
        }
        ConnectionEvent::LocalStall { late } => {
            info!(target: SECONDARY, ?late,
                "this node was stalled; listening again before it judges the master");
        }
        ConnectionEvent::HandshakeUnreadable { end, error } => {
            warn!(target: SECONDARY, %end, %error,
                "cannot introduce this node: its last message is unreadable");
        }
        ConnectionEvent::MtuSuspected { .. } => mtu_suspected(None),
        ConnectionEvent::Opened { .. }
        | ConnectionEvent::Handshake { .. }
        | ConnectionEvent::HandshakeRepeated { .. }
        | ConnectionEvent::ComparedInVain { .. }
        | ConnectionEvent::NotAdmitted { .. }
        | ConnectionEvent::Refused { .. }
        | ConnectionEvent::LostAcked { .. }
        | ConnectionEvent::Registering { .. }
        | ConnectionEvent::Ended { .. }
        | ConnectionEvent::EndedEarly { .. }
        | ConnectionEvent::MoreEndedEarly { .. }
        | ConnectionEvent::PagesUnknown { .. } => {}
    }
}

/// Writes how a secondary's connection to its master ended; `repeats`: it may end in the same way
/// many times.
fn left_master(ending: &Ending, repeats: bool, pause: Duration) {
    match ending {
        Ending::Closed(reason) => {
            warn!(target: SECONDARY, repeats, %reason, ?pause,
                "closing the connection to the master; dialing again");
        }
        Ending::Lost(reason) => {
            warn!(target: SECONDARY, repeats, %reason, ?pause,
                "disconnected from the master; dialing again");
        }
    }
}

/// Writes that a path may drop large packets, to a secondary or (none) to the master.
fn mtu_suspected(peer: Option<&NodeName>) {
    match peer {
        Some(peer) => warn!(target: MASTER, %peer,
            "connections end again and again while a long frame is under way, and short frames \
             pass: does the path drop large packets? Look at its MTU"),
        None => warn!(target: SECONDARY,
            "connections end again and again before the first page of messages comes, while \
             short frames pass: does the path drop large packets? Look at its MTU"),
    }
}
