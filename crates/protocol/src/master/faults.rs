//! The hooks of a master for fault injection.

use std::time::Instant;

use acklog_types::{Faults, IdRange, LogView, NodeName, SessionId};
use rand::RngExt;

use super::Master;
use super::peers::Peer;
use crate::faults::FaultHooks;
use crate::own_time::OwnTime;

impl<L: LogView> FaultHooks for Master<L> {
    fn set_faults(&mut self, now: Instant, faults: Faults, _seed: u64) {
        self.peers.set_delays_requests(faults.send_delay.is_some());
        self.time.set_paused(now, faults.paused);
        let now = self.time.at(now);
        self.answer_ready(now);
        self.settle();
    }

    fn draw_seed(&mut self) -> u64 {
        self.rng.random()
    }

    fn own_time(&self) -> &OwnTime {
        &self.time
    }

    fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.peers.sessions()
    }

    fn is_open(&self, session: SessionId) -> bool {
        self.peers.on_session(session).is_some()
    }

    fn peer(&self, session: SessionId) -> Option<&NodeName> {
        self.peers.on_session(session).and_then(|id| self.peers.get(id)).map(Peer::name)
    }

    fn lacks(&self, session: SessionId, run: IdRange) -> bool {
        let id = self.peers.on_session(session);
        id.is_some_and(|id| run.end() > self.leader.acked_end(id))
    }

    fn sent(&mut self, now: Instant, session: SessionId) {
        if let Some(id) = self.peers.on_session(session) {
            self.peers.note_sent(now, id);
        }
    }
}
