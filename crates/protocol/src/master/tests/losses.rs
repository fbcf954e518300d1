//! A master that meets secondaries with messages that are not its own.

use super::*;

/// Returns the code and the words that a secondary is refused with.
fn refusal(effects: &[Effect<LeaderEffect>]) -> (RefusalCode, &str) {
    match responses(effects)[..] {
        [Response::Refused { code, detail }] => (*code, detail),
        _ => panic!("not refused: {effects:?}"),
    }
}

/// Returns the losses that end at these, with the checksum that [`Node::greet`] reports.
fn losses(ends: &[u64]) -> Losses {
    let mut losses = Losses::default();
    ends.iter().for_each(|&end| assert!(losses.note(LogEnd::new(end), told(end))));
    losses
}

fn given_up(ends: &[u64]) -> Losses {
    let mut losses = losses(ends);
    losses.give_up();
    losses
}

fn told(end: u64) -> Option<Checksum> {
    handshake("bonnie", 9, end).checksum
}

fn noted(effects: &[Effect<LeaderEffect>]) -> Option<Losses> {
    effects.iter().find_map(|effect| match effect {
        Effect::Role(LeaderEffect::Remember { losses, .. }) => Some(losses.clone()),
        _ => None,
    })
}

#[test]
fn a_master_behind_its_own_secondary_takes_nothing_and_notes_that() {
    let mut node = Node::restarted(true);
    node.append(1, 1).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    let effects = node.greet(9, "bonnie", 8);
    let (code, detail) = refusal(&effects);
    assert_eq!(code, RefusalCode::LongerLog);
    assert!(detail.contains("put back from an older copy") && detail.contains("Keep this node"));
    assert!(!detail.contains("reset"), "no advice throws the better copy away: {detail}");
    assert_eq!(noted(&effects), Some(losses(&[8])));
    let (end, seen) = (LogEnd::new(6), LogEnd::new(8));
    assert_eq!(node.append(2, 1), Err(Refusal::Behind { end, seen }));
    let health = node.machine.health(node.now);
    assert!(health.read_only && !health.is_ready());
    assert_eq!(noted(&node.greet(10, "clyde", 8)), None, "that is no news");
    assert_eq!(noted(&node.greet(11, "clyde", 9)), Some(losses(&[8, 9])));
}

#[test]
fn a_master_that_noted_it_takes_nothing_before_a_secondary_comes() {
    let behind = RestoredMaster { losses: losses(&[8]), ..restored() };
    let mut node = Node::new(options(), behind, true);
    assert!(matches!(node.append(1, 1), Err(Refusal::Behind { .. })));
    let health = node.machine.health(node.now);
    let row = &health.refused[0];
    assert_eq!((row.code, row.log_end), (RefusalCode::LongerLog, Some(LogEnd::new(8))));
    // Put back once more, now from a copy that has everything.
    let end = LogEnd::new(8);
    let whole = RestoredMaster { end, losses: losses(&[8]), ..restored() };
    assert!(Node::new(options(), whole, true).append(1, 1).is_ok());
}

#[test]
fn an_accepted_loss_lets_the_master_go_on_and_refuses_those_who_have_more() {
    let accepted = RestoredMaster { losses: given_up(&[8]), ..restored() };
    let mut node = Node::new(options(), accepted, true);
    let (code, detail) = (RefusalCode::LongerLog, "given up");
    let effects = node.greet(9, "bonnie", 8);
    let refused = refusal(&effects);
    assert!(refused.0 == code && refused.1.contains(detail), "{refused:?}");
    assert_eq!(noted(&effects), None);
    assert!(node.append(1, 1).is_ok());
    // One that has more than was known when the loss was accepted.
    let mut more = given_up(&[8]);
    more.note(LogEnd::new(9), told(9));
    assert_eq!(noted(&node.greet(10, "clyde", 9)), Some(more));
    assert!(matches!(node.append(2, 1), Err(Refusal::Behind { .. })));
}

#[test]
fn a_copy_that_was_made_after_a_loss_was_accepted_is_behind_those_who_have_the_new_messages() {
    let copy = RestoredMaster { losses: given_up(&[8]), ..restored() };
    let mut node = Node::new(options(), copy, true);
    node.meet(9);
    // As many messages as were given up, or fewer, and not those.
    for (session, end) in [(9, 8), (10, 7)] {
        node.meet(session);
        let told = Handshake { checksum: Some(Checksum::new(77)), ..handshake("bonnie", 9, end) };
        let effects = node.ask(session, 0, Request::from(told));
        let (code, detail) = refusal(&effects);
        assert_eq!(code, RefusalCode::LongerLog);
        assert!(detail.contains("put back from an older copy"), "{detail}");
        assert!(noted(&effects).is_some());
        let (end, seen) = (LogEnd::new(5), LogEnd::new(8));
        assert_eq!(node.append(1, 1), Err(Refusal::Behind { end, seen }));
    }
}

#[test]
fn a_master_in_memory_only_refuses() {
    let mut node = Node::new(options(), RestoredMaster { on_disk: false, ..restored() }, true);
    assert_eq!(refusal(&node.greet(9, "bonnie", 8)).0, RefusalCode::LongerLog);
    assert!(node.append(1, 1).is_ok());
}

#[test]
fn other_messages_of_this_log_are_refused_without_advice_to_throw_them_away_first() {
    let mut node = Node::restarted(true);
    node.meet(9);
    let other = Handshake { checksum: Some(Checksum::new(2)), ..handshake("bonnie", 9, 5) };
    let effects = node.ask(9, 0, Request::from(other));
    let (code, detail) = refusal(&effects);
    assert_eq!(code, RefusalCode::OtherRecord);
    assert!(detail.contains("Keep this node as it is"), "{detail}");
    assert!(node.append(1, 1).is_ok());
}

#[test]
fn a_master_whose_log_began_with_this_start_is_not_ready_while_others_have_messages() {
    let refuses = |is_old| {
        let mut node = Node::new(options(), RestoredMaster { is_old, ..restored() }, true);
        node.meet(9);
        let other = Handshake { log: Some(LogId::new(8)), ..handshake("dora", 9, 3) };
        node.ask(9, 0, Request::from(other));
        let health = node.machine.health(node.now);
        assert_eq!((health.refused.len(), health.read_only), (1, false));
        (node, health.is_ready())
    };
    assert!(refuses(true).1);
    let (mut node, is_ready) = refuses(false);
    assert!(!is_ready);
    let greeted = node.greet(10, "dora", 0);
    assert!(matches!(responses(&greeted)[..], [Response::Welcome(_)]));
    let health = node.machine.health(node.now);
    assert!(health.is_ready() && health.refused.is_empty(), "it began anew");
}

#[test]
fn a_namesake_with_messages_of_this_log_makes_nobody_unready() {
    let mut node = Node::new(options(), RestoredMaster { is_old: false, ..restored() }, true);
    node.greet(1, "bonnie", 5);
    assert_eq!(refusal(&node.greet(2, "bonnie", 5)).0, RefusalCode::NameTaken);
    let health = node.machine.health(node.now);
    assert_eq!((health.is_ready(), health.refused.len()), (true, 1));
}
