//! Answers that come late, or are errors: their events name what was requested.

use super::*;
use crate::events::{Detail, Event, EventKind};
use crate::frame::FrameKind;

/// Lets a message be sent to bonnie. Returns the number of the request.
fn send_one(node: &mut Node) -> RequestId {
    node.greet(9, "bonnie", 5);
    node.ready(9, 1, 5);
    node.machine.events().set_detail(Detail::Frames);
    node.append(1, 1).unwrap();
    let sent = node.step(Input::Durable(LogEnd::new(6)));
    let run = sent.iter().find_map(|effect| match effect {
        Effect::Send { frame: Frame::Request(id, Request::AddMessage { .. }), .. } => Some(*id),
        _ => None,
    });
    run.expect("a run")
}

/// Returns the kinds of events about runs of messages since the last time, and what they name.
fn told(node: &mut Node) -> Vec<(EventKind, FrameKind, Option<IdRange>)> {
    let told = |event: Event| match event {
        Event::Frame(event) if event.frame == FrameKind::AddMessage => {
            let kind = Event::from(event.clone()).kind();
            Some((kind, event.frame, event.ids))
        }
        _ => None,
    };
    std::iter::from_fn(|| node.machine.events().poll()).filter_map(told).collect()
}

#[test]
fn a_late_answer_names_the_request_and_its_messages_as_its_timeout_did() {
    let mut node = Node::restarted(true);
    let run = send_one(&mut node);
    let about = |kind| {
        let ids = IdRange::new(LogEnd::new(5), LogEnd::new(6));
        (kind, FrameKind::AddMessage, Some(ids))
    };
    assert_eq!(told(&mut node), [about(EventKind::Sent)]);
    node.now += options().request_timeout;
    node.machine.handle_timeout(node.now);
    node.effects();
    assert_eq!(told(&mut node), [about(EventKind::TimedOut)]);
    let answer = Response::Added { contiguous_end: LogEnd::new(6) };
    for _ in 0..2 {
        let frame = Frame::Response(run, answer.clone());
        node.step(Input::Frame { session: SessionId::new(9), frame });
        assert_eq!(told(&mut node), [about(EventKind::Late)], "also a second time");
    }
}

#[test]
fn an_answer_that_is_an_error_names_the_messages_of_the_request() {
    let mut node = Node::restarted(true);
    let run = send_one(&mut node);
    let answer = Response::Failed { code: ErrorCode::NoRoom, detail: "no".to_owned() };
    let frame = Frame::Response(run, answer);
    node.step(Input::Frame { session: SessionId::new(9), frame });
    let failed =
        std::iter::from_fn(|| node.machine.events().poll()).find_map(|event| match event {
            Event::Frame(event) if event.frame == FrameKind::Failed => Some(event.ids),
            _ => None,
        });
    assert_eq!(failed, Some(Some(IdRange::new(LogEnd::new(5), LogEnd::new(6)))));
}
