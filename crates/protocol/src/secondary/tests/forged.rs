//! A master whose frames are random: it may cost a secondary its connection, and nothing of its
//! log.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::frame::{ErrorCode, Handshake, RefusalCode};

/// Random histories of a secondary, and the number of steps in each.
const LIVES: u64 = 500;
const STEPS: usize = 200;

/// Messages that the master draws from. Every third one begins a batch of two.
const MESSAGES: u64 = 40;

fn has_more(id: u64) -> bool {
    id % 3 == 1
}

fn text(id: u64) -> String {
    format!("Msg{id}")
}

/// A secondary whose log becomes durable at random times, and a master that sends random frames.
struct Life {
    rng: ChaCha8Rng,
    node: Node,
    /// The newest connection: the one on which the secondary may send.
    session: u64,
    is_open: bool,
    /// The end of what was appended, and of what is durable.
    appended: u64,
    durable: u64,
    /// The log of its first message.
    log: Option<LogId>,
    /// The largest position that the secondary reported.
    told: u64,
    /// The ends that it showed last under `majority` and `all`.
    shown: [LogEnd; 2],
    /// The secondary's last request.
    asked: Option<(RequestId, Request<IdRange>)>,
    /// Positions reported in answer to runs, while something was not durable yet.
    early: usize,
    closed: usize,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sometimes = |range: &str| rng.random_bool(0.3).then(|| range.parse().unwrap());
        let (send_delay, store_delay) = (sometimes("0ms..500ms"), sometimes("0ms..2000ms"));
        let node = Node::with_faults(Faults { send_delay, store_delay, ..Faults::default() });
        let (session, is_open, log) = (0, false, None);
        let (appended, durable, told, closed) = (0, 0, 0, 0);
        Self {
            rng,
            node,
            session,
            is_open,
            appended,
            durable,
            log,
            told,
            shown: [LogEnd::ZERO; 2],
            asked: None,
            early: 0,
            closed,
        }
    }

    /// Carries out the effects, and checks them.
    fn drain(&mut self) {
        while let Some(effect) = self.node.machine.poll_effect() {
            match effect {
                Effect::Role(FollowerEffect::Dial) => {
                    self.session += 1;
                    self.is_open = true;
                    self.step(FollowerInput::Connected(SessionId::new(self.session)));
                }
                Effect::Send { session, frame } => {
                    assert!(self.is_open && session.get() == self.session, "sent on a dead line");
                    self.judge(&frame);
                    if let Frame::Request(id, request) = frame {
                        self.asked = Some((id, request));
                    }
                }
                Effect::Role(FollowerEffect::Append(run)) => self.append(&run),
                Effect::Read { session, order } => {
                    let found = Ok((IdRange::new(order.from, order.until), order.max_bytes));
                    self.step(Input::Read { session, found });
                }
                Effect::Mend { .. } => unreachable!("nothing is damaged"),
                Effect::Close { session, .. } => {
                    assert!(self.is_open && session.get() == self.session, "closed twice");
                    self.is_open = false;
                    self.closed += 1;
                }
            }
        }
        let health = self.node.machine.health(self.node.now);
        assert_eq!(health.log_end.get(), self.durable, "it shows what is durable");
        let log = self.node.machine.get_ref().log_id();
        assert!(self.log.is_none() || self.log == log, "its messages belong to another log by now");
        self.judge_shown();
    }

    /// Checks what is shown under read concerns: no more than what is durable and, under a word, no
    /// less than before.
    fn judge_shown(&mut self) {
        let machine = self.node.machine.get_ref();
        let shown = [machine.committed_end().unwrap_or_default(), machine.all_end()];
        let numbers = [0, 1, 2, 3, 5, 6, u64::MAX].map(|nodes| machine.held_end(nodes));
        let most = shown.into_iter().chain(numbers).max().unwrap_or_default();
        assert!(most.get() <= self.durable, "shows {most}, and {} are durable", self.durable);
        let is_less = shown.iter().zip(&self.shown).any(|(now, before)| now < before);
        assert!(!is_less, "shows {shown:?} after {:?}", self.shown);
        self.shown = shown;
    }

    /// Checks a reported position: it is durable, and no less than one before, unless it is sent
    /// late.
    fn judge(&mut self, frame: &Frame<IdRange>) {
        let told = match frame {
            Frame::Request(_, Request::Handshake(handshake)) => handshake.end,
            Frame::Request(_, Request::GetMessages { from: end, .. })
            | Frame::Request(_, Request::SecondaryNodeReady { end })
            | Frame::Response(_, Response::Added { contiguous_end: end }) => *end,
            _ => return,
        };
        assert!(told.get() <= self.durable, "tells {told}, and {} are durable", self.durable);
        let is_late = self.node.machine.faults().send_delay.is_some();
        assert!(is_late || self.told <= told.get(), "tells {told} after {}", self.told);
        self.told = told.get();
        let is_early = matches!(frame, Frame::Response(..)) && self.durable < self.appended;
        self.early += usize::from(is_early);
    }

    /// Appends a run, which must continue the log and hold what was sent, in whole batches.
    fn append(&mut self, run: &Records) {
        assert_eq!(run.range().start().get(), self.appended, "a gap, or the same again");
        for record in run.iter() {
            assert_eq!(record.text, text(record.id.get()));
        }
        self.appended = run.range().end().get();
        assert!(!has_more(self.appended - 1), "a part of a batch");
        let log = self.node.machine.get_ref().log_id().expect("messages belong to a log");
        self.node.writer.append_run(*self.log.get_or_insert(log), run);
    }

    fn step(&mut self, input: impl Into<Input<FollowerInput>>) {
        self.node.machine.step(self.node.now, input.into());
        self.drain();
    }

    fn live(mut self) -> Self {
        for _ in 0..STEPS {
            match self.rng.random_range(0..100) {
                0 if self.is_open => {
                    self.is_open = false;
                    let (session, reason) = (SessionId::new(self.session), SessionEnd::Closed);
                    self.step(Input::SessionDown { session, reason });
                }
                1 => self.step(Input::Heard(SessionId::new(self.session))),
                2..20 => {
                    self.node.writer.flush();
                    self.durable = self.appended;
                    self.step(Input::Durable(LogEnd::new(self.durable)));
                }
                20..40 => {
                    self.node.now += Duration::from_millis(self.rng.random_range(0..1000));
                    self.node.machine.look(self.node.now, |_| LineView::default());
                    self.node.machine.handle_timeout(self.node.now);
                    self.drain();
                }
                _ => {
                    // Now and then on a connection that is gone.
                    let back = u64::from(self.rng.random_bool(0.05));
                    let session = SessionId::new(self.session.saturating_sub(back));
                    let frame = self.frame();
                    self.step(Input::Frame { session, frame });
                }
            }
        }
        self
    }

    /// Draws a frame that mostly fits in, so that the secondary makes progress.
    fn frame(&mut self) -> Frame<Records> {
        let id = RequestId::new(self.rng.random_range(0..12));
        let log_end = LogEnd::new(self.rng.random_range(0..=MESSAGES + 2));
        match self.rng.random_range(0..100) {
            0..45 => match self.asked.take() {
                Some((id, request)) => Frame::Response(id, self.answer(&request, log_end)),
                None => {
                    Frame::Request(id, Request::Heartbeat { log_end, positions: self.positions() })
                }
            },
            45..85 if self.takes_runs() => {
                let from =
                    self.rng.random_range(self.appended.saturating_sub(2)..self.appended + 6);
                let (run, positions) = (self.run(from), self.positions());
                Frame::Request(id, Request::AddMessage { run, positions })
            }
            45..95 => {
                Frame::Request(id, Request::Heartbeat { log_end, positions: self.positions() })
            }
            95..98 => {
                let from = self.rng.random_range(0..MESSAGES);
                Frame::Response(
                    id,
                    Response::Page { run: self.run(from), log_end, positions: self.positions() },
                )
            }
            _ => self.odd_frame(id, log_end),
        }
    }

    /// Draws positions, which mostly are what no honest master tells: beyond the log, falling, more
    /// held by all nodes than by a majority, another size each time.
    fn positions(&mut self) -> Positions {
        let mut end = || {
            let most = if self.rng.random_bool(0.1) { u64::MAX } else { MESSAGES };
            LogEnd::new(self.rng.random_range(0..=most))
        };
        let (log_start, committed_end, all_end) = (end(), Some(end()), end());
        let committed_end = committed_end.filter(|_| self.rng.random_bool(0.9));
        let sizes = [None, Some(0), Some(1), Some(3), Some(5), Some(u16::MAX)];
        let cluster_size = sizes[self.rng.random_range(0..sizes.len())];
        Positions { log_start, committed_end, all_end, cluster_size }
    }

    fn takes_runs(&mut self) -> bool {
        let is_ready = self.node.machine.health(self.node.now).phase == SecondaryPhase::Ready;
        is_ready || self.rng.random_bool(0.05)
    }

    fn answer(&mut self, asked: &Request<IdRange>, log_end: LogEnd) -> Response<Records> {
        match asked {
            // The log is mostly the one that it had before.
            Request::Handshake(_) => welcome(if self.rng.random_bool(0.05) { 8 } else { 7 }),
            Request::GetMessages { from, .. } => {
                let from = (from.get() + self.rng.random_range(0..3)).saturating_sub(1);
                let run = self.run(from);
                let end = run.range().end();
                let log_end = if self.rng.random_bool(0.7) { end } else { log_end.max(end) };
                Response::Page { run, log_end, positions: self.positions() }
            }
            Request::SecondaryNodeReady { .. } => Response::ReadyNoted,
            other => panic!("no secondary asks that: {other:?}"),
        }
    }

    /// Draws a frame that no master sends, or only to end the connection.
    fn odd_frame(&mut self, id: RequestId, end: LogEnd) -> Frame<Records> {
        let detail = || "drawn".to_owned();
        match self.rng.random_range(0..9) {
            0 => Frame::Request(id, Request::GetMessages { from: end, again: false }),
            1 => Frame::Request(id, Request::SecondaryNodeReady { end }),
            2 => Frame::Response(id, Response::Alive),
            3 => Frame::Response(id, Response::Added { contiguous_end: end }),
            4 => {
                let code = ErrorCode::Internal;
                Frame::Response(id, Response::Failed { code, detail: detail() })
            }
            5 => {
                let code = RefusalCode::ClusterFull;
                Frame::Response(id, Response::Refused { code, detail: detail() })
            }
            6 => Frame::Response(id, welcome(7)),
            7 => Frame::Response(id, Response::ReadyNoted),
            _ => {
                let (name, log) = ("other".parse().unwrap(), None);
                let instance = InstanceId::new(3);
                let handshake = Handshake { log, end, ..Handshake::new(name, instance) };
                Frame::Request(id, Request::from(handshake))
            }
        }
    }

    /// Returns a few messages, in whole batches, or none.
    fn run(&mut self, from: u64) -> Records {
        let start = from - u64::from(from > 0 && has_more(from - 1));
        let mut end = start + self.rng.random_range(0..6);
        if end > start && has_more(end - 1) {
            end += 1;
        }
        let mut bytes = Vec::new();
        for id in start..end {
            let in_batch = if has_more(id) { InBatch::More } else { InBatch::Last };
            encode_record(&mut bytes, MessageId::new(id), 0, None, &text(id), in_batch);
        }
        Records::check(IdRange::new(LogEnd::new(start), LogEnd::new(end)), bytes.into()).unwrap()
    }
}

#[test]
fn no_frame_of_a_master_makes_a_secondary_lose_double_or_ack_what_is_not_durable() {
    let (mut appended, mut closed, mut early, mut shown) = (0, 0, 0, 0);
    for seed in 0..LIVES {
        let life = Life::new(seed).live();
        appended += life.appended;
        closed += life.closed;
        early += life.early;
        shown += life.shown[1].get();
    }
    assert!(appended > LIVES * 5, "it takes messages in all the same: {appended}");
    assert!(shown > LIVES * 5, "it shows messages under all: {shown}");
    assert!(early > LIVES as usize / 5, "and answers while its disk is behind: {early}");
    assert!(closed > LIVES as usize, "and it ends connections: {closed}");
}
