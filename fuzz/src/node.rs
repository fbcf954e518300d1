//! A node whose machine is driven by bytes: its log, its clock, its connections, and what can
//! happen to a node of either role. It keeps to what a driver promises a machine, and no more.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, LogWriter, in_memory};
use acklog_protocol::frame::{self, Frame, Request, Response};
use acklog_protocol::{
    Effect, FaultHooks, Faulty, Input, LineView, Machine, ReadOrder, SessionEnd,
};
use acklog_types::{
    Batch, Checksum, Damage, DelayRange, DiskFault, Faults, IdRange, LogEnd, LogView, Rate,
    RequestId, SessionId, Unreadable,
};

use crate::bytes_in::BytesIn;
use crate::frames::Known;

/// Most numbers of requests that are remembered, so that frames can answer them.
const REQUESTS_MAX: usize = 16;

/// Kinds of what can happen to a node of either role; see [`Node::happen`].
pub(crate) const HAPPENINGS: u64 = 12;

/// A log of which the front is not in memory.
#[derive(Clone, Debug)]
pub(crate) struct ColdLog {
    reader: LogReader,
    cold_end: Rc<Cell<u64>>,
}

impl ColdLog {
    fn is_cold(&self, at: LogEnd) -> bool {
        at.get() < self.cold_end.get()
    }
}

impl LogView for ColdLog {
    fn run_from(&self, from: LogEnd, until: LogEnd, max_bytes: usize) -> Option<(IdRange, usize)> {
        if self.is_cold(from) { None } else { self.reader.run_from(from, until, max_bytes) }
    }

    fn checksum_below(&self, end: LogEnd) -> Result<Option<Checksum>, Unreadable> {
        self.reader.checksum_below(end)
    }

    fn is_same_below(&self, end: LogEnd, told: Checksum) -> Option<bool> {
        if self.is_cold(end) { None } else { self.reader.is_same_below(end, told) }
    }
}

/// A node without the part of its role.
pub(crate) struct Node<M: FaultHooks> {
    pub(crate) machine: Faulty<M>,
    pub(crate) writer: LogWriter,
    pub(crate) reader: LogReader,
    pub(crate) now: Instant,
    /// The connections that are open.
    pub(crate) sessions: Vec<SessionId>,
    /// The numbers of the last requests that the node sent.
    pub(crate) requests: Vec<RequestId>,
    /// Up to where the machine was told that the log is durable.
    pub(crate) durable_end: LogEnd,
    cold_end: Rc<Cell<u64>>,
    next_session: u64,
    /// The read that is under way for each session.
    reads: BTreeMap<SessionId, ReadOrder>,
    /// Bytes that peers' kernels have taken.
    taken: u64,
    damage_version: u64,
    fault: Option<DiskFault>,
}

impl<M: FaultHooks> Node<M> {
    /// Creates a node whose log has so many messages.
    pub(crate) fn new(messages: u64, machine: impl FnOnce(Instant, ColdLog) -> M) -> Self {
        let (mut writer, reader) = in_memory();
        for id in 0..messages {
            writer.append(id, None, &Batch::new(crate::frames::text_of(id)));
        }
        writer.flush();
        let (now, cold_end) = (Instant::now(), Rc::new(Cell::new(0)));
        let log = ColdLog { reader: reader.clone(), cold_end: cold_end.clone() };
        let machine = Faulty::new(now, machine(now, log), Faults::default());
        let (durable_end, next_session) = (reader.durable_end(), 1);
        let (sessions, requests, reads) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (taken, damage_version, fault) = (0, 0, None);
        Self {
            machine,
            writer,
            reader,
            now,
            sessions,
            requests,
            durable_end,
            cold_end,
            next_session,
            reads,
            taken,
            damage_version,
            fault,
        }
    }

    pub(crate) fn step(&mut self, input: Input<M::Input>) {
        self.machine.step(self.now, input);
    }

    /// Opens a session. The machine is not told.
    pub(crate) fn open_session(&mut self) -> SessionId {
        let session = SessionId::new(self.next_session);
        self.next_session += 1;
        self.sessions.push(session);
        session
    }

    /// Chooses one of the sessions that are open; none while the node is paused: then it hears of
    /// none of them.
    pub(crate) fn some_session(&self, input: &mut BytesIn<'_>) -> Option<SessionId> {
        let at = usize::from(input.byte()) % self.sessions.len().max(1);
        self.sessions.get(at).copied().filter(|_| !self.machine.is_paused())
    }

    /// Returns the positions that matter.
    pub(crate) fn positions(&self) -> [u64; 3] {
        [self.durable_end.get(), self.writer.end().get(), self.cold_end.get()]
    }

