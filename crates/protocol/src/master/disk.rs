//! What the master's own disk tells.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{DiskFault, LogEnd};
use tracing::{error, info, warn};

use super::Master;
use crate::outcome::Outcome;

impl<L: LogView> Master<L> {
    /// The log is durable up to `end`.
    pub(super) fn durable(&mut self, now: Instant, end: LogEnd) {
        assert!(self.durable_end <= end && end <= self.log_end, "durable up to {end}");
        self.durable_end = end;
        self.unflushed.durable(end);
        self.note_acked();
        if self.stopping {
            self.dismiss_stored();
        }
        self.let_act(.., |member, context| member.pump(now, context));
    }

    /// The disk takes nothing. Where that passes, no new messages are taken meanwhile, and who waits goes on waiting.
    pub(super) fn disk_faulty(&mut self, fault: DiskFault) {
        if !fault.is_passing() {
            return self.disk_failed(fault);
        }
        let (from, to) = (self.durable_end, self.log_end);
        warn!(%fault, %from, %to, "read-only for the moment: messages [from, to) wait for the disk");
        self.disk_fault = Some(fault);
    }

    /// What kept the disk from taking anything has passed.
    pub(super) fn disk_well(&mut self) {
        if self.disk_fault.take_if(|fault| fault.is_passing()).is_some() {
            info!("the disk takes messages again");
        }
    }

    /// The disk takes nothing more until a restart. What is durable goes on being replicated, and who waits for that
    /// goes on waiting; the fate of the rest is not known, and nobody will tell: its senders are answered now.
    fn disk_failed(&mut self, fault: DiskFault) {
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
