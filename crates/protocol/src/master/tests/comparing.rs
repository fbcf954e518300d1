//! Secondaries whose logs are compared with files, which takes time.

use super::*;

/// Returns the sessions whose secondaries' logs are to be compared, and up to which end.
fn compared(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, u64)> {
    let compared = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Role(LeaderEffect::Compare { session, end, .. }) => {
            Some((session.get(), end.get()))
        }
        _ => None,
    };
    effects.iter().filter_map(compared).collect()
}

/// Returns the requests that are answered, and whether with a welcome.
fn answers(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, bool)> {
    let answer = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send { frame: Frame::Response(request, response), .. } => {
            Some((request.get(), matches!(response, Response::Welcome(_))))
        }
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

impl Node {
    fn tell(
        &mut self,
        session: u64,
        is_same: Result<bool, Unreadable>,
    ) -> Vec<Effect<LeaderEffect>> {
        self.step(LeaderInput::Compared { session: SessionId::new(session), is_same })
    }

    /// Returns a handshake of a process that has that many messages.
    fn introduce(
        &mut self,
        session: u64,
        request: u64,
        instance: u64,
        end: u64,
    ) -> Vec<Effect<LeaderEffect>> {
        self.ask(session, request, Request::from(handshake("bonnie", instance, end)))
    }
}

#[test]
fn a_handshake_waits_for_the_files_and_nobody_else_does() {
    let mut node = Node::restarted(false);
    node.meet(9);
    let effects = node.introduce(9, 0, 9, 3);
    assert_eq!((compared(&effects), answers(&effects)), (vec![(9, 3)], vec![]));
    // Another one is admitted meanwhile. Made again after its time limit, the request is not
    // compared twice.
    assert_eq!(answers(&node.greet(10, "clyde", 0)), [(0, true)]);
    let effects = node.introduce(9, 1, 9, 3);
    assert_eq!((compared(&effects), answers(&effects)), (vec![], vec![]));
    assert_eq!(answers(&node.tell(9, Ok(true))), [(1, true)]);
    assert_eq!(answers(&node.introduce(9, 2, 9, 3)), [(2, true)], "repeated once more");
}

#[test]
fn a_log_that_differs_is_refused_and_one_that_cannot_be_compared_is_not() {
    let mut node = Node::restarted(false);
    node.greet(9, "bonnie", 3);
    let effects = node.tell(9, Ok(false));
    let [Response::Refused { code, .. }] = responses(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(*code, RefusalCode::OtherRecord);
    node.greet(10, "bonnie", 3);
    let effects = node.tell(10, Err(Unreadable("offset 17".to_owned())));
    let [Response::Failed { detail, .. }] = responses(&effects)[..] else { panic!("{effects:?}") };
    assert!(detail.ends_with("offset 17"), "{detail}");
    assert_eq!(closed(&effects), [(10, &CloseReason::DiskFault)]);
}

#[test]
fn what_is_found_out_for_a_connection_that_is_gone_is_forgotten() {
    let mut node = Node::restarted(false);
    node.greet(9, "bonnie", 3);
    node.lose(9);
    assert_eq!(node.tell(9, Ok(true)), []);
    node.greet(10, "bonnie", 3);
    node.now += HANDSHAKE_TIMEOUT;
    node.machine.handle_timeout(node.now);
    assert_eq!(closed(&node.effects()), [(10, &CloseReason::HandshakeTimeout)]);
    assert_eq!(node.tell(10, Ok(true)), []);
}

#[test]
fn of_two_connections_of_a_process_the_later_one_stays() {
    for earlier_is_first in [true, false] {
        let mut node = Node::restarted(false);
        for session in [9, 10] {
            node.meet(session);
            assert_eq!(compared(&node.introduce(session, 0, 7, 3)), [(session, 3)]);
        }
        let replaced = if earlier_is_first {
            assert_eq!(answers(&node.tell(9, Ok(true))), [(0, true)]);
            node.tell(10, Ok(true))
        } else {
            let effects = node.tell(10, Ok(true));
            assert_eq!(node.tell(9, Ok(true)), []);
            effects
        };
        assert_eq!(answers(&replaced), [(0, true)]);
        assert_eq!(closed(&replaced), [(9, &CloseReason::Replaced)]);
    }
}

#[test]
fn a_name_that_another_process_took_meanwhile_is_refused() {
    let mut node = Node::restarted(false);
    node.meet(9);
    node.introduce(9, 0, 9, 3);
    node.meet(10);
    assert_eq!(answers(&node.introduce(10, 0, 10, 0)), [(0, true)]);
    let effects = node.tell(9, Ok(true));
    let [Response::Refused { code, .. }] = responses(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(*code, RefusalCode::NameTaken);
}
