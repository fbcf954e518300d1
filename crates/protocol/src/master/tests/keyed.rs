//! Batches with an idempotency key, and a disk that is too far behind.

use acklog_types::UnreadBatch;

use super::*;
use crate::FirstUse;

const SECOND: Duration = Duration::from_secs(1);

/// The message that has the key with hash 2.
const FIRST: MessageId = MessageId::new(4);

fn request(key: u128, timeout: Option<Duration>) -> AppendRequest {
    let wait = Wait::until(Some(WriteConcern::Nodes(1)), timeout);
    let key = Some(KeyHash::new(key));
    AppendRequest { wait, key, expected_end: None, messages: 1, bytes: 1 }
}

impl Node {
    fn send_keyed(
        &mut self,
        waiter: u64,
        key: u128,
        timeout: Option<Duration>,
    ) -> Result<Admission, Refusal> {
        self.machine.append(self.now, WaiterId::new(waiter), request(key, timeout))
    }

    fn tell_first_use(
        &mut self,
        waiter: u64,
        found: Result<FirstUse, UnreadBatch>,
    ) -> Result<Admission, Refusal> {
        self.machine.key_compared(self.now, WaiterId::new(waiter), found)
    }

    /// Returns the answers so far: each client and its outcome.
    fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let outcome = |effect| match effect {
            Effect::Role(LeaderEffect::Release { waiter, outcome, .. }) => {
                Some((waiter.get(), outcome))
            }
            _ => None,
        };
        self.effects().into_iter().filter_map(outcome).collect()
    }
}

#[test]
fn a_batch_with_a_known_key_is_compared_and_what_it_is_decides() {
    let mut node = Node::restarted(true);
    assert_eq!(node.send_keyed(1, 2, None), Ok(Admission::Compare(FIRST)));
    assert_eq!(node.outcomes(), [], "it waits for the comparison");
    assert_eq!(node.tell_first_use(1, Ok(FirstUse::SameMessage)), Ok(Admission::Waits));
    let [(1, Outcome::Committed(receipt))] = &node.outcomes()[..] else { panic!("not answered") };
    assert!(receipt.replayed && receipt.id == FIRST);

    node.send_keyed(2, 2, None).unwrap();
    let reused = Err(Refusal::KeyReused { first: FIRST });
    assert_eq!(node.tell_first_use(2, Ok(FirstUse::OtherMessage)), reused);

    node.send_keyed(3, 2, None).unwrap();
    let taken = Ok(Admission::Append(MessageId::new(5)));
    assert_eq!(node.tell_first_use(3, Ok(FirstUse::OtherKey)), taken, "another key of that hash");
    assert_eq!(node.send_keyed(4, 2, None), Ok(Admission::Compare(MessageId::new(5))));
}

#[test]
fn a_batch_of_the_same_key_that_came_meanwhile_is_compared_too() {
    let mut node = Node::restarted(true);
    node.send_keyed(1, 2, None).unwrap();
    node.send_keyed(2, 2, None).unwrap();
    let other = |node: &mut Node, waiter| node.tell_first_use(waiter, Ok(FirstUse::OtherKey));
    assert_eq!(other(&mut node, 1), Ok(Admission::Append(MessageId::new(5))));
    assert_eq!(other(&mut node, 2), Ok(Admission::Compare(MessageId::new(5))));
    assert_eq!(node.tell_first_use(2, Ok(FirstUse::SameMessage)), Ok(Admission::Waits));
}

#[test]
fn a_batch_that_cannot_be_compared_is_in_doubt_for_the_moment_or_refused_for_good() {
    let mut node = Node::restarted(true);
    let detail = || "offset 17".to_owned();
    node.send_keyed(1, 2, None).unwrap();
    let passing = Err(UnreadBatch::Passing(detail()));
    assert_eq!(node.tell_first_use(1, passing), Ok(Admission::Waits));
    let [(1, Outcome::DiskFailed(receipt, fault))] = &node.outcomes()[..] else {
        panic!("not answered")
    };
    assert!(fault.is_passing() && receipt.id == FIRST && !receipt.stored);
    node.send_keyed(2, 2, None).unwrap();
    let unreadable = Err(Refusal::KeyUnreadable { first: FIRST, detail: detail() });
    assert_eq!(node.tell_first_use(2, Err(UnreadBatch::Damaged(detail()))), unreadable);
}

#[test]
fn a_sender_waits_for_a_comparison_as_long_as_it_asked_for_in_all() {
    let mut node = Node::restarted(true);
    node.send_keyed(1, 2, Some(SECOND)).unwrap();
    let due = node.now + SECOND;
    assert_eq!(node.machine.next_deadline(), Some(due));
    node.now = due;
    node.machine.handle_timeout(due);
    assert!(matches!(&node.outcomes()[..], [(1, Outcome::TimedOut(_))]));
    assert_eq!(node.tell_first_use(1, Ok(FirstUse::SameMessage)), Ok(Admission::Waits));
    assert_eq!(node.outcomes(), [], "it was answered before");
    // The time that it waited for the comparison is a part of its time limit.
    let wait = Wait::until(Some(WriteConcern::Nodes(2)), Some(SECOND));
    let request = AppendRequest { wait, ..request(2, None) };
    node.machine.append(node.now, WaiterId::new(2), request).unwrap();
    node.now += SECOND / 4;
    node.tell_first_use(2, Ok(FirstUse::SameMessage)).unwrap();
    node.now = due + SECOND;
    node.machine.handle_timeout(node.now);
    assert!(matches!(&node.outcomes()[..], [(2, Outcome::TimedOut(_))]));
}

#[test]
fn a_sender_that_hangs_up_leaves_nothing_and_one_whose_node_stops_is_answered() {
    let mut node = Node::restarted(true);
    node.send_keyed(1, 2, None).unwrap();
    assert!(node.machine.has_waiters());
    node.step(LeaderInput::Cancel(WaiterId::new(1)));
    assert!(!node.machine.has_waiters());
    node.send_keyed(2, 2, None).unwrap();
    node.step(Input::Shutdown);
    assert!(node.machine.has_waiters(), "its comparison is waited for");
    node.machine.step(node.now, LeaderInput::GiveUp.into());
    assert!(matches!(&node.outcomes()[..], [(2, Outcome::ShuttingDown(_))]));
}

#[test]
fn a_disk_that_is_too_far_behind_takes_no_more_until_it_has_caught_up() {
    let mut node = Node::restarted(true);
    let append = |node: &mut Node, waiter: u64, bytes: usize| {
        let request = AppendRequest { key: None, bytes, ..request(9, None) };
        node.machine.append(node.now, WaiterId::new(waiter), request)
    };
    let half = 32 * 1024 * 1024;
    append(&mut node, 1, half).unwrap();
    append(&mut node, 2, half).unwrap();
    append(&mut node, 3, 1).unwrap();
    let behind = Err(Refusal::DiskBehind { bytes: 2 * half + 1 });
    assert_eq!(append(&mut node, 4, 1), behind);
    // A batch that is there already needs no room.
    assert_eq!(node.send_keyed(5, 2, None), Ok(Admission::Compare(FIRST)));
    node.step(Input::Durable(LogEnd::new(6)));
    append(&mut node, 6, half).unwrap();
    // In memory nothing waits for a disk.
    let in_memory = RestoredMaster { on_disk: false, ..restored() };
    let mut node = Node::new(options(), in_memory, true);
    (0..9).for_each(|waiter| assert!(append(&mut node, waiter, half).is_ok()));
}
