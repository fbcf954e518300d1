//! A secondary whose disk takes nothing, or cannot be read.

use acklog_types::Checksum;

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

/// A log whose records cannot be read.
struct Unreadable;

impl LogView for Unreadable {
    fn run_from(&self, _: LogEnd, _: LogEnd, _: usize) -> Option<(IdRange, usize)> {
        None
    }

    fn checksum_below(&self, _: LogEnd) -> Result<Option<Checksum>, acklog_types::Unreadable> {
        Err(acklog_types::Unreadable("offset 17".to_owned()))
    }

    fn is_same_below(&self, _: LogEnd, _: Checksum) -> Option<bool> {
        unreachable!("a secondary compares nothing")
    }
}

#[test]
fn a_secondary_that_cannot_read_its_last_message_says_nothing() {
    let now = Instant::now();
    let mut machine = Secondary::new(now, options(), restored(), Unreadable);
    machine.step(now, FollowerInput::Connected(SessionId::new(1)).into());
    assert_eq!(machine.poll_effect(), None);
    let fault = DiskFault::Damaged { detail: "offset 17".to_owned() };
    machine.step(now, Input::Damage(Some(damage(4))));
    assert_eq!(machine.poll_effect(), None);
    assert_eq!(machine.health(now).disk, Some(DiskHealth::Faulty(fault)));
    let failed = DiskFault::Failed { detail: "no space".to_owned() };
    machine.step(now, Input::DiskFault(failed.clone()));
    let (session, reason) = (SessionId::new(1), CloseReason::DiskFault);
    assert_eq!(machine.poll_effect(), Some(Effect::Close { session, reason }));
    let health = machine.health(now);
    assert_eq!(health.disk, Some(DiskHealth::Faulty(failed)), "the worse one is told");
    assert_eq!(health.phase, SecondaryPhase::Failed);
    assert_eq!((health.log_end, machine.next_deadline()), (LogEnd::new(5), None));
}
