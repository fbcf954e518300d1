//! Which names count, from when on, and which secondaries are not admitted.

use super::*;
use crate::{ForgetError, Status};

/// Returns a master whose secondary dora, with so many messages, got ready for the first time: her
/// name is not persisted yet.
fn registering(end: u64) -> Node {
    let mut node = Node::restarted(true);
    node.greet(9, "dora", end);
    node.ready(9, 1, end);
    node
}

#[test]
fn a_stray_handshake_changes_nothing_that_lasts() {
    let mut node = Node::restarted(true);
    let effects = node.greet(9, "dora", 5);
    assert!(matches!(responses(&effects)[..], [Response::Welcome(_)]), "{effects:?}");
    assert_eq!(remembers(&effects), None);
    node.append(1, 2).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    let page = node.ask(9, 1, Request::GetMessages { from: LogEnd::new(6), again: false });
    assert!(released(&page).is_empty(), "its acks count once its name does: {page:?}");
    assert_eq!(node.cluster_size(), 3);
    assert!(!node.names().contains(&"dora".to_owned()));
    assert!(matches!(node.machine.forget(&name("dora")), Err(ForgetError::Unknown(_))));
    assert_eq!(node.lose(9), []);
    let effects = node.greet(10, "dora", 0);
    assert!(matches!(responses(&effects)[..], [Response::Welcome(_)]), "{effects:?}");
}

#[test]
fn a_name_counts_once_it_was_ready_and_is_written_down_behind_those_before() {
    let mut node = Node::restarted(true);
    node.greet(9, "dora", 0);
    node.append(1, 2).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    let effects = node.ready(9, 1, 6);
    assert_eq!(remembers(&effects), Some((1, vec!["bonnie", "clyde", "dora"])));
    assert_eq!((responses(&effects).len(), closed(&effects).len()), (0, 0));
    assert_eq!(node.ready(9, 2, 6), [], "it is on its way");
    assert_eq!(node.cluster_size(), 3);
    let effects = node.step(LeaderInput::Remembered(1));
    assert_eq!(responses(&effects), [&Response::ReadyNoted; 2], "one for each request");
    assert_eq!(released(&effects), [(1, vec!["master".to_owned(), "dora".to_owned()])]);
    assert_eq!((node.cluster_size(), node.names().len()), (4, 3));
    // Of a name that counts, nothing is persisted again.
    let effects = node.ready(9, 3, 6);
    assert_eq!((responses(&effects).len(), remembers(&effects)), (1, None));
}

#[test]
fn no_run_is_sent_before_the_name_counts() {
    let mut node = registering(5);
    node.append(1, 1).unwrap();
    let is_run = |effect: &Effect<LeaderEffect>| {
        let Effect::Send { frame, .. } = effect else { return false };
        matches!(frame, Frame::Request(_, Request::AddMessage { .. }))
    };
    assert!(!node.step(Input::Durable(LogEnd::new(6))).iter().any(is_run));
    assert!(node.step(LeaderInput::Remembered(1)).iter().any(is_run));
}

#[test]
fn a_name_on_disk_counts_also_when_its_connection_went_away_meanwhile() {
    let mut node = registering(0);
    assert_eq!(node.lose(9), []);
    assert_eq!(node.step(LeaderInput::Remembered(1)), []);
    assert_eq!(node.shown()[2], ("dora".to_owned(), Some(0), Some(5)));
    node.greet(10, "dora", 0);
    let effects = node.ready(10, 1, 0);
    assert_eq!((responses(&effects).len(), remembers(&effects)), (1, None));
}

#[test]
fn a_paused_master_answers_who_got_ready_when_it_goes_on() {
    let mut node = registering(0);
    node.machine.set_faults(node.now, Faults { paused: true, ..Faults::default() }, 1);
    assert_eq!(node.step(LeaderInput::Remembered(1)), []);
    assert_eq!(node.cluster_size(), 4);
    node.machine.set_faults(node.now, Faults::default(), 1);
    assert_eq!(responses(&node.effects()), [&Response::ReadyNoted]);
}

