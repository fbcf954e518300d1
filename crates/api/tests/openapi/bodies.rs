//! Each body of this crate has the members of its schema, and no others.

use acklog_api::follow::{CaughtUp, FollowedMessage, Gap, GapLine, GapReason, Open, Tail};
use acklog_api::{
    AckedMessage, AppendLine, AppendRequest, Appended, Disconnected, Disk, DiskState, EventAnswer,
    EventBody, EventKind, Faults, FaultsRequest, Health, MasterHealth, MasterLink, MemberHealth,
    MemberStatus, Message, MessageCopy, MessageReceipt, MissedEvents, Mode, NodeMessages,
    NodeState, Outcome, Phase, Problem, Quorum, Refused, RefusedCode, Role, SampledEvents,
    SecondaryHealth, Storage,
};
use acklog_types::WriteConcern;
use serde::Serialize;
use serde_json::{Value, json};

use super::schema::{assert_described, document, misfit};

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

fn names() -> Vec<String> {
    vec!["master".to_owned(), "bonnie".to_owned()]
}

#[test]
fn bodies_of_requests_are_described() {
    let texts = ["a".to_owned(), "b".to_owned()];
    let single = AppendRequest {
        write_concern: Some(WriteConcern::All),
        timeout_ms: Some(1),
        expected_end: Some(7),
        receipt: true,
        ..AppendRequest::message("a")
    };
    // A server takes the other name of the write concern as well.
    let short = json!({"message": "a", "w": 2});
    let examples = [value(&single), value(&AppendRequest::batch(&texts[..])), short];
    assert_described("AppendRequest", &examples);
    let line = AppendLine { request: single, key: Some("a".into()) };
    assert_described("AppendLine", &[&examples[..], &[value(&line)]].concat());
    let faults = FaultsRequest::from(faults());
    assert_described("FaultsRequest", &[value(&faults), value(&FaultsRequest::default())]);
    for request in ["AppendRequest", "AppendLine", "FaultsRequest"] {
        let document = document();
        assert_eq!(document["components"]["schemas"][request]["additionalProperties"], false);
    }
}

fn faults() -> Faults {
    Faults {
        send_delay_ms: Some([0.into(), 5.into()]),
        store_delay_ms: serde_json::from_value(json!([0.5, 1.5])).unwrap(),
        seed: Some(7),
        ..Faults::default()
    }
}

#[test]
fn bodies_of_answers_are_described() {
    let copy = MessageCopy {
        node: "master".to_owned(),
        held: true,
        storage: Some(Storage::Disk),
        after_ms: Some(0.41),
        attempts: Some(1),
    };
    let unknown = MessageCopy { storage: None, after_ms: None, attempts: None, ..copy.clone() };
    assert_described("MessageCopy", &[value(&copy), value(&unknown)]);
    let copies = vec![copy, unknown];
    let receipt = MessageReceipt {
        id: 3,
        count: 1,
        epoch: 1,
        accepted_at: "2026-11-28T17:04:05.678Z".to_owned(),
        held_by: 2,
        copies: copies.clone(),
    };
    assert_described("MessageReceipt", &[value(&receipt)]);
    let (acked_by, copies) = (names(), Some(copies));
    let single =
        Appended { id: 3, count: None, write_concern: 2, acked_by, line: None, copies: None };
    let batch = Appended { count: Some(2), line: Some(0), copies, ..single.clone() };
    assert_described("Appended", &[value(&single), value(&batch)]);
    assert_described("Message", &[value(&Message { id: 3, message: "a".into() })]);
    let acked = AckedMessage { id: 3, message: "a".into(), write_concern: 2, acked_by: names() };
    assert_described("AckedMessage", &[value(&acked)]);
    assert_described("Faults", &[value(&faults()), value(&Faults::default())]);
    assert_described("Disconnected", &[value(&Disconnected { disconnected: 2 })]);
    let fewest_members = json!({
        "title": "Bad Request", "status": 400, "detail": "no", "code": "bad-request", "retry": false
    });
    let problem: Problem = serde_json::from_value(fewest_members).unwrap();
    let late = Problem {
        id: Some(3),
        count: Some(2),
        write_concern: Some(2),
        acked_by: Some(names()),
        start: Some(5),
        end: Some(7),
        outcome: Some(Outcome::Unknown),
        line: Some(0),
        ..problem.clone()
    };
    assert_described("Problem", &[value(&problem), value(&late)]);
}

#[test]
fn bodies_of_streams_are_described() {
    let open = |log, concern| Open {
        log,
        epoch: 1,
        start: 0,
        end: 5,
        next: 3,
        read_concern: Some(concern),
    };
    let known = open(Some("0f".repeat(16)), WriteConcern::Majority);
    assert_described("Open", &[value(&known), value(&open(None, WriteConcern::Nodes(1)))]);
    let message = FollowedMessage { id: 3, message: "a".into(), batch: None };
    let member = FollowedMessage { batch: Some(2), ..message.clone() };
    assert_described("FollowedMessage", &[value(&message), value(&member)]);
    assert_described("CaughtUp", &[value(&CaughtUp { end: 5 })]);
    let tail = Tail { end: 5, time: "2026-11-28T10:00:00.000Z".to_owned() };
    assert_described("Tail", &[value(&tail)]);
    let gap = Gap { from: 3, to: 5, why: GapReason::Trimmed };
    assert_described("Gap", &[value(&gap)]);
    assert_described("GapLine", &[value(&GapLine { gap })]);
}

