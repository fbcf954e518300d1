//! Tests of a whole master: one with a log that was there before, and one with a log that cannot be
//! read.

mod bounds;
mod lines;
mod positions;

use std::time::Duration;

use acklog_types::{
    Checksum, Damage, IdRange, InstanceId, KeyHash, Losses, MessageId, Quorum, Records, RequestId,
    WaiterId, WriteConcern,
};
use acklog_types::{DiskFault, Faults, LogEnd, LogId, NodeName, Unreadable};

use super::leader::WaitReason;
use super::*;
use crate::events::Events;
use crate::frame::{ErrorCode, Frame, Handshake, Positions, RefusalCode, Request, Response};
use crate::outcome::AppendOrigin;
use crate::{
    Admission, AppendRequest, CloseReason, DiskHealth, FaultHooks, Outcome, Refusal, SessionEnd,
    Wait,
};

const LOG: LogId = LogId::new(7);

/// A log of empty messages, all of them readable or none.
struct View {
    readable: bool,
}

impl LogView for View {
    fn run_from(&self, from: LogEnd, until: LogEnd, _: usize) -> Option<(IdRange, usize)> {
        let range = IdRange::new(from, until.max(from));
        self.readable.then_some((range, range.len() as usize))
    }

    fn checksum_below(&self, _: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        unreachable!("a master tells no checksum")
    }

    fn is_same_below(&self, _: LogEnd, told: Checksum) -> Option<bool> {
        self.readable.then_some(told == Checksum::new(1))
    }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub(super) fn options() -> MasterOptions {
    MasterOptions {
        name: name("master"),
        log: LOG,
        http_port: Some(8000),
        request_timeout: Duration::from_secs(1),
        heartbeat_interval: Duration::from_secs(1),
        cluster_size: None,
        secondaries: None,
        default_write_concern: WriteConcern::Majority,
        quorum: None,
        max_waiting: 10,
        max_strangers: STRANGERS_MAX,
        idempotency_window: 10,
        seed: 1,
    }
}

struct Node {
    machine: Master<View>,
    now: Instant,
    readable: bool,
    /// Reads of the log's files are not answered at once, but returned as effects.
    reads_later: bool,
}

impl Node {
    fn new(options: MasterOptions, restored: RestoredMaster, readable: bool) -> Self {
        let now = Instant::now();
        let machine = Master::new(now, options, restored, View { readable });
        Self { machine, now, readable, reads_later: false }
    }

    /// Creates a master that was started again with five messages and two secondaries.
    fn restarted(readable: bool) -> Self {
        Self::new(options(), restored(), readable)
    }

    fn step(&mut self, input: impl Into<Input<LeaderInput>>) -> Vec<Effect<LeaderEffect>> {
        self.machine.step(self.now, input.into());
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect<LeaderEffect>> {
        let mut effects = Vec::new();
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Read { session, order } if !self.reads_later => {
                    let range = IdRange::new(order.from, order.until);
                    let found = self.readable.then_some((range, range.len() as usize));
                    let found = found.ok_or_else(|| Unreadable("offset 17".to_owned()));
                    self.machine.step(self.now, Input::Read { session, found });
                }
                effect => effects.push(effect),
            }
        }
        effects
    }

    fn lose(&mut self, session: u64) -> Vec<Effect<LeaderEffect>> {
        let (session, reason) = (SessionId::new(session), SessionEnd::Closed);
        self.step(Input::SessionDown { session, reason })
    }

    fn ready(&mut self, session: u64, id: u64, end: u64) -> Vec<Effect<LeaderEffect>> {
        self.ask(session, id, Request::SecondaryNodeReady { end: LogEnd::new(end) })
    }

    fn cluster_size(&self) -> u16 {
        self.machine.health(self.now).cluster_size
    }

    fn names(&self) -> Vec<String> {
        self.shown().into_iter().map(|(name, ..)| name).collect()
    }

    fn meet(&mut self, session: u64) {
        let (session, address) = (SessionId::new(session), String::new());
        self.step(LeaderInput::SessionUp { session, address });
    }

    fn ask(
        &mut self,
        session: u64,
        id: u64,
        request: Request<Records>,
    ) -> Vec<Effect<LeaderEffect>> {
        let frame = Frame::Request(RequestId::new(id), request);
        self.step(Input::Frame { session: SessionId::new(session), frame })
    }

    /// Lets a secondary with that many messages of this log introduce itself on a new connection,
    /// and returns what it is answered.
    fn greet(&mut self, session: u64, who: &str, end: u64) -> Vec<Effect<LeaderEffect>> {
        self.meet(session);
        self.ask(session, 0, Request::from(handshake(who, session, end)))
    }

    fn shown(&self) -> Vec<(String, Option<u64>, Option<u64>)> {
        let rows = self.machine.health(self.now).secondaries;
        let end = |end: Option<LogEnd>| end.map(LogEnd::get);
        rows.into_iter().map(|row| (row.name.to_string(), end(row.acked_end), row.lag)).collect()
    }

