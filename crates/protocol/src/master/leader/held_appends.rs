//! The clients whose batches are being compared with the ones that may have their idempotency keys.

use std::collections::BTreeMap;
use std::time::Instant;

use acklog_types::{MessageId, WaiterId};

use crate::outcome::{AppendOrigin, AppendRequest};

/// A client whose batch is being compared.
#[derive(Debug)]
pub(super) struct HeldAppend {
    /// The first message of the batch that may have its key.
    pub(super) first: MessageId,
    since: Instant,
    /// Time at which the client stops waiting; none: never.
    deadline: Option<Instant>,
    pub(super) request: AppendRequest,
    pub(super) origin: AppendOrigin,
}

/// The clients whose batches are being compared.
#[derive(Debug, Default)]
pub(super) struct HeldAppends(BTreeMap<WaiterId, HeldAppend>);

impl HeldAppends {
    /// Lets a client wait for the comparison with the batch that begins with `first`.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        ticket: WaiterId,
        first: MessageId,
        (request, origin): (AppendRequest, AppendOrigin),
    ) {
        let deadline = request.wait.timeout.and_then(|timeout| now.checked_add(timeout));
        self.0.insert(ticket, HeldAppend { first, since: now, deadline, request, origin });
    }

    /// Takes out a client, if it waits here. The time that it waited is a part of its time limit.
    pub(super) fn remove(&mut self, now: Instant, ticket: WaiterId) -> Option<HeldAppend> {
        let mut held = self.0.remove(&ticket)?;
        let waited = now.saturating_duration_since(held.since);
        let timeout = &mut held.request.wait.timeout;
        *timeout = timeout.map(|timeout| timeout.saturating_sub(waited));
        Some(held)
    }

    /// Takes out a client that no longer waits. Returns whether it waited here.
    pub(super) fn cancel(&mut self, ticket: WaiterId) -> bool {
        self.0.remove(&ticket).is_some()
    }

    /// Takes out those of `count` clients from `first` on that wait here.
    pub(super) fn cancel_of(
        &mut self,
        first: WaiterId,
        count: u64,
    ) -> impl Iterator<Item = WaiterId> {
        let end = WaiterId::new(first.get().saturating_add(count));
        self.0.extract_if(first..end, |_, _| true).map(|(ticket, _)| ticket)
    }

    /// Takes out the clients whose time is up.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<(WaiterId, HeldAppend)> {
        let is_due = |held: &HeldAppend| held.deadline.is_some_and(|deadline| deadline <= now);
        self.0.extract_if(.., |_, held| is_due(held)).collect()
    }

    /// Takes out all clients.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (WaiterId, HeldAppend)> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }

    /// Returns the number of clients.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no client waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns when the next client's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.values().filter_map(|held| held.deadline).min()
    }
}
