//! The follower alone: what it takes, what it acks, and what it forgets with a connection.

use acklog_types::{InBatch, MessageId, Rate, encode_record};
use rand::SeedableRng;

use super::*;
use crate::EventKind;
use crate::frame::ErrorCode;
use crate::secondary::test_log::TestLog;
use crate::test_records::records;

const LOG: LogId = LogId::new(7);

const TIMEOUT: Duration = Duration::from_secs(1);

/// Messages `[from, until)` of the master's log, each a batch of its own.
fn messages(from: u64, until: u64) -> Records {
    records(from, until, "text")
}

/// A follower, and the log that its actions fill.
struct Node {
    follower: Follower<TestLog>,
    log: TestLog,
    rng: ChaCha8Rng,
    events: Events,
    now: Instant,
    /// Requests made so far.
    requests: u64,
}

impl Node {
    /// A node with an empty log that the master has accepted.
    fn joined() -> Self {
        let log = TestLog::default();
        let mut follower = Follower::new(log.clone(), RestoredSecondary::default(), 1);
        follower.join(LOG, LogEnd::ZERO, TIMEOUT);
        let (rng, events, now) = (ChaCha8Rng::seed_from_u64(1), Events::default(), Instant::now());
        Self { follower, log, rng, events, now, requests: 0 }
    }

    /// A node with one message that the master takes for a ready one.
    fn ready() -> Self {
        let mut node = Self::joined();
        node.page(0, 1, 1).unwrap();
        node.carry_out();
        node.flush();
        let end = LogEnd::new(1);
        assert_eq!(node.requests(), [Request::SecondaryNodeReady { end }]);
        node.follower.note_ready(RequestId::new(0), &mut node.events).unwrap();
        node
    }

    fn page(&mut self, from: u64, until: u64, master_end: u64) -> Result<(), ProtocolError> {
        self.take_page(messages(from, until), LogEnd::new(master_end))
    }

    fn take_page(&mut self, run: Records, log_end: LogEnd) -> Result<(), ProtocolError> {
        let page = PageAnswer { request: RequestId::new(0), is_late: false, run, log_end };
        self.follower.take_page(self.now, page, &mut self.rng, &mut self.events)
    }

    /// A run of one message comes with the request of the same number.
    fn run(&mut self, id: u64) -> Result<(), ProtocolError> {
        let (request, run) = (RequestId::new(id), messages(id, id + 1));
        self.follower.take_run(self.now, request, run, &mut self.events)
    }

    fn requests(&mut self) -> Vec<Request<IdRange>> {
        let mut made = Vec::new();
        while let Some((request, _)) = self.follower.poll_request(RequestId::new(self.requests)) {
            self.requests += 1;
            made.push(request);
        }
        made
    }

    /// Appends what is to be appended. Returns the answers, each as its request and the durable end
    /// in it; none for an error.
    fn carry_out(&mut self) -> Vec<(u64, Option<u64>)> {
        let mut answers = Vec::new();
        while let Some(action) = self.follower.poll_action() {
            match action {
                FollowerAction::Append(run) => self.log.append_run(LOG, &run),
                FollowerAction::Answer(request, Response::Added { contiguous_end }) => {
                    answers.push((request.get(), Some(contiguous_end.get())));
                }
                FollowerAction::Answer(request, Response::Failed { code, .. }) => {
                    assert!(matches!(code, ErrorCode::Internal | ErrorCode::NoRoom));
                    answers.push((request.get(), None));
                }
                other => panic!("{other:?}"),
            }
        }
        answers
    }

    /// Makes durable what was appended. Returns the answers.
    fn flush(&mut self) -> Vec<(u64, Option<u64>)> {
        self.log.flush();
        self.follower.note_durable(self.follower.log_end(), &mut self.events);
        self.follower.answer_due(&mut self.events);
        self.carry_out()
    }
}

#[test]
fn a_run_is_answered_once_it_is_durable() {
    let mut node = Node::ready();
    node.run(1).unwrap();
    node.run(2).unwrap();
    assert_eq!(node.carry_out(), []);
    assert_eq!(node.flush(), [(1, Some(3)), (2, Some(3))]);
    node.run(1).unwrap();
    assert_eq!(node.carry_out(), [(1, Some(3))], "it was here before");
}

