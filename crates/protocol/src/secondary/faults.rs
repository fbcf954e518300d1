//! The secondary's faults on demand.

use std::time::Instant;

use acklog_types::Faults;
use acklog_types::LogView;
use rand::RngExt;
use tracing::warn;

use super::{Connection, Secondary};
use crate::CloseReason;

impl<L: LogView> Secondary<L> {
    /// Replaces the faults; they begin with new draws. What waits for another store delay is stored as soon as the node
    /// is not paused.
    pub fn set_faults(&mut self, now: Instant, faults: Faults) {
        let was = self.injector.faults();
        self.injector.replace(faults, self.rng.random());
        self.time.set_paused(now, faults.paused);
        let now = self.time.at(now);
        if faults.store_delay != was.store_delay
            && let Connection::Up(link) = &mut self.connection
        {
            // A page is not asked for again while it waits here, and a delay may be a year.
            link.buffer.make_due(now);
        }
        self.act_on_durable(now);
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.injector.faults()
    }

    /// Whether the node hangs on demand: it must not be told of its connection now.
    pub fn is_paused(&self) -> bool {
        self.time.is_paused()
    }

    /// Drops the connection to the master, as somebody asked for. Returns how many there were.
    pub fn disconnect(&mut self, now: Instant) -> usize {
        let connections = usize::from(self.session().is_some());
        warn!(connections, "dropping all connections, as asked for");
        self.close(self.time.at(now), CloseReason::OnDemand);
        connections
    }
}
