//! Appends: which messages are taken, and how each client is answered exactly once.

use std::time::Instant;

use acklog_types::{IdRange, LogView, MessageId, WaiterId, WriteConcern};

use super::Leader;
use super::ack_gate::{PendingAck, WaitReason};
use super::replica::Replica;
use crate::events::{Detail, Events, MessageEvent, NodeEvent};
use crate::machine::Effect;
use crate::master::io::{LeaderEffect, Output};
use crate::master::peers::ClusterView;
use crate::outcome::{AppendOrigin, AppendRequest, Outcome, Receipt, Refusal, Wait};

/// Most clients that are answered at once because their time is up; the others are due immediately
/// afterwards. Fewer: more iterations. More: other clients wait for longer behind them.
const EXPIRED_MAX: usize = 512;

/// Lines of append streams take all but one of so many places of those that wait for secondaries;
/// with fewer places than that, all of them. Fewer: streams get by with less. More: single appends
/// are refused sooner, since streams take all that there is as soon as they are that fast.
const PLACES_PER_SINGLE: usize = 16;

impl<L: LogView> Leader<L> {
    /// Checks whether a new batch may be taken now. Returns its write concern as a number of nodes.
    ///
    /// The batch must be taken before any other one is: its condition on the end of the log is
    /// checked here.
    ///
    /// # Errors
    /// When the batch is refused.
    pub(in crate::master) fn check_append(
        &self,
        (request, origin): (&AppendRequest, AppendOrigin),
        cluster: ClusterView,
    ) -> Result<u16, Refusal> {
        if self.stopping {
            return Err(Refusal::ShuttingDown);
        }
        let write_concern = self.resolve(request.wait.write_concern, cluster)?;
        self.check_node(cluster)?;
        let end = self.own.log_end();
        if let Some(expected) = request.expected_end.filter(|&expected| expected != end) {
            return Err(Refusal::EndMoved { expected, end });
        }
        // Last what passes soon: a line waits for it, and for nothing else.
        if let Some(bytes) = self.own.backlog(origin) {
            return Err(Refusal::DiskBehind { bytes });
        }
        if self.is_crowded(write_concern, origin) {
            return Err(self.too_many_waiting());
        }
        Ok(write_concern)
    }

    /// Checks whether this node takes messages at all.
    ///
    /// # Errors
    /// When it does not: the disk, other nodes that have more, or a quorum that is lost.
    pub(in crate::master) fn check_node(&self, cluster: ClusterView) -> Result<(), Refusal> {
        if let Some(fault) = self.fault() {
            return Err(Refusal::DiskFault(fault));
        }
        self.check_losses()?;
        self.check_quorum(cluster)
    }

    /// Returns the refusal of a client that would be one too many to wait.
    pub(in crate::master) fn too_many_waiting(&self) -> Refusal {
        Refusal::TooManyWaiting { limit: self.options.max_waiting }
    }

    /// Returns how many more lines of append streams with this write concern may wait now. Each
    /// client whose batch is being compared is taken for one that will wait.
    pub(in crate::master) fn room_to_wait(&self, wait: Wait, cluster: ClusterView) -> usize {
        match self.resolve(wait.write_concern, cluster) {
            Ok(write_concern) if write_concern > 1 => {
                let waiting = self.gate.waiting_for_secondaries() + self.comparing.len();
                self.waiting_max(AppendOrigin::Stream).saturating_sub(waiting)
            }
            _ => usize::MAX,
        }
    }

    /// Returns whether lines of append streams need not wait for the disk.
    pub(in crate::master) fn disk_takes_lines(&self) -> bool {
        self.own.backlog(AppendOrigin::Stream).is_none()
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
        let id = self.give_ids(now, &request, events);
        if let Some(hash) = request.key {
            self.keys.insert(hash, id);
        }
        // No pointer ever stops inside a batch: whoever has the first message has all of them, and
        // waits for it alone.
        let pending = PendingAck::new(now, id, write_concern, WaitReason::Ack);
        let AppendRequest { wait, messages, .. } = request;
        let pending = PendingAck { messages, shows_copies: wait.shows_copies, ..pending };
        self.let_wait(now, ticket, (pending, wait), events);
        id
    }