#[test]
fn only_listed_names_are_let_in() {
    let secondaries = Some([name("bonnie"), name("dora")].into());
    let mut node = Node::new(MasterOptions { secondaries, ..options() }, restored(), true);
    assert!(matches!(responses(&node.greet(1, "dora", 0))[..], [Response::Welcome(_)]));
    // Also one that registered before there was a list.
    for (session, who) in [(2, "clyde"), (3, "eve")] {
        let effects = node.greet(session, who, 0);
        let [Response::Refused { code: RefusalCode::NotListed, detail }] = responses(&effects)[..]
        else {
            panic!("{effects:?}")
        };
        assert!(detail.contains("--secondaries"), "{detail}");
    }
}

#[test]
fn a_secondary_of_a_later_epoch_is_told_to_upgrade_the_master() {
    let mut node = Node::new(options(), restored(), true);
    for (session, epoch) in [(1, 2), (2, u64::MAX)] {
        node.meet(session);
        let handshake = Handshake { epoch: Epoch::new(epoch), ..handshake("bonnie", 1, 0) };
        let effects = node.ask(session, 0, Request::from(handshake));
        let [Response::Refused { code: RefusalCode::Epoch, detail }] = responses(&effects)[..]
        else {
            panic!("{effects:?}")
        };
        let is_told = detail.contains(&format!("epoch {epoch} of a log"));
        assert!(is_told && detail.contains("upgrade the master"), "{detail}");
        assert_eq!(closed(&effects), [(session, &CloseReason::Refused)]);
    }
    assert!(matches!(responses(&node.greet(3, "bonnie", 0))[..], [Response::Welcome(_)]));
}

#[test]
fn guests_have_places_while_they_are_connected_and_no_longer() {
    let cluster_size = Some(4);
    let mut node = Node::new(MasterOptions { cluster_size, ..options() }, restored(), true);
    node.greet(1, "dora", 0);
    let effects = node.greet(2, "eve", 0);
    let refused = responses(&effects);
    assert!(matches!(refused[..], [Response::Refused { code: RefusalCode::ClusterFull, .. }]));
    assert!(matches!(responses(&node.greet(3, "bonnie", 0))[..], [Response::Welcome(_)]));
    node.lose(1);
    assert!(matches!(responses(&node.greet(4, "eve", 0))[..], [Response::Welcome(_)]));
}

#[test]
fn one_that_is_only_suspected_keeps_its_name_its_place_and_no_quorum() {
    let options = MasterOptions { quorum: Some(Quorum::Nodes(2)), ..options() };
    let mut node = Node::new(options, restored(), true);
    node.greet(1, "bonnie", 5);
    node.ready(1, 1, 5);
    assert_eq!(node.append(1, 1), Ok(MessageId::new(5)));
    node.now += Duration::from_secs(2);
    node.machine.handle_timeout(node.now);
    let health = node.machine.health(node.now);
    assert_eq!(health.secondaries[0].status, Status::Suspected);
    assert_eq!(health.quorum.map(|quorum| quorum.healthy), Some(1));
    assert!(matches!(node.append(2, 1), Err(Refusal::NoQuorum { .. })));
    assert!(matches!(node.machine.forget(&name("bonnie")), Err(ForgetError::Live(_))));
    let effects = node.greet(2, "bonnie", 0);
    let refused = responses(&effects);
    assert!(matches!(refused[..], [Response::Refused { code: RefusalCode::NameTaken, .. }]));
    node.now += Duration::from_secs(3);
    node.machine.handle_timeout(node.now);
    assert!(matches!(responses(&node.greet(3, "bonnie", 0))[..], [Response::Welcome(_)]));
}

