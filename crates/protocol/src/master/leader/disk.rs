//! The master's own disk: what it makes durable, and its faults.

use std::time::Instant;

use acklog_types::{DiskFault, IdRange, LogEnd, LogView};

use super::Leader;
use crate::events::{Detail, Events, MessageEvent, NodeEvent};
use crate::master::io::Output;
use crate::outcome::Outcome;

impl<L: LogView> Leader<L> {
    /// Takes in that the log is durable up to `end`, at `now`, outside time.
    pub(in crate::master) fn durable(&mut self, now: Instant, end: LogEnd, out: &mut Output) {
        let from = self.own.durable_end();
        self.own.durable(now, end);
        if from < end {
            let ids = IdRange::new(from, end);
            out.events.emit(Detail::Messages, || MessageEvent::Durable { ids });
        }
        self.release_due = true;
        if self.stopping {
            self.dismiss_stored(out);
        }
    }

    /// Takes in that the disk takes nothing, for the moment: no new messages are taken meanwhile,
    /// and the clients that wait go on waiting.
    pub(in crate::master) fn disk_stalled(&mut self, fault: DiskFault, events: &mut Events) {
        self.emit_disk_fault(&fault, events);
        self.own.set_fault(fault);
    }

    /// Takes in that what kept the disk from taking anything has passed.
    pub(in crate::master) fn disk_well(&mut self, events: &mut Events) {
        if self.own.end_passing_fault() {
            events.emit(Detail::Changes, || NodeEvent::DiskWell);
        }
    }

    /// Takes in that the disk takes nothing more until a restart. What is durable goes on being
    /// replicated, and the clients that wait for that go on waiting; the fate of the rest will
    /// never be known: its clients are answered now.
    pub(in crate::master) fn disk_failed(&mut self, fault: DiskFault, out: &mut Output) {
        self.emit_disk_fault(&fault, &mut out.events);
        self.own.set_fault(fault.clone());
        let (mut answered, end) = (0, self.own.durable_end());
        for (ticket, pending) in self.gate.take_from(end) {
            answered += pending.count as usize;
            self.answer(
                ticket,
                pending,
                |receipt| Outcome::DiskFailed(receipt, fault.clone()),
                out,
            );
        }
        out.events.emit(Detail::Changes, || NodeEvent::Aborted { answered, end });
    }

    fn emit_disk_fault(&self, fault: &DiskFault, events: &mut Events) {
        let unflushed = IdRange::new(self.own.durable_end(), self.own.log_end());
        let event = || NodeEvent::DiskFault { fault: fault.clone(), unflushed };
        events.emit(Detail::Changes, event);
    }
}