#[test]
fn health_is_described() {
    let bonnie = MemberHealth {
        name: Some("bonnie".to_owned()),
        status: Some(MemberStatus::Healthy),
        phase: Some(Phase::Ready),
        in_flight: Some(0),
        retries: Some(1),
        rtt_ms: Some(0.25),
        ..MemberHealth::default()
    };
    let refused = Refused { code: Some(RefusedCode::OtherLog), ..Refused::default() };
    let quorum = Quorum { required: Some(2), healthy: Some(1) };
    let disk = Disk { state: Some(DiskState::Failed), detail: Some("no space".to_owned()) };
    let link = MasterLink {
        address: Some("127.0.0.1:6000".to_owned()),
        connected: Some(false),
        last_error: Some("refused".to_owned()),
        ..MasterLink::default()
    };
    assert_described("MemberHealth", &[value(&bonnie)]);
    assert_described("Refused", &[value(&refused)]);
    assert_described("Quorum", &[value(&quorum)]);
    assert_described("Disk", &[value(&disk)]);
    assert_described("MasterLink", &[value(&link)]);
    let master = MasterHealth {
        name: Some("master".to_owned()),
        role: Role::Master,
        mode: Some(Mode::ReadOnly),
        log_start: Some(0),
        log_end: Some(3),
        committed_end: Some(2),
        epoch: Some(1),
        cluster_size: Some(2),
        quorum: Some(quorum),
        waiting_senders: Some(0),
        secondaries: vec![bonnie],
        refused: vec![refused],
        disk: None,
    };
    let secondary = SecondaryHealth {
        name: Some("bonnie".to_owned()),
        role: Role::Secondary,
        phase: Some(Phase::Diverged),
        log_start: Some(0),
        log_end: Some(3),
        committed_end: Some(2),
        epoch: Some(1),
        buffered: Some(0),
        master: Some(link),
        disk: Some(disk),
    };
    assert_described("MasterHealth", &[value(&master)]);
    assert_described("SecondaryHealth", &[value(&secondary)]);
    let document = document();
    for health in [value(&master), value(&secondary)] {
        assert_eq!(
            misfit(&document, &json!({"$ref": "#/components/schemas/Health"}), &health),
            None
        );
    }
}

#[test]
fn events_are_described() {
    let (node, text) = ("master".to_owned(), || Some("text".to_owned()));
    let fewest = EventBody::new(7, 1_796_011_790_596_776, node, EventKind::Mode);
    let all = EventBody {
        peer: text(),
        request: Some(1),
        frame: text(),
        ids: Some([3, 5]),
        attempt: Some(2),
        delay_ms: Some(0.0),
        took_ms: Some(0.5),
        pause_ms: Some(1.0),
        from: Some(0),
        end: Some(5),
        log_end: Some(6),
        write_concern: Some(2),
        timeout_ms: Some(1.0),
        answer: Some(EventAnswer::Acked),
        address: text(),
        status: Some(MemberStatus::Suspected),
        mode: Some(Mode::ReadOnly),
        role: Some(Role::Master),
        epoch: Some(1),
        healthy: Some(1),
        required: Some(2),
        cluster_size: Some(3),
        state: Some(DiskState::Ok),
        faults: Some(faults()),
        count: Some(0),
        code: text(),
        detail: text(),
        ..fewest.clone()
    };
    assert_described("EventBody", &[value(&fewest), value(&all)]);
    let sampled = SampledEvents { left_out: 9, every: 2, node: None };
    let of_node = SampledEvents { node: text(), ..sampled.clone() };
    assert_described("SampledEvents", &[value(&sampled), value(&of_node)]);
    let missed = MissedEvents { count: 9, node: None };
    let of_node = MissedEvents { node: text(), ..missed.clone() };
    assert_described("MissedEvents", &[value(&missed), value(&of_node)]);
}

#[test]
fn states_and_messages_beside_events_are_described() {
    let node = || "bonnie".to_owned();
    let gone = NodeState {
        node: node(),
        time: 1_796_011_790_596_776,
        reachable: false,
        url: Some("http://127.0.0.1:8001".to_owned()),
        master_url: Some("http://127.0.0.1:8000".to_owned()),
        detail: Some("refused".to_owned()),
        health: None,
        faults: None,
    };
    let health = Health::Secondary(SecondaryHealth {
        name: Some(node()),
        role: Role::Secondary,
        phase: Some(Phase::Ready),
        log_start: Some(0),
        log_end: Some(3),
        committed_end: Some(2),
        epoch: Some(1),
        buffered: Some(0),
        master: Some(MasterLink {
            address: Some("127.0.0.1:6000".to_owned()),
            connected: Some(true),
            ..MasterLink::default()
        }),
        disk: None,
    });
    let there = NodeState {
        reachable: true,
        detail: None,
        health: Some(health),
        faults: Some(faults()),
        ..gone.clone()
    };
    assert_described("NodeState", &[value(&there), value(&gone)]);
    let messages = NodeMessages { node: node(), from: 3, messages: vec!["a".to_owned()] };
    assert_described("NodeMessages", &[value(&messages)]);
}
