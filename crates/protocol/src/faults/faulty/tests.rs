//! A wrapped machine that only has sessions and sends frames.

use std::time::Duration;

use acklog_types::{LogEnd, Rate, RequestId};

use super::*;
use crate::events::{Event, FrameEvent, FrameStage};
use crate::frame::{FrameKind, Positions, Request};
use crate::own_time::OwnTime;
use crate::{CloseReason, SessionEnd};

const SESSION: SessionId = SessionId::new(1);

/// Sends the frames that it is given, on the sessions that are open.
#[derive(Debug, Default)]
struct Echo {
    open: Vec<SessionId>,
    effects: VecDeque<Effect<()>>,
    time: OwnTime,
    acked: LogEnd,
    events: Events,
    seeds: u64,
    sent: usize,
}

impl Machine for Echo {
    type Input = ();
    type Effect = ();
    type Health = ();

    fn step(&mut self, _: Instant, input: Input<()>) {
        if let Input::SessionDown { session, .. } = input {
            self.open.retain(|open| *open != session);
        }
    }

    fn look(&mut self, _: Instant, _: impl FnMut(SessionId) -> LineView) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_effect(&mut self) -> Option<Effect<()>> {
        self.effects.pop_front()
    }

    fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    fn health(&self, _: Instant) {}

    fn disconnect(&mut self, _: Instant) -> usize {
        self.open.len()
    }
}

impl FaultHooks for Echo {
    fn set_faults(&mut self, now: Instant, faults: Faults, _: u64) {
        self.time.set_paused(now, faults.paused);
    }

    fn draw_seed(&mut self) -> u64 {
        self.seeds += 1;
        self.seeds
    }

    fn own_time(&self) -> &OwnTime {
        &self.time
    }

    fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.open.iter().copied()
    }

    fn is_open(&self, session: SessionId) -> bool {
        self.open.contains(&session)
    }

    fn peer(&self, _: SessionId) -> Option<&NodeName> {
        None
    }

    fn lacks(&self, _: SessionId, run: IdRange) -> bool {
        run.end() > self.acked
    }

    fn sent(&mut self, _: Instant, _: SessionId) {
        self.sent += 1;
    }
}

/// Returns a wrapped machine with one session, and the time.
fn wrapped(faults: Faults) -> (Faulty<Echo>, Instant) {
    let now = Instant::now();
    let machine = Echo { open: vec![SESSION], ..Echo::default() };
    (Faulty::new(now, machine, faults), now)
}

fn delayed() -> Faults {
    Faults { send_delay: Some("1s".parse().unwrap()), ..Faults::default() }
}

/// Has the machine send a run.
fn send(faulty: &mut Faulty<Echo>, number: u64) {
    let run = IdRange::new(LogEnd::new(number), LogEnd::new(number + 1));
    let frame = Frame::Request(
        RequestId::new(number),
        Request::AddMessage { run, positions: Positions::default() },
    );
    faulty.machine.effects.push_back(Effect::Send { session: SESSION, frame });
}

/// Returns the requests that are written now.
fn went_out(faulty: &mut Faulty<Echo>) -> Vec<u64> {
    let effects = std::iter::from_fn(|| faulty.poll_effect());
    let number = |effect| match effect {
        Effect::Send { frame, .. } => Some(frame.request().get()),
        _ => None,
    };
    effects.filter_map(number).collect()
}

#[test]
fn a_machine_without_faults_is_passed_on_and_draws_one_seed_as_one_with_faults_does() {
    let (mut plain, _) = wrapped(Faults::default());
    assert!(plain.injection.is_none());
    send(&mut plain, 0);
    assert_eq!((went_out(&mut plain), plain.faults()), (vec![0], Faults::default()));
    assert_eq!((plain.machine.seeds, wrapped(delayed()).0.machine.seeds), (1, 1));
}

#[test]
fn a_delayed_request_goes_out_when_its_delay_is_over_and_is_noted_as_sent_then() {
    let (mut faulty, now) = wrapped(delayed());
    send(&mut faulty, 0);
    assert_eq!((went_out(&mut faulty), faulty.machine.sent), (vec![], 0));
    let due = now + Duration::from_secs(1);
    assert_eq!(faulty.next_deadline(), Some(due));
    faulty.handle_timeout(due);
    assert_eq!((went_out(&mut faulty), faulty.machine.sent), (vec![0], 1));
    assert_eq!(faulty.next_deadline(), None);
}

