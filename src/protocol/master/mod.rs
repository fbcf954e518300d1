//! The master: gives ids, replicates, and answers senders when their write concern holds.
//!
//! What it is made of: a [`Gate`] for the senders that wait, a [`Member`] for each secondary that ever registered, and
//! the connections that have not introduced themselves yet. See the module essay in [`crate::protocol`] for how it is
//! driven.

mod faults;
mod handshake;
mod member;
mod quorum;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info};

use self::handshake::Stranger;
pub use self::handshake::{HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use self::member::{Context, Member, MemberId};
use super::faults::{Injector, Outgoing};
use super::frame::Frame;
use super::outcome::{ForgetError, Outcome, Receipt, Refusal};
use super::own_time::OwnTime;
use super::status::{MasterHealth, Status};
use super::write_concern::{Gate, Waiter, held_by};
use super::{CloseReason, LogView};
use crate::types::{
    Faults, IdRange, LogEnd, LogId, MessageId, NODES_MAX, NodeName, Quorum, Records, SessionId,
    WaiterId, WriteConcern,
};

/// What a master is told once.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Its name.
    pub name: NodeName,
    /// The identity of its log.
    pub log: LogId,
    /// A request without a response for this long has failed.
    pub request_timeout: Duration,
    /// What is to go wrong with it from the start.
    pub faults: Faults,
    /// How often it sends heartbeats.
    pub heartbeat_interval: Duration,
    /// Number of nodes, the master counted, where it is fixed.
    pub cluster_size: Option<u16>,
    /// The write concern of a message that names none.
    pub default_write_concern: WriteConcern,
    /// How many nodes must be healthy for it to take messages; none: it always does.
    pub quorum: Option<Quorum>,
    /// Most senders that wait for secondaries at once.
    pub max_waiting: usize,
    /// What all its chances are drawn from.
    pub seed: u64,
}

/// What happens to a master.
#[derive(Debug)]
pub enum Input {
    /// The log is durable up to here.
    Durable(LogEnd),
    /// A connection was accepted.
    SessionUp {
        /// The new session.
        session: SessionId,
        /// Where it comes from.
        address: String,
    },
    /// A frame arrived.
    Frame {
        /// The session that it arrived on.
        session: SessionId,
        /// The frame.
        frame: Frame<Records>,
    },
    /// A connection is gone.
    SessionDown {
        /// Its session.
        session: SessionId,
        /// Why, for people.
        reason: String,
    },
    /// A sender no longer waits.
    Cancel(WaiterId),
    /// The node stops: every waiter is answered, no append is taken any more.
    Shutdown,
}