#[test]
fn a_run_above_a_gap_is_answered_with_the_end_below_it_and_acked_by_what_closes_the_gap() {
    let mut node = Node::ready();
    node.run(2).unwrap();
    assert_eq!(node.carry_out(), [(2, Some(1))]);
    assert_eq!(node.follower.messages_above_gap(), 1);
    node.run(1).unwrap();
    assert_eq!(node.flush(), [(1, Some(3))]);
    assert_eq!(node.follower.messages_above_gap(), 0);
}

#[test]
fn the_answer_that_closes_a_gap_waits_for_all_that_it_acks() {
    let mut node = Node::ready();
    node.run(2).unwrap();
    node.run(1).unwrap();
    assert_eq!(node.carry_out(), [(2, Some(1))]);
    node.follower.note_durable(LogEnd::new(2), &mut node.events);
    node.follower.answer_due(&mut node.events);
    assert_eq!(node.carry_out(), [], "message 2 is not durable");
    assert_eq!(node.flush(), [(1, Some(3))]);
}

#[test]
fn a_changed_store_delay_ends_the_delays_that_have_begun() {
    let mut node = Node::ready();
    let faults = Faults { store_delay: Some("60s".parse().unwrap()), ..Faults::default() };
    node.follower.set_faults(node.now, faults, 1);
    node.run(1).unwrap();
    node.follower.store_due(node.now, &mut node.events);
    assert_eq!(node.follower.log_end(), LogEnd::new(1), "it is delayed");
    node.follower.set_faults(node.now, Faults::default(), 1);
    node.follower.store_due(node.now, &mut node.events);
    assert_eq!(node.flush(), [(1, Some(2))]);
}

#[test]
fn a_page_beyond_the_end_that_it_reports_is_no_page() {
    let mut node = Node::joined();
    let range = messages(0, 2).range();
    assert_eq!(node.page(0, 2, 1), Err(ProtocolError::BadRun(range)));
    assert_eq!(node.follower.log_end(), LogEnd::ZERO);
}

#[test]
fn the_end_of_the_master_s_log_never_goes_back() {
    let mut node = Node::joined();
    for end in [5, 3] {
        node.follower.note_master_end(LogEnd::new(end));
        assert_eq!(node.follower.master_log_end(), Some(LogEnd::new(5)));
    }
}

#[test]
fn a_page_that_finds_the_buffer_full_is_requested_again_after_a_pause() {
    let mut node = Node::joined();
    let request = |again| [Request::GetMessages { from: LogEnd::ZERO, again }];
    assert_eq!(node.requests(), request(false));
    node.follower.on_answer(Some((FrameKind::GetMessages, Duration::ZERO)));
    let text = "x".repeat(HELD_BYTES_MAX / 3);
    for id in 1..4 {
        assert_eq!(node.follower.next_deadline(), None);
        let mut bytes = Vec::new();
        encode_record(&mut bytes, MessageId::new(id), 0, None, &text, InBatch::Last);
        let range = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
        let (run, end) = (Records::check(range, bytes.into()).unwrap(), LogEnd::new(4));
        node.take_page(run, end).unwrap();
    }
    assert_eq!((node.follower.messages_above_gap(), node.requests()), (2, vec![]));
    node.follower.wake(node.follower.next_deadline().unwrap());
    assert_eq!(node.requests(), request(true));
}

#[test]
fn no_run_comes_before_the_node_has_told_that_it_is_ready() {
    let mut node = Node::joined();
    let range = messages(0, 1).range();
    assert_eq!(node.run(0), Err(ProtocolError::BadRun(range)));
    assert_eq!((node.carry_out(), node.follower.log_end()), (vec![], LogEnd::ZERO));
}

#[test]
fn what_belongs_to_a_connection_is_dropped_with_it_and_the_log_stays() {
    let mut node = Node::ready();
    node.run(1).unwrap();
    node.run(3).unwrap();
    node.carry_out();
    node.follower.leave();
    assert_eq!((node.follower.phase(), node.follower.messages_above_gap()), (None, 0));
    assert_eq!((node.requests(), node.follower.next_deadline()), (vec![], None));
    assert_eq!(node.flush(), [], "the request to be answered was dropped");
    assert_eq!(node.follower.durable_end(), LogEnd::new(2));
    node.follower.join(LOG, LogEnd::new(4), TIMEOUT);
    let from = LogEnd::new(2);
    assert_eq!(node.requests(), [Request::GetMessages { from, again: false }]);
    assert_eq!(node.follower.phase(), Some(SecondaryPhase::CatchingUp));
}

