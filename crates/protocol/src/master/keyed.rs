//! Idempotency: whether a batch with a key is new, was sent before, or may not have the key.
//!
//! The machine knows the hashes of keys only. Whether the batch that has the hash is the same one is
//! seen in its record, which the caller compares: at once, or on a thread that may wait for the
//! disk. Meanwhile the sender waits here.

use std::collections::BTreeMap;
use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{DiskFault, KeyHash, MessageId, UnreadBatch, WaiterId};
use tracing::debug;

use super::Master;
use crate::idempotency::FirstUse;
use crate::outcome::{Admission, AppendRequest, Outcome, Receipt, Refusal, Wait};

/// The senders whose batches are being compared.
#[derive(Debug, Default)]
pub(super) struct Comparing(BTreeMap<WaiterId, Pending>);

/// A sender whose batch is being compared.
#[derive(Debug)]
struct Pending {
    /// The first message of the batch that may have its key.
    first: MessageId,
    since: Instant,
    /// When the sender stops waiting; none: never.
    deadline: Option<Instant>,
    request: AppendRequest,
}

impl Comparing {
    /// Returns whether no sender waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets a sender. Returns whether it waited here.
    pub(super) fn remove(&mut self, waiter: WaiterId) -> bool {
        self.0.remove(&waiter).is_some()
    }

    /// Returns when the next sender's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|pending| pending.deadline).min()
    }
}

impl<L: LogView> Master<L> {
    /// Takes in what a batch is to the one that [`Admission::Compare`] named: the same, another one,
    /// or one with another key. A sender that no longer waits is passed over.
    ///
    /// # Errors
    /// When the batch is refused; then nothing was changed.
    pub fn key_compared(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        found: Result<FirstUse, UnreadBatch>,
    ) -> Result<Admission, Refusal> {
        let Some(Pending { first, since, mut request, .. }) = self.comparing.0.remove(&waiter)
        else {
            debug!(%waiter, "a comparison is done, and its sender no longer waits");
            return Ok(Admission::Waits);
        };
        let waited = now.saturating_duration_since(since);
        request.wait.timeout = request.wait.timeout.map(|timeout| timeout.saturating_sub(waited));
        match found {
            Ok(FirstUse::SameMessage) => {
                self.join(now, waiter, first, request.wait, true)?;
                Ok(Admission::Waits)
            }
            Ok(FirstUse::OtherMessage) => Err(Refusal::KeyReused { first }),
            // Meanwhile a batch with the sender's own key may have come.
            Ok(FirstUse::OtherKey) => self.take_batch(now, waiter, request, Some(first)),
            Err(UnreadBatch::Passing(detail)) => {
                let fault = DiskFault::Stalled { detail };
                let receipt = self.receipt_of_unknown(first, request.wait)?;
                self.release(waiter, Outcome::DiskFailed(receipt, fault));
                Ok(Admission::Waits)
            }
            Err(UnreadBatch::Damaged(detail)) => Err(Refusal::KeyUnreadable { first, detail }),
        }
    }

    /// Has a batch compared with the one that may have its key, or takes it as a new one. `compared`
    /// names the batch that is known to have another key of the same hash.
    pub(super) fn take_batch(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        request: AppendRequest,
        compared: Option<MessageId>,
    ) -> Result<Admission, Refusal> {
        let first = request.key.and_then(|key| self.find_key(key));
        let Some(first) = first.filter(|&first| Some(first) != compared) else {
            return self.append_new(now, waiter, request).map(Admission::Append);
        };
        let deadline = request.wait.timeout.and_then(|timeout| now.checked_add(timeout));
        self.comparing.0.insert(waiter, Pending { first, since: now, deadline, request });
        Ok(Admission::Compare(first))
    }

    /// Returns the first message of the newest batch whose idempotency key has this hash, among the
    /// last keyed ones. It may still be on its way to the disk; and it may have another key of the
    /// same hash: see [`FirstUse`].
    pub(super) fn find_key(&self, hash: KeyHash) -> Option<MessageId> {
        self.keys.find(hash)
    }

    /// Answers the senders whose own time is up before their batch is compared.
    pub(super) fn expire_comparing(&mut self, now: Instant) {
        let is_due = |pending: &Pending| pending.deadline.is_some_and(|deadline| deadline <= now);
        let due: Vec<_> = self.comparing.0.extract_if(.., |_, pending| is_due(pending)).collect();
        for (waiter, pending) in due {
            self.answer_uncompared(waiter, &pending, Outcome::TimedOut);
        }
    }

    /// Answers the senders whose batch is not compared: the node stops now.
    pub(super) fn give_up_comparing(&mut self) {
        for (waiter, pending) in std::mem::take(&mut self.comparing.0) {
            self.answer_uncompared(waiter, &pending, Outcome::ShuttingDown);
        }
    }

    /// Answers a sender that its batch may be the one that has its key: that is not known.
    fn answer_uncompared(
        &mut self,
        waiter: WaiterId,
        pending: &Pending,
        outcome: impl FnOnce(Receipt) -> Outcome,
    ) {
        let receipt = self.receipt_of_unknown(pending.first, pending.request.wait);
        self.release(waiter, receipt.map_or_else(Outcome::Refused, outcome));
    }

    /// Returns what can be told about a message of which nothing is known yet but the id that it may
    /// have.
    fn receipt_of_unknown(&self, id: MessageId, wait: Wait) -> Result<Receipt, Refusal> {
        let write_concern = self.resolve(wait.write_concern)?;
        Ok(Receipt { id, write_concern, acked_by: [].into(), stored: false, replayed: false })
    }
}
