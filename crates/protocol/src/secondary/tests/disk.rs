//! A secondary whose disk takes nothing for the moment.

use super::*;
use crate::CloseReason;

#[test]
fn a_secondary_whose_disk_takes_nothing_leaves_its_master_and_dials_once_it_does() {
    let detail = || "sync 0.log".to_owned();
    for fault in [DiskFault::Stalled { detail: detail() }, DiskFault::Full { detail: detail() }] {
        let (mut node, session) = (Node::new(), SessionId::new(1));
        node.step(FollowerInput::Connected(session));
        node.answer(1, 0, welcome(7));
        let effects = node.step(Input::DiskFault(fault.clone()));
        let close = Effect::Close { session, reason: CloseReason::DiskFault };
        assert!(effects.contains(&close), "{effects:?}");
        let health = node.machine.health(node.now);
        assert_eq!((health.connected, health.disk), (false, Some(DiskHealth::Faulty(fault))));
        assert!(!dials_within(&mut node, Duration::from_secs(3600)));
        node.machine.step(node.now, Input::DiskWell);
        assert!(dials_within(&mut node, Duration::ZERO));
    }
}

fn dials_within(node: &mut Node, time: Duration) -> bool {
    node.now += time;
    node.machine.handle_timeout(node.now);
    std::iter::from_fn(|| node.machine.poll_effect())
        .any(|it| it == Effect::Role(FollowerEffect::Dial))
}
