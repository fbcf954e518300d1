//! Series: lines of an append stream that are taken together, each with a client of its own.

use super::*;
use crate::FirstUse;

impl Node {
    fn append_series(
        &mut self,
        first: u64,
        count: u64,
        nodes: u64,
        timeout: Option<Duration>,
    ) -> Result<MessageId, Refusal> {
        let wait = Wait::until(Some(WriteConcern::Nodes(nodes)), timeout);
        let request =
            AppendRequest { wait, key: None, expected_end: None, messages: count, bytes: 1 };
        self.machine.append_series(self.now, WaiterId::new(first), request)
    }

    fn append_line(&mut self, waiter: u64, request: AppendRequest) -> Result<Admission, Refusal> {
        self.machine.append_line(self.now, WaiterId::new(waiter), request)
    }

    fn compare_keyed(&mut self, waiter: u64, key: u128) {
        let (wait, key) = (Wait::default(), Some(KeyHash::new(key)));
        let request = AppendRequest { wait, key, expected_end: None, messages: 1, bytes: 1 };
        self.machine.append(self.now, WaiterId::new(waiter), request).unwrap();
    }

    /// Returns the answers so far: first client, number of clients, first id, nodes, whether the
    /// write concern holds.
    fn answers(&mut self) -> Vec<(u64, u64, u64, usize, bool)> {
        let answer = |effect| match effect {
            Effect::Role(LeaderEffect::Release { waiter, count, outcome }) => {
                let (receipt, holds) = match outcome {
                    Outcome::Committed(receipt) => (receipt, true),
                    Outcome::TimedOut(receipt)
                    | Outcome::ShuttingDown(receipt)
                    | Outcome::DiskFailed(receipt, _) => (receipt, false),
                    other => panic!("{other:?}"),
                };
                Some((waiter.get(), count, receipt.id.get(), receipt.acked_by.len(), holds))
            }
            _ => None,
        };
        self.effects().into_iter().filter_map(answer).collect()
    }

    /// Lets a secondary that has the first five messages report that it has more.
    pub(super) fn acks(&mut self, session: u64, request: u64, end: u64) {
        let request = (RequestId::new(request), LogEnd::new(end));
        let ack = Request::GetMessages { from: request.1, again: false };
        let frame = Frame::Request(request.0, ack);
        self.machine.step(self.now, Input::Frame { session: SessionId::new(session), frame });
    }
}

#[test]
fn a_series_is_answered_as_far_as_its_write_concern_holds() {
    let mut node = Node::restarted(true);
    assert_eq!(node.append_series(100, 10, 1, None), Ok(MessageId::new(5)));
    assert_eq!(node.answers(), []);
    node.machine.step(node.now, Input::Durable(LogEnd::new(9)));
    assert_eq!(node.answers(), [(100, 4, 5, 1, true)]);
    node.machine.step(node.now, Input::Durable(LogEnd::new(15)));
    assert_eq!(node.answers(), [(104, 6, 9, 1, true)]);
    assert!(!node.machine.has_waiters());
}

#[test]
fn each_answer_of_a_series_names_the_nodes_that_have_its_own_message() {
    let mut node = Node::restarted(true);
    node.greet(9, "bonnie", 5);
    node.greet(10, "clyde", 5);
    node.append_series(100, 10, 2, None).unwrap();
    node.step(Input::Durable(LogEnd::new(15)));
    assert_eq!(node.answers(), []);
    node.acks(9, 1, 8);
    // Answered together, and yet the first three have one node more.
    node.acks(10, 1, 12);
    assert_eq!(node.answers(), [(100, 3, 5, 3, true), (103, 4, 8, 2, true)]);
    assert_eq!(node.machine.health(node.now).waiting_senders, 3);
    node.machine.step(node.now, Input::Shutdown);
    assert_eq!(node.answers(), [(107, 3, 12, 1, false)]);
}

#[test]
fn a_series_has_one_time_limit_and_each_of_it_an_answer_when_it_passes() {
    let mut node = Node::restarted(true);
    let limit = Duration::from_secs(1);
    node.append_series(100, 4, 2, Some(limit)).unwrap();
    node.step(Input::Durable(LogEnd::new(7)));
    node.now += limit;
    node.machine.handle_timeout(node.now);
    // Of the others the disk has not told yet.
    assert_eq!(node.answers(), [(100, 2, 5, 1, false), (102, 2, 7, 0, false)]);
    assert!(!node.machine.has_waiters());
}

#[test]
fn a_series_is_taken_where_there_is_room_for_all_of_it() {
    let mut node = Node::restarted(true);
    let asked = Wait::until(Some(WriteConcern::Nodes(2)), None);
    assert_eq!(node.machine.room_to_wait(asked), 10);
    node.append_series(100, 7, 2, None).unwrap();
    assert_eq!(node.machine.room_to_wait(asked), 3);
    let refused = node.append_series(200, 4, 2, None);
    assert_eq!(refused, Err(Refusal::TooManyWaiting { limit: 10 }));
    node.append_series(200, 3, 2, None).unwrap();
    let of_master = Wait { write_concern: Some(WriteConcern::Nodes(1)), ..asked };
    assert_eq!(
        (node.machine.room_to_wait(asked), node.machine.room_to_wait(of_master)),
        (0, usize::MAX)
    );
}

