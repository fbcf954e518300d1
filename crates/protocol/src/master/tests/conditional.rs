//! Appends on condition that the log ends at a certain id.

use super::*;
use crate::FirstUse;

impl Node {
    fn append_at(
        &mut self,
        waiter: u64,
        end: u64,
        key: Option<u128>,
    ) -> Result<Admission, Refusal> {
        let wait = Wait::until(Some(WriteConcern::Nodes(1)), None);
        let (key, expected_end) = (key.map(KeyHash::new), Some(LogEnd::new(end)));
        let request = AppendRequest { wait, key, expected_end, messages: 2, bytes: 1 };
        self.machine.append(self.now, WaiterId::new(waiter), request)
    }
}

fn moved(expected: u64, end: u64) -> Result<Admission, Refusal> {
    Err(Refusal::EndMoved { expected: LogEnd::new(expected), end: LogEnd::new(end) })
}

#[test]
fn of_appends_that_expect_the_same_end_one_is_taken() {
    let mut node = Node::restarted(true);
    assert_eq!(node.append_at(1, 5, None), Ok(Admission::Append(MessageId::new(5))));
    // Not durable yet, and it counts all the same: its ids are given.
    assert_eq!(node.append_at(2, 5, None), moved(5, 7));
    assert_eq!(node.append_at(3, 8, None), moved(8, 7), "that one may come true");
    assert_eq!(node.append_at(4, 7, None), Ok(Admission::Append(MessageId::new(7))));
}

#[test]
fn a_known_key_is_answered_before_the_condition_also_while_its_first_use_is_on_its_way() {
    let mut node = Node::restarted(true);
    assert_eq!(node.append_at(1, 5, Some(9)), Ok(Admission::Append(MessageId::new(5))));
    assert_eq!(node.append_at(2, 5, Some(9)), Ok(Admission::Compare(MessageId::new(5))));
    let told = Ok(FirstUse::SameMessage);
    let shares_its_fate = node.machine.key_compared(node.now, WaiterId::new(2), told);
    assert_eq!(shares_its_fate, Ok(Admission::Waits));
    let answered = released(&node.step(Input::Durable(LogEnd::new(7))));
    assert_eq!(answered.iter().map(|(waiter, _)| *waiter).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_condition_is_checked_when_the_append_is_taken_and_not_before_its_comparison() {
    let mut node = Node::restarted(true);
    // The key with hash 2 is known, so this one is compared first.
    assert_eq!(node.append_at(1, 5, Some(2)), Ok(Admission::Compare(MessageId::new(4))));
    assert_eq!(node.append_at(2, 5, None), Ok(Admission::Append(MessageId::new(5))));
    let other = node.machine.key_compared(node.now, WaiterId::new(1), Ok(FirstUse::OtherKey));
    assert_eq!(other, moved(5, 7));
    assert_eq!(released(&node.step(Input::Durable(LogEnd::new(7)))).len(), 1);
    assert!(!node.machine.has_waiters());
}
