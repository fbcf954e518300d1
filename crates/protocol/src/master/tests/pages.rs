//! Pages and cold runs: one at a time for each secondary, read by the driver.

use super::*;
use crate::ProtocolError;
use crate::master::leader::reads::REQUESTS_MAX;
use crate::progress::ReadOrder;

/// Returns a master with five messages that are not in memory, and a secondary that was just
/// admitted on session 9.
fn cold() -> Node {
    let mut node = Node::restarted(false);
    node.reads_later = true;
    node.greet(9, "bonnie", 0);
    node
}

impl Node {
    fn ask_page(&mut self, id: u64, from: u64, again: bool) -> Vec<Effect<LeaderEffect>> {
        self.ask(9, id, Request::GetMessages { from: LogEnd::new(from), again })
    }

    fn read(&mut self, found: Result<(u64, u64), Unreadable>) -> Vec<Effect<LeaderEffect>> {
        let found = found.map(|(from, end)| {
            let range = IdRange::new(LogEnd::new(from), LogEnd::new(end));
            (range, range.len() as usize)
        });
        self.step(Input::Read { session: SessionId::new(9), found })
    }
}

/// Returns where the requested reads begin and end at the latest.
fn reads(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, u64)> {
    let read = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Read { order: ReadOrder { from, until, .. }, .. } => {
            Some((from.get(), until.get()))
        }
        _ => None,
    };
    effects.iter().filter_map(read).collect()
}

/// Returns the pages that are sent: the request of each, and its messages.
fn pages(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, u64, u64)> {
    let page = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send { frame: Frame::Response(id, Response::Page { run, .. }), .. } => {
            Some((id.get(), run.start().get(), run.end().get()))
        }
        _ => None,
    };
    effects.iter().filter_map(page).collect()
}

/// Returns the master's ends that the pages report.
fn log_ends(effects: &[Effect<LeaderEffect>]) -> Vec<u64> {
    let told = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send { frame: Frame::Response(_, Response::Page { log_end, .. }), .. } => {
            Some(log_end.get())
        }
        _ => None,
    };
    effects.iter().filter_map(told).collect()
}

fn runs(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, u64)> {
    let run = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send { frame: Frame::Request(_, Request::AddMessage { run, .. }), .. } => {
            Some((run.start().get(), run.end().get()))
        }
        _ => None,
    };
    effects.iter().filter_map(run).collect()
}

#[test]
fn requests_that_look_ahead_wait_for_their_turn_and_each_gets_its_page() {
    let mut node = cold();
    assert_eq!(reads(&node.ask_page(1, 0, false)), [(0, 5)]);
    for id in 2..=8 {
        assert_eq!(node.ask_page(id, 0, false), [], "one page is being made");
    }
    let effects = node.read(Ok((0, 2)));
    assert_eq!((pages(&effects), reads(&effects)), (vec![(1, 0, 2)], vec![(2, 5)]));
    let effects = node.read(Ok((2, 5)));
    // Nothing need be read for the others: they have nothing more to bring.
    let empty: Vec<_> = (3..=8).map(|id| (id, 5, 5)).collect();
    assert_eq!(pages(&effects), [vec![(2, 2, 5)], empty].concat());
    assert_eq!(reads(&effects), []);
}

#[test]
fn a_page_tells_where_the_log_ended_when_it_was_asked_for_whatever_comes_meanwhile() {
    let mut node = cold();
    node.ask_page(1, 0, false);
    node.ask_page(2, 0, false);
    for (request, begins, ends) in [(1, 0, 5), (2, 5, 6), (3, 6, 7)] {
        // A message becomes durable while the page is made, each time.
        node.append(ends, 1).unwrap();
        node.step(Input::Durable(LogEnd::new(ends + 1)));
        let effects = node.read(Ok((begins, ends)));
        assert_eq!(
            log_ends(&effects),
            [ends],
            "who has request {request}'s page has all there was"
        );
        node.ask_page(request + 2, 0, false);
    }
}

#[test]
fn a_request_that_is_written_twice_waits_once() {
    let mut node = cold();
    node.ask_page(1, 0, false);
    for id in [1, 2, 2] {
        assert_eq!(node.ask_page(id, 0, false), []);
    }
    node.read(Ok((0, 1)));
    let effects = node.read(Ok((1, 2)));
    assert_eq!((pages(&effects), reads(&effects)), (vec![(2, 1, 2)], vec![]));
}

#[test]
fn a_page_that_is_being_made_answers_who_asks_for_it_again() {
    let mut node = cold();
    node.ask_page(1, 0, false);
    assert_eq!(node.ask_page(2, 0, true), []);
    let effects = node.read(Ok((0, 1)));
    assert_eq!((pages(&effects), reads(&effects)), (vec![(1, 0, 1)], vec![]));
    // It is not under way any more: it was lost.
    assert_eq!(reads(&node.ask_page(3, 0, true)), [(0, 5)]);
}

#[test]
fn more_requests_than_a_correct_secondary_has_under_way_end_its_connection() {
    let mut node = cold();
    node.ask_page(0, 0, false);
    for id in 1..=REQUESTS_MAX as u64 {
        assert_eq!(node.ask_page(id, 0, false), []);
    }
    let effects = node.ask_page(100, 0, false);
    let reason = CloseReason::Protocol(ProtocolError::TooManyPages(REQUESTS_MAX));
    assert_eq!(closed(&effects), [(9, &reason)]);
    assert_eq!(node.read(Ok((0, 1))), [], "what is still read is for nobody");
}

#[test]
fn a_cold_run_is_read_first_and_one_at_a_time() {
    let mut node = cold();
    let effects = node.ready(9, 1, 0);
    assert_eq!((runs(&effects), reads(&effects)), (vec![], vec![(0, 5)]));
    assert_eq!(node.step(Input::Durable(LogEnd::new(5))), []);
    let effects = node.read(Ok((0, 3)));
    assert_eq!((runs(&effects), reads(&effects)), (vec![(0, 3)], vec![(3, 5)]));
    let effects = node.read(Ok((3, 5)));
    assert_eq!((runs(&effects), reads(&effects)), (vec![(3, 5)], vec![]));
}

#[test]
fn a_cold_run_that_cannot_be_read_is_tried_again_after_a_pause() {
    let mut node = cold();
    node.ready(9, 1, 0);
    assert_eq!(
        node.read(Err(Unreadable("offset 17".to_owned()))),
        [],
        "not at once: that would be a hot loop"
    );
    let before = node.now;
    let again = loop {
        node.now = node.machine.next_deadline().unwrap();
        node.machine.handle_timeout(node.now);
        let effects = node.effects();
        if !reads(&effects).is_empty() {
            break effects;
        }
    };
    assert!(node.now > before);
    assert_eq!(reads(&again), [(0, 5)]);
    assert_eq!(runs(&node.read(Ok((0, 5)))), [(0, 5)]);
}
