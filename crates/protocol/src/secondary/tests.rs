//! A master that breaks the protocol may cost a secondary the connection, and nothing else.

mod bounds;
mod forged;
mod late;
mod positions;

use acklog_types::{
    Damage, DiskFault, Epoch, Faults, HEARTBEAT_INTERVAL_MAX, InBatch, InstanceId, LogEnd,
    MessageId, RequestId, encode_record,
};

use super::test_log::TestLog;
use super::*;
use crate::frame::{ErrorCode, NodeFacts, Positions, Request, Welcome};
use crate::status::DiskHealth;
use crate::test_records::records;
use crate::{Faulty, SessionEnd};

struct Node {
    machine: Faulty<Secondary<TestLog>>,
    writer: TestLog,
    now: Instant,
}

impl Node {
    fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    fn with_faults(faults: Faults) -> Self {
        Self::with_log(TestLog::default(), RestoredSecondary::default(), faults)
    }

    fn with_log(writer: TestLog, restored: RestoredSecondary, faults: Faults) -> Self {
        let now = Instant::now();
        let machine = Secondary::new(now, options(), restored, writer.clone());
        Self { machine: Faulty::new(now, machine, faults), writer, now }
    }

    fn step(&mut self, input: impl Into<Input<FollowerInput>>) -> Vec<Effect<FollowerEffect>> {
        self.machine.step(self.now, input.into());
        let mut effects = Vec::new();
        while let Some(effect) = self.machine.poll_effect() {
            if let Effect::Role(FollowerEffect::Append(run)) = &effect {
                self.writer.append_run(self.machine.get_ref().log_id().unwrap(), run);
                self.writer.flush();
                let end = run.range().end();
                self.machine.step(self.now, Input::Durable(end));
            }
            if let Effect::Read { session, order } = effect {
                let found = Ok((IdRange::new(order.from, order.until), order.max_bytes));
                self.machine.step(self.now, Input::Read { session, found });
                continue;
            }
            effects.push(effect);
        }
        effects
    }

    fn answer(
        &mut self,
        session: u64,
        id: u64,
        body: Response<Records>,
    ) -> Vec<Effect<FollowerEffect>> {
        let frame = Frame::Response(RequestId::new(id), body);
        self.step(Input::Frame { session: SessionId::new(session), frame })
    }
}

fn options() -> SecondaryOptions {
    let second = Duration::from_secs(1);
    SecondaryOptions {
        name: "bonnie".parse().unwrap(),
        instance: InstanceId::new(1),
        http_port: Some(8001),
        request_timeout: second,
        reconnect_delay: second,
        seed: 1,
    }
}

fn welcome(log: u128) -> Response<Records> {
    Response::from(Welcome {
        master: "master".parse().unwrap(),
        log: LogId::new(log),
        epoch: Epoch::FIRST,
        log_end: LogEnd::new(1),
        heartbeat_interval: Duration::from_secs(1),
        node: NodeFacts { http_port: Some(8000), ..NodeFacts::default() },
        positions: Positions::default(),
    })
}

fn closed_for(effects: &[Effect<FollowerEffect>], error: &ProtocolError) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Close { reason, .. } => *reason == CloseReason::Protocol(error.clone()),
        _ => false,
    })
}

#[test]
fn a_welcome_into_another_log_costs_the_connection_and_no_message() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    let run = records(0, 1, "Msg0");
    node.answer(
        1,
        1,
        Response::Page { run, log_end: LogEnd::new(1), positions: Positions::default() },
    );
    assert_eq!(node.machine.health(node.now).log_end, LogEnd::new(1));
    let down = Input::SessionDown { session: SessionId::new(1), reason: SessionEnd::Closed };
    node.step(down);
    node.step(FollowerInput::Connected(SessionId::new(2)));
    let effects = node.answer(2, 0, welcome(8));
    assert!(closed_for(&effects, &ProtocolError::ChangedIdentity), "{effects:?}");
    assert_eq!(node.machine.health(node.now).log_end, LogEnd::new(1));
    assert_eq!(node.machine.get_ref().log_id(), Some(LogId::new(7)));
}

#[test]
fn an_interval_that_no_master_has_costs_the_connection() {
    for interval in [Duration::ZERO, HEARTBEAT_INTERVAL_MAX + Duration::from_millis(1)] {
        let mut node = Node::new();
        node.step(FollowerInput::Connected(SessionId::new(1)));
        let Response::Welcome(good) = welcome(7) else { unreachable!("it is one") };
        let damaged = Welcome { heartbeat_interval: interval, ..*good };
        let effects = node.answer(1, 0, Response::from(damaged));
        assert!(closed_for(&effects, &ProtocolError::BadInterval(interval)), "{effects:?}");
        let health = node.machine.health(node.now);
        assert_eq!((health.connected, node.machine.get_ref().log_id()), (false, None));
        assert!(health.last_error.unwrap().contains("not plausible"));
    }
}

