//! Who belongs to the cluster: names that register, and names that are forgotten.
//!
//! A name counts once it was ready and is on disk: only then for the cluster's size, for majorities, in `/health`
//! and with its acks. So a connection that never gets ready changes nothing that lasts, and a master that comes back
//! after a crash never knows of fewer secondaries than it counted before. Until the name is written down,
//! `SecondaryNodeReady` is not answered.

use std::time::Instant;

use acklog_types::LogView;
use acklog_types::{NodeName, RequestId};
use tracing::{debug, info};

use super::{LeaderEffect, Master, Member, MemberId, Standing};
use crate::CloseReason;
use crate::frame::Response;
use crate::outcome::ForgetError;
use crate::status::Status;

impl<L: LogView> Master<L> {
    /// Forgets a secondary: its name no longer counts, nor do its acks. Returns the version of the list of names
    /// without it: once [`remembered_version`](Self::remembered_version) is there, no restart brings the name back.
    ///
    /// # Errors
    /// When the name is unknown, the secondary is still heard from, or nothing can be written down any more.
    pub fn forget(&mut self, name: &NodeName) -> Result<u64, ForgetError> {
        let is_known = |member: &Member| member.is_registered() && member.name() == name;
        let unknown = || ForgetError::Unknown(name.clone());
        let known = self.members.iter().find(|(_, member)| is_known(member));
        let (id, member) = known.ok_or_else(unknown)?;
        if member.status() != Status::Unhealthy {
            return Err(ForgetError::Live(name.clone()));
        }
        if let Some(fault) = &self.disk_fault {
            return Err(ForgetError::DiskFault(fault.clone()));
        }
        if let Some(session) = member.session() {
            self.close(session, CloseReason::Forgotten);
        }
        self.members.remove(id);
        self.members_changed();
        info!(peer = %name, cluster_size = self.cluster_size(), "forgot the secondary");
        Ok(self.write_names())
    }

    /// The version of the list of names that is written down.
    pub fn remembered_version(&self) -> u64 {
        self.members.persisted_version()
    }

    /// A member has what the last page told of. Where its name counts already, it is ready; otherwise the name is
    /// written down first.
    pub(super) fn receive_ready(&mut self, id: MemberId, request: RequestId) {
        let Some(member) = self.members.get_mut(id) else { return };
        let standing = member.standing();
        member.hold_ready(request);
        match standing {
            Standing::Registered => self.make_ready(id),
            Standing::Registering(_) => {}
            Standing::Guest if self.disk_fault.is_some() => {
                if let Some(session) = member.session() {
                    self.close(session, CloseReason::DiskFault);
                }
            }
            Standing::Guest => {
                debug!(peer = %member.name(), "ready for the first time: its name is written down");
                self.members.register(id);
                self.write_names();
            }
        }
    }

    /// Has the names written down that count and that register, and the losses. Returns the version of this list.
    pub(super) fn write_names(&mut self) -> u64 {
        let (version, names) = self.members.next_list();
        let losses = self.losses.clone();
        self.effects.push_back(LeaderEffect::Remember { version, names, losses }.into());
        version
    }

    /// The names are written down up to this list: those in it count.
    pub(super) fn remembered(&mut self, now: Instant, version: u64) {
        self.members.on_persisted(version);
        let cluster_size = self.cluster_size();
        debug!(version, cluster_size, "the names of the secondaries are written down");
        // What they acked before counts from here on.
        self.note_acked();
        self.answer_ready(now);
    }

    /// Answers the members whose names are written down by now, unless the node is paused.
    pub(super) fn answer_ready(&mut self, now: Instant) {
        if self.time.is_paused() {
            return;
        }
        let members: Vec<MemberId> = self.members.iter().map(|(id, _)| id).collect();
        for id in members {
            self.make_ready(id);
            self.let_act(id..=id, |member, context| member.pump(now, context));
        }
    }

    /// Answers a member's `SecondaryNodeReady` requests, if its name is written down; from then on it is sent runs.
    fn make_ready(&mut self, id: MemberId) {
        let Some(member) = self.members.get_mut(id) else { return };
        let (session, requests) = (member.session(), member.take_ready_requests());
        let Some(session) = session.filter(|_| !requests.is_empty()) else { return };
        let is_news = member.become_ready();
        let (peer, end) = (member.name().clone(), member.acked_end());
        for request in requests {
            self.respond(session, request, Response::ReadyNoted);
        }
        if is_news {
            info!(%peer, %end, "a secondary is ready");
        }
    }

    /// Closes the connections of members that wait for their name to be persisted: the disk failed.
    pub(super) fn stop_registering(&mut self) {
        for session in self.members.abort_registrations() {
            self.close(session, CloseReason::DiskFault);
        }
    }
}
