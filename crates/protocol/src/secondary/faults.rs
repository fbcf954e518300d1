//! The secondary's hooks for fault injection, and connections that are dropped on demand.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{Faults, IdRange, NodeName, SessionId};
use rand::RngExt;

use super::{Connection, Secondary};
use crate::CloseReason;
use crate::events::{Detail, NodeEvent};
use crate::faults::FaultHooks;
use crate::own_time::OwnTime;

impl<L: LogView> FaultHooks for Secondary<L> {
    fn set_faults(&mut self, now: Instant, faults: Faults, seed: u64) {
        self.delays_requests = faults.send_delay.is_some();
        self.time.set_paused(now, faults.paused);
        let now = self.time.at(now);
        self.follower.set_faults(now, faults, seed);
        self.act_on_durable(now);
    }

    fn draw_seed(&mut self) -> u64 {
        self.rng.random()
    }

    fn own_time(&self) -> &OwnTime {
        &self.time
    }

    fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.session().into_iter()
    }

    fn is_open(&self, session: SessionId) -> bool {
        self.session() == Some(session)
    }

    fn peer(&self, _: SessionId) -> Option<&NodeName> {
        None
    }

    fn lacks(&self, _: SessionId, _: IdRange) -> bool {
        true
    }

    fn sent(&mut self, now: Instant, session: SessionId) {
        if let Connection::Up(link) = &mut self.connection
            && link.session() == session
        {
            link.note_sent(now);
        }
    }
}

impl<L: LogView> Secondary<L> {
    /// Drops the connection to the master, as a user requested. Returns how many there were.
    pub(super) fn drop_connection(&mut self, now: Instant) -> usize {
        let connections = usize::from(self.session().is_some());
        self.events.emit(Detail::Changes, || NodeEvent::ConnectionsDropped { connections });
        self.close(now, CloseReason::OnDemand);
        connections
    }

    /// Returns whether the node is paused on demand. It takes no input from its connection then.
    pub(super) fn is_paused(&self) -> bool {
        self.time.is_paused()
    }
}
