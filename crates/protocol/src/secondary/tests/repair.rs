//! A secondary whose log is damaged, and one whose master's log is.

use super::*;
use crate::events::{Detail, Event, FrameEvent, FrameStage};
use crate::frame::{ErrorCode, FrameKind};

const SESSION: SessionId = SessionId::new(1);

fn page(from: u64, until: u64) -> Response<Records> {
    Response::Page {
        run: records(from, until, "text"),
        log_end: LogEnd::new(until),
        positions: Positions::default(),
    }
}

/// A secondary with five messages that is catching up, or ready.
fn joined(is_ready: bool) -> Node {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SESSION));
    node.answer(1, 0, welcome(7));
    node.answer(1, 1, page(0, 5));
    if is_ready {
        node.answer(1, 2, Response::ReadyNoted);
        assert_eq!(node.machine.health(node.now).phase, SecondaryPhase::Ready);
    }
    node
}

/// Returns the page request among the effects: its number, where it begins, and `again`.
fn asked(effects: &[Effect<FollowerEffect>]) -> Option<(u64, u64, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send {
            frame: Frame::Request(id, Request::GetMessages { from, again }), ..
        } => Some((id.get(), from.get(), *again)),
        _ => None,
    })
}

/// Lets time pass, in which the master's heartbeats come.
fn pass(node: &mut Node, time: Duration) -> Vec<Effect<FollowerEffect>> {
    let (end, mut effects) = (node.now + time, Vec::new());
    while node.now < end {
        node.now += Duration::from_millis(50);
        node.machine.handle_timeout(node.now);
        let heartbeat =
            Request::Heartbeat { log_end: LogEnd::new(5), positions: Positions::default() };
        let frame = Frame::Request(RequestId::new(0), heartbeat);
        effects.extend(node.step(Input::Frame { session: SESSION, frame }));
    }
    effects
}

#[test]
fn what_is_damaged_is_fetched_from_the_master() {
    let mut node = joined(true);
    let effects = node.step(Input::Damage(Some(damage(2))));
    assert_eq!(asked(&effects), Some((3, 2, true)));
    let health = node.machine.health(node.now);
    assert!(health.phase == SecondaryPhase::Ready && health.connected && !health.is_ready());
    let effects = node.answer(1, 3, page(2, 5));
    let mended = effects.iter().find_map(|effect| match effect {
        Effect::Mend { peer, run } => Some((peer.as_str(), run.range())),
        _ => None,
    });
    assert_eq!(mended, Some(("master", damage(2).wanted.unwrap())));
    assert_eq!(asked(&pass(&mut node, Duration::from_secs(90))), None, "it is there");
    node.step(Input::Damage(None));
    assert!(node.machine.health(node.now).is_ready());
}

#[test]
fn a_master_that_cannot_help_is_asked_again_later_and_later() {
    let mut node = joined(true);
    let mut asks = asked(&node.step(Input::Damage(Some(damage(2)))));
    for _ in 0..12 {
        let (id, ..) = asks.expect("asked again");
        let detail = "no".to_owned();
        let effects = node.answer(1, id, Response::Failed { code: ErrorCode::Internal, detail });
        assert_eq!(asked(&effects), None, "not at once");
        asks = asked(&pass(&mut node, Duration::from_secs(62)));
    }
    let (id, ..) = asks.expect("asked again");
    node.answer(1, id, page(3, 4));
    assert_eq!(asked(&pass(&mut node, Duration::from_secs(25))), None);
    assert!(asked(&pass(&mut node, Duration::from_secs(40))).is_some());
    // A request that is lost on the way is made again, too.
    assert!(asked(&pass(&mut node, Duration::from_secs(62))).is_some());
}

#[test]
fn a_node_that_is_not_ready_asks_when_it_is() {
    let mut node = joined(false);
    assert_eq!(asked(&node.step(Input::Damage(Some(damage(2))))), None);
    assert_eq!(asked(&node.answer(1, 2, Response::ReadyNoted)), Some((3, 2, true)));
}

#[test]
fn a_master_that_asks_is_given_a_page_by_a_node_that_told_that_it_is_ready() {
    let ask = |node: &mut Node, from: u64| {
        let request = Request::GetMessages { from: LogEnd::new(from), again: true };
        let frame = Frame::Request(RequestId::new(9), request);
        node.step(Input::Frame { session: SESSION, frame })
    };
    // The answer to `SecondaryNodeReady` may be on its way, or lost.
    for is_answered in [false, true] {
        let mut node = joined(is_answered);
        for from in [0, 4] {
            let run = IdRange::new(LogEnd::new(from), LogEnd::new(5));
            let page =
                Response::Page { run, log_end: LogEnd::new(5), positions: Positions::default() };
            let frame = Frame::Response(RequestId::new(9), page);
            assert_eq!(ask(&mut node, from), [Effect::Send { session: SESSION, frame }]);
        }
    }
    let mut node = joined(true);
    for from in [5, 6, u64::MAX] {
        let effects = ask(&mut node, from);
        let [Effect::Send { frame, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert!(matches!(frame, Frame::Response(_, Response::Failed { .. })), "{frame:?}");
    }
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SESSION));
    node.answer(1, 0, welcome(7));
    let error = ProtocolError::UnexpectedRequest(FrameKind::GetMessages);
    assert!(closed_for(&ask(&mut node, 0), &error));
}

#[test]
fn the_first_request_for_what_is_damaged_is_no_repetition() {
    let mut node = joined(true);
    node.machine.events().set_detail(Detail::Frames);
    let attempts = |node: &mut Node| {
        let polled = std::iter::from_fn(|| node.machine.events().poll());
        let attempts = polled.filter_map(|event| match event {
            Event::Frame(FrameEvent { stage: FrameStage::Sent { attempt, .. }, .. }) => {
                Some(attempt)
            }
            _ => None,
        });
        attempts.collect::<Vec<_>>()
    };
    let asks = asked(&node.step(Input::Damage(Some(damage(2)))));
    assert_eq!(attempts(&mut node), [1], "though it says `again` on the wire");
    let (code, detail) = (ErrorCode::Internal, "no".to_owned());
    node.answer(1, asks.unwrap().0, Response::Failed { code, detail });
    pass(&mut node, Duration::from_secs(62));
    let repeated = attempts(&mut node);
    assert!(repeated.iter().copied().eq((2..).take(repeated.len())), "{repeated:?}");
    assert_ne!(repeated, []);
    // What the master asks for is counted in the same way.
    let gives = |node: &mut Node, request| {
        attempts(node);
        let wanted = Request::GetMessages { from: LogEnd::new(1), again: true };
        let frame = Frame::Request(RequestId::new(request), wanted);
        node.step(Input::Frame { session: SESSION, frame });
        attempts(node)
    };
    assert_eq!((gives(&mut node, 8), gives(&mut node, 9)), (vec![1], vec![2]));
}
