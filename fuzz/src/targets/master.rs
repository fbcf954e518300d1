//! A master among peers that send anything, clients that come and go, and a disk that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acklog_protocol::frame::{Frame, Request};
use acklog_protocol::{
    Admission, AppendRequest, FirstUse, Input, LeaderEffect, LeaderInput, Machine, Master,
    MasterOptions, Outcome, Receipt, Refusal, RestoredMaster, Wait,
};
use acklog_types::{
    Batch, KeyHash, LogEnd, Losses, MessageId, NodeName, Quorum, Records, SessionId, UnreadBatch,
    Unreadable, WaiterId, WriteConcern,
};

use crate::bytes_in::BytesIn;
use crate::frames::{LOG, NAMES, some_frame, some_name, text_of};
use crate::node::{ColdLog, HAPPENINGS, Node, end_told};

/// Whatever happens, the master does not panic; a deadline never stays in the past; no frame tells
/// of what is not durable; ids follow each other; each client that is admitted is answered once,
/// unless it is gone; and an ack names nodes that have claimed as much, the master first.
///
/// Input: the options, then what happens, one after the other, each as a kind and what it needs.
pub fn master(data: &[u8]) {
    let mut input = BytesIn::new(data);
    let mut case = MasterCase::new(&mut input);
    while !input.is_empty() {
        case.happen(&mut input);
        case.settle();
        case.check_health();
    }
    case.end();
}

/// A client that waits.
struct AppendingClient {
    /// The number of messages that it sends; none: it waits for one that is there.
    messages: Option<u64>,
}

struct MasterCase {
    node: Node<Master<ColdLog>>,
    max_waiting: usize,
    /// The end of the most that each name has claimed to have.
    claims: BTreeMap<NodeName, LogEnd>,
    /// The names that a session has told.
    names: BTreeMap<SessionId, BTreeSet<NodeName>>,
    next_client: u64,
    /// Clients that wait for their answer.
    clients: BTreeMap<WaiterId, AppendingClient>,
    /// Clients whose batch is being compared.
    comparing: BTreeSet<WaiterId>,
    /// Sessions whose log is being compared.
    logs: BTreeSet<SessionId>,
    /// The newest list of names that was handed out to be written down.
    version: u64,
}

impl MasterCase {
    fn new(input: &mut BytesIn<'_>) -> Self {
        let bits = input.byte();
        let max_waiting = input.one_of([4, 1, 100]);
        let listed = || ["bonnie", "clyde"].map(|name| name.parse().expect("a name")).into();
        let options = MasterOptions {
            name: NAMES.first().expect("names").parse().expect("a name"),
            log: LOG,
            http_port: None,
            request_timeout: Duration::from_secs(1),
            heartbeat_interval: Duration::from_secs(1),
            cluster_size: input.one_of([None, Some(3), Some(1)]),
            secondaries: (bits & 1 != 0).then(listed),
            default_write_concern: some_concern(input).unwrap_or(WriteConcern::Majority),
            quorum: input.one_of([None, Some(Quorum::Majority), Some(Quorum::Nodes(2))]),
            max_waiting,
            max_strangers: 3,
            idempotency_window: input.one_of([3, 0, 100]),
            seed: u64::from(bits),
        };
        let messages = input.below(5);
        let mut losses = Losses::default();
        if bits & 2 != 0 {
            losses.note(LogEnd::new(input.position(&[messages])), None);
        }
        let members = if bits & 4 != 0 { vec!["clyde".parse().expect("a name")] } else { vec![] };
        let restored = RestoredMaster {
            end: LogEnd::new(messages),
            members,
            keys: Vec::new(),
            on_disk: bits & 8 != 0,
            is_old: bits & 16 != 0,
            losses,
        };
        let node = Node::new(messages, |now, log| Master::new(now, options, restored, log));
        Self {
            node,
            max_waiting,
            claims: BTreeMap::new(),
            names: BTreeMap::new(),
            next_client: 1,
            clients: BTreeMap::new(),
            comparing: BTreeSet::new(),
            logs: BTreeSet::new(),
            version: 0,
        }
    }

    fn happen(&mut self, input: &mut BytesIn<'_>) {
        match input.below(HAPPENINGS + 16) {
            0 | 1 if !self.node.machine.is_paused() => {
                let session = self.node.open_session();
                let address = "127.0.0.1:1".to_owned();
                self.node.step(LeaderInput::SessionUp { session, address }.into());
            }
            0..=6 => self.receive(input),
            7 | 8 => self.append(input),
            9 => self.wait(input),
            10 => self.finish_comparing(input),
            11 => self.cancel(input),
            12 => self.remember(input),
            13 => self.finish_log(input),
            14 => {
                let _ = self.node.machine.get_mut().forget(&some_name(input));
            }
            15 if input.below(16) == 0 => self.node.step(LeaderInput::GiveUp.into()),
            15 => {}
            kind => self.node.happen(kind - 16, input),
        }
    }