    fn append(&mut self, waiter: u64, nodes: u64) -> Result<MessageId, Refusal> {
        let wait = Wait::until(Some(WriteConcern::Nodes(nodes)), None);
        let request = AppendRequest { wait, key: None, expected_end: None, messages: 1, bytes: 1 };
        match self.machine.append(self.now, WaiterId::new(waiter), request)? {
            Admission::Append(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }
}

fn restored() -> RestoredMaster {
    RestoredMaster {
        end: LogEnd::new(5),
        members: vec![name("bonnie"), name("clyde")],
        keys: vec![(KeyHash::new(1), MessageId::new(2)), (KeyHash::new(2), MessageId::new(4))],
        on_disk: true,
        is_old: true,
        losses: Losses::default(),
    }
}

fn handshake(who: &str, instance: u64, end: u64) -> Handshake {
    Handshake {
        log: (end > 0).then_some(LOG),
        end: LogEnd::new(end),
        checksum: (end > 0).then_some(Checksum::new(1)),
        ..Handshake::new(name(who), InstanceId::new(instance.into()))
    }
}

fn responses(effects: &[Effect<LeaderEffect>]) -> Vec<&Response<IdRange>> {
    let response = |effect| match effect {
        &Effect::Send { frame: Frame::Response(_, ref response), .. } => Some(response),
        _ => None,
    };
    effects.iter().filter_map(response).collect()
}

/// Returns the clients whose write concern holds, and which nodes have their message.
fn released(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, Vec<String>)> {
    let released = |effect: &Effect<LeaderEffect>| match effect {
        Effect::Role(LeaderEffect::Release {
            waiter,
            outcome: Outcome::Committed(receipt),
            ..
        }) => Some((waiter.get(), receipt.acked_by.iter().map(NodeName::to_string).collect())),
        _ => None,
    };
    effects.iter().filter_map(released).collect()
}

fn closed(effects: &[Effect<LeaderEffect>]) -> Vec<(u64, &CloseReason)> {
    let closed = |effect| match effect {
        &Effect::Close { session, ref reason } => Some((session.get(), reason)),
        _ => None,
    };
    effects.iter().filter_map(closed).collect()
}

fn remembers(effects: &[Effect<LeaderEffect>]) -> Option<(u64, Vec<&str>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Role(LeaderEffect::Remember { version, names, .. }) => {
            Some((*version, names.iter().map(NodeName::as_str).collect()))
        }
        _ => None,
    })
}

/// Damage of message 2, of the `version`th change.
fn damage(version: u64) -> Damage {
    let wanted = IdRange::new(LogEnd::new(2), LogEnd::new(3));
    let (detail, until) = ("offset 17".to_owned(), wanted.end());
    Damage { detail, until, wanted: Some(wanted), misfits: 0, version }
}

fn no_space() -> DiskFault {
    DiskFault::Failed { detail: "no space".to_owned() }
}

#[test]
fn a_restarted_master_goes_on_with_its_ids_keys_and_secondaries() {
    let mut node = Node::restarted(true);
    let health = node.machine.health(node.now);
    assert_eq!((health.log_end, health.cluster_size), (LogEnd::new(5), 3));
    let unknown = |who: &str| (who.to_owned(), None, None);
    assert_eq!(node.shown(), [unknown("bonnie"), unknown("clyde")]);
    assert_eq!(node.machine.leader.find_key(KeyHash::new(1)), Some(MessageId::new(2)));
    assert_eq!(node.append(1, 2), Ok(MessageId::new(5)));
    // No position is known, so none counts.
    assert_eq!(node.step(Input::Durable(LogEnd::new(6))), []);
    let effects = node.greet(9, "clyde", 3);
    assert!(matches!(responses(&effects)[..], [Response::Welcome(_)]), "{effects:?}");
    assert_eq!(remembers(&effects), None, "its name is written down already");
    assert_eq!(node.shown(), [unknown("bonnie"), unknown("clyde")]);
    node.ask(9, 1, Request::GetMessages { from: LogEnd::new(3), again: false });
    assert_eq!(node.shown(), [unknown("bonnie"), ("clyde".to_owned(), Some(3), Some(3))]);
    assert_eq!(node.machine.health(node.now).cluster_size, 3);
}

#[test]
fn messages_that_cannot_be_read_are_answered_as_failed() {
    let mut node = Node::restarted(false);
    node.greet(9, "bonnie", 0);
    let effects = node.ask(9, 1, Request::GetMessages { from: LogEnd::ZERO, again: false });
    let failed = responses(&effects);
    assert!(matches!(failed[..], [Response::Failed { code: ErrorCode::Internal, .. }]));
    assert_eq!(closed(&effects), []);
}

