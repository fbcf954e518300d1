//! The copies of a message: which nodes have it, since when, and how often it was sent to them.
//!
//! All of it is computed from positions: what is remembered is one time for each ack and one count
//! for each run.

use acklog_types::{LogEnd, LogView, Storage};

use super::Leader;
use super::replica::Replica;
use crate::status::CopyStatus;

impl<L: LogView> Leader<L> {
    /// Returns the copies of the message before `end`: the master's, then those of the secondaries
    /// that count, in the order in which they registered.
    pub(in crate::master) fn copies(&self, end: LogEnd) -> Vec<CopyStatus> {
        let own = CopyStatus {
            node: self.options.name.clone(),
            held: end <= self.own.durable_end(),
            storage: Some(Storage::of(self.own.is_on_disk())),
            after: self.own.durable_after(end),
            // A master gives a message to its own log once.
            attempts: self.own.accepted_at(end).map(|_| 1),
        };
        let others = self.replicas.counted().map(|replica| self.copy_on(replica, end));
        std::iter::once(own).chain(others).collect()
    }

    fn copy_on(&self, replica: &Replica, end: LogEnd) -> CopyStatus {
        let held = end <= replica.acked_end();
        let times = self.own.accepted_at(end).zip(replica.acked_at(end).filter(|_| held));
        CopyStatus {
            node: replica.name().clone(),
            held,
            storage: replica.storage(),
            after: times.map(|(accepted, acked)| acked.saturating_duration_since(accepted)),
            attempts: replica.attempts(end),
        }
    }
}