    fn receive(&mut self, input: &mut BytesIn<'_>) {
        let Some(session) = self.node.some_session(input) else { return };
        let positions = self.node.positions();
        let known = self.node.known(&positions);
        let frame: Frame<Records> = some_frame(&known, input);
        let names = self.names.entry(session).or_default();
        if let Frame::Request(_, Request::Handshake(handshake)) = &frame {
            names.insert(handshake.name.clone());
        }
        for name in names.iter() {
            let claim = self.claims.entry(name.clone()).or_default();
            *claim = end_told(&frame).map_or(*claim, |end| end.max(*claim));
        }
        self.node.step(Input::Frame { session, frame });
    }

    fn new_client(&mut self) -> WaiterId {
        self.next_client += 1;
        WaiterId::new(self.next_client)
    }

    fn append(&mut self, input: &mut BytesIn<'_>) {
        let (client, messages) = (self.new_client(), 1 + input.below(3));
        let key = input.one_of([None, Some(1), Some(2), Some(3)]).map(KeyHash::new);
        let bytes = input.one_of([100, 10, 1 << 20, 40 << 20]);
        let (wait, expected_end) = (some_wait(input), None);
        let request = AppendRequest { wait, key, expected_end, messages, bytes };
        let admission = self.node.machine.get_mut().append(self.node.now, client, request);
        self.admit(client, messages, admission);
    }

    fn admit(&mut self, client: WaiterId, messages: u64, admission: Result<Admission, Refusal>) {
        match admission {
            Err(_) => drop(self.clients.remove(&client)),
            Ok(admission) => {
                self.clients.insert(client, AppendingClient { messages: Some(messages) });
                match admission {
                    Admission::Append(id) => self.store(id, messages),
                    Admission::Compare(first) => {
                        assert!(first.before() < self.node.writer.end(), "{first} is not there");
                        assert!(self.comparing.insert(client), "{client} is compared twice");
                    }
                    Admission::Waits => {}
                }
            }
        }
    }

    /// Appends a batch under the id that it was given.
    fn store(&mut self, id: MessageId, messages: u64) {
        assert_eq!(id.before(), self.node.writer.end(), "ids follow each other");
        let mut batch = Batch::new(text_of(id.get()));
        (1..messages).for_each(|nth| batch.push(&text_of(id.get() + nth)));
        assert_eq!(self.node.writer.append(0, None, &batch), id);
    }

    fn wait(&mut self, input: &mut BytesIn<'_>) {
        let client = self.new_client();
        let id = MessageId::new(input.position(&self.node.positions()));
        let wait = some_wait(input);
        let joined = self.node.machine.get_mut().join(self.node.now, client, id, wait);
        if joined.is_ok() {
            assert!(id.before() < self.node.writer.end(), "a wait for {id}, which is not there");
            self.clients.insert(client, AppendingClient { messages: None });
        }
    }

    fn finish_comparing(&mut self, input: &mut BytesIn<'_>) {
        let Some(client) = self.comparing.pop_first() else { return };
        let found = match input.below(5) {
            0 => Ok(FirstUse::SameMessage),
            1 => Ok(FirstUse::OtherMessage),
            2 => Ok(FirstUse::OtherKey),
            3 => Err(UnreadBatch::Passing("some reason".to_owned())),
            _ => Err(UnreadBatch::Damaged("some damage".to_owned())),
        };
        let admission = self.node.machine.get_mut().key_compared(self.node.now, client, found);
        match self.clients.get(&client).and_then(|client| client.messages) {
            Some(messages) => self.admit(client, messages, admission),
            None => assert_eq!(admission, Ok(Admission::Waits), "{client} no longer waits"),
        }
    }

    fn cancel(&mut self, input: &mut BytesIn<'_>) {
        let at = usize::from(input.byte()) % self.clients.len().max(1);
        if let Some(client) = self.clients.keys().nth(at).copied() {
            self.clients.remove(&client);
            self.node.step(LeaderInput::Cancel(client).into());
        }
    }

    fn remember(&mut self, input: &mut BytesIn<'_>) {
        let version = self.version.saturating_sub(input.below(2));
        let before = self.node.machine.get_ref().remembered_version();
        if version > before && !self.node.has_failed() {
            self.node.step(LeaderInput::Remembered(version).into());
        }
    }

    fn finish_log(&mut self, input: &mut BytesIn<'_>) {
        let Some(session) = self.logs.pop_first() else { return };
        let is_same = match input.below(3) {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(Unreadable("some reason".to_owned())),
        };
        self.node.step(LeaderInput::Compared { session, is_same }.into());
    }

