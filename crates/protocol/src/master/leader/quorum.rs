//! The quorum of a log: whether enough nodes are healthy for it to take messages.

use acklog_types::LogView;

use super::Leader;
use crate::events::{Detail, Events, NodeEvent};
use crate::master::peers::ClusterView;
use crate::outcome::Refusal;
use crate::status::QuorumHealth;

impl<L: LogView> Leader<L> {
    /// Returns how many nodes must be healthy and how many are; none where none need be.
    pub(in crate::master) fn quorum_health(&self, cluster: ClusterView) -> Option<QuorumHealth> {
        let required = cluster.required?;
        // A master that cannot write is no node that keeps what comes.
        let keeps = self.own.fault().is_none() && !self.lacks_copy();
        Some(QuorumHealth { required, healthy: u16::from(keeps) + cluster.live })
    }

    /// Checks whether enough nodes are healthy for a message to be taken.
    ///
    /// # Errors
    /// When too few are.
    pub(super) fn check_quorum(&self, cluster: ClusterView) -> Result<(), Refusal> {
        match self.quorum_health(cluster) {
            Some(quorum) if !quorum.is_there() => {
                let QuorumHealth { required, healthy } = quorum;
                Err(Refusal::NoQuorum { healthy, cluster_size: cluster.size, required })
            }
            _ => Ok(()),
        }
    }

    /// Emits an event where the quorum was lost or reached since the last call.
    pub(in crate::master) fn note_quorum(&mut self, cluster: ClusterView, events: &mut Events) {
        let Some(quorum) = self.quorum_health(cluster) else { return };
        let (healthy, required) = (quorum.healthy, quorum.required);
        if std::mem::replace(&mut self.lacked_quorum, !quorum.is_there()) == self.lacked_quorum {
            return;
        }
        events.emit(Detail::Changes, || NodeEvent::Quorum { healthy, required });
    }

    /// Emits an event where the master began or ceased to take messages since the last call; with
    /// the first call, whether it takes them.
    pub(in crate::master) fn note_mode(&mut self, cluster: ClusterView, events: &mut Events) {
        let read_only = self.is_read_only(cluster);
        if self.was_read_only.replace(read_only) != Some(read_only) {
            events.emit(Detail::Changes, || NodeEvent::Mode { read_only });
        }
    }
}
