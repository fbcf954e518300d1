//! Draws: repeatable, independent of each other, and within what was asked for.

use acklog_types::{LogEnd, RequestId};

use super::*;
use crate::frame::{Positions, Request, Response};

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn rate(share: f64) -> Rate {
    Rate::new(share).unwrap()
}

fn delays(range: &str) -> Faults {
    Faults { send_delay: Some(range.parse().unwrap()), ..Faults::default() }
}

fn everything() -> Faults {
    Faults {
        drop_rate: rate(0.3),
        duplicate_rate: rate(0.3),
        error_rate: rate(0.3),
        store_delay: Some("0ms..1s".parse().unwrap()),
        ..delays("1s..2s")
    }
}

fn run() -> Frame<IdRange> {
    let run = IdRange::new(LogEnd::ZERO, LogEnd::new(1));
    Frame::Request(RequestId::new(0), Request::AddMessage { run, positions: Positions::default() })
}

fn get_messages() -> Frame<IdRange> {
    Frame::Request(RequestId::new(0), Request::GetMessages { from: LogEnd::ZERO, again: false })
}

fn heartbeat() -> Frame<IdRange> {
    Frame::Request(
        RequestId::new(0),
        Request::Heartbeat { log_end: LogEnd::ZERO, positions: Positions::default() },
    )
}

fn draw(injector: &mut Injector, peer: &NodeName) -> (Duration, usize) {
    let outgoing = injector.outgoing(Some(peer), run());
    (outgoing.delay, outgoing.frames().count())
}

#[test]
fn the_same_seed_draws_the_same_for_each_peer_whatever_else_is_drawn() {
    let (bonnie, clyde) = (name("bonnie"), name("clyde"));
    let mut alone = Injector::new(everything(), 7);
    let of_bonnie: Vec<_> = (0..50).map(|_| draw(&mut alone, &bonnie)).collect();
    let mut together = Injector::new(everything(), 7);
    let interleaved: Vec<_> = (0..50)
        .map(|_| {
            draw(&mut together, &clyde);
            together.outgoing(Some(&bonnie), heartbeat());
            draw(&mut together, &bonnie)
        })
        .collect();
    assert_eq!(of_bonnie, interleaved);
    assert!(of_bonnie.iter().all(|(delay, _)| (1000..=2000).contains(&delay.as_millis())));
    let mut other = Injector::new(everything(), 8);
    assert_ne!(of_bonnie, (0..50).map(|_| draw(&mut other, &bonnie)).collect::<Vec<_>>());
}

#[test]
fn a_seed_of_the_faults_counts_more_than_the_nodes_and_new_faults_begin_anew() {
    let bonnie = name("bonnie");
    let seeded = Faults { seed: Some(7), ..everything() };
    let first = |seed| draw(&mut Injector::new(seeded, seed), &bonnie);
    assert_eq!(first(1), first(2));
    assert_eq!(first(1), draw(&mut Injector::new(everything(), 7), &bonnie));
}

#[test]
fn another_fault_does_not_move_the_draws_of_the_first() {
    let bonnie = name("bonnie");
    let dropping = Faults { drop_rate: rate(0.5), ..Faults::default() };
    let both = Faults { duplicate_rate: rate(0.5), ..dropping };
    let (mut one, mut two) = (Injector::new(dropping, 3), Injector::new(both, 3));
    for _ in 0..100 {
        let (alone, together) = (draw(&mut one, &bonnie).1, draw(&mut two, &bonnie).1);
        assert_eq!(alone == 0, together == 0);
    }
}

#[test]
fn the_pages_of_a_rejoin_do_not_move_the_store_delays_of_runs() {
    let mut alone = StoreFaults::new(everything(), 7);
    let mut with_pages = StoreFaults::new(everything(), 7);
    for _ in 0..10 {
        with_pages.store_delay(FrameKind::Page);
        let of_run = alone.store_delay(FrameKind::AddMessage);
        assert_eq!(of_run, with_pages.store_delay(FrameKind::AddMessage));
    }
}

#[test]
fn about_the_asked_share_is_dropped_and_doubled() {
    let bonnie = name("bonnie");
    let faults = Faults { drop_rate: rate(0.2), duplicate_rate: rate(0.5), ..Faults::default() };
    let mut injector = Injector::new(faults, 1);
    let copies: Vec<usize> = (0..10_000).map(|_| draw(&mut injector, &bonnie).1).collect();
    let count = |wanted| copies.iter().filter(|&&copies| copies == wanted).count();
    assert!((1800..2200).contains(&count(0)), "{}", count(0));
    assert!((3700..4300).contains(&count(2)), "{}", count(2));
    let faults = Faults { drop_rate: rate(1.0), error_rate: rate(1.0), ..Faults::default() };
    let mut always = (Injector::new(faults, 1), StoreFaults::new(faults, 1));
    assert!(
        (0..1000).all(|_| draw(&mut always.0, &bonnie).1 == 0 && always.1.answers_with_error())
    );
    let none = Faults::default();
    let mut never = (Injector::new(none, 1), StoreFaults::new(none, 1));
    assert!((0..1000).all(|_| draw(&mut never.0, &bonnie).1 == 1 && !never.1.answers_with_error()));
}

#[test]
fn only_requests_are_delayed_heartbeats_never_and_handshakes_not_beyond_their_limit() {
    let mut injector = Injector::new(delays("20s"), 1);
    assert_eq!(injector.outgoing(None, heartbeat()).delay, Duration::ZERO);
    let alive = Frame::Response(RequestId::new(0), Response::Alive);
    assert_eq!(injector.outgoing(None, alive).delay, Duration::ZERO);
    assert_eq!(injector.outgoing(None, get_messages()).delay, Duration::from_secs(20));
    let greeting = Frame::Request(RequestId::new(0), Request::HandshakeOfVersion(1));
    assert_eq!(injector.outgoing(None, greeting).delay, HANDSHAKE_DELAY_MAX);
}
