//! Batches: all events of one name all of its messages.

use super::*;
use crate::events::{AnswerKind, Detail, Event, EventKind, MessageEvent};

const SECOND: Duration = Duration::from_secs(1);

impl Node {
    fn append_batch(
        &mut self,
        waiter: u64,
        timeout: Option<Duration>,
        key: Option<KeyHash>,
    ) -> Admission {
        let wait = Wait { timeout, ..Wait::default() };
        let request = AppendRequest { wait, key, expected_end: None, messages: 3, bytes: 3 };
        self.machine.append(self.now, WaiterId::new(waiter), request).unwrap()
    }

    /// Returns the kinds of the events about messages since the last time, and the messages.
    fn told(&mut self) -> Vec<(EventKind, Option<IdRange>)> {
        let told = |event: Event| match &event {
            Event::Message(_) => Some((event.kind(), event.ids())),
            _ => None,
        };
        std::iter::from_fn(|| self.machine.events().poll()).filter_map(told).collect()
    }
}

#[test]
fn all_events_of_a_batch_name_all_of_its_messages() {
    use EventKind as Kind;
    let mut node = Node::restarted(true);
    node.machine.events().set_detail(Detail::Messages);
    let batch = |first: u64| Some(IdRange::new(LogEnd::new(first), LogEnd::new(first + 3)));
    let key = Some(KeyHash::new(9));
    node.append_batch(1, None, key);
    node.append_batch(2, Some(SECOND), None);
    node.append_batch(3, None, None);
    let taken =
        [5, 8, 11].map(|first| [(Kind::Accepted, batch(first)), (Kind::Waits, batch(first))]);
    assert_eq!(node.told(), taken.concat());
    // Sent again under its key, it waits for the whole batch, too.
    assert_eq!(node.append_batch(4, None, key), Admission::Compare(MessageId::new(5)));
    node.machine.key_compared(node.now, WaiterId::new(4), Ok(FirstUse::SameMessage)).unwrap();
    assert_eq!(node.told(), [(Kind::Waits, batch(5))]);
    node.step(LeaderInput::Cancel(WaiterId::new(3)));
    assert_eq!(node.told(), [(Kind::Canceled, batch(11))]);
    node.step(Input::Durable(LogEnd::new(14)));
    let durable = Some(IdRange::new(LogEnd::new(5), LogEnd::new(14)));
    assert_eq!(node.told(), [(Kind::Durable, durable)]);
    node.now += SECOND;
    node.machine.handle_timeout(node.now);
    assert_eq!(node.told(), [(Kind::Answered, batch(8))]);
    node.greet(9, "bonnie", 5);
    node.acks(9, 1, 8);
    node.effects();
    let answered = node.told().into_iter().filter(|&(kind, _)| kind == Kind::Answered);
    assert_eq!(answered.collect::<Vec<_>>(), [(Kind::Answered, batch(5)); 2]);
}

#[test]
fn a_wait_for_one_message_of_a_batch_is_about_that_one() {
    let mut node = Node::restarted(true);
    node.append_batch(1, None, None);
    node.step(Input::Durable(LogEnd::new(8)));
    while node.machine.events().poll().is_some() {}
    node.machine.events().set_detail(Detail::Messages);
    let wait = Wait { write_concern: Some(WriteConcern::Nodes(1)), ..Wait::default() };
    node.machine.join(node.now, WaiterId::new(2), MessageId::new(6), wait).unwrap();
    let ids = IdRange::new(LogEnd::new(6), LogEnd::new(7));
    let (write_concern, answer) = (1, AnswerKind::Committed);
    let expected = MessageEvent::Answered { ids, write_concern, answer };
    assert_eq!(node.machine.events().poll(), Some(expected.into()));
}
