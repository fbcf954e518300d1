//! The master: gives ids, replicates, and answers clients when their write concern holds.
//!
//! It is made of two values with a wall between them:
//!
//! - [`Peers`], one for each node: pending sessions, membership and liveness, without any log;
//! - [`Leader`], one for each log: ids, the ack gate, idempotency, the disk's faults, and a replica
//!   for each peer.
//!
//! [`Master`] hands each input to the one that it is for. What happens to peers reaches the leader
//! as [`PeerEvent`](peers::PeerEvent)s, and what the leader wants to be sent goes out by the peers.
//! See the module essay in [`crate`] for how it is driven.

mod appends;
mod faults;
mod frames;
mod handshake;
mod io;
mod leader;
mod peers;
mod positions;
mod registration;
mod replication;

use std::time::Instant;

use acklog_types::{DiskFault, Epoch, IdRange, LogEnd, LogId, LogView, RequestId, SessionId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::io::Output;
pub use self::io::{LeaderEffect, LeaderInput, MasterOptions, RestoredMaster};
pub use self::leader::FirstUse;
use self::leader::{Leader, LogOptions, RestoredLog};
pub use self::peers::{HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use self::peers::{MemberId, PeerOptions, Peers};
pub use self::positions::PeerFacts;
use super::CloseReason;
use super::events::{Detail, Events, NodeEvent};
use super::frame::Response;
use super::line::LineView;
use super::machine::{Effect, Input, Machine};
use super::own_time::OwnTime;
use super::status::{CopyStatus, MasterHealth};

/// The master's state. `L` is its view of its own log.
#[derive(Debug)]
pub struct Master<L> {
    peers: Peers,
    leader: Leader<L>,
    /// The time of everything but the clients: it stands still while the node is paused, and they
    /// go on.
    time: OwnTime,
    /// The node's own time, as of the last step or timeout.
    now: Instant,
    rng: ChaCha8Rng,
    out: Output,
}

impl<L: LogView> Master<L> {
    /// Creates a master that goes on where its log ends.
    ///
    /// # Panics
    /// When the restored keys are not in id order.
    pub fn new(now: Instant, options: MasterOptions, restored: RestoredMaster, log: L) -> Self {
        let RestoredMaster { end, members, keys, on_disk, is_old, losses } = restored;
        let log_options = LogOptions {
            name: options.name.clone(),
            log: options.log,
            default_write_concern: options.default_write_concern,
            max_waiting: options.max_waiting,
            idempotency_window: options.idempotency_window,
            pause_max: options.heartbeat_interval,
        };
        let peer_options = PeerOptions {
            name: options.name,
            http_port: options.http_port,
            request_timeout: options.request_timeout,
            heartbeat_interval: options.heartbeat_interval,
            cluster_size: options.cluster_size,
            secondaries: options.secondaries,
            quorum: options.quorum,
            max_pending: options.max_strangers,
        };
        let restored = RestoredLog { end, keys, on_disk, is_old, losses };
        let mut master = Self {
            peers: Peers::new(now, peer_options, members),
            leader: Leader::new(log_options, restored, log),
            time: OwnTime::default(),
            now,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            out: Output::default(),
        };
        let (epoch, events) = (master.epoch(), &mut master.out.events);
        events.emit(Detail::Changes, || NodeEvent::Started { end });
        events.emit(Detail::Changes, || NodeEvent::Epoch { epoch });
        master.settle();
        master.leader.emit_missing(&mut master.out.events);
        master
    }

    /// Returns the identity of the log.
    pub fn log_id(&self) -> LogId {
        self.leader.log_id()
    }

    /// Returns the epoch that this master is in: the first one, since none begins another.
    fn epoch(&self) -> Epoch {
        Epoch::FIRST
    }

    /// Returns the copies of the message before `end`: the master's own first, then one for each
    /// secondary that counts. Messages of one batch have the same.
    pub fn copies(&self, end: LogEnd) -> Vec<CopyStatus> {
        self.leader.copies(end)
    }

    /// Returns the outside time of an own time at which the node is not paused.
    fn outside(&self, now: Instant) -> Instant {
        self.time.outside(now).unwrap_or(now)
    }

    /// Lets the leader know what happened to peers.
    fn relay(&mut self) {
        while let Some(event) = self.peers.poll_event() {
            self.leader.on_peer_event(event);
        }
    }

    /// Ends whatever came in from outside: the leader learns what happened to peers, and changes of
    /// what it may do are emitted, once for all of them. Nothing depends on the events: whether
    /// there is a quorum, and a copy of what is damaged, is computed where it is needed.
    fn settle(&mut self) {
        self.relay();
        self.leader.settle_held();
        self.leader.note_copies(&mut self.out.events);
        self.leader.note_quorum(self.peers.cluster(), &mut self.out.events);
        self.leader.note_mode(self.peers.cluster(), &mut self.out.events);
    }

    /// Does something for each member, in the order in which their names first came, unless the
    /// node is paused.
    fn for_each_peer(&mut self, act: impl Fn(&mut Self, MemberId)) {
        if self.is_paused() {
            return;
        }
        let mut next = self.peers.next_id(None);
        while let Some(id) = next {
            act(self, id);
            next = self.peers.next_id(Some(id));
        }
    }

    /// Returns whether the node is paused on demand: no connection or frame may be handed in now.
    fn is_paused(&self) -> bool {
        self.time.is_paused()
    }

    /// Answers a request.
    fn respond(&mut self, session: SessionId, request: RequestId, response: Response<IdRange>) {
        self.peers.respond(session, request, response, &mut self.out);
    }

    /// Closes a session. Nothing that still comes on it counts.
    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.peers.close(self.now, session, reason, &mut self.out);
    }

    fn disk_fault(&mut self, fault: DiskFault) {
        if fault.is_passing() {
            self.leader.disk_stalled(fault, &mut self.out.events);
        } else {
            self.leader.disk_failed(fault, &mut self.out);
            self.stop_registering();
        }
    }

    fn give_up(&mut self) {
        self.leader.give_up(&mut self.out);
        self.leader.give_up_comparing(self.peers.cluster(), &mut self.out);
    }

    fn step_as_leader(&mut self, now: Instant, input: LeaderInput) {
        match input {
            LeaderInput::Remembered(version) => self.remembered(now, version),
            LeaderInput::SessionUp { session, address } => {
                self.peers.accept(now, session, address, &mut self.out);
            }
            LeaderInput::Compared { session, is_same } => self.compared(now, session, is_same),
            LeaderInput::Cancel(waiter) => self.leader.cancel(waiter, &mut self.out.events),
            LeaderInput::CancelSeries { first, count } => {
                self.leader.cancel_series(first, count, &mut self.out.events);
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
        let outside = now;
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
            Input::Heard(session) => {
                if let Some(id) = self.peers.on_session(session) {
                    self.peers.hear_part(now, id, &mut self.out.events);
                }
            }
            Input::Read { session, found } => self.take_read(now, session, found),
            Input::SessionDown { session, reason } => {
                self.peers.lose(now, session, &reason, &mut self.out.events);
            }
            Input::Durable(end) => {
                self.leader.durable(outside, end, &mut self.out);
                self.for_each_peer(|master, id| master.pump(now, id));
            }
            Input::DiskFault(fault) => self.disk_fault(fault),
            Input::DiskWell => self.leader.disk_well(&mut self.out.events),
            Input::Damage(damage) => {
                self.leader.damaged(now, damage, &mut self.rng, &mut self.out.events);
            }
            Input::Shutdown => self.leader.shut_down(&mut self.out),
            Input::Role(input) => self.step_as_leader(now, input),
        }
        self.pursue_repair(now);
        self.settle();
    }

    fn look(&mut self, now: Instant, look: impl FnMut(SessionId) -> LineView) {
        if self.is_paused() {
            return;
        }
        let leader = &self.leader;
        let awaits = |id| leader.has_runs_in_flight(id);
        self.peers.look(self.time.at(now), awaits, look, &mut self.out.events);
        // Before a timeout is judged: a peer that turns out to be alive needs no backoff.
        self.relay();
    }

    fn handle_timeout(&mut self, now: Instant) {
        // Clients' time limits run on the clock outside, also while the node is paused.
        self.leader.expire_clients(now, &mut self.out);
        self.leader.expire_comparing(now, self.peers.cluster(), &mut self.out);
        if self.is_paused() {
            return;
        }
        let now = self.time.at(now);
        if self.leader.waiting_for_secondaries() > 0 {
            self.peers.watch_majority(now, &mut self.out.events);
        }
        self.now = now;
        self.peers.close_expired(now, &mut self.out);
        self.peers.emit_left_out(now, &mut self.out.events);
        self.for_each_peer(|master, id| master.handle_member_timeout(now, id));
        self.peers.close_unresponsive(now, &mut self.out);
        self.pursue_repair(now);
        self.settle();
    }

    /// Returns the next thing to do.
    ///
    /// Answers to clients whose write concern holds come last, so that a caller that stops there
    /// and goes on later holds up nothing else.
    fn poll_effect(&mut self) -> Option<Effect<LeaderEffect>> {
        self.out.effects.pop_front().or_else(|| self.leader.release_next(&mut self.out.events))
    }

    fn events(&mut self) -> &mut Events {
        &mut self.out.events
    }

    fn next_deadline(&self) -> Option<Instant> {
        let waits = self.leader.waiting_for_secondaries() > 0;
        let majority = self.peers.next_majority_check().filter(|_| waits);
        let own = [self.peers.next_deadline(), self.leader.next_deadline(), majority];
        let own = own.into_iter().flatten().min();
        let own = own.and_then(|deadline| self.time.outside(deadline));
        own.into_iter().chain(self.leader.next_client_deadline()).min()
    }

    fn health(&self, now: Instant) -> MasterHealth {
        let now = self.time.at(now);
        let cluster = self.peers.cluster();
        let mut refused = self.peers.refused_health(now);
        self.leader.add_missing_row(&mut refused);
        let members = self.peers.registered();
        MasterHealth {
            name: self.peers.options().name.clone(),
            read_only: self.leader.is_read_only(cluster),
            is_emptier: self.leader.is_new() && self.peers.has_refused_other_messages(now),
            log_start: LogEnd::ZERO,
            log_end: self.leader.durable_end(),
            committed_end: self.committed_end(),
            epoch: self.epoch(),
            cluster_size: cluster.size,
            quorum: self.leader.quorum_health(cluster),
            waiting_senders: self.leader.waiting_for_secondaries(),
            secondaries: members
                .map(|(id, peer)| self.leader.member_health(now, id, peer))
                .collect(),
            refused,
            disk: self.leader.disk_health(),
        }
    }

    fn disconnect(&mut self, _: Instant) -> usize {
        let dropped = self.peers.drop_all(self.now, &mut self.out);
        self.settle();
        dropped
    }
}

#[cfg(test)]
mod tests;
