//! The page about events against what nodes emit, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use acklog_api::Role;
use acklog_protocol::frame::{FrameKind, RefusalCode};
use acklog_protocol::{CloseReason, Ending, EventKind as Kind, SecondaryPhase};
use acklog_types::{Epoch, Faults, RequestId, SessionId, Unreadable, WaiterId};

use super::*;

const PAGE: &str = include_str!("../../../docs/reference/receipts-and-events.md");

fn bonnie() -> NodeName {
    "bonnie".parse().unwrap()
}

fn ids() -> IdRange {
    IdRange::new(LogEnd::new(3), LogEnd::new(5))
}

fn messages() -> Vec<MessageEvent> {
    let (ids, second) = (ids(), Duration::from_secs(1));
    let waiter = WaiterId::new(1);
    let answers = [
        AnswerKind::Committed,
        AnswerKind::TimedOut,
        AnswerKind::ShuttingDown,
        AnswerKind::DiskFailed,
        AnswerKind::TooManyWaiting,
    ];
    let answered = |answer| MessageEvent::Answered { ids, write_concern: 2, answer };
    let mut all = vec![
        MessageEvent::Accepted { ids },
        MessageEvent::Waits { ids, write_concern: 2, timeout: Some(second) },
        MessageEvent::Durable { ids },
        MessageEvent::Stored { ids },
        MessageEvent::Duplicate { ids },
        MessageEvent::Held { ids, log_end: LogEnd::new(2) },
        MessageEvent::GapClosed { ids },
        MessageEvent::StoreDelayed { ids, delay: second },
        MessageEvent::Acked { peer: bonnie(), ids },
        MessageEvent::Canceled { waiter, ids: Some(ids) },
        MessageEvent::ComparedInVain { waiter },
    ];
    all.extend(answers.map(answered));
    all
}

fn frames() -> Vec<FrameEvent> {
    let (end, second) = (LogEnd::new(3), Duration::from_secs(1));
    let detail = || "no".to_owned();
    let frame = |frame, ids, stage| {
        let (peer, request) = (Some(bonnie()), RequestId::new(7));
        FrameEvent { peer, request, frame, ids, stage }
    };
    let run = |stage| frame(FrameKind::AddMessage, Some(ids()), stage);
    vec![
        run(FrameStage::Sent { from: Some(end), attempt: 1 }),
        run(FrameStage::Sent { from: Some(end), attempt: 2 }),
        run(FrameStage::Received { log_end: Some(end) }),
        run(FrameStage::Completed { took: second, failed: false }),
        run(FrameStage::TimedOut { pause: Some(second) }),
        run(FrameStage::BufferFull { held: 9 }),
        run(FrameStage::Dropped),
        run(FrameStage::Doubled),
        run(FrameStage::Delayed { delay: second }),
        run(FrameStage::Late),
        frame(
            FrameKind::Failed,
            None,
            FrameStage::Failed { code: ErrorCode::Internal, detail: detail() },
        ),
        frame(
            FrameKind::Failed,
            None,
            FrameStage::Failed { code: ErrorCode::NoRoom, detail: detail() },
        ),
        frame(FrameKind::AddMessage, None, FrameStage::ErrorInjected),
        frame(FrameKind::GetMessages, None, FrameStage::StillUnderWay { from: end }),
    ]
}

fn connections() -> Vec<ConnectionEvent> {
    let (session, request, end) = (SessionId::new(1), RequestId::new(7), LogEnd::new(3));
    let (peer, detail, pause) = (bonnie, || "no".to_owned(), Duration::from_secs(1));
    let ending = || Ending::Closed(CloseReason::Stopping);
    let (code, address) = (RefusalCode::NameTaken, || Some("127.0.0.1:1".to_owned()));
    let (phase, error) = (SecondaryPhase::Refused, Unreadable(detail()));
    vec![
        ConnectionEvent::Opened { session, address: detail() },
        ConnectionEvent::Handshake { session, peer: peer(), request, end },
        ConnectionEvent::HandshakeRepeated { peer: peer(), request },
        ConnectionEvent::ComparedInVain { session, paused: false },
        ConnectionEvent::NotAdmitted { peer: peer(), session, request, detail: detail() },
        ConnectionEvent::Refused { peer: Some(peer()), session, code, detail: detail() },
        ConnectionEvent::RefusedByMaster { code, detail: detail(), phase },
        ConnectionEvent::EpochNotFollowed { epoch: Epoch::new(2), detail: detail() },
        ConnectionEvent::LostAcked { peer: peer(), acked: LogEnd::new(5), end },
        ConnectionEvent::Joined { peer: peer(), address: address(), end, log_end: end },
        ConnectionEvent::Registering { peer: peer() },
        ConnectionEvent::Ready { peer: Some(peer()), end },
        ConnectionEvent::Ended { session, peer: Some(peer()), ending: ending(), was_live: true },
        ConnectionEvent::Ended { session, peer: None, ending: ending(), was_live: false },
        ConnectionEvent::EndedEarly { session, address: address(), ending: ending() },
        ConnectionEvent::MoreEndedEarly { left_out: 9 },
        ConnectionEvent::Dialing,
        ConnectionEvent::DialFailed { reason: detail(), pause },
        ConnectionEvent::Connected { end },
        ConnectionEvent::LeftMaster { ending: ending(), was_ready: true, pause },
        ConnectionEvent::LocalStall { late: pause },
        ConnectionEvent::HandshakeUnreadable { end, error },
        ConnectionEvent::MtuSuspected { peer: Some(peer()) },
        ConnectionEvent::PagesUnknown { peer: peer() },
    ]
}

