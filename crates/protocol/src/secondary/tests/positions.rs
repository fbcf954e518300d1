//! The positions that the master told, as a secondary shows them.

use super::*;
use crate::SecondaryPhase;
use crate::frame::RefusalCode;

fn told(committed_end: u64, all_end: u64) -> Positions {
    let (committed_end, all_end) = (Some(LogEnd::new(committed_end)), LogEnd::new(all_end));
    let cluster_size = Some(3);
    Positions { log_start: LogEnd::ZERO, committed_end, all_end, cluster_size }
}

fn shown(node: &Node) -> (u64, u64) {
    let machine = node.machine.get_ref();
    assert_eq!(machine.health(node.now).committed_end, machine.committed_end());
    (machine.committed_end().unwrap_or_default().get(), machine.all_end().get())
}

/// Lets the master accept the node on a new connection.
fn connect(node: &mut Node, session: u64) {
    node.step(FollowerInput::Connected(SessionId::new(session)));
    node.answer(session, 0, welcome(7));
}

fn heartbeat(node: &mut Node, session: u64, positions: Positions) {
    let (id, log_end) = (RequestId::new(0), LogEnd::new(9));
    let frame = Frame::Request(id, Request::Heartbeat { log_end, positions });
    node.step(Input::Frame { session: SessionId::new(session), frame });
}

#[test]
fn what_was_told_is_shown_as_far_as_the_node_has_it_and_never_becomes_less() {
    let mut node = Node::new();
    assert_eq!(shown(&node), (0, 0));
    connect(&mut node, 1);
    heartbeat(&mut node, 1, Positions::default());
    assert_eq!(node.machine.get_ref().committed_end(), None, "its master does not know it");
    heartbeat(&mut node, 1, told(0, 0));
    assert_eq!(node.machine.get_ref().committed_end(), Some(LogEnd::ZERO), "nothing is committed");
    heartbeat(&mut node, 1, told(9, 3));
    assert_eq!(shown(&node), (0, 0), "it has none of them");
    let (run, log_end) = (records(0, 5, "Msg"), LogEnd::new(9));
    node.answer(1, 1, Response::Page { run, log_end, positions: told(7, 4) });
    assert_eq!(shown(&node), (5, 4), "the larger of what was told, and no more than it has");
    heartbeat(&mut node, 1, told(2, 1));
    assert_eq!(shown(&node), (5, 4));
    let down = Input::SessionDown { session: SessionId::new(1), reason: SessionEnd::Closed };
    node.step(down);
    assert_eq!(shown(&node), (5, 4), "also without a connection");
    connect(&mut node, 2);
    assert_eq!(shown(&node), (5, 4));
    assert_eq!(node.machine.get_ref().master_http_port(), Some(8000));
    assert_eq!(node.machine.get_ref().master_log_end(), Some(LogEnd::new(1)), "of the welcome");
}

#[test]
fn what_was_told_of_another_log_is_forgotten_with_it() {
    let mut node = Node::new();
    connect(&mut node, 1);
    heartbeat(&mut node, 1, told(9, 9));
    let down = Input::SessionDown { session: SessionId::new(1), reason: SessionEnd::Closed };
    node.step(down);
    node.step(FollowerInput::Connected(SessionId::new(2)));
    node.answer(2, 0, welcome(8));
    let (run, log_end) = (records(0, 5, "Msg"), LogEnd::new(9));
    node.answer(2, 1, Response::Page { run, log_end, positions: Positions::default() });
    assert_eq!(shown(&node), (0, 0));
}

#[test]
fn what_a_refused_frame_tells_is_not_believed() {
    let run = || records(0, 1, "Msg");
    let (id, positions) = (RequestId::new(0), told(9, 9));
    let early = Frame::Request(id, Request::AddMessage { run: run(), positions });
    let (beyond, log_end) = (records(4, 5, "Msg"), LogEnd::new(1));
    let page = Response::Page { run: beyond, log_end, positions };
    for frame in [early, Frame::Response(RequestId::new(1), page)] {
        let mut node = Node::new();
        connect(&mut node, 1);
        node.step(Input::Frame { session: SessionId::new(1), frame });
        assert!(!node.machine.health(node.now).connected, "the connection ends");
        assert_eq!(node.machine.get_ref().cluster_size(), None);
    }
}

#[test]
fn a_refusal_for_the_version_names_the_remedy() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    let (code, detail) = (RefusalCode::Version, "this master speaks version 3".to_owned());
    node.answer(1, 0, Response::Refused { code, detail });
    let error = node.machine.health(node.now).last_error.unwrap();
    assert!(error.contains("speaks version 3") && error.contains("upgrade the master"), "{error}");
}

#[test]
fn a_master_in_a_later_epoch_is_not_followed_and_the_node_says_to_upgrade_it() {
    let mut node = Node::new();
    for session in 1..3 {
        node.step(FollowerInput::Connected(SessionId::new(session)));
        let Response::Welcome(first) = welcome(7) else { unreachable!("it is one") };
        let later = Welcome { epoch: Epoch::new(2), ..*first };
        let effects = node.answer(session, 0, Response::from(later));
        let closed =
            Effect::Close { session: SessionId::new(session), reason: CloseReason::Refused };
        assert!(effects.contains(&closed), "{effects:?}");
        let health = node.machine.health(node.now);
        let error = health.last_error.unwrap();
        assert!(error.contains("in epoch 2") && error.contains("upgrade this node"), "{error}");
        assert_eq!(health.phase, SecondaryPhase::Refused);
        assert_eq!(node.machine.get_ref().log_id(), None, "it takes nothing on");
    }
    // A master that was put back to a release of this epoch is followed.
    connect(&mut node, 3);
    assert_eq!(node.machine.health(node.now).last_error, None);
}
