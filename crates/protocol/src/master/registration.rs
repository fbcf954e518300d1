//! Registration: names that begin to count, and names that are forgotten.
//!
//! A name counts once it was ready and is on disk: only then for the cluster's size, for
//! majorities, in `/health` and with its acks. So a connection that never gets ready changes
//! nothing that lasts, and a master that comes back after a crash never knows of fewer secondaries
//! than it counted before. Until the name is persisted, `SecondaryNodeReady` is not answered.

use std::time::Instant;

use acklog_types::{LogView, NodeName, RequestId};

use super::peers::{MemberId, Peer, Standing};
use super::{LeaderEffect, Master};
use crate::CloseReason;
use crate::events::{ConnectionEvent, Detail, NodeEvent};
use crate::frame::Response;
use crate::outcome::ForgetError;
use crate::status::Status;

impl<L: LogView> Master<L> {
    /// Forgets a secondary: its name no longer counts, nor do its acks. Returns the version of the
    /// list of names without it: once [`remembered_version`](Self::remembered_version) is there, no
    /// restart brings the name back.
    ///
    /// # Errors
    /// When the name is unknown, the secondary is still heard from, or nothing can be persisted any
    /// more.
    pub fn forget(&mut self, name: &NodeName) -> Result<u64, ForgetError> {
        let known = self.peers.registered().find(|(_, peer)| peer.name() == name);
        let (id, peer) = known.ok_or_else(|| ForgetError::Unknown(name.clone()))?;
        if peer.status() != Status::Unhealthy {
            return Err(ForgetError::Live(name.clone()));
        }
        if let Some(fault) = self.leader.disk_fault() {
            return Err(ForgetError::DiskFault(fault.clone()));
        }
        if let Some(session) = peer.session() {
            self.close(session, CloseReason::Forgotten);
        }
        self.peers.remove(id);
        self.settle();
        let cluster_size = self.peers.cluster().size;
        let event = || NodeEvent::Forgotten { peer: name.clone(), cluster_size };
        self.out.events.emit(Detail::Changes, event);
        Ok(self.persist_names())
    }

    /// Returns the version of the list of names that is persisted.
    pub fn remembered_version(&self) -> u64 {
        self.peers.persisted_version()
    }

    /// Takes in that a member has what the last page announced. Where its name counts already, it
    /// is ready; otherwise the name is persisted first.
    pub(super) fn receive_ready(&mut self, id: MemberId, request: RequestId) {
        match self.peers.hold_ready(id, request) {
            Some(Standing::Registered) => self.make_ready(id),
            Some(Standing::Guest) if self.leader.disk_fault().is_some() => {
                if let Some(session) = self.peers.get(id).and_then(Peer::session) {
                    self.close(session, CloseReason::DiskFault);
                }
            }
            Some(Standing::Guest) => {
                self.peers.register(id, &mut self.out.events);
                self.persist_names();
            }
            Some(Standing::Registering(_)) | None => {}
        }
    }

    /// Has the names persisted that count and that register, and the losses. Returns the version of
    /// this list.
    pub(super) fn persist_names(&mut self) -> u64 {
        let (version, names) = self.peers.next_list();
        let losses = self.leader.losses().clone();
        self.out.push(LeaderEffect::Remember { version, names, losses });
        version
    }

    /// Takes in that the names are persisted up to this list: those in it count.
    pub(super) fn remembered(&mut self, now: Instant, version: u64) {
        self.peers.on_persisted(version);
        let cluster_size = self.peers.cluster().size;
        let event = || NodeEvent::MembersPersisted { version, cluster_size };
        self.out.events.emit(Detail::Changes, event);
        self.answer_ready(now);
    }

    /// Answers the members whose names are persisted by now, unless the node is paused.
    pub(super) fn answer_ready(&mut self, now: Instant) {
        self.for_each_peer(|master, id| {
            master.make_ready(id);
            master.pump(now, id);
        });
    }

    /// Answers a member's `SecondaryNodeReady` requests, if its name is persisted; from then on it
    /// is sent runs.
    fn make_ready(&mut self, id: MemberId) {
        let Some((session, requests, is_news)) = self.peers.make_ready(id) else { return };
        for request in requests {
            self.respond(session, request, Response::ReadyNoted);
        }
        if let Some(peer) = self.peers.get(id).filter(|_| is_news) {
            let end = self.leader.acked_end(id);
            let event = || ConnectionEvent::Ready { peer: Some(peer.name().clone()), end };
            self.out.events.emit(Detail::Changes, event);
        }
    }

    /// Closes the connections of members that wait for their name to be persisted: the disk failed.
    pub(super) fn stop_registering(&mut self) {
        for session in self.peers.abort_registrations() {
            self.close(session, CloseReason::DiskFault);
        }
    }
}
