//! Peers alone, without a log.

use std::time::Duration;

use acklog_types::{InstanceId, Quorum};

use super::*;
use crate::CloseReason;
use crate::frame::{Handshake, RefusalCode};
use crate::machine::Effect;

pub(super) fn options() -> PeerOptions {
    PeerOptions {
        http_port: None,
        name: "master".parse().unwrap(),
        request_timeout: Duration::from_secs(1),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        quorum: Some(Quorum::Nodes(2)),
        max_pending: STRANGERS_MAX,
    }
}

fn handshake(who: &str, instance: u128) -> Handshake {
    let (name, instance) = (who.parse().unwrap(), InstanceId::new(instance));
    Handshake::new(name, instance)
}

/// Admits a secondary on a new session.
fn join(peers: &mut Peers, now: Instant, session: u64, handshake: &Handshake) -> Output {
    let (session, mut out) = (SessionId::new(session), Output::default());
    peers.accept(now, session, String::new(), &mut out);
    peers.check_name(handshake).unwrap();
    let (id, address) = peers.admit(now, session, handshake, &mut out);
    let (instance, end) = (handshake.instance, handshake.end);
    let new = NewConnection { session, instance, address, end, http_port: None, storage: None };
    peers.connect(now, id, new, &mut out.events);
    out
}

#[test]
fn a_newer_session_of_a_process_takes_the_place_of_the_one_before() {
    let (now, bonnie) = (Instant::now(), handshake("bonnie", 1));
    let mut peers = Peers::new(now, options(), vec![bonnie.name.clone()]);
    assert_eq!(peers.check_name(&bonnie).ok(), Some(NameStatus::Known));
    assert_eq!(peers.check_name(&handshake("clyde", 2)).ok(), Some(NameStatus::New));
    assert!(join(&mut peers, now, 1, &bonnie).effects.is_empty());
    let taken = peers.check_name(&handshake("bonnie", 2)).map_err(|refusal| refusal.code);
    assert_eq!(taken, Err(RefusalCode::NameTaken), "the first one is alive");
    let closed = Effect::Close { session: SessionId::new(1), reason: CloseReason::Replaced };
    assert_eq!(join(&mut peers, now, 2, &bonnie).effects, [closed]);
    assert_eq!(peers.sessions().collect::<Vec<_>>(), [SessionId::new(2)]);
}

#[test]
fn a_secondary_is_of_the_quorum_while_it_is_ready_and_heard_from() {
    let (mut now, bonnie) = (Instant::now(), handshake("bonnie", 1));
    let mut peers = Peers::new(now, options(), vec![bonnie.name.clone()]);
    join(&mut peers, now, 1, &bonnie);
    let id = peers.next_id(None).unwrap();
    let cluster = |live| ClusterView { size: 2, size_max: 256, live, required: Some(2) };
    assert_eq!(peers.cluster(), cluster(0));
    let request = RequestId::new(3);
    assert_eq!(peers.hold_ready(id, request), Some(Standing::Registered));
    assert_eq!(peers.make_ready(id), Some((SessionId::new(1), vec![request], true)));
    assert_eq!(peers.make_ready(id), None, "each request is answered once");
    assert_eq!(peers.cluster(), cluster(1));
    now += 2 * options().heartbeat_interval;
    let mut out = Output::default();
    peers.update_status(now, id, &mut out.events);
    assert_eq!(peers.cluster(), cluster(0));
    peers.hear(now, id, &mut out.events);
    assert_eq!(peers.cluster(), cluster(1));
    let later = now + 10 * options().heartbeat_interval;
    peers.update_status(now + 5 * options().heartbeat_interval, id, &mut out.events);
    peers.close_unresponsive(later, &mut out);
    let reason = CloseReason::Unresponsive;
    assert_eq!(out.effects, [Effect::Close { session: SessionId::new(1), reason }]);
}