    /// Returns what a peer can know of the node.
    pub(crate) fn known<'a>(&'a self, positions: &'a [u64]) -> Known<'a, LogReader> {
        Known {
            log: &self.reader,
            end: self.reader.durable_end(),
            positions,
            requests: &self.requests,
        }
    }

    /// Returns whether the disk takes nothing until a restart.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.fault, Some(DiskFault::Failed { .. }))
    }

    /// Lets one thing happen to the node, of those that can happen to both roles.
    pub(crate) fn happen(&mut self, kind: u64, input: &mut BytesIn<'_>) {
        match kind {
            0 => {
                let millis = input.one_of([1, 10, 100, 300, 1000, 3000, 10_000, 40_000]);
                self.now += Duration::from_millis(millis) * u32::from(input.byte()) / 128;
                self.time_out(input);
            }
            1 => {
                if let Some(deadline) = self.machine.next_deadline() {
                    self.now = self.now.max(deadline);
                }
                self.time_out(input);
            }
            2 => self.make_durable(),
            3 => self.break_disk(input),
            4 => self.damage(input),
            5 => self.machine.set_faults(self.now, some_faults(input)),
            6 => self.finish_read(input),
            7 => {
                if let Some(session) = self.some_session(input) {
                    self.step(Input::Heard(session));
                }
            }
            8 => self.lose_session(input),
            9 => drop(self.machine.disconnect(self.now)),
            10 => self.cold_end.set(input.position(&self.positions()).min(self.durable_end.get())),
            _ if input.below(8) == 0 => self.step(Input::Shutdown),
            _ => {}
        }
    }

    fn time_out(&mut self, input: &mut BytesIn<'_>) {
        if self.machine.next_deadline().is_none_or(|deadline| deadline > self.now) {
            return;
        }
        let (now, taken, requests) = (self.now, &mut self.taken, &self.requests);
        self.machine.look(now, |_| {
            let bits = input.byte();
            *taken += u64::from(bits >> 4);
            let oldest = requests.get(usize::from(bits) % REQUESTS_MAX).copied();
            LineView {
                taken: *taken,
                is_within_frame: bits & 1 != 0,
                request: oldest.filter(|_| bits & 2 != 0),
                has_page: bits & 4 != 0,
                has_long_frame: bits & 8 != 0,
            }
        });
        self.machine.handle_timeout(now);
        let later = self.machine.next_deadline();
        assert!(later.is_none_or(|at| at > now), "a deadline stays in the past");
    }

    fn make_durable(&mut self) {
        if self.has_failed() {
            return;
        }
        self.writer.flush();
        self.durable_end = self.reader.durable_end();
        self.step(Input::Durable(self.durable_end));
    }

    fn break_disk(&mut self, input: &mut BytesIn<'_>) {
        let detail = "some fault".to_owned();
        match (&self.fault, input.below(4)) {
            (Some(DiskFault::Failed { .. }), _) => {}
            (Some(_), 0 | 1) => {
                self.fault = None;
                self.step(Input::DiskWell);
            }
            (_, kind) => {
                let fault = match kind {
                    0 | 1 => DiskFault::Full { detail },
                    2 => DiskFault::Stalled { detail },
                    _ => DiskFault::Failed { detail },
                };
                self.fault = Some(fault.clone());
                self.step(Input::DiskFault(fault));
            }
        }
    }

    fn damage(&mut self, input: &mut BytesIn<'_>) {
        self.damage_version += 1;
        let end = self.durable_end.get();
        let until = input.position(&[end]).clamp(1, end.max(1));
        let from = input.position(&[0, end]).min(until - 1);
        let wanted = IdRange::new(LogEnd::new(from), LogEnd::new(until));
        let damage = Damage {
            detail: "some damage".to_owned(),
            until: LogEnd::new(until),
            wanted: input.flag().then_some(wanted),
            misfits: input.byte().into(),
            version: self.damage_version,
        };
        let is_there = end > 0 && input.below(4) > 0;
        self.step(Input::Damage(is_there.then_some(damage)));
    }

    fn finish_read(&mut self, input: &mut BytesIn<'_>) {
        let Some(session) = self.some_session(input) else { return };
        let Some(ReadOrder { from, until, max_bytes }) = self.reads.remove(&session) else {
            return;
        };
        let found = match input.below(4) {
            0 => Err(Unreadable("some reason".to_owned())),
            _ => {
                let run = self.reader.read(from, until, max_bytes).expect("a log in memory");
                Ok((run.range(), run.as_bytes().len()))
            }
        };
        self.step(Input::Read { session, found });
    }

    fn lose_session(&mut self, input: &mut BytesIn<'_>) {
        let Some(session) = self.some_session(input) else { return };
        self.forget_session(session);
        let reason = match input.below(4) {
            0 => SessionEnd::Closed,
            1 => SessionEnd::Lost("some reason".to_owned()),
            2 => SessionEnd::Garbage("some bytes".to_owned()),
            _ => SessionEnd::HttpServer,
        };
        self.step(Input::SessionDown { session, reason });
    }

    fn forget_session(&mut self, session: SessionId) {
        self.sessions.retain(|open| *open != session);
        self.reads.remove(&session);
    }

    /// Returns the next effect. Events are read meanwhile, as each driver does.
    pub(crate) fn next_effect(&mut self) -> Option<Effect<M::Effect>> {
        let effect = self.machine.poll_effect();
        while let Some(event) = self.machine.poll_event() {
            assert!(!event.kind().as_str().is_empty(), "an event without a name: {event:?}");
        }
        effect
    }

    /// Carries out an effect of either role. Returns one of the node's own role.
    pub(crate) fn carry_out(&mut self, effect: Effect<M::Effect>) -> Option<M::Effect> {
        match effect {
            Effect::Send { session, frame } => self.send(session, frame),
            Effect::Read { session, order } => {
                let before = self.reads.insert(session, order);
                assert!(before.is_none(), "two reads at a time for {session}");
                assert!(order.from < order.until, "a read of nothing: {order:?}");
            }
            Effect::Mend { run, .. } => {
                assert!(!run.range().is_empty(), "a repair from nothing");
            }
            Effect::Close { session, .. } => self.forget_session(session),
            Effect::Role(effect) => return Some(effect),
        }
        None
    }

    /// A frame tells nothing that is not durable, has a run that can be read, and is a frame to
    /// whoever gets it.
    fn send(&mut self, session: SessionId, frame: Frame<IdRange>) {
        assert!(session.get() < self.next_session, "{session} never was");
        let end = self.reader.durable_end();
        assert!(end_told(&frame).is_none_or(|told| told <= end), "{frame:?} of a log to {end}");
        if matches!(frame, Frame::Request(..)) {
            self.requests.insert(0, frame.request());
            self.requests.truncate(REQUESTS_MAX);
        }
        assert!(frame.run().is_none_or(|run| run.end() <= end), "{frame:?} of a log to {end}");
        let reader = &self.reader;
        let frame = frame.try_map(|run| reader.read_range(run)).expect("a log in memory");
        let encoded = frame::encode(&frame);
        let bytes = [encoded.head.get(4..).unwrap_or_default(), &encoded.records].concat();
        assert_eq!(frame::decode(bytes.into()), Ok(frame));
    }
}

