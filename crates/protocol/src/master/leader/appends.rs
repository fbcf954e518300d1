//! Appends: which messages are taken, and how each client is answered exactly once.

use std::time::Instant;

use acklog_types::{IdRange, LogView, MessageId, WaiterId, WriteConcern};

use super::Leader;
use super::ack_gate::{PendingAck, WaitReason};
use crate::events::{Detail, Events, MessageEvent, NodeEvent};
use crate::machine::Effect;
use crate::master::io::{LeaderEffect, Output};
use crate::master::peers::ClusterView;
use crate::outcome::{AppendRequest, Outcome, Receipt, Refusal, Wait};

/// Most clients that are answered at once because their time is up; the others are due immediately
/// afterwards. Fewer: more iterations. More: other clients wait for longer behind them.
const EXPIRED_MAX: usize = 512;

impl<L: LogView> Leader<L> {
    /// Checks whether a new batch may be taken. Returns its write concern as a number of nodes.
    ///
    /// # Errors
    /// When the batch is refused.
    pub(in crate::master) fn check_append(
        &self,
        wait: Wait,
        cluster: ClusterView,
    ) -> Result<u16, Refusal> {
        if let Some(bytes) = self.own.backlog() {
            return Err(Refusal::DiskBehind { bytes });
        }
        if self.stopping {
            return Err(Refusal::ShuttingDown);
        }
        let write_concern = self.resolve(wait.write_concern, cluster)?;
        if let Some(fault) = self.fault() {
            return Err(Refusal::DiskFault(fault));
        }
        self.check_losses()?;
        self.check_quorum(cluster)?;
        if self.is_crowded(write_concern) {
            return Err(Refusal::TooManyWaiting { limit: self.options.max_waiting });
        }
        Ok(write_concern)
    }

    /// Takes a batch that was [checked](Self::check_append), and gives it its ids, of which the
    /// first is returned.
    pub(in crate::master) fn append(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        request: AppendRequest,
        write_concern: u16,
        events: &mut Events,
    ) -> MessageId {
        let AppendRequest { wait, key, messages, bytes } = request;
        let id = self.own.append(now, messages, bytes);
        events.emit(Detail::Messages, || {
            let start = id.before();
            MessageEvent::Accepted { ids: IdRange::new(start, start.plus(messages)) }
        });
        // No pointer ever stops inside a batch: whoever has the first message has all of them, and
        // waits for it alone.
        if let Some(hash) = key {
            self.keys.insert(hash, id);
        }
        let pending = PendingAck { id, write_concern, deadline: None, reason: WaitReason::Ack };
        self.let_wait(now, ticket, (pending, wait), events);
        id
    }

    /// Lets a client wait for a message that has its id already, or returns its answer. A client
    /// that waits is answered as for an append, and shares the fate of a message that is not
    /// durable yet. Nothing is written, so neither a lost quorum nor a disk that takes nothing more
    /// is in the way.
    ///
    /// # Errors
    /// When there is no such message, or the write concern can never hold; then nothing was
    /// changed.
    pub(in crate::master) fn join(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        id: MessageId,
        (wait, reason): (Wait, WaitReason),
        cluster: ClusterView,
        events: &mut Events,
    ) -> Result<Option<Outcome>, Refusal> {
        if id.before() >= self.own.log_end() {
            return Err(Refusal::NoMessage { end: self.own.log_end() });
        }
        let write_concern = self.resolve(wait.write_concern, cluster)?;
        let pending = PendingAck { id, write_concern, deadline: None, reason };
        let receipt = self.receipt(pending);
        let outcome = if receipt.acked_by.len() >= usize::from(write_concern) {
            Outcome::Committed(receipt)
        } else if receipt.stored && self.stopping {
            Outcome::ShuttingDown(receipt)
        } else if let Some(fault) =
            self.own.fault().filter(|fault| !receipt.stored && !fault.is_passing())
        {
            Outcome::DiskFailed(receipt, fault.clone())
        } else if self.is_crowded(write_concern) {
            Outcome::TooManyWaiting(receipt)
        } else {
            self.let_wait(now, ticket, (pending, wait), events);
            return Ok(None);
        };
        Ok(Some(outcome))
    }

    /// Takes out a client that no longer waits.
    pub(in crate::master) fn cancel(&mut self, ticket: WaiterId, events: &mut Events) {
        let id = if self.comparing.cancel(ticket) {
            None
        } else if let Some(PendingAck { id, .. }) = self.gate.remove(ticket) {
            Some(id)
        } else {
            return;
        };
        events.emit(Detail::Messages, || MessageEvent::Canceled { waiter: ticket, id });
    }

    /// Returns whether any client waits for its answer.
    pub(in crate::master) fn has_waiters(&self) -> bool {
        !self.gate.is_empty() || !self.comparing.is_empty()
    }