    /// Takes a series of appends that was [checked](Self::check_append), each with a client of its
    /// own and a single message, and gives them their ids, of which the first is returned. The
    /// tickets of the clients follow the first one.
    pub(in crate::master) fn append_series(
        &mut self,
        now: Instant,
        first: WaiterId,
        request: AppendRequest,
        write_concern: u16,
        events: &mut Events,
    ) -> MessageId {
        let id = self.give_ids(now, &request, events);
        let one = PendingAck::new(now, id, write_concern, WaitReason::Ack);
        let pending = PendingAck { count: request.messages, ..one };
        self.let_wait(now, first, (pending, request.wait), events);
        id
    }

    fn give_ids(
        &mut self,
        now: Instant,
        request: &AppendRequest,
        events: &mut Events,
    ) -> MessageId {
        let id = self.own.append(now, request.messages, request.bytes);
        events.emit(Detail::Messages, || {
            let start = id.before();
            MessageEvent::Accepted { ids: IdRange::new(start, start.plus(request.messages)) }
        });
        id
    }

    /// Lets a client wait for a message, or a batch, that has its id already, or returns its
    /// answer. A client that waits is answered as for an append, and shares the fate of a message
    /// that is not durable yet. Nothing is written, so neither a lost quorum nor a disk that takes
    /// nothing more is in the way.
    ///
    /// # Errors
    /// When there is no such message, or the write concern can never hold; then nothing was
    /// changed.
    pub(in crate::master) fn join(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        (id, messages): (MessageId, u64),
        (wait, reason, origin): (Wait, WaitReason, AppendOrigin),
        cluster: ClusterView,
        events: &mut Events,
    ) -> Result<Option<Outcome>, Refusal> {
        if id.before() >= self.own.log_end() {
            return Err(Refusal::NoMessage { end: self.own.log_end() });
        }
        let write_concern = self.resolve(wait.write_concern, cluster)?;
        let pending = PendingAck::new(now, id, write_concern, reason);
        let pending = PendingAck { messages, shows_copies: wait.shows_copies, ..pending };
        let receipt = self.receipt(pending);
        let outcome = if receipt.acked_by.len() >= usize::from(write_concern) {
            Outcome::Committed(receipt)
        } else if receipt.stored && self.stopping {
            Outcome::ShuttingDown(receipt)
        } else if let Some(fault) =
            self.own.fault().filter(|fault| !receipt.stored && !fault.is_passing())
        {
            Outcome::DiskFailed(receipt, fault.clone())
        } else if self.is_crowded(write_concern, origin) {
            Outcome::TooManyWaiting(receipt)
        } else {
            self.let_wait(now, ticket, (pending, wait), events);
            return Ok(None);
        };
        Ok(Some(outcome))
    }

    /// Takes out a client that no longer waits.
    pub(in crate::master) fn cancel(&mut self, ticket: WaiterId, events: &mut Events) {
        if self.comparing.cancel(ticket) {
            let event = || MessageEvent::Canceled { waiter: ticket, ids: None };
            events.emit(Detail::Messages, event);
        } else if let Some(pending) = self.gate.remove(ticket) {
            emit_canceled(ticket, pending, events);
        }
    }

    /// Takes out the clients that no longer wait: the one with this ticket, and those behind it, of
    /// `count` in all.
    pub(in crate::master) fn cancel_series(
        &mut self,
        first: WaiterId,
        count: u64,
        events: &mut Events,
    ) {
        for waiter in self.comparing.cancel_of(first, count) {
            events.emit(Detail::Messages, || MessageEvent::Canceled { waiter, ids: None });
        }
        while let Some((ticket, pending)) = self.gate.pop_of(first, count) {
            emit_canceled(ticket, pending, events);
        }
    }

    /// Returns whether any client waits for its answer.
    pub(in crate::master) fn has_waiters(&self) -> bool {
        !self.gate.is_empty() || !self.comparing.is_empty()
    }

    /// Returns how many clients wait for secondaries.
    pub(in crate::master) fn waiting_for_secondaries(&self) -> usize {
        self.gate.waiting_for_secondaries()
    }

