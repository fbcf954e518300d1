//! The positions that a master tells: which end so many nodes hold.

use acklog_types::Storage;

use super::*;
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
    let storage = Some(Storage::Disk);
    let facts = NodeFacts { http_port: Some(8001), storage, ..NodeFacts::default() };
    let told = Handshake { node: facts, ..handshake("bonnie", 1, 5) };
    let effects = node.ask(1, 0, Request::from(told));
    let [Response::Welcome(welcome)] = responses(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(welcome.node.http_port, options().http_port);
    assert_eq!(welcome.node.storage, Some(Storage::Disk));
    let known = |node: &Node| {
        let facts = node.machine.peer_facts();
        facts.map(|it| (it.name.to_string(), it.storage, it.http_port)).collect::<Vec<_>>()
    };
    let clyde = || ("clyde".to_owned(), None, None);
    assert_eq!(known(&node), [("bonnie".to_owned(), storage, Some(8001)), clyde()]);
    node.lose(1);
    assert_eq!(known(&node), [("bonnie".to_owned(), storage, None), clyde()]);
}
