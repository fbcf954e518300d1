//! The master's faults on demand.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{Faults, SessionId};
use rand::RngExt;
use tracing::warn;

use super::Master;
use crate::CloseReason;

impl<L: LogView> Master<L> {
    /// Replaces the faults; they begin with new draws.
    pub fn set_faults(&mut self, now: Instant, faults: Faults) {
        self.injector.replace(faults, self.rng.random());
        self.time.set_paused(now, faults.paused);
        let now = self.time.at(now);
        self.answer_ready(now);
        self.let_act(.., |member, context| member.pump(now, context));
        self.members_changed();
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.injector.faults()
    }

    /// Whether the node hangs on demand: it must not be told of connections and frames now.
    pub fn is_paused(&self) -> bool {
        self.time.is_paused()
    }

    /// Drops all connections, as somebody asked for. Returns how many there were.
    pub fn disconnect(&mut self) -> usize {
        let sessions = self.members.sessions().chain(self.pending.iter());
        let sessions: Vec<SessionId> = sessions.collect();
        warn!(connections = sessions.len(), "dropping all connections, as asked for");
        for &session in &sessions {
            self.close(session, CloseReason::OnDemand);
        }
        self.members_changed();
        sessions.len()
    }
}
