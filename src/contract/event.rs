//! The body of an event: from what the protocol emits to what clients read.

use std::time::Duration;

use acklog_api as api;
use acklog_api::{EventAnswer, EventBody, EventKind, MemberStatus};
use acklog_protocol::frame::ErrorCode;
use acklog_protocol::{
    AnswerKind, ConnectionEvent, Event, FrameEvent, FrameStage, MessageEvent, NodeEvent, Status,
};
use acklog_types::{DiskFault, IdRange, LogEnd, NodeName};

use super::faults::faults_body;
use super::health::{disk_state, millis_with_fraction};
use super::recorder::RecordedEvent;
use super::sent_frames::Sending;

/// Returns the body of an event of a node of this name and role.
pub fn event_body(node: &NodeName, role: &api::Role, recorded: &RecordedEvent) -> EventBody {
    let kind = EventKind::from(recorded.event.kind().as_str().to_owned());
    let mut body = EventBody::new(recorded.id, recorded.time_us, node.to_string(), kind);
    match &recorded.event {
        Event::Message(event) => of_message(&mut body, event),
        Event::Frame(event) => {
            of_frame(&mut body, event, recorded.sent);
            add_master(&mut body, recorded);
        }
        Event::Connection(event) => {
            of_connection(&mut body, event);
            if matches!(role, api::Role::Secondary) {
                add_master(&mut body, recorded);
            }
        }
        Event::Node(event) => of_node(&mut body, role, event),
    }
    body
}

/// Names the master where an event of a secondary is about it.
fn add_master(body: &mut EventBody, recorded: &RecordedEvent) {
    body.peer = body.peer.take().or_else(|| recorded.master.as_ref().map(NodeName::to_string));
}

fn of_message(body: &mut EventBody, event: &MessageEvent) {
    match event {
        MessageEvent::Accepted { ids }
        | MessageEvent::Durable { ids }
        | MessageEvent::Stored { ids }
        | MessageEvent::Duplicate { ids }
        | MessageEvent::GapClosed { ids } => body.ids = range(*ids),
        MessageEvent::Held { ids, log_end } => (body.ids, body.end) = (range(*ids), end(*log_end)),
        MessageEvent::StoreDelayed { ids, delay } => {
            (body.ids, body.delay_ms) = (range(*ids), ms(*delay));
        }
        MessageEvent::Acked { peer, ids } => (body.peer, body.ids) = (name(peer), range(*ids)),
        MessageEvent::Waits { ids, write_concern, timeout } => {
            body.ids = range(*ids);
            body.write_concern = Some((*write_concern).into());
            body.timeout_ms = timeout.and_then(ms);
        }
        MessageEvent::Answered { ids, write_concern, answer } => {
            body.ids = range(*ids);
            body.write_concern = Some((*write_concern).into());
            body.answer = Some(match answer {
                AnswerKind::Committed => EventAnswer::Acked,
                AnswerKind::TimedOut => EventAnswer::TimedOut,
                AnswerKind::ShuttingDown => EventAnswer::Stopping,
                AnswerKind::DiskFailed => EventAnswer::DiskFailed,
                AnswerKind::TooManyWaiting => EventAnswer::TooManyWaiting,
            });
        }
        MessageEvent::Canceled { ids, .. } => body.ids = ids.and_then(range),
        MessageEvent::ComparedInVain { .. } => {}
    }
}

fn of_frame(body: &mut EventBody, event: &FrameEvent, sent: Option<Sending>) {
    let FrameEvent { peer, request, frame, ids, stage } = event;
    body.peer = peer.as_ref().and_then(name);
    body.request = Some(request.get());
    body.frame = Some(format!("{frame:?}"));
    body.ids = ids.and_then(range);
    if let Some(Sending { attempt, delay }) = sent {
        (body.attempt, body.delay_ms) = (Some(attempt.into()), ms(delay));
    }
    match stage {
        FrameStage::Sent { from, .. } => body.from = from.and_then(end),
        FrameStage::Received { log_end } => body.log_end = log_end.and_then(end),
        FrameStage::Completed { took, .. } => body.took_ms = ms(*took),
        FrameStage::TimedOut { pause } => body.pause_ms = pause.and_then(ms),
        FrameStage::Failed { code, detail } => {
            let code = match code {
                ErrorCode::Internal => "internal",
                ErrorCode::NoRoom => "no-room",
            };
            (body.code, body.detail) = (text(code), text(detail));
        }
        FrameStage::BufferFull { held } => {
            body.code = text("no-room");
            body.detail = Some(format!("{held} bytes wait above a gap or for a delay already"));
        }
        FrameStage::ErrorInjected => body.code = text("injected"),
        FrameStage::StillUnderWay { from } => body.from = end(*from),
        FrameStage::Delayed { delay } => body.delay_ms = ms(*delay),
        FrameStage::Late | FrameStage::Dropped | FrameStage::Doubled => {}
    }
}