/// Returns the position of its own log that a frame tells of.
pub(crate) fn end_told<R>(frame: &Frame<R>) -> Option<LogEnd> {
    match frame {
        Frame::Request(_, Request::Handshake(handshake)) => Some(handshake.end),
        Frame::Request(_, Request::GetMessages { from, .. }) => Some(*from),
        Frame::Request(_, Request::SecondaryNodeReady { end }) => Some(*end),
        Frame::Request(_, Request::Heartbeat { log_end, .. })
        | Frame::Response(_, Response::Page { log_end, .. }) => Some(*log_end),
        Frame::Response(_, Response::Welcome(welcome)) => Some(welcome.log_end),
        Frame::Response(_, Response::Added { contiguous_end }) => Some(*contiguous_end),
        _ => None,
    }
}

fn some_faults(input: &mut BytesIn<'_>) -> Faults {
    let bits = input.byte();
    let mut rate = || Rate::new(f64::from(input.byte() / 2) / 127.0).unwrap_or(Rate::NEVER);
    let (error_rate, drop_rate, duplicate_rate) = match bits & 1 {
        0 => (Rate::NEVER, Rate::NEVER, Rate::NEVER),
        _ => (rate(), rate(), rate()),
    };
    let mut delay = |given: bool| {
        let text = input.one_of(["1ms..10ms", "500ms", "0ms..3s", "8s..20s"]);
        given.then(|| text.parse::<DelayRange>().expect("a range"))
    };
    let (send_delay, store_delay) = (delay(bits & 2 != 0), delay(bits & 4 != 0));
    let (paused, seed) = (bits & 8 != 0, Some(u64::from(bits)));
    Faults { send_delay, store_delay, error_rate, drop_rate, duplicate_rate, paused, seed }
}
