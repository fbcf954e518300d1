//! A master whose log is damaged, and what it requests from its secondaries.

use super::*;
use crate::ProtocolError;
use crate::test_records::records;

const PAUSE: Duration = Duration::from_secs(61);

/// Returns a master with five messages and these secondaries, on sessions from 1 on, all of them
/// ready.
fn with_ready(names: &[&str]) -> Node {
    let mut node = Node::restarted(true);
    for (session, who) in (1..).zip(names) {
        node.greet(session, who, 5);
        node.ready(session, 1, 5);
    }
    node.effects();
    node
}

/// Returns the sessions that a page is requested from, with the request and the position.
fn asked(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, RequestId, u64)> {
    let asked = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Send {
            session,
            frame: Frame::Request(id, Request::GetMessages { from, again: true }),
        } => Some((session.get(), *id, from.get())),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

fn answer(
    node: &mut Node,
    session: u64,
    id: RequestId,
    body: Response<Records>,
) -> Vec<Effect<LeaderEffect>> {
    let (session, frame) = (SessionId::new(session), Frame::Response(id, body));
    node.step(Input::Frame { session, frame })
}

fn page(from: u64, until: u64) -> Response<Records> {
    Response::Page {
        run: records(from, until, "text"),
        log_end: LogEnd::new(5),
        positions: Positions::default(),
    }
}

fn failed() -> Response<Records> {
    Response::Failed { code: ErrorCode::Internal, detail: "no".to_owned() }
}

/// Lets time pass, in which the secondaries answer their heartbeats. Returns what else the master
/// sends.
fn pass(node: &mut Node, time: Duration) -> Vec<Effect<LeaderEffect>> {
    let (end, mut others) = (node.now + time, Vec::new());
    while node.now < end {
        node.now += Duration::from_millis(50);
        node.machine.handle_timeout(node.now);
        for effect in node.effects() {
            match effect {
                Effect::Send { session, frame: Frame::Request(id, Request::Heartbeat { .. }) } => {
                    others.extend(answer(node, session.get(), id, Response::Alive))
                }
                other => others.push(other),
            }
        }
    }
    others
}

#[test]
fn what_is_damaged_is_fetched_from_one_secondary_and_messages_are_taken_meanwhile() {
    let mut node = with_ready(&["bonnie", "clyde"]);
    let asks = asked(&node.step(Input::Damage(Some(damage(1)))));
    let [(session, request, 2)] = asks[..] else { panic!("{asks:?}") };
    assert_eq!(node.append(1, 1), Ok(MessageId::new(5)));
    let health = node.machine.health(node.now);
    assert!(!health.read_only && !health.is_ready(), "{health:?}");
    // No page is requested twice while an answer is awaited.
    assert_eq!(asked(&node.step(Input::Damage(Some(damage(2))))), []);
    let effects = answer(&mut node, session, request, page(2, 5));
    let [Effect::Mend { peer, run }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((peer.as_str(), run.range()), ("bonnie", damage(1).wanted.unwrap()));
    assert_eq!(asked(&pass(&mut node, PAUSE)), [], "not before the log wants more");
    assert_eq!(closed(&node.step(Input::Damage(None))), []);
    let health = node.machine.health(node.now);
    assert!(health.is_ready() && health.disk == Some(DiskHealth::Ok), "{health:?}");
}

#[test]
fn another_secondary_is_asked_where_one_cannot_help_or_what_it_has_does_not_fit() {
    let mut node = with_ready(&["bonnie", "clyde"]);
    let first = asked(&node.step(Input::Damage(Some(damage(1)))));
    assert_eq!(asked(&answer(&mut node, 1, first[0].1, failed())), [], "not at once");
    let second = asked(&pass(&mut node, Duration::from_secs(1)));
    assert_eq!(second[0].0, 2, "{second:?}");
    answer(&mut node, 2, second[0].1, page(2, 3));
    // No checksum proves it.
    assert_eq!(asked(&node.step(Input::Damage(Some(Damage { misfits: 1, ..damage(2) })))), []);
    let third = asked(&pass(&mut node, Duration::from_secs(1)));
    assert_eq!(third[0].0, 1, "{third:?}");
    // It does not answer.
    let fourth = asked(&pass(&mut node, Duration::from_secs(5)));
    assert_eq!(fourth[0].0, 2, "{fourth:?}");
    // A page without the messages that were requested.
    answer(&mut node, 2, fourth[0].1, page(3, 5));
    let fifth = asked(&pass(&mut node, PAUSE));
    assert_eq!(fifth[0].0, 1, "{fifth:?}");
}

#[test]
fn attempts_get_rarer() {
    let mut node = with_ready(&["bonnie"]);
    let mut asks = asked(&node.step(Input::Damage(Some(damage(1)))));
    let mut asks_within = |seconds: u64| {
        let mut count = 0;
        for _ in 0..seconds * 10 {
            for (session, request, _) in std::mem::take(&mut asks) {
                count += 1;
                answer(&mut node, session, request, failed());
            }
            asks = asked(&pass(&mut node, Duration::from_millis(100)));
        }
        count
    };
    let first = asks_within(30);
    assert!((5..20).contains(&first), "{first}");
    asks_within(120);
    let later = asks_within(120);
    assert!((1..=4).contains(&later), "{later}");
}

#[test]
fn an_instance_that_ends_its_connection_when_it_is_asked_is_not_asked_again() {
    let mut node = with_ready(&["bonnie"]);
    let mut session = 1;
    assert_eq!(asked(&node.step(Input::Damage(Some(damage(1))))).len(), 1);
    let join = |node: &mut Node, session: u64, instance: u64| {
        node.meet(session);
        let mut effects = node.ask(session, 0, Request::from(handshake("bonnie", instance, 5)));
        effects.extend(node.ready(session, 1, 5));
        effects.extend(pass(node, Duration::from_secs(1)));
        asked(&effects).len()
    };
    for times in [1, 0] {
        node.lose(session);
        session += 1;
        assert_eq!(join(&mut node, session, 1), times);
    }
    // It has what is damaged all the same.
    assert!(!node.machine.health(node.now).read_only);
    node.lose(session);
    let times = join(&mut node, session + 1, 2);
    assert!(
        times > 0 || !asked(&pass(&mut node, PAUSE)).is_empty(),
        "another process of that name"
    );
}

#[test]
fn a_page_that_comes_slowly_is_not_asked_for_again() {
    let mut node = with_ready(&["bonnie"]);
    let asks = asked(&node.step(Input::Damage(Some(damage(1)))));
    // The time limit of the request is a second.
    for _ in 0..10 {
        assert_eq!(asked(&node.step(Input::Heard(SessionId::new(1)))), []);
        assert_eq!(asked(&pass(&mut node, Duration::from_millis(450))), []);
    }
    let effects = answer(&mut node, 1, asks[0].1, page(2, 5));
    assert!(matches!(effects[..], [Effect::Mend { .. }]), "{effects:?}");
    // Where nothing more comes, it is.
    node.step(Input::Damage(Some(damage(2))));
    assert!(!asked(&pass(&mut node, Duration::from_secs(3))).is_empty());
}

/// Both requests are answered in the end. The second answer is as good as the first, and only too
/// late.
#[test]
fn a_second_page_with_what_the_first_one_brought_holds_nothing_up() {
    let mut node = with_ready(&["bonnie"]);
    let first = asked(&node.step(Input::Damage(Some(damage(1)))));
    // It takes longer than its time limit of a second, and is requested again.
    let second = asked(&pass(&mut node, Duration::from_millis(1800)));
    assert_eq!(second.len(), 1);
    let effects = answer(&mut node, 1, first[0].1, page(2, 3));
    assert!(matches!(effects[..], [Effect::Mend { .. }]), "{effects:?}");
    let wanted = Some(IdRange::new(LogEnd::new(4), LogEnd::new(5)));
    let more = Damage { wanted, until: LogEnd::new(5), ..damage(2) };
    assert_eq!(asked(&node.step(Input::Damage(Some(more)))), [], "an answer is awaited");
    let asks = asked(&answer(&mut node, 1, second[0].1, page(2, 3)));
    assert!(matches!(asks[..], [(1, _, 4)]), "{asks:?}");
}

#[test]
fn a_page_that_nobody_asked_for_ends_the_connection() {
    let mut node = with_ready(&["bonnie", "clyde"]);
    let asks = asked(&node.step(Input::Damage(Some(damage(1)))));
    assert_eq!(asks[0].0, 1);
    // A heartbeat was its request 0.
    let effects = answer(&mut node, 2, RequestId::new(0), page(2, 3));
    let error = ProtocolError::UnexpectedResponse(RequestId::new(0));
    assert_eq!(closed(&effects), [(2, &CloseReason::Protocol(error))]);
}

#[test]
fn a_master_takes_nothing_while_nobody_else_has_what_is_damaged() {
    let mut node = Node::restarted(true);
    node.greet(1, "bonnie", 2);
    node.ready(1, 1, 2);
    assert_eq!(asked(&node.step(Input::Damage(Some(damage(1))))), []);
    assert!(node.append(1, 1).is_err() && node.machine.health(node.now).read_only);
    node.greet(2, "clyde", 3);
    let effects = node.ready(2, 1, 3);
    assert_eq!(asked(&effects)[0].0, 2, "{effects:?}");
    assert!(node.append(2, 1).is_ok() && !node.machine.health(node.now).read_only);
    node.lose(2);
    assert!(node.append(3, 1).is_err());
    node.step(Input::Damage(None));
    assert!(node.append(4, 1).is_ok());
}

#[test]
fn a_paused_master_asks_when_it_goes_on() {
    let mut node = with_ready(&["bonnie"]);
    node.machine.set_faults(node.now, Faults { paused: true, ..Faults::default() }, 1);
    assert_eq!(asked(&node.step(Input::Damage(Some(damage(1))))), []);
    node.machine.set_faults(node.now, Faults::default(), 1);
    node.machine.handle_timeout(node.now);
    assert_eq!(asked(&node.effects()).len(), 1);
}