#[test]
fn a_majority_that_cannot_be_reached_is_looked_for_once_in_a_while() {
    let mut node = Node::restarted(true);
    let due = |node: &Node| node.machine.peers.next_majority_check().unwrap() - node.now;
    let (minute, pause) = (Duration::from_secs(60), Duration::from_secs(300));
    node.append(1, 2).unwrap();
    assert_eq!(due(&node), minute, "a master that has just started knows nothing");
    node.now += minute;
    node.append(2, 1).unwrap();
    assert_eq!(due(&node), Duration::ZERO, "this one waits for nobody");
    node.append(3, 2).unwrap();
    assert_eq!(due(&node), pause, "it warned");
    node.now += pause;
    node.greet(1, "bonnie", 5);
    node.append(4, 2).unwrap();
    assert_eq!(due(&node), minute, "two of three are a majority");
    let mut alone = Node::restarted(true);
    alone.append(1, 2).unwrap();
    alone.now += minute;
    assert_eq!(alone.machine.next_deadline(), Some(alone.now));
    alone.machine.handle_timeout(alone.now);
    assert_eq!(due(&alone), pause, "it warned, though no other one came");
    let cluster_size = Some(3);
    let mut fixed = Node::new(MasterOptions { cluster_size, ..options() }, restored(), true);
    fixed.now += minute;
    fixed.append(1, 2).unwrap();
    assert_eq!(fixed.machine.peers.next_majority_check(), None, "no name raises it");
}

#[test]
fn frames_of_a_connection_that_was_replaced_count_no_more() {
    let mut node = Node::restarted(true);
    node.append(1, 2).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    node.greet(1, "bonnie", 5);
    node.ask(1, 1, Request::GetMessages { from: LogEnd::new(5), again: false });
    // The same instance comes again, with less.
    node.meet(2);
    let effects = node.ask(2, 0, Request::from(handshake("bonnie", 1, 3)));
    assert_eq!(closed(&effects), [(1, &CloseReason::Replaced)]);
    let late = node.ask(1, 2, Request::GetMessages { from: LogEnd::new(6), again: false });
    assert_eq!(late, []);
    assert_eq!(node.shown()[0], ("bonnie".to_owned(), Some(3), Some(3)));
}

#[test]
fn something_else_than_a_handshake_costs_a_new_connection() {
    let mut node = Node::restarted(true);
    node.meet(9);
    let effects = node.ask(9, 1, Request::GetMessages { from: LogEnd::ZERO, again: false });
    assert!(matches!(closed(&effects)[..], [(9, CloseReason::Protocol(_))]), "{effects:?}");
    node.meet(10);
    let effects = node.ask(10, 1, Request::HandshakeOfVersion(5));
    let refused = responses(&effects);
    assert!(matches!(refused[..], [Response::Refused { code: RefusalCode::Version, .. }]));
}

#[test]
fn forgetting_writes_down_what_is_left_and_who_registers() {
    let mut node = registering(0);
    assert_eq!(node.machine.forget(&name("bonnie")), Ok(2));
    assert_eq!(remembers(&node.effects()), Some((2, vec!["clyde", "dora"])));
    assert!(node.machine.forget(&name("dora")).is_err(), "it does not count yet");
    // The later list holds both changes.
    node.step(LeaderInput::Remembered(2));
    assert_eq!(node.machine.remembered_version(), 2);
    assert_eq!(node.names(), ["clyde", "dora"]);
}

#[test]
fn a_position_counts_with_the_first_request_behind_the_handshake() {
    let mut node = Node::restarted(true);
    node.append(1, 2).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    // It waited in a connection whose process is gone, and with it what that one had in memory.
    let effects = node.greet(9, "bonnie", 6);
    assert!(released(&effects).is_empty(), "{effects:?}");
    assert_eq!(node.shown()[0], ("bonnie".to_owned(), None, None));
    node.lose(9);
    assert_eq!(node.append(2, 2), Ok(MessageId::new(6)));
    // One that lives goes on to send requests.
    node.greet(10, "bonnie", 6);
    let ask = |from| Request::GetMessages { from: LogEnd::new(from), again: false };
    assert_eq!(released(&node.ask(10, 1, ask(6))).len(), 1);
    node.lose(10);
    assert_eq!(node.shown()[0].1, Some(6), "what was acked stays acked");
    // One that came back with less no longer counts for what it had.
    node.greet(11, "bonnie", 4);
    assert_eq!(node.shown()[0].1, Some(4));
    node.lose(11);
    node.greet(12, "bonnie", 5);
    assert_eq!(node.shown()[0].1, Some(4));
    node.ask(12, 1, ask(5));
    assert_eq!(node.shown()[0].1, Some(5));
}