fn of_connection(body: &mut EventBody, event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Opened { address, .. } => body.address = text(address),
        ConnectionEvent::Handshake { peer, request, end: at, .. } => {
            (body.peer, body.request) = (name(peer), Some(request.get()));
            body.end = end(*at);
        }
        ConnectionEvent::HandshakeRepeated { peer, request } => {
            (body.peer, body.request) = (name(peer), Some(request.get()));
        }
        ConnectionEvent::ComparedInVain { .. } => {
            body.detail = text("its log was compared, and its connection is gone or paused");
        }
        ConnectionEvent::NotAdmitted { peer, request, detail, .. } => {
            (body.peer, body.request) = (name(peer), Some(request.get()));
            body.detail = text(detail);
        }
        ConnectionEvent::Refused { peer, code, detail, .. } => {
            body.peer = peer.as_ref().and_then(name);
            (body.code, body.detail) = (text(code.as_str()), text(detail));
        }
        ConnectionEvent::RefusedByMaster { code, detail, .. } => {
            (body.code, body.detail) = (text(code.as_str()), text(detail));
        }
        ConnectionEvent::EpochNotFollowed { detail, .. } => body.detail = text(detail),
        ConnectionEvent::LostAcked { peer, acked, end: at } => {
            (body.peer, body.end) = (name(peer), end(*at));
            body.ids = range(IdRange::new(*at, *acked));
        }
        ConnectionEvent::Joined { peer, address, end: at, log_end } => {
            (body.peer, body.address) = (name(peer), address.clone());
            (body.end, body.log_end) = (end(*at), end(*log_end));
        }
        ConnectionEvent::Registering { peer } => body.peer = name(peer),
        ConnectionEvent::Ready { peer, end: at } => {
            (body.peer, body.end) = (peer.as_ref().and_then(name), end(*at));
        }
        ConnectionEvent::Ended { peer, ending, .. } => {
            body.peer = peer.as_ref().and_then(name);
            body.detail = Some(ending.to_string());
        }
        ConnectionEvent::EndedEarly { address, ending, .. } => {
            (body.address, body.detail) = (address.clone(), Some(ending.to_string()));
        }
        ConnectionEvent::MoreEndedEarly { left_out } => body.count = Some((*left_out).into()),
        ConnectionEvent::Dialing => {}
        ConnectionEvent::DialFailed { reason, pause } => {
            (body.detail, body.pause_ms) = (text(reason), ms(*pause));
        }
        ConnectionEvent::Connected { end: at } => body.end = end(*at),
        ConnectionEvent::LeftMaster { ending, pause, .. } => {
            (body.detail, body.pause_ms) = (Some(ending.to_string()), ms(*pause));
        }
        ConnectionEvent::LocalStall { late } => {
            body.detail = Some(format!("this node did not run for {late:?}"));
        }
        ConnectionEvent::HandshakeUnreadable { end: at, error } => {
            (body.end, body.detail) = (end(*at), Some(error.to_string()));
        }
        ConnectionEvent::MtuSuspected { peer } => {
            body.peer = peer.as_ref().and_then(name);
            body.detail = text("long frames do not pass: look at the MTU of the path");
        }
        ConnectionEvent::PagesUnknown { peer } => {
            body.peer = name(peer);
            body.detail = text("it is of an earlier release, and gives no pages");
        }
    }
}