#[test]
fn a_failed_disk_answers_who_waits_for_it_and_counts_no_more() {
    let options = MasterOptions { quorum: Some(Quorum::Nodes(1)), ..options() };
    let mut node = Node::new(options, restored(), true);
    node.append(1, 2).unwrap();
    node.append(2, 1).unwrap();
    node.step(Input::Durable(LogEnd::new(6)));
    node.greet(9, "dora", 0);
    node.ready(9, 1, 0);
    let effects = node.step(Input::DiskFault(no_space()));
    assert_eq!(closed(&effects), [(9, &CloseReason::DiskFault)]);
    let late = node.greet(10, "elis", 0);
    let [Response::Failed { detail, .. }] = responses(&late)[..] else { panic!("{late:?}") };
    assert!(detail.ends_with(&no_space().to_string()), "{detail}");
    assert_eq!(closed(&late), [(10, &CloseReason::DiskFault)]);
    let released = effects.iter().find_map(|effect| match effect {
        Effect::Role(LeaderEffect::Release {
            waiter,
            outcome: Outcome::DiskFailed(receipt, _),
            ..
        }) => Some((waiter.get(), receipt.id.get(), receipt.stored)),
        _ => None,
    });
    assert_eq!(released, Some((2, 6, false)), "{effects:?}");
    assert!(node.machine.has_waiters(), "the first one's message is durable");
    assert_eq!(node.append(3, 1), Err(Refusal::DiskFault(no_space())));
    assert!(node.machine.forget(&name("bonnie")).is_err());
    let health = node.machine.health(node.now);
    assert!(health.read_only);
    assert_eq!(health.disk, Some(DiskHealth::Faulty(no_space())));
    assert_eq!(health.quorum.map(|quorum| quorum.healthy), Some(0));
    let wait = Wait::until(Some(WriteConcern::Nodes(1)), None);
    let joined = |node: &mut Node, id| {
        let wait = (wait, WaitReason::Replay, AppendOrigin::Single);
        let cluster = node.machine.peers.cluster();
        let (waiter, id) = (WaiterId::new(9), MessageId::new(id));
        node.machine
            .leader
            .join(node.now, waiter, (id, 1), wait, cluster, &mut Events::default())
            .unwrap()
    };
    let stored = joined(&mut node, 5);
    assert!(matches!(stored, Some(Outcome::Committed(receipt)) if receipt.replayed));
    let lost = joined(&mut node, 6);
    assert!(matches!(lost, Some(Outcome::DiskFailed(receipt, _)) if receipt.replayed));
}

#[test]
fn a_disk_that_takes_nothing_for_the_moment_makes_a_master_read_only_until_it_is_well() {
    let detail = || "sync 0.log".to_owned();
    for fault in [DiskFault::Stalled { detail: detail() }, DiskFault::Full { detail: detail() }] {
        let options = MasterOptions { quorum: Some(Quorum::Nodes(1)), ..options() };
        let mut node = Node::new(options, restored(), true);
        node.append(1, 1).unwrap();
        let is_release = |effect: &Effect<LeaderEffect>| {
            matches!(effect, Effect::Role(LeaderEffect::Release { .. }))
        };
        let effects = node.step(Input::DiskFault(fault.clone()));
        assert!(!effects.iter().any(is_release), "who waits goes on waiting: {effects:?}");
        assert_eq!(node.append(2, 1), Err(Refusal::DiskFault(fault.clone())));
        let health = node.machine.health(node.now);
        assert!(health.read_only && !health.is_ready(), "{health:?}");
        assert_eq!(health.disk, Some(DiskHealth::Faulty(fault)));
        assert_eq!(health.quorum.map(|quorum| quorum.healthy), Some(0));
        node.step(Input::DiskWell);
        node.append(3, 1).unwrap();
        let effects = node.step(Input::Durable(LogEnd::new(7)));
        assert_eq!(effects.iter().filter(|effect| is_release(effect)).count(), 2);
        assert!(node.machine.health(node.now).is_ready());
    }
}

#[test]
fn a_disk_that_fails_after_it_was_found_damaged_is_told_as_failed() {
    let mut node = Node::restarted(true);
    node.step(Input::Damage(Some(damage(1))));
    let shown = DiskFault::Damaged { detail: "offset 17".to_owned() };
    assert_eq!(node.machine.health(node.now).disk, Some(DiskHealth::Faulty(shown.clone())));
    assert_eq!(node.append(3, 1), Err(Refusal::DiskFault(shown)), "nobody else has it");
    node.step(Input::DiskFault(no_space()));
    assert_eq!(node.machine.health(node.now).disk, Some(DiskHealth::Faulty(no_space())));
    assert_eq!(node.append(3, 1), Err(Refusal::DiskFault(no_space())));
}

#[test]
fn ids_that_nobody_has_cannot_be_waited_for() {
    let mut node = Node::restarted(true);
    for id in [5, u64::MAX] {
        let (waiter, id) = (WaiterId::new(1), MessageId::new(id));
        let refused = node.machine.join(node.now, waiter, id, Wait::default());
        assert_eq!(refused, Err(Refusal::NoMessage { end: LogEnd::new(5) }));
    }
}

mod batches;
mod comparing;
mod conditional;
mod keyed;
mod late;
mod losses;
mod membership;
mod pages;
mod repair;
mod series;