    /// Returns since when the client that has waited longest for secondaries waits.
    pub(in crate::master) fn waits_since(&self) -> Option<Instant> {
        self.gate.waits_since()
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
    fn is_crowded(&self, write_concern: u16, origin: AppendOrigin) -> bool {
        write_concern > 1 && self.gate.waiting_for_secondaries() >= self.waiting_max(origin)
    }

    /// Returns the number of clients that may wait for secondaries beside one of this origin.
    fn waiting_max(&self, origin: AppendOrigin) -> usize {
        let max = self.options.max_waiting;
        match origin {
            AppendOrigin::Single => max,
            AppendOrigin::Stream => max - max / PLACES_PER_SINGLE,
        }
    }

    fn let_wait(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        (pending, wait): (PendingAck, Wait),
        events: &mut Events,
    ) {
        let PendingAck { id, count, messages, write_concern, .. } = pending;
        let deadline = wait.timeout.and_then(|timeout| now.checked_add(timeout));
        if write_concern > 1 {
            let timeout = wait.timeout;
            let event = |ids| MessageEvent::Waits { ids, write_concern, timeout };
            events.emit_each(Detail::Messages, id, (count, messages), event);
        }
        self.gate.insert(ticket, PendingAck { deadline, ..pending });
    }

    /// Returns the answer to the next client whose write concern holds, or to the next ones of a
    /// series.
    pub(in crate::master) fn release_next(
        &mut self,
        events: &mut Events,
    ) -> Option<Effect<LeaderEffect>> {
        if !self.release_due {
            return None;
        }
        let held = self.replicas.held(self.own.durable_end());
        let Some((ticket, mut pending)) = self.gate.pop_satisfied(|nodes| held.by(nodes)) else {
            self.release_due = false;
            return None;
        };
        if let Some((later, rest)) = self.split_unlike(ticket, &mut pending) {
            self.gate.insert(later, rest);
        }
        let outcome = Outcome::Committed(self.receipt(pending));
        events.emit_answers(&outcome, pending.count);
        Some(LeaderEffect::Release { waiter: ticket, count: pending.count, outcome }.into())
    }

    /// Keeps those of a series whose message the same nodes have as the first one. Returns the
    /// others; none if there are none.
    fn split_unlike(
        &self,
        ticket: WaiterId,
        pending: &mut PendingAck,
    ) -> Option<(WaiterId, PendingAck)> {
        if pending.count == 1 {
            return None;
        }
        let ends = self.replicas.counted().map(Replica::acked_end);
        let ends = ends.chain(std::iter::once(self.own.durable_end()));
        let next = ends.filter(|&end| pending.id.before() < end).min()?;
        pending.split_at(ticket, next)
    }

    /// Answers the clients whose own time is up, some hundred at a time. Their time goes on while
    /// the node is paused.
    pub(in crate::master) fn expire_clients(&mut self, now: Instant, out: &mut Output) {
        for _ in 0..EXPIRED_MAX {
            let Some((ticket, pending)) = self.gate.pop_expired(now) else { break };
            self.answer(ticket, pending, Outcome::TimedOut, out);
        }
    }

    /// Answers a client, or a series: that its write concern holds, where it does by now, or else
    /// as given.
    pub(super) fn answer(
        &mut self,
        mut ticket: WaiterId,
        mut pending: PendingAck,
        otherwise: impl Fn(Receipt) -> Outcome,
        out: &mut Output,
    ) {
        loop {
            let rest = self.split_unlike(ticket, &mut pending);
            let receipt = self.receipt(pending);
            let holds = receipt.acked_by.len() >= usize::from(pending.write_concern);
            let outcome = if holds { Outcome::Committed(receipt) } else { otherwise(receipt) };
            out.release_series(ticket, pending.count, outcome);
            match rest {
                Some((later, rest)) => (ticket, pending) = (later, rest),
                None => return,
            }
        }
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
            answered += pending.count as usize;
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

    /// Returns what is known about the message that a client waits for: all of it at this moment,
    /// so that no part of an answer contradicts another one.
    pub(super) fn receipt(&mut self, pending: PendingAck) -> Receipt {
        let PendingAck { id, messages, write_concern, reason, shows_copies, .. } = pending;
        let stored = id.end() <= self.own.durable_end();
        let acked_by = self.replicas.acked_by(stored.then_some(&self.options.name), id.end());
        let holds = acked_by.len() >= usize::from(write_concern);
        let copies = (shows_copies && holds).then(|| self.copies(id.end()).into());
        let replayed = reason == WaitReason::Replay;
        Receipt { id, messages, write_concern, acked_by, stored, replayed, copies }
    }
}

/// Adds the events of a client that no longer waits, or of a series of them.
fn emit_canceled(first: WaiterId, pending: PendingAck, events: &mut Events) {
    let PendingAck { id, count, messages, .. } = pending;
    events.emit_each(Detail::Messages, id, (count, messages), |ids| {
        let waiter = WaiterId::new(first.get() + (ids.start().get() - id.get()));
        MessageEvent::Canceled { waiter, ids: Some(ids) }
    });
}