#[test]
fn a_delayed_run_that_another_copy_has_brought_does_not_go_out() {
    let (mut faulty, now) = wrapped(delayed());
    (0..2).for_each(|number| send(&mut faulty, number));
    assert_eq!(went_out(&mut faulty), [0; 0]);
    faulty.machine.acked = LogEnd::new(1);
    faulty.handle_timeout(now + Duration::from_secs(1));
    assert_eq!(went_out(&mut faulty), [1]);
}

#[test]
fn delayed_requests_die_with_their_session_whoever_ends_it() {
    for by_peer in [true, false] {
        let (mut faulty, now) = wrapped(delayed());
        send(&mut faulty, 0);
        assert_eq!(went_out(&mut faulty), [0; 0]);
        // One that is not polled yet when the session ends.
        send(&mut faulty, 1);
        if by_peer {
            let reason = SessionEnd::Closed;
            faulty.step(now, Input::SessionDown { session: SESSION, reason });
        } else {
            faulty.machine.open.clear();
            let (session, reason) = (SESSION, CloseReason::OnDemand);
            faulty.machine.effects.push_back(Effect::Close { session, reason });
        }
        assert_eq!(went_out(&mut faulty), [0; 0]);
        assert_eq!(faulty.next_deadline(), None);
        faulty.handle_timeout(now + Duration::from_secs(9));
        assert_eq!(went_out(&mut faulty), [0; 0]);
    }
}

#[test]
fn delays_stand_still_while_the_node_is_paused() {
    let (mut faulty, now) = wrapped(delayed());
    send(&mut faulty, 0);
    assert_eq!(went_out(&mut faulty), [0; 0]);
    let seconds = |n| now + Duration::from_secs(n);
    faulty.set_faults(now, Faults { paused: true, ..delayed() });
    assert!(faulty.is_paused() && faulty.next_deadline().is_none());
    faulty.handle_timeout(seconds(5));
    assert_eq!(went_out(&mut faulty), [0; 0]);
    faulty.set_faults(seconds(5), Faults::default());
    assert_eq!(faulty.next_deadline(), Some(seconds(6)));
    faulty.handle_timeout(seconds(6));
    assert_eq!(went_out(&mut faulty), [0]);
}

#[test]
fn frames_are_dropped_and_doubled() {
    let always = Rate::new(1.0).unwrap();
    let (mut faulty, now) = wrapped(Faults { duplicate_rate: always, ..Faults::default() });
    send(&mut faulty, 0);
    assert_eq!(went_out(&mut faulty), [0, 0]);
    faulty.set_faults(now, Faults { drop_rate: always, ..Faults::default() });
    send(&mut faulty, 1);
    assert_eq!(went_out(&mut faulty), [0; 0]);
}

#[test]
fn what_is_done_to_a_frame_is_an_event_among_those_of_the_machine() {
    let always = Rate::new(1.0).unwrap();
    let doubled = Faults { duplicate_rate: always, ..delayed() };
    let (mut faulty, now) = wrapped(doubled);
    send(&mut faulty, 0);
    assert_eq!(went_out(&mut faulty), [0; 0], "nobody reads of frames so far");
    faulty.events().set_detail(Detail::Frames);
    send(&mut faulty, 1);
    assert_eq!(went_out(&mut faulty), [0; 0]);
    let dropping = Faults { drop_rate: always, ..Faults::default() };
    faulty.set_faults(now, dropping);
    faulty.set_faults(now, dropping);
    send(&mut faulty, 2);
    assert_eq!(went_out(&mut faulty), [0; 0]);
    let of_frame = |number, stage| {
        let ids = Some(IdRange::new(LogEnd::new(number), LogEnd::new(number + 1)));
        let (peer, request, frame) = (None, RequestId::new(number), FrameKind::AddMessage);
        Event::Frame(FrameEvent { peer, request, frame, ids, stage })
    };
    let changed = |faults, was| Event::Node(NodeEvent::FaultsChanged { faults, was });
    let polled: Vec<Event> = std::iter::from_fn(|| faulty.poll_event()).collect();
    let expected = [
        changed(doubled, Faults::default()),
        of_frame(1, FrameStage::Doubled),
        of_frame(1, FrameStage::Delayed { delay: Duration::from_secs(1) }),
        changed(dropping, doubled),
        of_frame(2, FrameStage::Dropped),
    ];
    assert_eq!(polled, expected);
}