#[test]
fn a_secondary_that_stood_still_listens_again_before_it_judges() {
    let (interval, session) = (Duration::from_secs(1), SessionId::new(1));
    let mut node = Node::new();
    node.step(FollowerInput::Connected(session));
    node.answer(1, 0, welcome(7));
    let closes = |node: &mut Node, after: Duration| {
        node.now += after;
        node.machine.handle_timeout(node.now);
        let effects: Vec<_> = std::iter::from_fn(|| node.machine.poll_effect()).collect();
        let silent = Effect::Close { session, reason: CloseReason::Silent };
        effects.contains(&silent)
    };
    assert!(!closes(&mut node, 9 * interval), "what came meanwhile waits to be read");
    assert!(!closes(&mut node, 4 * interval));
    assert!(closes(&mut node, interval), "silence that it was there for");
}

#[test]
fn a_handshake_that_dribbles_is_given_up_after_ten_seconds() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    let mut closed = None;
    for second in 1..=20 {
        node.now += Duration::from_secs(1);
        node.machine.handle_timeout(node.now);
        while let Some(effect) = node.machine.poll_effect() {
            if let Effect::Close { reason, .. } = effect {
                closed = closed.or(Some((second, reason)));
            }
        }
        node.step(Input::Heard(SessionId::new(1)));
    }
    assert_eq!(closed, Some((10, CloseReason::HandshakeTimeout)));
    let reason = node.machine.health(node.now).last_error;
    assert_eq!(reason.as_deref(), Some("no handshake within 10s"));
}

#[test]
fn why_it_is_not_connected_is_told_until_it_is() {
    let mut node = Node::new();
    let reason = || "the name is unknown".to_owned();
    node.step(FollowerInput::DialFailed { reason: reason() });
    assert_eq!(node.machine.health(node.now).last_error, Some(reason()));
    node.step(FollowerInput::Connected(SessionId::new(1)));
    assert_eq!(node.machine.health(node.now).last_error, Some(reason()), "it is not let in yet");
    node.answer(1, 0, welcome(7));
    assert_eq!(node.machine.health(node.now).last_error, None);
    let (session, reason) = (SessionId::new(1), SessionEnd::Lost("cut".to_owned()));
    node.step(Input::SessionDown { session, reason });
    assert_eq!(node.machine.health(node.now).last_error.as_deref(), Some("cut"));
    node.step(FollowerInput::Connected(SessionId::new(2)));
    let full = Response::Failed { code: ErrorCode::Internal, detail: "no room".to_owned() };
    let effects = node.answer(2, 0, full);
    let closed = Effect::Close { session: SessionId::new(2), reason: CloseReason::Refused };
    assert!(effects.contains(&closed), "{effects:?}");
    assert!(node.machine.health(node.now).last_error.unwrap().ends_with("no room"));
}

#[test]
fn a_request_that_is_under_way_is_not_made_again() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    assert_eq!(pages_asked_for(&node.answer(1, 0, welcome(7))), 1);
    let request = Some(RequestId::new(1));
    let mut asked = |view: LineView| {
        let mut asked = 0;
        for _ in 0..20 {
            node.now += Duration::from_millis(100);
            node.machine.look(node.now, |_| view);
            node.machine.handle_timeout(node.now);
            while let Some(effect) = node.machine.poll_effect() {
                asked += pages_asked_for(&[effect]);
            }
        }
        asked
    };
    assert_eq!(asked(LineView { request, ..LineView::default() }), 0);
    assert!(asked(LineView::default()) > 0, "taken, and not answered");
}

#[test]
fn frames_of_a_connection_that_is_gone_are_not_taken() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    let gone = Input::SessionDown { session: SessionId::new(1), reason: SessionEnd::Closed };
    node.step(gone);
    node.step(FollowerInput::Connected(SessionId::new(2)));
    node.answer(2, 0, welcome(7));
    let run = records(0, 1, "Msg0");
    let page = || Response::Page {
        run: run.clone(),
        log_end: LogEnd::new(1),
        positions: Positions::default(),
    };
    assert_eq!(node.answer(1, 1, page()), [], "a late page of the connection before");
    let heartbeat = Frame::Request(
        RequestId::new(0),
        Request::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() },
    );
    let session = SessionId::new(1);
    assert_eq!(node.step(Input::Frame { session, frame: heartbeat }), []);
    assert_eq!(node.machine.health(node.now).log_end, LogEnd::ZERO);
    node.answer(2, 1, page());
    assert_eq!(node.machine.health(node.now).log_end, LogEnd::new(1));
}

