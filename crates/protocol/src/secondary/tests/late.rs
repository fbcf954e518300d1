//! Answers that come late: their events name what was requested, and the messages that came.

use super::*;
use crate::events::{Detail, Event, EventKind};
use crate::frame::FrameKind;

#[test]
fn a_late_page_is_told_of_with_its_messages_and_as_what_was_requested() {
    let mut node = Node::new();
    node.step(FollowerInput::Connected(SessionId::new(1)));
    node.answer(1, 0, welcome(7));
    node.machine.events().set_detail(Detail::Frames);
    node.now += options().request_timeout;
    node.machine.handle_timeout(node.now);
    let page = Response::Page {
        run: records(0, 1, "Msg0"),
        log_end: LogEnd::new(1),
        positions: Positions::default(),
    };
    node.answer(1, 1, page);
    let told =
        std::iter::from_fn(|| node.machine.events().poll()).filter_map(|event| match event {
            Event::Frame(event) if event.frame == FrameKind::GetMessages => {
                Some((Event::from(event.clone()).kind(), event.request.get(), event.ids))
            }
            _ => None,
        });
    let ids = Some(IdRange::new(LogEnd::ZERO, LogEnd::new(1)));
    let told: Vec<_> = told.filter(|&(_, request, _)| request == 1).collect();
    assert_eq!(told, [(EventKind::TimedOut, 1, None), (EventKind::Late, 1, ids)]);
}
