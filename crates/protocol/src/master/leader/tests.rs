//! A leader alone: peers are nothing but events.

use acklog_types::{Checksum, IdRange, Quorum, RequestId, Unreadable, WaiterId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::events::Events;
use crate::machine::Effect;
use crate::master::io::LeaderEffect;
use crate::master::peers::PeerEvent;
use crate::outcome::{AppendOrigin, AppendRequest, Outcome, Refusal, Wait};
use crate::progress::{NextRun, SentRun};

const PEER: MemberId = MemberId(0);

/// A log of empty messages.
#[derive(Debug)]
struct View;

impl LogView for View {
    fn run_from(&self, from: LogEnd, until: LogEnd, _: usize) -> Option<(IdRange, usize)> {
        Some((IdRange::new(from, until.max(from)), 1))
    }

    fn checksum_below(&self, _: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        unreachable!("a leader reports no checksum")
    }

    fn is_same_below(&self, _: LogEnd, _: Checksum) -> Option<bool> {
        Some(true)
    }
}

/// Returns a leader of a log with five messages, and one peer that counts and has them.
fn leader() -> (Leader<View>, Instant) {
    let name: NodeName = "master".parse().unwrap();
    let options = LogOptions {
        name,
        log: LogId::new(7),
        default_write_concern: WriteConcern::Majority,
        max_waiting: 10,
        idempotency_window: 10,
        pause_max: Duration::from_secs(1),
    };
    let (end, losses) = (LogEnd::new(5), Losses::default());
    let restored = RestoredLog { end, keys: Vec::new(), on_disk: true, is_old: true, losses };
    let mut leader = Leader::new(options, restored, View);
    let name: NodeName = "bonnie".parse().unwrap();
    leader.on_peer_event(PeerEvent::Registered { peer: PEER, name: name.clone() });
    leader.on_peer_event(PeerEvent::Joined { peer: PEER, name, end, storage: None });
    leader.ack(Instant::now(), PEER, end, &mut Events::default()).unwrap();
    (leader, Instant::now())
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn cluster(live: u16) -> ClusterView {
    let required = Some(Quorum::Majority.required(2));
    ClusterView { size: 2, size_max: 2, live, required }
}

#[test]
fn a_message_is_sent_once_it_is_durable_and_its_client_is_answered_by_the_ack() {
    let ((mut leader, now), mut events) = (leader(), Events::default());
    let wait = Wait::until(Some(WriteConcern::Nodes(2)), None);
    let request = AppendRequest { wait, key: None, expected_end: None, messages: 1, bytes: 1 };
    let write_concern = leader.check_append((&request, AppendOrigin::Single), cluster(1)).unwrap();
    let id = leader.append(now, WaiterId::new(1), request, write_concern, &mut events);
    assert_eq!((id, leader.next_run(now, PEER, 8)), (MessageId::new(5), None));
    leader.durable(now, LogEnd::new(6), &mut Default::default());
    let Some(NextRun::Run(plan)) = leader.next_run(now, PEER, 8) else { panic!("nothing to send") };
    assert_eq!((plan.range, plan.is_retry), (IdRange::new(id.before(), id.end()), false));
    assert_eq!(leader.release_next(&mut events), None, "only the master has it");
    assert!(
        leader.ack(now, PEER, LogEnd::new(7), &mut events).is_err(),
        "there is no such message"
    );
    leader.ack(now, PEER, LogEnd::new(6), &mut events).unwrap();
    let Some(Effect::Role(LeaderEffect::Release { waiter, outcome, .. })) =
        leader.release_next(&mut events)
    else {
        panic!("not answered")
    };
    assert!(waiter == WaiterId::new(1) && matches!(outcome, Outcome::Committed(_)));
    assert!(!leader.has_waiters());
}

#[test]
fn a_node_that_cannot_write_is_not_one_of_the_quorum() {
    let (mut leader, _) = leader();
    let wait = Wait::default();
    let request = AppendRequest { wait, key: None, expected_end: None, messages: 1, bytes: 1 };
    assert!(leader.check_append((&request, AppendOrigin::Single), cluster(1)).is_ok());
    let refused = leader.check_append((&request, AppendOrigin::Single), cluster(0));
    let missing = Refusal::NoQuorum { healthy: 1, cluster_size: 2, required: 2 };
    assert_eq!(refused, Err(missing));
    leader.disk_stalled(DiskFault::Full { detail: String::new() }, &mut Events::default());
    assert_eq!(leader.quorum_health(cluster(1)).map(|quorum| quorum.healthy), Some(1));
}

#[test]
fn the_copies_of_a_message_tell_since_when_and_how_often_it_was_sent() {
    let ((mut leader, now), mut events, mut rng) = (leader(), Events::default(), rng());
    let (ms, end) = (Duration::from_millis(1), LogEnd::new(7));
    let wait = Wait::default();
    let request = AppendRequest { wait, key: None, expected_end: None, messages: 2, bytes: 2 };
    leader.append(now, WaiterId::new(1), request, 2, &mut events);
    let rows = |leader: &Leader<View>, end| {
        let copies = leader.copies(end).into_iter();
        copies.map(|copy| (copy.held, copy.after, copy.attempts)).collect::<Vec<_>>()
    };
    let nothing = [(false, None, Some(1)), (false, None, Some(0))];
    assert_eq!(rows(&leader, end), nothing, "not even the master's disk has it");
    leader.durable(now + 2 * ms, end, &mut Default::default());
    for attempt in 1..=2 {
        let later = now + attempt * Duration::from_secs(60);
        let Some(NextRun::Run(plan)) = leader.next_run(later, PEER, 8) else { panic!("nothing") };
        assert_eq!(plan.attempt, attempt);
        let run = SentRun { range: plan.range, bytes: plan.bytes };
        leader.run_timed_out(later, PEER, run, &mut rng);
    }
    let sent = [(true, Some(2 * ms), Some(1)), (false, None, Some(2))];
    assert_eq!(rows(&leader, end), sent);
    leader.ack(now + 9 * ms, PEER, end, &mut events).unwrap();
    let acked = [(true, Some(2 * ms), Some(1)), (true, Some(9 * ms), Some(2))];
    assert_eq!(rows(&leader, end), acked);
    assert_eq!(rows(&leader, LogEnd::new(6)), acked, "of a batch all are alike");
    let old = [(true, None, None), (true, None, None)];
    assert_eq!(rows(&leader, LogEnd::new(5)), old, "from before the start");
    // It comes back with less: what it lost counts anew.
    let name: NodeName = "bonnie".parse().unwrap();
    leader.on_peer_event(PeerEvent::Left(PEER));
    leader.on_peer_event(PeerEvent::Joined { peer: PEER, name, end: LogEnd::ZERO, storage: None });
    assert_eq!(rows(&leader, end)[1], (false, None, Some(2)));
    let wanted = PageRequest { request: RequestId::new(1), from: LogEnd::ZERO, again: false };
    let page = ReadPage { wanted, run: IdRange::new(LogEnd::ZERO, end), log_end: end };
    leader.note_page(PEER, page, &mut events);
    leader.ack(now + 20 * ms, PEER, end, &mut events).unwrap();
    assert_eq!(rows(&leader, end)[1], (true, Some(20 * ms), None), "fetched in a page");
}

#[test]
fn one_ack_tells_when_it_came_of_however_many_messages_it_covers() {
    let ((mut leader, start), mut events) = (leader(), Events::default());
    let (ms, count) = (Duration::from_millis(1), 20_000);
    let request = AppendRequest {
        wait: Wait::default(),
        key: None,
        expected_end: None,
        messages: 1,
        bytes: 1,
    };
    for n in 1..=count {
        let (now, end) = (start + n * ms, LogEnd::new(5 + u64::from(n)));
        leader.append(now, WaiterId::new(n.into()), request, 1, &mut events);
        leader.durable(now, end, &mut Default::default());
    }
    let acked = start + 2 * count * ms;
    leader.ack(acked, PEER, LogEnd::new(5 + u64::from(count)), &mut events).unwrap();
    let copy = |end| leader.copies(LogEnd::new(end)).pop().unwrap();
    let newest = copy(5 + u64::from(count));
    assert_eq!((newest.acked_at, newest.after), (Some(acked), Some(count * ms)));
    let oldest = copy(6);
    assert_eq!((oldest.held, oldest.acked_at, oldest.after), (true, Some(acked), None));
    // It may have been acked before the start.
    assert_eq!((copy(5).held, copy(5).acked_at), (true, None));
}

#[test]
fn one_flush_tells_when_it_was_and_that_the_master_got_its_messages_once() {
    let ((mut leader, start), mut events) = (leader(), Events::default());
    let ms = Duration::from_millis(1);
    let wait = Wait::default();
    let request = AppendRequest { wait, key: None, expected_end: None, messages: 1, bytes: 1 };
    for n in 1..=20_000 {
        leader.append(start + n * ms, WaiterId::new(n.into()), request, 1, &mut events);
    }
    let durable = start + 30_000 * ms;
    leader.durable(durable, LogEnd::new(20_005), &mut Default::default());
    let own = leader.copies(LogEnd::new(6)).swap_remove(0);
    assert_eq!((own.acked_at, own.after, own.attempts), (Some(durable), None, Some(1)));
}