fn of_nodes() -> Vec<NodeEvent> {
    let (peer, end, detail) = (bonnie, LogEnd::new(3), || "no".to_owned());
    let (request, ids, silent) = (RequestId::new(7), ids(), Duration::from_secs(1));
    let damage = DiskFault::Damaged { detail: detail() };
    let mut all = vec![
        NodeEvent::Started { end },
        NodeEvent::Epoch { epoch: Epoch::FIRST },
        NodeEvent::Mode { read_only: true },
        NodeEvent::Mode { read_only: false },
        NodeEvent::Silent { peer: peer(), status: Status::Suspected, silent },
        NodeEvent::Gone { peer: peer() },
        NodeEvent::Recovered { peer: peer(), before: Status::Unhealthy, reconnected: true },
        NodeEvent::Quorum { healthy: 1, required: 2 },
        NodeEvent::MajorityUnreachable { registered: 2, seen: 0, required: 2 },
        NodeEvent::DiskWell,
        NodeEvent::Aborted { answered: 1, end },
        NodeEvent::Behind { peer: Some(peer()), end, log_end: end },
        NodeEvent::Stopping { answered: 1, waiting: false },
        NodeEvent::Damaged { detail: detail() },
        NodeEvent::CopyMissing { damage: Some(damage.clone()) },
        NodeEvent::Whole,
        NodeEvent::RepairRequested { peer: peer(), ids },
        NodeEvent::RepairPageUnfit { peer: peer(), request, ids, is_missing: true },
        NodeEvent::Forgotten { peer: peer(), cluster_size: 2 },
        NodeEvent::MembersPersisted { version: 1, cluster_size: 2 },
        NodeEvent::FaultsChanged { faults: Faults::default(), was: Faults::default() },
        NodeEvent::ConnectionsDropped { connections: 2 },
        NodeEvent::CannotGive {
            peer: Some(peer()),
            request: Some(request),
            from: Some(end),
            again: Some(true),
            detail: detail(),
        },
    ];
    let faults = [
        DiskFault::Failed { detail: detail() },
        damage,
        DiskFault::Full { detail: detail() },
        DiskFault::Stalled { detail: detail() },
    ];
    all.extend(faults.map(|fault| NodeEvent::DiskFault { fault, unflushed: ids }));
    all
}

/// Returns an example of each event, with everything that it can tell.
fn examples() -> Vec<Event> {
    let parts: [Vec<Event>; 4] = [
        messages().into_iter().map(Event::from).collect(),
        frames().into_iter().map(Event::from).collect(),
        connections().into_iter().map(Event::from).collect(),
        of_nodes().into_iter().map(Event::from).collect(),
    ];
    parts.into_iter().flatten().collect()
}

/// Returns the members of an event beside those that each has.
fn members(event: Event, role: &Role) -> (String, BTreeSet<String>) {
    let recorded = RecordedEvent::of_test(event, Some("master".parse().unwrap()));
    let body = serde_json::to_value(event_body(&bonnie(), role, &recorded)).unwrap();
    let names = body.as_object().unwrap().keys().cloned();
    let always = ["id", "time", "node", "kind"];
    let kind = body["kind"].as_str().unwrap().to_owned();
    (kind, names.filter(|name| !always.contains(&name.as_str())).collect())
}

/// Returns the texts in code style in a cell of a table.
fn spans(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn each_kind_has_the_members_that_the_page_names_and_no_others() {
    let mut emitted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in examples() {
        for role in [Role::Master, Role::Secondary] {
            let (kind, members) = members(event.clone(), &role);
            emitted.entry(kind).or_default().extend(members);
        }
    }
    let (_, kinds) = PAGE.split_once("### Kinds").unwrap();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, kind, members, _, _] = cells[..] else { return None };
        Some((spans(kind).pop_first()?, spans(members)))
    };
    let documented: BTreeMap<_, _> = kinds.lines().filter_map(row).collect();
    for (kind, members) in &documented {
        assert_eq!(emitted.get(kind), Some(members), "{kind}");
    }
    assert!(emitted.keys().eq(documented.keys()), "{:?}", emitted.keys());
    let words: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert!(words.iter().eq(emitted.keys()), "each kind has an example");
    let contract: BTreeSet<_> = EventKind::ALL.iter().map(EventKind::as_str).collect();
    let reserved = BTreeSet::from(["cut", "trimmed"]);
    assert_eq!(contract, &words | &reserved);
}

#[test]
fn an_event_of_a_secondary_names_its_master_and_one_of_a_master_the_secondary() {
    let event = |peer: Option<NodeName>| {
        let (request, frame) = (RequestId::new(7), FrameKind::AddMessage);
        let stage = FrameStage::Sent { from: None, attempt: 2 };
        FrameEvent { peer, request, frame, ids: Some(ids()), stage }
    };
    let master: Option<NodeName> = Some("master".parse().unwrap());
    let told = |event: Event, role| {
        let recorded = RecordedEvent::of_test(event, master.clone());
        event_body(&bonnie(), &role, &recorded).peer
    };
    assert_eq!(told(event(None).into(), Role::Secondary).as_deref(), Some("master"));
    assert_eq!(told(event(Some(bonnie())).into(), Role::Master).as_deref(), Some("bonnie"));
    let left = |peer| ConnectionEvent::Ready { peer, end: LogEnd::ZERO };
    assert_eq!(told(left(None).into(), Role::Secondary).as_deref(), Some("master"));
    assert_eq!(told(left(Some(bonnie())).into(), Role::Master).as_deref(), Some("bonnie"));
}
