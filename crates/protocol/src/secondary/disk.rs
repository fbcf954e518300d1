//! Faults of the disk: the node leaves its master, and dials again when they have passed.

use std::time::Instant;

use acklog_types::{DiskFault, IdRange, LogView};

use super::{Connection, Secondary};
use crate::CloseReason;
use crate::events::{Detail, NodeEvent};

impl<L: LogView> Secondary<L> {
    /// Leaves the master, since the disk takes nothing: a node that can store nothing can ack
    /// nothing, and the master should not count it. For the moment, or until a restart.
    pub(super) fn disk_faulty(&mut self, now: Instant, fault: DiskFault) {
        let passes = fault.is_passing();
        let unflushed = IdRange::new(self.follower.durable_end(), self.follower.log_end());
        let event = || NodeEvent::DiskFault { fault: fault.clone(), unflushed };
        self.events.emit(Detail::Changes, event);
        self.follower.note_disk_fault(fault);
        match passes {
            true => self.close(now, CloseReason::DiskFault),
            false => self.end(CloseReason::DiskFault),
        }
    }

    /// Dials the master again, since a fault of the disk has passed.
    pub(super) fn disk_well(&mut self, now: Instant) {
        if self.follower.note_disk_recovery() {
            self.events.emit(Detail::Changes, || NodeEvent::DiskWell);
            if let Connection::Idle { dial_at } = &mut self.connection {
                *dial_at = now;
            }
        }
    }
}
