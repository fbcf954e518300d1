//! The master's own disk: what it makes durable, and its faults.

use acklog_types::{DiskFault, LogEnd, LogView};
use tracing::{error, info, warn};

use super::Leader;
use crate::master::io::{Effects, release};
use crate::outcome::Outcome;

impl<L: LogView> Leader<L> {
    /// Takes in that the log is durable up to `end`.
    pub(in crate::master) fn durable(&mut self, end: LogEnd, effects: &mut Effects) {
        self.own.durable(end);
        self.release_due = true;
        if self.stopping {
            self.dismiss_stored(effects);
        }
    }

    /// Takes in that the disk takes nothing, for the moment: no new messages are taken meanwhile,
    /// and the clients that wait go on waiting.
    pub(in crate::master) fn disk_stalled(&mut self, fault: DiskFault) {
        let (from, to) = (self.own.durable_end(), self.own.log_end());
        warn!(%fault, %from, %to, "read-only for the moment: messages [from, to) wait for the disk");
        self.own.set_fault(fault);
    }

    /// Takes in that what kept the disk from taking anything has passed.
    pub(in crate::master) fn disk_well(&mut self) {
        if self.own.end_passing_fault() {
            info!("the disk takes messages again");
        }
    }

    /// Takes in that the disk takes nothing more until a restart. What is durable goes on being
    /// replicated, and the clients that wait for that go on waiting; the fate of the rest will
    /// never be known: its clients are answered now.
    pub(in crate::master) fn disk_failed(&mut self, fault: DiskFault, effects: &mut Effects) {
        error!(%fault, "read-only until a restart: the disk has a fault");
        self.own.set_fault(fault.clone());
        let (mut answered, end) = (0, self.own.durable_end());
        while let Some((ticket, pending)) = self.gate.pop_from(end) {
            let receipt = self.receipt(pending);
            release(effects, ticket, Outcome::DiskFailed(receipt, fault.clone()));
            answered += 1;
        }
        info!(answered, %end, "senders whose messages were not on disk are told so");
    }
}
