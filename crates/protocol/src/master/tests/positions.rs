//! The positions that a master tells: which end so many nodes hold.

use acklog_types::Storage;

use super::*;
use crate::CopyStatus;
use crate::frame::NodeFacts;

/// Returns the positions that frames tell, as committed end and the end that all hold.
fn told(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, u64)> {
    let positions = effects.iter().filter_map(|effect| match effect {
        Effect::Send { frame, .. } => match frame {
            Frame::Request(_, Request::AddMessage { positions, .. })
            | Frame::Request(_, Request::Heartbeat { positions, .. })
            | Frame::Response(_, Response::Page { positions, .. }) => Some(*positions),
            Frame::Response(_, Response::Welcome(welcome)) => Some(welcome.positions),
            _ => None,
        },
        _ => None,
    });
    let committed = |told: Positions| told.committed_end.unwrap_or_default().get();
    positions.map(|told| (committed(told), told.all_end.get())).collect()
}

fn held(node: &Node) -> (u64, u64) {
    (node.machine.committed_end().unwrap_or_default().get(), node.machine.all_end().get())
}

fn page(node: &mut Node, session: u64, request: u64, from: u64) -> Vec<Effect<LeaderEffect>> {
    let from = LogEnd::new(from);
    node.ask(session, request, Request::GetMessages { from, again: false })
}

#[test]
fn what_a_majority_and_all_nodes_hold_follows_the_acks_and_is_told_in_the_next_frame() {
    let mut node = Node::restarted(true);
    assert_eq!((held(&node), node.machine.cluster_size()), ((0, 0), 3), "nothing is known yet");
    assert_eq!(told(&node.greet(1, "bonnie", 5)), [(0, 0)], "a handshake is no ack");
    assert_eq!(told(&page(&mut node, 1, 1, 5)), [(5, 0)]);
    assert_eq!(held(&node), (5, 0), "clyde is not known to have anything");
    assert_eq!(told(&node.greet(2, "clyde", 3)), [(5, 0)]);
    page(&mut node, 2, 1, 3);
    assert_eq!(held(&node), (5, 3));
    let held_by = [0, 1, 2, 3, 4, u64::MAX].map(|nodes| node.machine.held_end(nodes).get());
    assert_eq!(held_by, [5, 5, 5, 3, 0, 0]);
    let health = node.machine.health(node.now);
    assert_eq!((health.committed_end, health.log_end), (Some(LogEnd::new(5)), LogEnd::new(5)));

    node.ready(1, 2, 5);
    node.append(1, 1).unwrap();
    let run = node.step(Input::Durable(LogEnd::new(6)));
    assert_eq!(told(&run), [(5, 3)], "what only the master has is not committed");
    node.ready(2, 2, 5);
    node.now += Duration::from_secs(1);
    node.machine.handle_timeout(node.now);
    let told = told(&node.effects());
    assert!(told.len() > 1 && told.iter().all(|&told| told == (5, 5)), "{told:?}");
}

#[test]
fn what_a_majority_holds_is_not_known_before_one_has_reported_a_position() {
    let mut node = Node::restarted(true);
    let committed = |node: &Node| {
        assert_eq!(node.machine.health(node.now).committed_end, node.machine.committed_end());
        node.machine.committed_end().map(LogEnd::get)
    };
    assert_eq!(committed(&node), None, "its secondaries are away");
    let welcome = node.greet(1, "bonnie", 0);
    assert_eq!(committed(&node), None, "a handshake is no report");
    let [Response::Welcome(welcome)] = responses(&welcome)[..] else { panic!("{welcome:?}") };
    assert_eq!(welcome.positions.committed_end, None);
    page(&mut node, 1, 1, 0);
    assert_eq!(committed(&node), Some(0), "two of three know that they share nothing");
    node.lose(1);
    assert_eq!(committed(&node), Some(0), "it reported since the start");
}