#[test]
fn an_empty_page_with_more_to_come_costs_the_connection() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    let nothing = Response::Page {
        run: Records::empty(LogEnd::ZERO),
        log_end: LogEnd::new(5),
        positions: Positions::default(),
    };
    let effects = node.answer(1, 1, nothing);
    let error = ProtocolError::BadRun(IdRange::empty(LogEnd::ZERO));
    assert!(closed_for(&effects, &error), "{effects:?}");
}

fn restored() -> RestoredSecondary {
    RestoredSecondary { log: Some(LogId::new(7)), end: LogEnd::new(5), on_disk: true }
}

#[test]
fn a_restarted_secondary_introduces_itself_with_what_it_has() {
    let log = TestLog::default();
    log.append_run(LogId::new(7), &records(0, 5, "Msg"));
    log.flush();
    let mut node = Node::with_log(log, restored(), Faults::default());
    let effects = node.step(FollowerInput::Connected(SessionId::new(1)));
    let told = effects.iter().find_map(|effect| match effect {
        Effect::Send { frame: Frame::Request(_, Request::Handshake(told)), .. } => {
            Some((told.log, told.end, told.checksum.is_some()))
        }
        _ => None,
    });
    assert_eq!(told, Some((Some(LogId::new(7)), LogEnd::new(5), true)), "{effects:?}");
}

/// Damage of one message.
fn damage(id: u64) -> Damage {
    let wanted = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
    let (detail, until) = ("offset 17".to_owned(), wanted.end());
    Damage { detail, until, wanted: Some(wanted), misfits: 0, version: 1 }
}

/// Returns the number of page requests among the effects.
fn pages_asked_for(effects: &[Effect<FollowerEffect>]) -> usize {
    let asks = |effect: &&Effect<FollowerEffect>| {
        let Effect::Send { frame, .. } = effect else { return false };
        matches!(frame, Frame::Request(_, Request::GetMessages { .. }))
    };
    effects.iter().filter(asks).count()
}

/// Returns how often a page is requested again within some seconds, while more bytes of a frame
/// come now and then, or none.
fn asked_again(hears: bool) -> usize {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    assert_eq!(pages_asked_for(&node.answer(1, 0, welcome(7))), 1);
    let mut asked = 0;
    // The time limit of the request is a second. Bytes come between the moments at which something
    // is due.
    for tick in 0..400 {
        node.now += Duration::from_millis(10);
        node.machine.handle_timeout(node.now);
        let heard = Input::Heard(SessionId::new(1));
        if hears && tick % 30 == 15 {
            asked += pages_asked_for(&node.step(heard));
        }
        while let Some(effect) = node.machine.poll_effect() {
            asked += pages_asked_for(&[effect]);
        }
    }
    asked
}

#[test]
fn a_page_that_comes_in_slowly_is_not_asked_for_again() {
    assert!(asked_again(false) > 1, "what was lost is asked for again");
    assert_eq!(asked_again(true), 0, "what comes in is waited for");
}

/// A page of one message.
fn page(id: u64, log_end: u64) -> Response<Records> {
    long_page(id, 3, log_end)
}

fn long_page(id: u64, length: usize, log_end: u64) -> Response<Records> {
    let mut bytes = Vec::new();
    encode_record(&mut bytes, MessageId::new(id), 0, None, &"x".repeat(length), InBatch::Last);
    let range = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
    let run = Records::check(range, bytes.into()).unwrap();
    Response::Page { run, log_end: LogEnd::new(log_end), positions: Positions::default() }
}

#[test]
fn late_pages_that_were_asked_for_together_do_not_each_ask_for_more() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    // Quick at first, so that several are under way: requests 2 and 3.
    assert_eq!(pages_asked_for(&node.answer(1, 1, page(0, 9))), 2);
    node.now += Duration::from_secs(1);
    node.machine.handle_timeout(node.now);
    let late = node.answer(1, 2, page(1, 9));
    assert_eq!(pages_asked_for(&late), 0, "the one behind it is likely on its way");
    let newest = node.answer(1, 3, page(2, 9));
    assert_eq!(pages_asked_for(&newest), 1);
}

#[test]
fn a_page_that_closes_a_gap_has_room_while_it_waits_for_its_store_delay() {
    let second = Duration::from_secs(1);
    let store_delay = Some("1s".parse().unwrap());
    let mut node = Node::with_faults(Faults { store_delay, ..Faults::default() });
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    // The first page is lost on its way; those behind it leave no room for a third.
    let length = HELD_BYTES_MAX * 2 / 5;
    for id in [1, 2, 0] {
        node.answer(1, 1, long_page(id, length, 3));
    }
    node.now += second;
    node.machine.handle_timeout(node.now);
    node.step(Input::Heard(SessionId::new(1)));
    assert_eq!(node.machine.health(node.now).log_end, LogEnd::new(3));
}

mod disk;
mod repair;
