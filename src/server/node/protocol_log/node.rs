//! Lines about the state of a node.

use acklog_protocol::NodeEvent;
use acklog_types::{DiskFault, IdRange, NodeName};
use tracing::field::display;
use tracing::{debug, error, info, warn};

use super::{FAULTS, LogRole, MASTER, SECONDARY, line};

/// Writes the line of an event.
pub(super) fn write(role: LogRole, event: &NodeEvent) {
    match event {
        NodeEvent::Silent { peer, status, silent } => {
            warn!(target: MASTER, %peer, status = status.as_str(), ?silent, "not heard from");
        }
        // Lines of the connection tell of its end, the reasons of a mode have lines of their own,
        // and the start of a node is logged where it is wired.
        NodeEvent::Gone { .. }
        | NodeEvent::Mode { .. }
        | NodeEvent::Started { .. }
        | NodeEvent::Epoch { .. } => {}
        NodeEvent::Recovered { peer, before, reconnected: false } => {
            info!(target: MASTER, %peer, before = before.as_str(), "healthy again");
        }
        NodeEvent::Recovered { peer, before, reconnected: true } => {
            let before = before.as_str();
            info!(target: MASTER, %peer, before, "healthy again, over a new connection");
        }
        NodeEvent::Quorum { healthy, required } if healthy < required => {
            warn!(target: MASTER, healthy, required, "read-only: too few nodes are healthy");
        }
        NodeEvent::Quorum { healthy, required } => {
            info!(target: MASTER, healthy, required, "read-write: enough nodes are healthy");
        }
        NodeEvent::DiskFault { fault, unflushed } => disk_fault(role, fault, *unflushed),
        NodeEvent::DiskWell => line!(role, INFO, "the disk takes messages again"),
        NodeEvent::Aborted { answered, end } => {
            info!(target: MASTER, answered, %end,
                "aborted: senders whose messages were not on disk are answered");
        }
        NodeEvent::Behind { peer, end, log_end } => {
            error!(target: MASTER, peer = peer.as_ref().map(NodeName::as_str), %end, %log_end,
                "read-only until an operator decides: this master is behind its own secondary; was \
                 it put back from an older copy? Keep that secondary: `acklog log dump` has what \
                 is missing here. Put the newer copy back, or give up what is missing with `acklog \
                 log accept-loss`");
        }
        NodeEvent::Stopping { .. } if role == LogRole::Secondary => {}
        NodeEvent::Stopping { answered, waiting } => {
            info!(target: MASTER, answered, waiting,
                "no longer taking messages; waiting senders are answered");
        }
        NodeEvent::MajorityUnreachable { registered, seen, required } => {
            warn!(target: MASTER, registered, seen, required,
                "a majority cannot be reached with the secondaries that were seen lately, so \
                 messages that ask for one wait; forget those that are gone (acklog forget NAME), \
                 or fix --cluster-size; a node must keep its name when it is started again");
        }
        NodeEvent::Forgotten { peer, cluster_size } => {
            info!(target: MASTER, %peer, cluster_size, "forgot the secondary");
        }
        NodeEvent::MembersPersisted { version, cluster_size } => {
            debug!(target: MASTER, version, cluster_size,
                "the names of the secondaries are written down");
        }
        NodeEvent::FaultsChanged { faults, was } => {
            info!(target: FAULTS, %faults, %was, "faults changed");
        }
        NodeEvent::ConnectionsDropped { connections } => {
            line!(role, WARN, connections, "dropping all connections, as asked for");
        }
        NodeEvent::Damaged { .. }
        | NodeEvent::CopyMissing { .. }
        | NodeEvent::Whole
        | NodeEvent::RepairRequested { .. }
        | NodeEvent::RepairPageUnfit { .. }
        | NodeEvent::CannotGive { .. } => damage(role, event),
    }
}

/// Writes that the disk takes nothing: a secondary can go on without its own disk, as no node that
/// counts.
fn disk_fault(role: LogRole, fault: &DiskFault, unflushed: IdRange) {
    let (from, to) = (unflushed.start(), unflushed.end());
    match (role, fault.is_passing()) {
        (LogRole::Master, true) => {
            warn!(target: MASTER, %fault, %from, %to,
                "read-only for the moment: messages [from, to) wait for the disk");
        }
        (LogRole::Master, false) => {
            error!(target: MASTER, %fault, "read-only until a restart: the disk has a fault");
        }
        (LogRole::Secondary, true) => {
            warn!(target: SECONDARY, %fault, %from, %to,
                "leaving the master for the moment: messages [from, to) wait for the disk");
        }
        (LogRole::Secondary, false) => {
            error!(target: SECONDARY, %fault,
                "read-only until a restart, and out of the cluster: the disk has a fault");
        }
    }
}

/// Writes lines about damage of a log and its repair.
fn damage(role: LogRole, event: &NodeEvent) {
    match event {
        NodeEvent::Damaged { detail } => {
            error!(target: SECONDARY, detail,
                "a part of the log is damaged; the master is asked for it");
        }
        NodeEvent::CopyMissing { damage: Some(damage) } => {
            error!(target: MASTER, detail = %damage,
                "read-only: a part of the log is damaged, and no secondary that is ready has it");
        }
        NodeEvent::CopyMissing { damage: None } => {
            info!(target: MASTER,
                "read-write: what was damaged is mended, or a secondary has it");
        }
        NodeEvent::Whole => line!(role, INFO, "the log is whole again"),
        NodeEvent::RepairRequested { peer, ids } => {
            info!(target: MASTER, repeats = true, %peer, id = %ids,
                "asking a secondary for messages that are damaged here");
        }
        NodeEvent::RepairPageUnfit { peer, request, ids, is_missing: true } => {
            warn!(target: MASTER, repeats = true, %peer, %request, id = %ids,
                "a page lacks the messages that are damaged here");
        }
        NodeEvent::RepairPageUnfit { peer, request, ids, is_missing: false } => {
            debug!(target: MASTER, %peer, %request, id = %ids,
                "a page came that is not wanted any more");
        }
        NodeEvent::CannotGive { peer, request, from, again, detail } => {
            let (peer, request) = (peer.as_ref().map(NodeName::as_str), request.map(display));
            let from = from.map(display);
            match role {
                LogRole::Secondary => {
                    warn!(target: SECONDARY, request, detail,
                        "the master asks for messages that this node cannot give");
                }
                LogRole::Master if request.is_some() => {
                    warn!(target: MASTER, repeats = true, peer, request, from, again, detail,
                        "asked for messages that cannot be read");
                }
                LogRole::Master => {
                    warn!(target: MASTER, repeats = true, peer, detail,
                        "messages for a secondary cannot be read");
                }
            }
        }
        _ => {}
    }
}
