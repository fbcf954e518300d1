//! What the secondary's own disk tells.

use std::time::Instant;

use acklog_types::DiskFault;
use acklog_types::LogView;
use tracing::{error, info, warn};

use super::{Connection, Secondary};
use crate::CloseReason;

impl<L: LogView> Secondary<L> {
    /// The disk takes nothing. A node that can store nothing can ack nothing, so it leaves its master, which then does
    /// not count it: for the moment, or until a restart.
    pub(super) fn disk_faulty(&mut self, now: Instant, fault: DiskFault) {
        let passes = fault.is_passing();
        if passes {
            let (from, to) = (self.contiguous_end, self.log_end);
            warn!(%fault, %from, %to, "leaving the master for the moment: messages [from, to) wait for the disk");
        } else {
            error!(%fault, "no longer a part of the cluster until a restart: the disk has a fault");
        }
        self.disk_fault = Some(fault);
        match passes {
            true => self.close(now, CloseReason::DiskFault),
            false => self.end(CloseReason::DiskFault),
        }
    }

    /// What kept the disk from taking anything has passed: the node dials its master again.
    pub(super) fn disk_well(&mut self, now: Instant) {
        if self.disk_fault.take_if(|fault| fault.is_passing()).is_some() {
            info!("the disk takes messages again");
            if let Connection::Idle { dial_at } = &mut self.connection {
                *dial_at = now;
            }
        }
    }

    /// Whether the disk takes nothing more until a restart.
    pub(super) fn has_failed(&self) -> bool {
        self.disk_fault.as_ref().is_some_and(|fault| !fault.is_passing())
    }
}
