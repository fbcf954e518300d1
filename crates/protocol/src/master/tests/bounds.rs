//! Bounds of what a peer may make the master hold for it.

use super::*;
use crate::ProtocolError;

#[test]
fn the_connections_without_a_handshake_are_a_thousand_and_the_oldest_goes_first() {
    let mut node = Node::restarted(true);
    for session in 1..=1024 {
        node.meet(session);
    }
    let (session, address) = (SessionId::new(2000), String::new());
    let effects = node.step(LeaderInput::SessionUp { session, address });
    assert_eq!(closed(&effects), [(1, &CloseReason::TooManyHandshakes)]);
    assert_eq!(responses(&node.greet(2, "clyde", 5)).len(), 1, "the others may still come in");
}

#[test]
fn a_hundred_repeats_of_ready_are_answered_once_the_name_is_written_down() {
    let empty = RestoredMaster { on_disk: true, ..RestoredMaster::default() };
    let mut node = Node::new(options(), empty, true);
    node.greet(1, "bonnie", 0);
    let mut asked = Vec::new();
    for id in 1..=1000 {
        asked.extend(node.ready(1, id, 0));
    }
    assert_eq!(responses(&asked), Vec::<&Response<IdRange>>::new(), "the name is not written down");
    let (version, names) = remembers(&asked).expect("the name is to be written down");
    assert_eq!(names, ["bonnie"]);
    let answered = node.step(LeaderInput::Remembered(version));
    assert_eq!(responses(&answered), vec![&Response::ReadyNoted; 100]);
}

#[test]
fn a_position_told_as_the_answer_to_a_run_counts_only_behind_ready() {
    let mut node = Node::restarted(true);
    node.greet(1, "bonnie", 5);
    node.now += Duration::from_secs(1);
    node.machine.handle_timeout(node.now);
    let asked = node.effects().into_iter().find_map(|effect| match effect {
        Effect::Send { frame: Frame::Request(id, Request::Heartbeat { .. }), .. } => Some(id),
        _ => None,
    });
    // A number of another kind of request whose answer is awaited.
    let id = asked.expect("a heartbeat");
    let frame = Frame::Response(id, Response::Added { contiguous_end: LogEnd::new(5) });
    let effects = node.step(Input::Frame { session: SessionId::new(1), frame });
    let error = ProtocolError::UnexpectedResponse(id);
    assert_eq!(closed(&effects), [(1, &CloseReason::Protocol(error))]);
}
