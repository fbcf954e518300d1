//! The master: gives ids, replicates, and answers senders when their write concern holds.
//!
//! What it is made of: a [`Gate`] for the senders that wait, a [`KeyWindow`] for those that come again, a [`Member`]
//! for each secondary that was ever ready or is about to be, and the connections that have not introduced themselves
//! yet. See the module essay in [`crate`] for how it is driven.

mod disk;
mod faults;
mod handshake;
mod io;
mod keyed;
mod losses;
mod majority;
mod member;
mod names;
mod pages;
mod peers;
mod quorum;
mod receive;
mod repair;
mod senders;
mod session;
mod strangers;

use std::collections::VecDeque;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{DiskFault, IdRange, LogEnd, LogId, Losses, NodeName, SessionId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::debug;

pub use self::io::{LeaderEffect, LeaderInput, MasterOptions, RestoredMaster};
use self::keyed::Comparing;
use self::member::{Context, Member, MemberId, Standing};
use self::peers::membership::Membership;
use self::peers::pending::PendingSessions;
pub use self::peers::pending::{HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use self::peers::refused::RefusedRows;
use self::repair::MasterRepair;
use self::strangers::LineBound;
use super::events::Events;
use super::frame::Frame;
use super::idempotency::KeyWindow;
use super::line::LineView;
use super::machine::{Effect, Input, Machine};
use super::own_time::OwnTime;
use super::status::{DiskHealth, MasterHealth};
use super::unflushed::Unflushed;
use super::write_concern::{Gate, Waiter};

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
    keys: KeyWindow,
    comparing: Comparing,
    /// What waits for the disk, which may be too far behind to take more.
    unflushed: Unflushed,
    members: Membership,
    pending: PendingSessions,
    stranger_lines: LineBound,
    /// The node's own time, as of the last call that told the time.
    now: Instant,
    refused: RefusedRows,
    /// When it is looked again whether a majority can be reached.
    majority_due: Instant,
    /// The time of everything but the senders: it stands still while the node is paused, and they go on.
    time: OwnTime,
    rng: ChaCha8Rng,
    /// Whether requests are delayed on demand, and so sent later than they are made.
    delays_requests: bool,
    effects: VecDeque<Effect<LeaderEffect>>,
    events: Events,
    stopping: bool,
    on_disk: bool,
    /// Whether the log began with this start.
    is_new: bool,
    /// What other nodes were seen with, beyond this log's end.
    losses: Losses,
    /// Why the log takes nothing more.
    disk_fault: Option<DiskFault>,
    /// What of the log is damaged.
    repair: Option<MasterRepair>,
    /// Whether something is damaged of which no other node has a copy.
    lacks_copy: bool,
    /// Whether senders may have to be answered, since a node's acked end changed.
    release_due: bool,
    /// The acked ends of all nodes, the largest first, as of the last answer.
    ends: Vec<LogEnd>,
    /// Whether fewer nodes are healthy than the quorum asks for, as last noted.
    without_quorum: bool,
    /// The last answer to "who has it", since many waiters of one batch share it.
    acked_by: Arc<[NodeName]>,
}

impl<L: LogView> Master<L> {
    /// A master that goes on where its log ends.
    ///
    /// # Panics
    /// When the restored keys are not in id order.
    pub fn new(now: Instant, options: MasterOptions, restored: RestoredMaster, log: L) -> Self {
        let mut master = Self {
            time: OwnTime::default(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            acked_by: Arc::new([options.name.clone()]),
            keys: KeyWindow::new(options.idempotency_window),
            pending: PendingSessions::new(options.max_strangers),
            options,
            log,
            log_end: restored.end,
            durable_end: restored.end,
            gate: Gate::default(),
            comparing: Comparing::default(),
            unflushed: Unflushed::default(),
            members: Membership::default(),
            stranger_lines: LineBound::default(),
            now,
            refused: RefusedRows::default(),
            majority_due: Self::first_majority_check(now),
            effects: VecDeque::new(),
            events: Events::default(),
            delays_requests: false,
            stopping: false,
            on_disk: restored.on_disk,
            is_new: !restored.is_old,
            losses: restored.losses,
            disk_fault: None,
            repair: None,
            lacks_copy: false,
            release_due: false,
            ends: Vec::new(),
            without_quorum: false,
        };
        for name in restored.members {
            master.members.add(name, Standing::Registered, &master.options);
        }
        for (hash, id) in restored.keys {
            master.keys.insert(hash, id);
        }
        master.members_changed();
        if let Some(end) = master.missing_end() {
            master.log_behind(None, end);
        }
        master
    }

    /// The identity of the log.
    pub fn log_id(&self) -> LogId {
        self.options.log
    }

    fn cluster_size(&self) -> u16 {
        // At most SECONDARIES_MAX members are let in.
        self.options.cluster_size.unwrap_or_else(|| 1 + self.registered().count() as u16)
    }

    /// The secondaries that count, in the order in which their names first came.
    fn registered(&self) -> impl Iterator<Item = &Member> + Clone {
        self.members.values().filter(|member| member.is_registered())
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
            delays_requests: self.delays_requests,
            rng: &mut self.rng,
            effects: &mut self.effects,
        };
        for member in self.members.values_mut(who) {
            act(member, &mut context);
        }
    }

    fn step_as_leader(&mut self, now: Instant, input: LeaderInput) {
        match input {
            LeaderInput::Remembered(version) => self.remembered(now, version),
            LeaderInput::SessionUp { session, address } => self.meet(now, session, address),
            LeaderInput::Compared { session, is_same } => self.compared(now, session, is_same),
            LeaderInput::Cancel(waiter) => {
                if self.comparing.remove(waiter) {
                    debug!(%waiter, "the sender whose batch is compared no longer waits");
                } else if let Some(Waiter { id, .. }) = self.gate.remove(waiter) {
                    debug!(%id, "the sender no longer waits");
                }
            }
            LeaderInput::GiveUp => self.give_up(),
        }
    }
}

impl<L: LogView> Machine for Master<L> {
    type Input = LeaderInput;
    type Effect = LeaderEffect;
    type Health = MasterHealth;

    fn step(&mut self, now: Instant, input: Input<LeaderInput>) {
        let now = self.time.at(now);
        self.now = now;
        let of_peers = matches!(
            input,
            Input::Role(LeaderInput::SessionUp { .. })
                | Input::Frame { .. }
                | Input::Heard(_)
                | Input::Read { .. }
                | Input::SessionDown { .. }
        );
        assert!(!(of_peers && self.is_paused()), "a paused node hears nothing");
        match input {
            Input::Frame { session, frame } => self.receive(now, session, frame),
            Input::Heard(session) => self.hear_part(now, session),
            Input::Read { session, found } => self.take_read(now, session, found),
            Input::SessionDown { session, reason } => self.lose(session, &reason),
            Input::Durable(end) => self.durable(now, end),
            Input::DiskFault(fault) => self.disk_faulty(fault),
            Input::DiskWell => self.disk_well(),
            Input::Damage(damage) => self.damaged(now, damage),
            Input::Shutdown => self.shut_down(),
            Input::Role(input) => self.step_as_leader(now, input),
        }
        self.pursue_repair(now);
        self.members_changed();
    }

    fn look(&mut self, now: Instant, mut look: impl FnMut(SessionId) -> LineView) {
        if self.is_paused() {
            return;
        }
        let now = self.time.at(now);
        for member in self.members.values_mut(..) {
            member.look(now, &mut look);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.expire_senders(now);
        if self.is_paused() {
            return;
        }
        self.watch_majority_of_waiting(now);
        let now = self.time.at(now);
        self.now = now;
        self.close_expired(now);
        self.count_stranger_lines(now);
        self.let_act(.., |member, context| member.handle_timeout(now, context));
        self.give_up_unresponsive(now);
        self.pursue_repair(now);
        self.members_changed();
    }

    /// Returns the next thing to do.
    ///
    /// Senders whose write concern holds come last, so that a caller that stops there and goes on
    /// later holds up nobody else.
    fn poll_effect(&mut self) -> Option<Effect<LeaderEffect>> {
        self.effects.pop_front().or_else(|| self.release_next())
    }

    fn events(&mut self) -> &mut Events {
        &mut self.events
    }

    fn next_deadline(&self) -> Option<Instant> {
        let members =
            self.members.values().filter_map(|member| member.next_deadline(self.durable_end));
        let pending = self.pending.next_deadline();
        let others = pending.into_iter().chain(self.stranger_lines.next_deadline());
        let peers = members
            .chain(others)
            .chain(self.next_repair())
            .chain(self.next_majority_check())
            .min()
            .and_then(|deadline| self.time.outside(deadline));
        let senders = self.gate.next_deadline().into_iter().chain(self.comparing.next_deadline());
        peers.into_iter().chain(senders).min()
    }

    fn health(&self, now: Instant) -> MasterHealth {
        let now = self.time.at(now);
        MasterHealth {
            name: self.options.name.clone(),
            read_only: self.stopping
                || self.without_quorum
                || self.disk_fault.is_some()
                || self.lacks_copy
                || self.missing_end().is_some(),
            is_emptier: self.is_new && self.refused.has_other_messages(now),
            log_end: self.durable_end,
            cluster_size: self.cluster_size(),
            quorum: self.quorum_health(),
            waiting_senders: self.gate.waiting_for_secondaries(),
            secondaries: self
                .registered()
                .map(|member| member.health(now, self.durable_end))
                .collect(),
            refused: self.refused_health(now),
            disk: DiskHealth::new(self.on_disk, self.fault_shown()),
        }
    }

    fn disconnect(&mut self, _: Instant) -> usize {
        self.drop_connections()
    }
}

fn send(effects: &mut VecDeque<Effect<LeaderEffect>>, session: SessionId, frame: Frame<IdRange>) {
    effects.push_back(Effect::Send { session, frame });
}

#[cfg(test)]
mod tests;