#[test]
fn a_node_with_messages_joins_no_other_log() {
    let mut node = Node::joined();
    let other = LogId::new(8);
    assert_eq!(node.follower.check_identity(LOG), Ok(()));
    assert_eq!(node.follower.check_identity(other), Err(ProtocolError::ChangedIdentity));
    node.follower.leave();
    assert_eq!(node.follower.check_identity(other), Ok(()), "it has no message");
    let mut node = Node::ready();
    node.follower.leave();
    assert_eq!(node.follower.check_identity(other), Err(ProtocolError::ChangedIdentity));
}

#[test]
fn a_node_introduces_itself_only_while_all_that_it_appended_is_durable() {
    let mut node = Node::joined();
    assert!(
        node.follower.introduction(&mut node.events).is_some_and(|told| told.checksum.is_none())
    );
    node.page(0, 1, 1).unwrap();
    node.carry_out();
    assert!(node.follower.introduction(&mut node.events).is_none());
    node.flush();
    let told = node.follower.introduction(&mut node.events).unwrap();
    assert_eq!((told.log, told.end), (Some(LOG), LogEnd::new(1)));
    assert!(told.checksum.is_some());
}

#[test]
fn an_injected_error_comes_after_the_messages_are_stored() {
    let mut node = Node::ready();
    let faults = Faults { error_rate: Rate::new(1.0).unwrap(), ..Faults::default() };
    node.follower.set_faults(node.now, faults, 1);
    node.events.set_detail(Detail::Frames);
    node.run(1).unwrap();
    assert_eq!(node.flush(), [(1, None)]);
    assert_eq!(node.follower.durable_end(), LogEnd::new(2));
    let mut events = std::iter::from_fn(|| node.events.poll());
    let failed = events.find(|event| event.kind() == EventKind::Failed).unwrap();
    assert_eq!(failed.ids(), Some(IdRange::new(LogEnd::new(1), LogEnd::new(2))));
}

/// Damage of the first message.
fn damage() -> Damage {
    let wanted = messages(0, 1).range();
    let (detail, until) = ("offset 17".to_owned(), wanted.end());
    Damage { detail, until, wanted: Some(wanted), misfits: 0, version: 1 }
}

#[test]
fn damaged_messages_are_taken_from_no_page_of_the_catch_up() {
    let mut node = Node::joined();
    node.page(0, 1, 1).unwrap();
    node.flush();
    assert_eq!(node.requests(), [Request::SecondaryNodeReady { end: LogEnd::new(1) }]);
    node.follower.note_damage(node.now, Some(damage()), &mut node.rng, &mut node.events);
    node.page(0, 1, 1).unwrap();
    assert_eq!(node.follower.poll_action(), None);
}

#[test]
fn damaged_messages_are_requested_again_after_a_pause() {
    let mut node = Node::ready();
    node.follower.note_damage(node.now, Some(damage()), &mut node.rng, &mut node.events);
    let request = [Request::GetMessages { from: LogEnd::ZERO, again: true }];
    assert_eq!(node.requests(), request);
    node.follower.on_answer(Some((FrameKind::GetMessages, Duration::ZERO)));
    let (run, end) = (Records::empty(LogEnd::new(1)), LogEnd::new(1));
    node.take_page(run, end).unwrap();
    assert_eq!(node.requests(), []);
    node.follower.wake(node.follower.next_deadline().unwrap());
    assert_eq!(node.requests(), request);
}

#[test]
fn damaged_messages_are_taken_from_a_page_and_given_to_the_log() {
    let mut node = Node::ready();
    node.follower.note_damage(node.now, Some(damage()), &mut node.rng, &mut node.events);
    assert_eq!(node.requests(), [Request::GetMessages { from: LogEnd::ZERO, again: true }]);
    node.page(0, 1, 1).unwrap();
    let mend = FollowerAction::Mend(messages(0, 1));
    assert_eq!(node.follower.poll_action(), Some(mend));
    assert_eq!(node.follower.poll_action(), None);
    assert_eq!(node.requests(), [], "the log says what it wants next");
}
