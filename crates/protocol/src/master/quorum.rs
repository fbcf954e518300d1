//! The quorum: whether enough nodes are healthy for the master to take messages.

use acklog_types::LogView;
use tracing::{info, warn};

use super::{Master, Member};
use crate::outcome::Refusal;
use crate::status::{QuorumHealth, Status};

impl<L: LogView> Master<L> {
    /// How many nodes must be healthy and how many are; none where none need be.
    pub(super) fn quorum_health(&self) -> Option<QuorumHealth> {
        let quorum = self.options.quorum?;
        let counts = |member: &&Member| member.is_ready() && member.status() == Status::Healthy;
        // At most SECONDARIES_MAX members are let in.
        let members = self.registered().filter(counts).count() as u16;
        // A master that cannot write is no node that keeps what comes.
        let keeps = self.disk_fault.is_none() && !self.lacks_copy;
        let healthy = u16::from(keeps) + members;
        Some(QuorumHealth { required: quorum.required(self.cluster_size()), healthy })
    }

    /// Whether a message may be taken: one look at what was noted, since every append asks.
    ///
    /// # Errors
    /// When too few nodes are healthy.
    pub(super) fn check_quorum(&self) -> Result<(), Refusal> {
        let missing = || self.quorum_health().filter(|quorum| !quorum.is_there());
        debug_assert_eq!(self.without_quorum, missing().is_some(), "a change was not noted");
        if self.without_quorum
            && let Some(QuorumHealth { required, healthy }) = missing()
        {
            let cluster_size = self.cluster_size();
            return Err(Refusal::NoQuorum { healthy, cluster_size, required });
        }
        Ok(())
    }

    /// Notes that the acked end of a node changed: the senders whose write concern holds now are
    /// answered when there is nothing else to do.
    pub(super) fn note_acked(&mut self) {
        self.release_due = true;
    }

    /// Brings up to date what is derived from the members. Call at the end of each way in from
    /// outside that may change one.
    pub(super) fn members_changed(&mut self) {
        // Their acked ends: sorted anew where a sender may have to be answered.
        self.ends.clear();
        self.note_copies();
        self.note_quorum();
    }

    /// Notes whether there is a quorum, and tells when that changes.
    fn note_quorum(&mut self) {
        let Some(quorum) = self.quorum_health() else { return };
        let (healthy, required) = (quorum.healthy, quorum.required);
        if std::mem::replace(&mut self.without_quorum, !quorum.is_there()) == self.without_quorum {
            return;
        }
        if self.without_quorum {
            warn!(healthy, required, "read-only: too few nodes are healthy");
        } else {
            info!(healthy, required, "read-write: enough nodes are healthy");
        }
    }
}
