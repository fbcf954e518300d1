//! The copies of a message: which nodes have it, since when, and how often it was sent to them.
//!
//! All of it is computed from positions: what is remembered is one time for each ack and one count
//! for each run.

use std::time::{Duration, Instant};

use acklog_types::{LogEnd, LogView, Storage};

use super::Leader;
use super::replica::Replica;
use crate::status::CopyStatus;

impl<L: LogView> Leader<L> {
    /// Returns the copies of the message before `end`: the master's, then those of the secondaries
    /// that count, in the order in which they registered.
    pub(in crate::master) fn copies(&self, end: LogEnd) -> Vec<CopyStatus> {
        let (accepted_at, durable_at) = (self.own.accepted_at(end), self.own.durable_at(end));
        let own = CopyStatus {
            node: self.options.name.clone(),
            held: end <= self.own.durable_end(),
            storage: Some(Storage::of(self.own.is_on_disk())),
            acked_at: durable_at,
            after: after(accepted_at, durable_at),
            // A master gives a message to its own log once.
            attempts: accepted_at.or(durable_at).map(|_| 1),
        };
        let is_new = self.own.start_end() < end;
        let others = self.replicas.counted().map(|replica| {
            let acked_at = replica.acked_at(end).filter(|_| is_new);
            copy_on(replica, end, (accepted_at, acked_at))
        });
        std::iter::once(own).chain(others).collect()
    }
}

fn copy_on(
    replica: &Replica,
    end: LogEnd,
    (accepted_at, acked_at): (Option<Instant>, Option<Instant>),
) -> CopyStatus {
    let held = end <= replica.acked_end();
    let acked_at = acked_at.filter(|_| held);
    CopyStatus {
        node: replica.name().clone(),
        held,
        storage: replica.storage(),
        acked_at,
        after: after(accepted_at, acked_at),
        attempts: replica.attempts(end),
    }
}

fn after(accepted_at: Option<Instant>, acked_at: Option<Instant>) -> Option<Duration> {
    let (accepted, acked) = accepted_at.zip(acked_at)?;
    Some(acked.saturating_duration_since(accepted))
}
