//! What fault injection needs of a master.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{Faults, IdRange, NodeName, SessionId};
use rand::RngExt;
use tracing::warn;

use super::{Master, Member};
use crate::CloseReason;
use crate::faults::FaultHooks;
use crate::own_time::OwnTime;

impl<L: LogView> FaultHooks for Master<L> {
    fn set_faults(&mut self, now: Instant, faults: Faults, _seed: u64) {
        self.delays_requests = faults.send_delay.is_some();
        self.time.set_paused(now, faults.paused);
        let now = self.time.at(now);
        self.answer_ready(now);
        self.let_act(.., |member, context| member.pump(now, context));
        self.members_changed();
    }

    fn draw_seed(&mut self) -> u64 {
        self.rng.random()
    }

    fn own_time(&self) -> &OwnTime {
        &self.time
    }

    fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.members.values().filter_map(Member::session)
    }

    fn is_open(&self, session: SessionId) -> bool {
        self.members.on_session(session).is_some()
    }

    fn peer(&self, session: SessionId) -> Option<&NodeName> {
        self.member_on(session).map(Member::name)
    }

    fn lacks(&self, session: SessionId, run: IdRange) -> bool {
        self.member_on(session).is_some_and(|member| run.end() > member.acked_end())
    }

    fn sent(&mut self, now: Instant, session: SessionId) {
        let id = self.members.on_session(session);
        if let Some(member) = id.and_then(|id| self.members.get_mut(id)) {
            member.sent(now);
        }
    }
}

impl<L: LogView> Master<L> {
    /// Drops all connections, as a user asked for. Returns how many there were.
    pub(super) fn drop_connections(&mut self) -> usize {
        let sessions = self.members.sessions().chain(self.pending.iter());
        let sessions: Vec<SessionId> = sessions.collect();
        warn!(connections = sessions.len(), "dropping all connections, as asked for");
        for &session in &sessions {
            self.close(session, CloseReason::OnDemand);
        }
        self.members_changed();
        sessions.len()
    }

    /// Returns whether the node is paused on demand: it must not be told of connections and frames now.
    pub(super) fn is_paused(&self) -> bool {
        self.time.is_paused()
    }

    fn member_on(&self, session: SessionId) -> Option<&Member> {
        self.members.on_session(session).and_then(|id| self.members.get(id))
    }
}