#[test]
fn a_forgotten_secondary_no_longer_counts() {
    let mut node = Node::restarted(true);
    node.greet(1, "bonnie", 5);
    page(&mut node, 1, 1, 5);
    node.machine.forget(&name("clyde")).unwrap();
    assert_eq!((held(&node), node.machine.cluster_size()), ((5, 5), 2));
}

#[test]
fn a_secondary_that_comes_back_with_less_holds_less() {
    let mut node = Node::restarted(true);
    node.greet(1, "bonnie", 5);
    page(&mut node, 1, 1, 5);
    node.lose(1);
    assert_eq!(held(&node), (5, 0), "acked stays acked while it is away");
    node.greet(2, "bonnie", 0);
    assert_eq!(held(&node), (0, 0));
}

#[test]
fn what_a_secondary_told_of_itself_is_known() {
    let mut node = Node::restarted(true);
    node.meet(1);
    let storage = Some(Storage::Memory);
    let facts = NodeFacts { http_port: Some(8001), storage, ..NodeFacts::default() };
    let told = Handshake { node: facts, ..handshake("bonnie", 1, 5) };
    let effects = node.ask(1, 0, Request::from(told));
    let [Response::Welcome(welcome)] = responses(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(welcome.node.http_port, options().http_port);
    assert_eq!(welcome.node.storage, Some(Storage::Disk));
    let known = |node: &Node| {
        let facts = node.machine.peer_facts();
        facts.map(|it| (it.name.to_string(), it.http_port)).collect::<Vec<_>>()
    };
    let stored = |node: &Node| {
        let copies = node.machine.copies(LogEnd::new(5)).into_iter();
        copies.map(|copy| copy.storage).collect::<Vec<_>>()
    };
    let clyde = || ("clyde".to_owned(), None);
    assert_eq!(known(&node), [("bonnie".to_owned(), Some(8001)), clyde()]);
    assert_eq!(stored(&node), [Some(Storage::Disk), storage, None]);
    node.lose(1);
    assert_eq!(known(&node), [("bonnie".to_owned(), Some(8001)), clyde()], "as told last");
    assert_eq!(stored(&node), [Some(Storage::Disk), storage, None], "as told last");
}

#[test]
fn an_answer_shows_the_copies_as_they_are_when_it_names_the_nodes_that_acked() {
    let mut node = Node::restarted(true);
    node.greet(9, "bonnie", 5);
    node.greet(10, "clyde", 5);
    let wait = Wait { write_concern: Some(WriteConcern::Nodes(1)), ..Wait::default() };
    for (waiter, shows_copies) in [(1, true), (2, false)] {
        let wait = Wait { shows_copies, ..wait };
        let request = AppendRequest { wait, key: None, expected_end: None, messages: 2, bytes: 2 };
        node.machine.append(node.now, WaiterId::new(waiter), request).unwrap();
    }
    let mut answers = node.step(Input::Durable(LogEnd::new(9)));
    // What comes later is for later answers; a wait whose answer is there at once is one.
    node.acks(9, 1, 9);
    let waits = Wait { shows_copies: true, ..wait };
    node.machine.join(node.now, WaiterId::new(3), MessageId::new(5), waits).unwrap();
    node.acks(10, 1, 9);
    answers.extend(node.effects());
    let told = answers.into_iter().filter_map(|effect| match effect {
        Effect::Role(LeaderEffect::Release { waiter, outcome: Outcome::Committed(it), .. }) => {
            let held = |copies: &[CopyStatus]| {
                let held = copies.iter().filter(|copy| copy.held);
                held.map(|copy| copy.node.clone()).collect::<Vec<_>>()
            };
            Some((waiter.get(), it.acked_by.to_vec(), it.copies.as_deref().map(held)))
        }
        _ => None,
    });
    let (one, two) = (vec![name("master")], vec![name("master"), name("bonnie")]);
    let expected =
        [(1, one.clone(), Some(one.clone())), (2, one, None), (3, two.clone(), Some(two))];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}