fn of_node(body: &mut EventBody, role: &api::Role, event: &NodeEvent) {
    match event {
        NodeEvent::Started { end: at } => {
            (body.role, body.end) = (Some(role.clone()), end(*at));
        }
        NodeEvent::Epoch { epoch } => body.epoch = Some(epoch.get()),
        NodeEvent::Mode { read_only: true } => body.mode = Some(api::Mode::ReadOnly),
        NodeEvent::Mode { read_only: false } => body.mode = Some(api::Mode::ReadWrite),
        NodeEvent::Silent { peer, status, .. } => {
            (body.peer, body.status) = (name(peer), Some(member_status(*status)));
        }
        NodeEvent::Gone { peer } => {
            (body.peer, body.status) = (name(peer), Some(MemberStatus::Unhealthy));
        }
        NodeEvent::Recovered { peer, .. } => {
            (body.peer, body.status) = (name(peer), Some(MemberStatus::Healthy));
        }
        NodeEvent::Quorum { healthy, required } => {
            body.healthy = Some((*healthy).into());
            body.required = Some((*required).into());
        }
        NodeEvent::MajorityUnreachable { seen, required, .. } => {
            // The master is one of the nodes, and none of the secondaries that were seen.
            body.healthy = Some(*seen as u64 + 1);
            body.required = Some(*required as u64);
            body.detail = text("a majority cannot be reached with the nodes that were seen lately");
        }
        NodeEvent::DiskFault { fault, unflushed } => of_disk(body, fault, *unflushed),
        NodeEvent::DiskWell => body.state = Some(api::DiskState::Ok),
        NodeEvent::Aborted { answered, end: at } => {
            (body.count, body.end) = (Some(*answered as u64), end(*at));
        }
        NodeEvent::Behind { peer, end: at, log_end } => {
            body.peer = peer.as_ref().and_then(name);
            (body.end, body.log_end) = (end(*at), end(*log_end));
        }
        NodeEvent::Stopping { answered, .. } => body.count = Some(*answered as u64),
        NodeEvent::Damaged { detail } => body.detail = text(detail),
        NodeEvent::CopyMissing { damage } => {
            body.detail = damage.as_ref().map(|damage| format!("no node has a copy: {damage}"));
        }
        NodeEvent::Whole => body.state = Some(api::DiskState::Ok),
        NodeEvent::RepairRequested { peer, ids } => {
            (body.peer, body.ids) = (name(peer), range(*ids));
        }
        NodeEvent::RepairPageUnfit { peer, request, ids, .. } => {
            (body.peer, body.ids) = (name(peer), range(*ids));
            body.request = Some(request.get());
        }
        NodeEvent::CannotGive { peer, request, from, detail, .. } => {
            body.peer = peer.as_ref().and_then(name);
            body.request = request.map(|request| request.get());
            (body.from, body.detail) = (from.and_then(end), text(detail));
        }
        NodeEvent::Forgotten { peer, cluster_size } => {
            (body.peer, body.cluster_size) = (name(peer), Some((*cluster_size).into()));
        }
        NodeEvent::MembersPersisted { cluster_size, .. } => {
            body.cluster_size = Some((*cluster_size).into());
        }
        NodeEvent::FaultsChanged { faults, .. } => body.faults = Some(faults_body(*faults)),
        NodeEvent::ConnectionsDropped { connections } => body.count = Some(*connections as u64),
    }
}

fn of_disk(body: &mut EventBody, fault: &DiskFault, unflushed: IdRange) {
    let (state, detail) = disk_state(fault);
    (body.state, body.detail) = (Some(state), text(detail));
    body.ids = range(unflushed);
}

fn member_status(status: Status) -> MemberStatus {
    match status {
        Status::Healthy => MemberStatus::Healthy,
        Status::Suspected => MemberStatus::Suspected,
        Status::Unhealthy => MemberStatus::Unhealthy,
    }
}

fn name(name: &NodeName) -> Option<String> {
    Some(name.to_string())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn range(ids: IdRange) -> Option<[u64; 2]> {
    Some([ids.start().get(), ids.end().get()])
}

fn end(end: LogEnd) -> Option<u64> {
    Some(end.get())
}

fn ms(time: Duration) -> Option<f64> {
    Some(millis_with_fraction(time))
}

#[cfg(test)]
mod tests;
