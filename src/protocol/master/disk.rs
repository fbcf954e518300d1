//! What the master's own disk tells.

use std::time::Instant;

use tracing::{error, info};

use super::Master;
use crate::protocol::LogView;
use crate::protocol::outcome::Outcome;
use crate::types::{DiskFault, LogEnd};

impl<L: LogView> Master<L> {
    /// The log is durable up to `end`.
    pub(super) fn durable(&mut self, now: Instant, end: LogEnd) {
        assert!(self.durable_end <= end && end <= self.log_end, "durable up to {end}");
        self.durable_end = end;
        self.note_acked();
        if self.stopping {
            self.dismiss_stored();
        }
        self.let_act(.., |member, context| member.pump(now, context));
    }

    /// The disk takes nothing more. What is durable goes on being replicated, and who waits for that goes on waiting;
    /// the fate of the rest is not known, and nobody will tell: its senders are answered now.
    pub(super) fn disk_failed(&mut self, fault: DiskFault) {
        error!(%fault, "read-only until a restart: the disk has a fault");
        self.disk_fault = Some(fault.clone());
        let (mut answered, end) = (0, self.durable_end);
        while let Some((name, waiter)) = self.gate.pop_from(end) {
            let receipt = self.receipt(waiter);
            self.release(name, Outcome::DiskFailed(receipt, fault.clone()));
            answered += 1;
        }
        info!(answered, %end, "senders whose messages were not on disk are told so");
        self.stop_registering();
    }
}
