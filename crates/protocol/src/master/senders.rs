//! The senders: what they ask, and how each is answered exactly once.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{MESSAGE_TARGET, MessageId, NODES_MAX, WaiterId, WriteConcern};
use tracing::{debug, info};

use super::{LeaderEffect, Master, Member};
use crate::machine::Effect;
use crate::outcome::{Admission, AppendRequest, Outcome, Receipt, Refusal, Wait};
use crate::write_concern::{Waiter, held_by};

/// Senders whose time is up that are answered at once, at most; the others are due immediately
/// afterwards. Fewer: more turns. More: other senders wait for longer behind them.
const EXPIRED_MAX: usize = 512;

/// Most bytes of messages that wait for the disk. Less would refuse bursts that a disk takes within a second; more
/// would hold memory, and senders in doubt, for a disk that hangs.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

impl<L: LogView> Master<L> {
    /// Takes a batch, or has it compared first with the one that has its idempotency key. Its sender is answered by a
    /// later [`LeaderEffect::Release`], exactly once, unless it is canceled.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    ///
    /// # Panics
    /// When there is no message.
    pub fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        request: AppendRequest,
    ) -> Result<Admission, Refusal> {
        assert!(request.messages > 0, "a batch of no message");
        self.take_batch(now, waiter, request, None)
    }

    /// Takes a batch that is not there yet, and gives it its ids, of which the first is returned.
    pub(super) fn append_new(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        request: AppendRequest,
    ) -> Result<MessageId, Refusal> {
        let AppendRequest { wait, key, messages, bytes } = request;
        let waiting = self.unflushed.bytes();
        if waiting > BACKLOG_BYTES_MAX {
            return Err(Refusal::DiskBehind { bytes: waiting });
        }
        if self.stopping {
            return Err(Refusal::ShuttingDown);
        }
        let write_concern = self.resolve(wait.write_concern)?;
        if let Some(fault) = self.fault() {
            return Err(Refusal::DiskFault(fault));
        }
        self.check_losses()?;
        self.check_quorum()?;
        if self.is_crowded(write_concern) {
            return Err(Refusal::TooManyWaiting { limit: self.options.max_waiting });
        }
        if write_concern > 1 {
            self.watch_majority(now);
        }
        let id = self.log_end.next_id();
        self.log_end = self.log_end.plus(messages);
        if self.on_disk {
            self.unflushed.appended(self.log_end, bytes);
        }
        // No pointer ever stops inside a batch: whoever has the first message has all of them, and waits for it alone.
        if let Some(hash) = key {
            self.keys.insert(hash, id);
        }
        self.let_wait(
            now,
            waiter,
            Waiter { id, write_concern, deadline: None, is_replay: false },
            wait,
        );
        Ok(id)
    }

    /// Lets a sender wait for a message that has its id already: `is_replay`, because it sent it before, otherwise to
    /// wait again. It is answered as in [`append`](Self::append), and shares the fate of a message that is not durable
    /// yet. Nothing is written, so neither a lost quorum nor a disk that takes nothing more is in the way.
    ///
    /// # Errors
    /// When there is no such message, or the write concern can never hold; then nothing was changed.
    pub fn join(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        id: MessageId,
        wait: Wait,
        is_replay: bool,
    ) -> Result<(), Refusal> {
        if id.before() >= self.log_end {
            return Err(Refusal::NoMessage { end: self.log_end });
        }
        let write_concern = self.resolve(wait.write_concern)?;
        let joins = Waiter { id, write_concern, deadline: None, is_replay };
        let receipt = self.receipt(joins);
        let outcome = if receipt.acked_by.len() >= usize::from(write_concern) {
            Outcome::Committed(receipt)
        } else if receipt.stored && self.stopping {
            Outcome::ShuttingDown(receipt)
        } else if let Some(fault) =
            self.disk_fault.as_ref().filter(|fault| !receipt.stored && !fault.is_passing())
        {
            Outcome::DiskFailed(receipt, fault.clone())
        } else if self.is_crowded(write_concern) {
            Outcome::TooManyWaiting(receipt)
        } else {
            self.let_wait(now, waiter, joins, wait);
            return Ok(());
        };
        self.release(waiter, outcome);
        Ok(())
    }

    /// Whether any sender waits for its answer.
    pub fn has_waiters(&self) -> bool {
        !self.gate.is_empty() || !self.comparing.is_empty()
    }

    /// A write concern as a number of nodes.
    pub(super) fn resolve(&self, write_concern: Option<WriteConcern>) -> Result<u16, Refusal> {
        let asked = write_concern
            .unwrap_or(self.options.default_write_concern)
            .resolve(self.cluster_size());
        let reachable = self.options.cluster_size.unwrap_or(NODES_MAX);
        u16::try_from(asked)
            .ok()
            .filter(|&asked| asked <= reachable)
            .ok_or(Refusal::WriteConcern { asked, reachable })
    }

    /// Whether one more sender of this write concern would be one too many.
    fn is_crowded(&self, write_concern: u16) -> bool {
        write_concern > 1 && self.gate.waiting_for_secondaries() >= self.options.max_waiting
    }

    fn let_wait(&mut self, now: Instant, name: WaiterId, waiter: Waiter, wait: Wait) {
        let Waiter { id, write_concern, .. } = waiter;
        let deadline = wait.timeout.and_then(|timeout| now.checked_add(timeout));
        if write_concern > 1 {
            let timeout = wait.timeout;
            debug!(%id, w = write_concern, ?timeout, "a sender waits for its write concern");
        }
        self.gate.insert(name, Waiter { deadline, ..waiter });
    }

    /// The answer to the next sender whose write concern holds.
    pub(super) fn release_next(&mut self) -> Option<Effect<LeaderEffect>> {
        if !self.release_due {
            return None;
        }
        if self.ends.is_empty() {
            let acked = self.members.values().filter(|member| member.is_registered());
            self.ends.extend(acked.map(Member::acked_end));
            self.ends.push(self.durable_end);
            self.ends.sort_unstable_by(|a, b| b.cmp(a));
        }
        let Some((name, waiter)) = self.gate.pop_satisfied(|nodes| held_by(&self.ends, nodes))
        else {
            self.release_due = false;
            return None;
        };
        let receipt = self.receipt(waiter);
        if waiter.write_concern > 1 {
            debug!(target: MESSAGE_TARGET, id = %waiter.id, w = waiter.write_concern, "the write concern holds");
        }
        let outcome = Outcome::Committed(receipt);
        Some(LeaderEffect::Release { waiter: name, outcome }.into())
    }

    /// Answers the senders whose own time is up, some hundred at a time. Their time goes on while
    /// the node is paused.
    pub(super) fn expire_senders(&mut self, now: Instant) {
        for _ in 0..EXPIRED_MAX {
            let Some((name, waiter)) = self.gate.pop_expired(now) else { break };
            debug!(id = %waiter.id, "the sender's time is up");
            self.answer(name, waiter, Outcome::TimedOut);
        }
        self.expire_comparing(now);
    }

    /// Answers a sender: that its write concern holds, where it does by now, or else as given.
    fn answer(
        &mut self,
        name: WaiterId,
        waiter: Waiter,
        otherwise: impl FnOnce(Receipt) -> Outcome,
    ) {
        let receipt = self.receipt(waiter);
        let holds = receipt.acked_by.len() >= usize::from(waiter.write_concern);
        let outcome = if holds { Outcome::Committed(receipt) } else { otherwise(receipt) };
        self.release(name, outcome);
    }

    /// Takes no more messages, and answers those that wait for secondaries only. The others are answered as soon as the
    /// disk has their messages.
    pub(super) fn shut_down(&mut self) {
        self.stopping = true;
        let answered = self.dismiss_stored();
        let waiting = self.has_waiters();
        info!(answered, waiting, "no longer taking messages; waiting senders are answered");
    }

    /// Answers the senders whose message is durable, since the node stops. Returns how many there were.
    pub(super) fn dismiss_stored(&mut self) -> usize {
        let (mut answered, end) = (0, self.durable_end);
        while let Some((name, waiter)) = self.gate.pop_satisfied(|_| end) {
            self.answer(name, waiter, Outcome::ShuttingDown);
            answered += 1;
        }
        answered
    }

    /// Answers everybody who still waits, now.
    pub(super) fn give_up(&mut self) {
        self.stopping = true;
        while let Some((name, waiter)) = self.gate.pop_any() {
            self.answer(name, waiter, Outcome::ShuttingDown);
        }
        self.give_up_comparing();
    }

    pub(super) fn release(&mut self, waiter: WaiterId, outcome: Outcome) {
        self.effects.push_back(LeaderEffect::Release { waiter, outcome }.into());
    }

    pub(super) fn receipt(&mut self, waiter: Waiter) -> Receipt {
        let Waiter { id, write_concern, is_replay, .. } = waiter;
        let stored = id.end() <= self.durable_end;
        let master = stored.then_some(&self.options.name);
        let has_it = |member: &&Member| member.is_registered() && id.end() <= member.acked_end();
        let members = self.members.values().filter(has_it);
        let names = || master.into_iter().chain(members.clone().map(Member::name));
        if !names().eq(self.acked_by.iter()) {
            self.acked_by = names().cloned().collect();
        }
        let acked_by = self.acked_by.clone();
        Receipt { id, write_concern, acked_by, stored, replayed: is_replay }
    }
}
