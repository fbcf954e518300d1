//! The limit of the buffer, and the phase that is shown after a refusal.

use super::*;
use crate::frame::{ErrorCode, RefusalCode};

fn run(id: u64, length: usize) -> Records {
    match long_page(id, length, 0) {
        Response::Page { run, .. } => run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_waits_above_a_gap_is_bounded_and_the_run_beyond_is_answered_with_no_room() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    // It has all that the page reports, so it is ready.
    node.answer(1, 1, page(0, 1));
    node.answer(1, 2, Response::ReadyNoted);
    let length = 1024 * 1024;
    let (mut added, mut refused) = (0, 0);
    for n in 0..40 {
        // Message 1 is lost on its way.
        let frame = Frame::Request(
            RequestId::new(n),
            Request::AddMessage { run: run(2 + n, length), positions: Positions::default() },
        );
        for effect in node.step(Input::Frame { session: SessionId::new(1), frame }) {
            match effect {
                Effect::Send { frame: Frame::Response(_, answer), .. } => match answer {
                    Response::Added { contiguous_end } => {
                        assert_eq!(contiguous_end, LogEnd::new(1));
                        added += 1;
                    }
                    Response::Failed { code: ErrorCode::NoRoom, .. } => refused += 1,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((added, refused), (15, 25), "16 MiB hold 15 such runs");
    assert_eq!(node.machine.health(node.now).buffered, 15);
    let (session, reason) = (SessionId::new(1), SessionEnd::Closed);
    node.step(Input::SessionDown { session, reason });
    let health = node.machine.health(node.now);
    assert_eq!((health.buffered, health.phase), (0, SecondaryPhase::Connecting));
}

#[test]
fn a_refusal_is_shown_until_the_master_cannot_be_reached() {
    for (code, phase) in [
        (RefusalCode::ClusterFull, SecondaryPhase::Refused),
        (RefusalCode::OtherLog, SecondaryPhase::Diverged),
    ] {
        let mut node = Node::new();
        node.step(FollowerInput::Connected(SessionId::new(1)));
        node.answer(1, 0, Response::Refused { code, detail: "no".to_owned() });
        assert_eq!(node.machine.health(node.now).phase, phase);
        node.step(FollowerInput::DialFailed { reason: "unreachable".to_owned() });
        assert_eq!(node.machine.health(node.now).phase, SecondaryPhase::Connecting, "{code:?}");
    }
}