    /// Carries out all effects.
    fn settle(&mut self) {
        while let Some(effect) = self.node.next_effect() {
            match self.node.carry_out(effect) {
                Some(LeaderEffect::Release { waiter, outcome, .. }) => {
                    self.answer(waiter, &outcome)
                }
                Some(LeaderEffect::Remember { version, names, .. }) => {
                    assert!(version > self.version, "list {version} behind {}", self.version);
                    self.version = version;
                    let distinct: BTreeSet<&NodeName> = names.iter().collect();
                    assert_eq!(distinct.len(), names.len(), "a name is there twice: {names:?}");
                }
                Some(LeaderEffect::Compare { session, end, .. }) => {
                    assert!(end <= self.node.durable_end, "{end} is not durable");
                    assert!(self.logs.insert(session), "two comparisons for {session}");
                }
                None => {}
            }
        }
        let open = &self.node.sessions;
        self.logs.retain(|session| open.contains(session));
    }

    fn answer(&mut self, client: WaiterId, outcome: &Outcome) {
        let waits = self.clients.remove(&client);
        assert!(waits.is_some(), "{client} does not wait, and is answered: {outcome:?}");
        match outcome {
            Outcome::Committed(receipt) => {
                self.check_receipt(receipt);
                assert!(receipt.stored, "{receipt:?}");
                assert!(
                    receipt.acked_by.len() >= usize::from(receipt.write_concern),
                    "{receipt:?}"
                );
            }
            Outcome::TimedOut(receipt) => {
                self.check_receipt(receipt);
                assert!(receipt.acked_by.len() < usize::from(receipt.write_concern), "{receipt:?}");
            }
            Outcome::ShuttingDown(receipt)
            | Outcome::DiskFailed(receipt, _)
            | Outcome::TooManyWaiting(receipt) => self.check_receipt(receipt),
            Outcome::Refused(_) => {}
        }
    }

    fn check_receipt(&self, receipt: &Receipt) {
        assert!(receipt.write_concern > 0, "{receipt:?}");
        assert!(receipt.id.before() < self.node.writer.end(), "{receipt:?}");
        assert!(!receipt.stored || receipt.id.end() <= self.node.durable_end, "{receipt:?}");
        let names: BTreeSet<&NodeName> = receipt.acked_by.iter().collect();
        assert_eq!(names.len(), receipt.acked_by.len(), "{receipt:?}");
        for (nth, name) in receipt.acked_by.iter().enumerate() {
            let claim = self.claims.get(name).copied().unwrap_or_default();
            let is_master = nth == 0 && Some(&name.as_str()) == NAMES.first();
            assert!(is_master || claim >= receipt.id.end(), "{name} claimed {claim}: {receipt:?}");
        }
    }

    fn check_health(&self) {
        let health = self.node.machine.health(self.node.now);
        assert_eq!(health.log_end, self.node.durable_end);
        assert!(health.waiting_senders <= self.max_waiting, "{health:?}");
        let machine = self.node.machine.get_ref();
        assert_eq!(machine.held_end(1), health.log_end, "{health:?}");
        let ends = [machine.all_end(), machine.committed_end().unwrap_or_default(), health.log_end];
        assert!(ends.is_sorted(), "{ends:?}: {health:?}");
        for member in &health.secondaries {
            let acked = member.acked_end.unwrap_or_default();
            let claim = self.claims.get(&member.name).copied().unwrap_or_default();
            assert!(acked <= health.log_end && acked <= claim, "{claim} claimed: {member:?}");
        }
    }

    /// Whoever still waits is answered.
    fn end(mut self) {
        self.node.step(LeaderInput::GiveUp.into());
        self.settle();
        assert!(self.clients.is_empty(), "some client was never answered");
        assert!(!self.node.machine.get_ref().has_waiters(), "an answered client waits");
    }
}

fn some_concern(input: &mut BytesIn<'_>) -> Option<WriteConcern> {
    input.one_of([
        Some(WriteConcern::Nodes(1)),
        None,
        Some(WriteConcern::Nodes(2)),
        Some(WriteConcern::Majority),
        Some(WriteConcern::All),
        Some(WriteConcern::Nodes(3)),
        Some(WriteConcern::Nodes(0)),
        Some(WriteConcern::Nodes(u64::MAX)),
    ])
}

fn some_wait(input: &mut BytesIn<'_>) -> Wait {
    let write_concern = some_concern(input);
    let millis = input.one_of([None, Some(0), Some(500), Some(5000), Some(366 * 24 * 3_600_000)]);
    Wait::until(write_concern, millis.map(Duration::from_millis))
}