/// What a master wants to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame; its run names the records to read from the log.
    Send {
        /// The session to send it on.
        session: SessionId,
        /// The frame.
        frame: Frame<IdRange>,
    },
    /// Answer a sender.
    Release {
        /// The sender.
        waiter: WaiterId,
        /// Its answer.
        outcome: Outcome,
    },
    /// Close a connection, after what was sent on it before.
    Close {
        /// Its session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}

/// The master's state. `L` is its view of its own log.
#[derive(Debug)]
pub struct Master<L> {
    options: MasterOptions,
    log: L,
    /// The end of the ids given so far.
    log_end: LogEnd,
    /// Invariant: `acked_end of each member <= durable_end <= log_end`.
    durable_end: LogEnd,
    gate: Gate,
    next_member: u32,
    members: BTreeMap<MemberId, Member>,
    by_session: BTreeMap<SessionId, MemberId>,
    strangers: BTreeMap<SessionId, Stranger>,
    injector: Injector,
    /// The time of everything but the senders: it stands still while the node is paused, and they go on.
    time: OwnTime,
    rng: ChaCha8Rng,
    effects: VecDeque<Effect>,
    stopping: bool,
    /// Whether fewer nodes are healthy than the quorum asks for, as last noted.
    without_quorum: bool,
    /// The last answer to "who has it", since many waiters of one batch share it.
    acked_by: Arc<[NodeName]>,
}

impl<L: LogView> Master<L> {
    /// A master of an empty log.
    pub fn new(now: Instant, options: MasterOptions, log: L) -> Self {
        let mut master = Self {
            injector: Injector::new(Faults::default(), options.seed),
            time: OwnTime::default(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            acked_by: Arc::new([options.name.clone()]),
            options,
            log,
            log_end: LogEnd::ZERO,
            durable_end: LogEnd::ZERO,
            gate: Gate::default(),
            next_member: 0,
            members: BTreeMap::new(),
            by_session: BTreeMap::new(),
            strangers: BTreeMap::new(),
            effects: VecDeque::new(),
            stopping: false,
            without_quorum: false,
        };
        master.set_faults(now, master.options.faults);
        master.note_quorum();
        master
    }

    /// Takes a message and gives it its id. The caller appends it to the log under that id at once, and tells when it
    /// is durable. Its sender is answered by a later [`Effect::Release`], exactly once, unless it is canceled.
    ///
    /// # Errors
    /// When the message is refused; then nothing was changed.
    pub fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        write_concern: Option<WriteConcern>,
        timeout: Option<Duration>,
    ) -> Result<MessageId, Refusal> {
        if self.stopping {
            return Err(Refusal::ShuttingDown);
        }
        let asked = write_concern
            .unwrap_or(self.options.default_write_concern)
            .resolve(self.cluster_size());
        let reachable = self.options.cluster_size.unwrap_or(NODES_MAX);
        let write_concern = u16::try_from(asked)
            .ok()
            .filter(|&asked| asked <= reachable)
            .ok_or(Refusal::WriteConcern { asked, reachable })?;
        self.check_quorum()?;
        let limit = self.options.max_waiting;
        if write_concern > 1 && self.gate.waiting_for_secondaries() >= limit {
            return Err(Refusal::TooManyWaiting { limit });
        }
        let id = self.log_end.next_id();
        self.log_end = id.end();
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        if write_concern > 1 {
            debug!(%id, w = write_concern, ?timeout, "a sender waits for its write concern");
        }
        self.gate.insert(waiter, Waiter { id, write_concern, deadline });
        Ok(id)
    }

    /// Takes in what happened.
    ///
    /// # Panics
    /// When a connection or a frame is handed in while the node is paused.
    pub fn step(&mut self, now: Instant, input: Input) {
        let now = self.time.at(now);
        let of_peers = matches!(
            input,
            Input::SessionUp { .. } | Input::Frame { .. } | Input::SessionDown { .. }
        );
        assert!(!(of_peers && self.is_paused()), "a paused node hears nothing");
        match input {
            Input::Durable(end) => self.durable(now, end),
            Input::SessionUp { session, address } => self.meet(now, session, address),
            Input::Frame { session, frame } => self.receive(now, session, frame),
            Input::SessionDown { session, reason } => self.lose(session, &reason),
            Input::Cancel(waiter) => {
                if let Some(Waiter { id, .. }) = self.gate.remove(waiter) {
                    debug!(%id, "the sender no longer waits");
                }
            }
            Input::Shutdown => self.shut_down(),
        }
    }

    /// Does what is due. Call at [`next_deadline`](Self::next_deadline) or later; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((name, waiter)) = self.gate.pop_expired(now) {
            let receipt = self.receipt(waiter);
            debug!(id = %waiter.id, acked = receipt.acked_by.len(), "the sender's time is up");
            self.release(name, Outcome::TimedOut(receipt));
        }
        if self.is_paused() {
            return;
        }
        let now = self.time.at(now);
        self.dismiss_strangers(now);
        self.let_act(.., |member, context| member.handle_timeout(now, context));
        self.note_quorum();
    }

    /// The next thing to do. Call after each [`step`](Self::step) and [`handle_timeout`](Self::handle_timeout) until
    /// it returns none.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let members =
            self.members.values().filter_map(|member| member.next_deadline(self.durable_end));
        let strangers = self.next_stranger().map(|(deadline, _)| deadline);
        let peers = members.chain(strangers).min().and_then(|deadline| self.time.outside(deadline));
        peers.into_iter().chain(self.gate.next_deadline()).min()
    }

    /// Forgets a secondary: its name no longer counts, nor do its acks.
    ///
    /// # Errors
    /// When the name is unknown, or the secondary is still heard from.
    pub fn forget(&mut self, name: &NodeName) -> Result<(), ForgetError> {
        let unknown = || ForgetError::Unknown(name.clone());
        let (&id, member) =
            self.members.iter().find(|(_, member)| member.name() == name).ok_or_else(unknown)?;
        if member.status() != Status::Unhealthy {
            return Err(ForgetError::Live(name.clone()));
        }
        if let Some(session) = member.session() {
            self.close(session, CloseReason::Forgotten);
        }
        self.members.remove(&id);
        self.note_quorum();
        info!(peer = %name, cluster_size = self.cluster_size(), "forgot the secondary");
        Ok(())
    }

    /// The identity of the log.
    pub fn log_id(&self) -> LogId {
        self.options.log
    }

    /// What `/health` shows.
    pub fn health(&self, now: Instant) -> MasterHealth {
        let now = self.time.at(now);
        MasterHealth {
            name: self.options.name.clone(),
            read_only: self.stopping || self.without_quorum,
            log_end: self.durable_end,
            cluster_size: self.cluster_size(),
            quorum: self.quorum_health(),
            waiting_senders: self.gate.waiting_for_secondaries(),
            secondaries: self
                .members
                .values()
                .map(|member| member.health(now, self.durable_end))
                .collect(),
        }
    }

    fn cluster_size(&self) -> u16 {
        // At most SECONDARIES_MAX members are let in.
        self.options.cluster_size.unwrap_or(1 + self.members.len() as u16)
    }

    fn durable(&mut self, now: Instant, end: LogEnd) {
        assert!(self.durable_end <= end && end <= self.log_end, "durable up to {end}");
        self.durable_end = end;
        self.release_satisfied();
        self.let_act(.., |member, context| member.pump(now, context));
    }

    /// Lets members act, in the order in which they registered, unless the node is paused.
    fn let_act(
        &mut self,
        who: impl RangeBounds<MemberId>,
        act: impl Fn(&mut Member, &mut Context<'_, L>),
    ) {
        if self.is_paused() {
            return;
        }
        let mut context = Context {
            options: &self.options,
            log: &self.log,
            durable_end: self.durable_end,
            injector: &mut self.injector,
            rng: &mut self.rng,
            effects: &mut self.effects,
        };
        for (_, member) in self.members.range_mut(who) {
            act(member, &mut context);
        }
    }

    fn release_satisfied(&mut self) {
        let mut ends: Vec<LogEnd> = self.members.values().map(Member::acked_end).collect();
        ends.push(self.durable_end);
        ends.sort_unstable_by(|a, b| b.cmp(a));
        while let Some((name, waiter)) = self.gate.pop_satisfied(|nodes| held_by(&ends, nodes)) {
            let receipt = self.receipt(waiter);
            if waiter.write_concern > 1 {
                debug!(id = %waiter.id, w = waiter.write_concern, "the write concern holds");
            }
            self.release(name, Outcome::Committed(receipt));
        }
    }

    fn release(&mut self, waiter: WaiterId, outcome: Outcome) {
        self.effects.push_back(Effect::Release { waiter, outcome });
    }

    fn receipt(&mut self, waiter: Waiter) -> Receipt {
        let Waiter { id, write_concern, .. } = waiter;
        let stored = id.end() <= self.durable_end;
        let master = stored.then_some(&self.options.name);
        let members = self.members.values().filter(|member| id.end() <= member.acked_end());
        let names = || master.into_iter().chain(members.clone().map(Member::name));
        if !names().eq(self.acked_by.iter()) {
            self.acked_by = names().cloned().collect();
        }
        Receipt { id, write_concern, acked_by: self.acked_by.clone(), stored }
    }

    fn shut_down(&mut self) {
        self.stopping = true;
        let mut waiters = 0;
        while let Some((name, waiter)) = self.gate.pop_any() {
            let receipt = self.receipt(waiter);
            self.release(name, Outcome::ShuttingDown(receipt));
            waiters += 1;
        }
        info!(waiters, "no longer taking messages; waiting senders are answered");
    }
}

fn send(effects: &mut VecDeque<Effect>, session: SessionId, outgoing: Outgoing) {
    effects.extend(outgoing.frames().map(|frame| Effect::Send { session, frame }));
}
