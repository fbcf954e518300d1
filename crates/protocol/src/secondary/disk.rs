//! Faults of the disk: the node leaves its master, and dials again when they have passed.

use std::time::Instant;

use acklog_types::DiskFault;
use acklog_types::LogView;
use tracing::{error, info, warn};

use super::{Connection, Secondary};
use crate::CloseReason;

impl<L: LogView> Secondary<L> {
    /// Leaves the master, since the disk takes nothing: a node that can store nothing can ack
    /// nothing, and the master should not count it. For the moment, or until a restart.
    pub(super) fn disk_faulty(&mut self, now: Instant, fault: DiskFault) {
        let passes = fault.is_passing();
        if passes {
            let (from, to) = (self.follower.durable_end(), self.follower.log_end());
            warn!(%fault, %from, %to,
                "leaving the master for the moment: messages [from, to) wait for the disk");
        } else {
            error!(%fault, "no longer a part of the cluster until a restart: the disk has a fault");
        }
        self.follower.note_disk_fault(fault);
        match passes {
            true => self.close(now, CloseReason::DiskFault),
            false => self.end(CloseReason::DiskFault),
        }
    }

    /// Dials the master again, since a fault of the disk has passed.
    pub(super) fn disk_well(&mut self, now: Instant) {
        if self.follower.note_disk_recovery() {
            info!("the disk takes messages again");
            if let Connection::Idle { dial_at } = &mut self.connection {
                *dial_at = now;
            }
        }
    }
}
