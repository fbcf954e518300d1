//! Who belongs to the cluster: names that register, and names that are forgotten.
//!
//! A name counts once it is on disk, so that a master that comes back after a crash never knows of fewer secondaries
//! than it counted before. Until then the connection that brought it waits as a stranger.

use std::time::Instant;

use tracing::{debug, info};

use super::{Effect, Master, Member, MemberId};
use crate::protocol::outcome::ForgetError;
use crate::protocol::status::Status;
use crate::protocol::{CloseReason, LogView};
use crate::types::NodeName;

/// The lists of names on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// How many lists were asked to be written down. Each replaces those before.
    asked: u64,
    /// How many of them are.
    written: u64,
    /// The names that register, in that order, each with the first list that it is in.
    registering: Vec<(u64, NodeName)>,
}

impl Names {
    /// How many names register.
    pub(super) fn registering(&self) -> usize {
        self.registering.len()
    }

    /// Whether this name does.
    pub(super) fn is_registering(&self, name: &NodeName) -> bool {
        self.registering.iter().any(|(_, other)| other == name)
    }
}

impl<L: LogView> Master<L> {
    /// Forgets a secondary: its name no longer counts, nor do its acks. Returns the version of the list of names
    /// without it: once [`remembered_version`](Self::remembered_version) is there, no restart brings the name back.
    ///
    /// # Errors
    /// When the name is unknown, the secondary is still heard from, or nothing can be written down any more.
    pub fn forget(&mut self, name: &NodeName) -> Result<u64, ForgetError> {
        let unknown = || ForgetError::Unknown(name.clone());
        let (&id, member) =
            self.members.iter().find(|(_, member)| member.name() == name).ok_or_else(unknown)?;
        if member.status() != Status::Unhealthy {
            return Err(ForgetError::Live(name.clone()));
        }
        if let Some(fault) = &self.disk_fault {
            return Err(ForgetError::DiskFault(fault.clone()));
        }
        if let Some(session) = member.session() {
            self.close(session, CloseReason::Forgotten);
        }
        self.members.remove(&id);
        self.note_quorum();
        info!(peer = %name, cluster_size = self.cluster_size(), "forgot the secondary");
        Ok(self.write_names())
    }

    /// The version of the list of names that is written down.
    pub fn remembered_version(&self) -> u64 {
        self.names.written
    }

    /// Has a new name written down, unless it is on its way already.
    pub(super) fn register(&mut self, name: &NodeName) {
        if !self.names.is_registering(name) {
            debug!(peer = %name, "a new secondary: its name is written down first");
            self.names.registering.push((self.names.asked + 1, name.clone()));
            self.write_names();
        }
    }

    fn write_names(&mut self) -> u64 {
        self.names.asked += 1;
        let version = self.names.asked;
        let registering = self.names.registering.iter().map(|(_, name)| name);
        let names = self.members.values().map(Member::name).chain(registering).cloned().collect();
        self.effects.push_back(Effect::Remember { version, names });
        version
    }

    /// The names are written down up to this list: those in it count, and who brought them is let in.
    pub(super) fn remembered(&mut self, now: Instant, version: u64) {
        assert!(version <= self.names.asked, "list {version} was never asked for");
        self.names.written = version.max(self.names.written);
        let written = self.names.written;
        let done = self.names.registering.partition_point(|&(version, _)| version <= written);
        let names: Vec<_> = self.names.registering.drain(..done).collect();
        for (_, name) in names {
            self.add_member(name);
        }
        self.note_quorum();
        self.decide_waiting(now);
    }

    /// Adds a secondary that registered; it has no connection yet.
    pub(super) fn add_member(&mut self, name: NodeName) {
        let id = MemberId(self.next_member);
        self.next_member += 1;
        self.members.insert(id, Member::new(name, &self.options));
    }

    /// Nothing is written down any more: who waits for that waits in vain.
    pub(super) fn stop_registering(&mut self) {
        for (_, name) in std::mem::take(&mut self.names.registering) {
            for session in self.strangers_named(&name) {
                self.close(session, CloseReason::DiskFault);
            }
        }
    }
}