#[test]
fn a_stream_that_ends_leaves_nothing_that_waits_and_the_others_go_on() {
    let mut node = Node::restarted(true);
    node.append_series(100, 3, 2, None).unwrap();
    node.append_series(103, 2, 1, None).unwrap();
    node.append(7, 2).unwrap();
    node.compare_keyed(105, 2);
    node.step(Input::Durable(LogEnd::new(6)));
    let (first, count) = (WaiterId::new(100), 50);
    node.step(LeaderInput::CancelSeries { first, count });
    assert_eq!(node.machine.health(node.now).waiting_senders, 1);
    node.step(Input::Durable(LogEnd::new(11)));
    node.machine.step(node.now, LeaderInput::GiveUp.into());
    assert_eq!(node.answers(), [(7, 1, 10, 1, false)]);
}

#[test]
fn a_failed_disk_answers_the_part_of_a_series_that_it_does_not_have() {
    let mut node = Node::restarted(true);
    node.append_series(100, 5, 2, None).unwrap();
    node.step(Input::Durable(LogEnd::new(7)));
    node.machine.step(node.now, Input::DiskFault(no_space()));
    assert_eq!(node.answers(), [(102, 3, 7, 0, false)]);
    assert_eq!(node.machine.health(node.now).waiting_senders, 2);
}

/// Returns the append of one message that this many nodes must have.
fn request(nodes: u64) -> AppendRequest {
    let wait = Wait { write_concern: Some(WriteConcern::Nodes(nodes)), ..Wait::default() };
    AppendRequest { wait, key: None, expected_end: None, messages: 1, bytes: 1 }
}

#[test]
fn lines_leave_places_to_single_appends_and_need_none_where_they_wait_for_no_secondary() {
    let options = MasterOptions { max_waiting: 32, ..options() };
    let mut node = Node::new(options, restored(), true);
    node.append_series(100, 29, 2, None).unwrap();
    assert_eq!(node.machine.room_to_wait(request(2).wait), 1);
    assert_eq!(node.append_line(200, request(2)), Ok(Admission::Append(MessageId::new(34))));
    let crowded = Err(Refusal::TooManyWaiting { limit: 32 });
    assert_eq!(node.append_line(201, request(2)), crowded);
    assert!(node.append_line(202, request(1)).is_ok());
    assert!(node.append(1, 2).is_ok() && node.append(2, 2).is_ok());
    assert_eq!(node.append(3, 2).map(Admission::Append), crowded);
}

#[test]
fn lines_leave_half_of_what_may_wait_for_the_disk_to_single_appends() {
    let mut node = Node::restarted(true);
    let half = 32 * 1024 * 1024;
    node.append_line(100, AppendRequest { bytes: half, ..request(1) }).unwrap();
    assert!(node.machine.disk_takes_lines());
    node.append_line(101, request(1)).unwrap();
    assert!(!node.machine.disk_takes_lines());
    let behind = Err(Refusal::DiskBehind { bytes: half + 1 });
    assert_eq!(node.append_line(102, request(1)), behind);
    assert_eq!(node.append_series(102, 2, 1, None).map(Admission::Append), behind);
    assert!(node.append(1, 1).is_ok());
    node.step(Input::Durable(LogEnd::new(6)));
    assert!(node.machine.disk_takes_lines() && node.append_line(102, request(1)).is_ok());
}

#[test]
fn a_batch_that_is_compared_has_its_place_kept_for_it() {
    let options = MasterOptions { max_waiting: 32, ..options() };
    let mut node = Node::new(options, restored(), true);
    node.append_series(100, 29, 2, None).unwrap();
    let known = AppendRequest { key: Some(KeyHash::new(2)), ..request(2) };
    assert_eq!(node.append_line(200, known), Ok(Admission::Compare(MessageId::new(4))));
    assert_eq!(node.machine.room_to_wait(known.wait), 0);
    let crowded = Err(Refusal::TooManyWaiting { limit: 32 });
    assert_eq!(node.append_series(300, 1, 2, None).map(Admission::Append), crowded);
    let compared = Ok(FirstUse::SameMessage);
    let waits = node.machine.key_compared(node.now, WaiterId::new(200), compared);
    assert_eq!((waits, node.machine.room_to_wait(known.wait)), (Ok(Admission::Waits), 0));
}

#[test]
fn a_line_is_refused_for_lack_of_room_only_where_it_would_be_taken_otherwise() {
    let mut node = Node::restarted(true);
    node.append_series(100, 10, 2, None).unwrap();
    node.append_line(110, AppendRequest { bytes: 64 * 1024 * 1024, ..request(1) }).unwrap();
    let (wait, key) = (request(2).wait, Some(KeyHash::new(2)));
    let known = AppendRequest { key, ..request(2) };
    assert_eq!(node.append_line(111, known), Ok(Admission::Compare(MessageId::new(4))));
    // Nobody else has that message: it would wait.
    let same = |node: &mut Node, waiter| {
        node.machine.key_compared(node.now, WaiterId::new(waiter), Ok(FirstUse::SameMessage))
    };
    assert_eq!(same(&mut node, 111), Err(Refusal::TooManyWaiting { limit: 10 }));
    assert_eq!(node.machine.room_to_wait(wait), 0);
    let expected = LogEnd::new(5);
    let refused =
        node.append_line(112, AppendRequest { expected_end: Some(expected), ..request(1) });
    assert_eq!(refused, Err(Refusal::EndMoved { expected, end: LogEnd::new(16) }));
    node.step(Input::DiskFault(no_space()));
    assert_eq!(node.append_line(113, request(1)), Err(Refusal::DiskFault(no_space())));
    assert!(node.machine.refuses_appends(), "so it need not be kept");
    node.step(Input::Shutdown);
    assert_eq!(node.append_line(114, request(1)), Err(Refusal::ShuttingDown));
}