    /// Returns how many clients wait for secondaries.
    pub(in crate::master) fn waiting_for_secondaries(&self) -> usize {
        self.gate.waiting_for_secondaries()
    }

    /// Returns a write concern as a number of nodes.
    ///
    /// # Errors
    /// When the cluster can never have so many nodes.
    pub(super) fn resolve(
        &self,
        write_concern: Option<WriteConcern>,
        cluster: ClusterView,
    ) -> Result<u16, Refusal> {
        let write_concern = write_concern.unwrap_or(self.options.default_write_concern);
        let (asked, reachable) = (write_concern.resolve(cluster.size), cluster.size_max);
        u16::try_from(asked)
            .ok()
            .filter(|&asked| asked <= reachable)
            .ok_or(Refusal::WriteConcern { asked, reachable })
    }

    /// Returns whether one more client with this write concern would be one too many.
    fn is_crowded(&self, write_concern: u16) -> bool {
        write_concern > 1 && self.gate.waiting_for_secondaries() >= self.options.max_waiting
    }

    fn let_wait(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        (pending, wait): (PendingAck, Wait),
        events: &mut Events,
    ) {
        let PendingAck { id, write_concern, .. } = pending;
        let deadline = wait.timeout.and_then(|timeout| now.checked_add(timeout));
        if write_concern > 1 {
            let timeout = wait.timeout;
            events.emit(Detail::Messages, || MessageEvent::Waits { id, write_concern, timeout });
        }
        self.gate.insert(ticket, PendingAck { deadline, ..pending });
    }

    /// Returns the answer to the next client whose write concern holds.
    pub(in crate::master) fn release_next(
        &mut self,
        events: &mut Events,
    ) -> Option<Effect<LeaderEffect>> {
        if !self.release_due {
            return None;
        }
        let held = self.replicas.held(self.own.durable_end());
        let Some((ticket, pending)) = self.gate.pop_satisfied(|nodes| held.by(nodes)) else {
            self.release_due = false;
            return None;
        };
        let receipt = self.receipt(pending);
        let outcome = Outcome::Committed(receipt);
        events.emit_answer(&outcome);
        Some(LeaderEffect::Release { waiter: ticket, outcome }.into())
    }

    /// Answers the clients whose own time is up, some hundred at a time. Their time goes on while
    /// the node is paused.
    pub(in crate::master) fn expire_clients(&mut self, now: Instant, out: &mut Output) {
        for _ in 0..EXPIRED_MAX {
            let Some((ticket, pending)) = self.gate.pop_expired(now) else { break };
            self.answer(ticket, pending, Outcome::TimedOut, out);
        }
    }

    /// Answers a client: that its write concern holds, where it does by now, or else as given.
    fn answer(
        &mut self,
        ticket: WaiterId,
        pending: PendingAck,
        otherwise: impl FnOnce(Receipt) -> Outcome,
        out: &mut Output,
    ) {
        let receipt = self.receipt(pending);
        let holds = receipt.acked_by.len() >= usize::from(pending.write_concern);
        let outcome = if holds { Outcome::Committed(receipt) } else { otherwise(receipt) };
        out.release(ticket, outcome);
    }

    /// Takes no more messages, and answers the clients that wait for secondaries only. The others
    /// are answered as soon as the disk has their messages.
    pub(in crate::master) fn shut_down(&mut self, out: &mut Output) {
        self.stopping = true;
        let answered = self.dismiss_stored(out);
        let waiting = self.has_waiters();
        out.events.emit(Detail::Changes, || NodeEvent::Stopping { answered, waiting });
    }

    /// Answers the clients whose message is durable, since the node stops. Returns how many there
    /// were.
    pub(super) fn dismiss_stored(&mut self, out: &mut Output) -> usize {
        let (mut answered, end) = (0, self.own.durable_end());
        while let Some((ticket, pending)) = self.gate.pop_satisfied(|_| end) {
            self.answer(ticket, pending, Outcome::ShuttingDown, out);
            answered += 1;
        }
        answered
    }

    /// Answers every client that still waits, now.
    pub(in crate::master) fn give_up(&mut self, out: &mut Output) {
        self.stopping = true;
        while let Some((ticket, pending)) = self.gate.pop_any() {
            self.answer(ticket, pending, Outcome::ShuttingDown, out);
        }
    }

    /// Returns what is known about the message that a client waits for.
    pub(super) fn receipt(&mut self, pending: PendingAck) -> Receipt {
        let PendingAck { id, write_concern, reason, .. } = pending;
        let stored = id.end() <= self.own.durable_end();
        let acked_by = self.replicas.acked_by(stored.then_some(&self.options.name), id.end());
        Receipt { id, write_concern, acked_by, stored, replayed: reason == WaitReason::Replay }
    }
}
