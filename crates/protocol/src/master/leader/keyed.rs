//! Idempotency: whether a batch with a key is new, was sent before, or may not have the key.
//!
//! The machine has the hashes of keys only. Whether the batch that has the hash is the same one is
//! in its record, which the driver compares: at once, or on a thread that may wait for the disk.
//! Meanwhile the client waits here.

use std::time::Instant;

use acklog_types::{DiskFault, KeyHash, LogView, MessageId, UnreadBatch, WaiterId};

use super::Leader;
use super::ack_gate::WaitReason;
use super::dedup_window::FirstUse;
use super::held_appends::HeldAppend;
use crate::events::{Detail, Events, MessageEvent};
use crate::master::io::Output;
use crate::master::peers::ClusterView;
use crate::outcome::{AppendOrigin, AppendRequest, Outcome, Receipt, Refusal};

/// The result for a batch that was compared.
#[derive(Debug)]
pub(in crate::master) enum ComparedAppend {
    /// Its client waits for the batch that is there, or no longer waits.
    Settled,
    /// Its client is to be answered.
    Answered(Outcome),
    /// It has another key than the batch that begins with this message: it may be new.
    OtherKey(MessageId, (AppendRequest, AppendOrigin)),
}

impl<L: LogView> Leader<L> {
    /// Returns the first message of the newest batch whose idempotency key has this hash, among the
    /// last keyed ones. It may still be on its way to the disk; and it may have another key of the
    /// same hash: see [`FirstUse`].
    pub(in crate::master) fn find_key(&self, hash: KeyHash) -> Option<MessageId> {
        self.keys.find(hash)
    }

    /// Lets a client wait until its batch is compared with the one that begins with `first`.
    pub(in crate::master) fn start_key_comparison(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        first: MessageId,
        asked: (AppendRequest, AppendOrigin),
    ) {
        self.comparing.insert(now, ticket, first, asked);
    }

    /// Takes in what a batch is to the one that may have its key: the same, another one, or one
    /// with another key. A client that no longer waits is passed over.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    pub(in crate::master) fn key_compared(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        found: Result<FirstUse, UnreadBatch>,
        cluster: ClusterView,
        events: &mut Events,
    ) -> Result<ComparedAppend, Refusal> {
        let Some(HeldAppend { first, request, origin, .. }) = self.comparing.remove(now, ticket)
        else {
            events.emit(Detail::Messages, || MessageEvent::ComparedInVain { waiter: ticket });
            return Ok(ComparedAppend::Settled);
        };
        match found {
            Ok(FirstUse::SameMessage) => {
                let batch = (first, request.messages);
                let replay = (request.wait, WaitReason::Replay, origin);
                match self.join(now, ticket, batch, replay, cluster, events)? {
                    // A line is kept until there is room, unless it never will be.
                    Some(Outcome::TooManyWaiting(_))
                        if origin == AppendOrigin::Stream && !self.stopping =>
                    {
                        Err(self.too_many_waiting())
                    }
                    answer => Ok(answer.map_or(ComparedAppend::Settled, ComparedAppend::Answered)),
                }
            }
            Ok(FirstUse::OtherMessage) => Err(Refusal::KeyReused { first }),
            Ok(FirstUse::OtherKey) => Ok(ComparedAppend::OtherKey(first, (request, origin))),
            Err(UnreadBatch::Passing(detail)) => {
                let fault = DiskFault::Stalled { detail };
                let receipt = self.receipt_of_unknown(first, &request, cluster)?;
                Ok(ComparedAppend::Answered(Outcome::DiskFailed(receipt, fault)))
            }
            Err(UnreadBatch::Damaged(detail)) => Err(Refusal::KeyUnreadable { first, detail }),
        }
    }

    /// Answers the clients whose own time is up before their batch is compared.
    pub(in crate::master) fn expire_comparing(
        &mut self,
        now: Instant,
        cluster: ClusterView,
        out: &mut Output,
    ) {
        for (ticket, held) in self.comparing.take_expired(now) {
            self.answer_uncompared(ticket, &held, Outcome::TimedOut, cluster, out);
        }
    }

    /// Answers the clients whose batch is not compared: the node stops now.
    pub(in crate::master) fn give_up_comparing(&mut self, cluster: ClusterView, out: &mut Output) {
        for (ticket, held) in self.comparing.take_all() {
            self.answer_uncompared(ticket, &held, Outcome::ShuttingDown, cluster, out);
        }
    }

    /// Answers a client that its batch may be the one that has its key: that is not known.
    fn answer_uncompared(
        &self,
        ticket: WaiterId,
        held: &HeldAppend,
        outcome: impl FnOnce(Receipt) -> Outcome,
        cluster: ClusterView,
        out: &mut Output,
    ) {
        let receipt = self.receipt_of_unknown(held.first, &held.request, cluster);
        out.release(ticket, receipt.map_or_else(Outcome::Refused, outcome));
    }

    /// Returns what can be reported about a message of which nothing is known yet but the id that
    /// it may have.
    fn receipt_of_unknown(
        &self,
        id: MessageId,
        request: &AppendRequest,
        cluster: ClusterView,
    ) -> Result<Receipt, Refusal> {
        let write_concern = self.resolve(request.wait.write_concern, cluster)?;
        let messages = request.messages;
        let (acked_by, stored, replayed, copies) = ([].into(), false, false, None);
        Ok(Receipt { id, messages, write_concern, acked_by, stored, replayed, copies })
    }
}
