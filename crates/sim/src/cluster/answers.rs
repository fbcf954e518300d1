//! For scenarios: responses to clients, and a master that stays down.

use std::time::Duration;

use acklog_protocol::Outcome;
use acklog_types::WaiterId;

use super::Cluster;

/// A client, the outcome of its request, and the time of the response.
pub(crate) type TimedOutcome = (WaiterId, Outcome, Duration);

impl Cluster {
    /// Keeps all responses from here on, for [`Cluster::take_answers`].
    pub(crate) fn keep_answers(&mut self) {
        self.answers.get_or_insert_default();
    }

    /// Takes out the responses since the last call.
    pub(crate) fn take_answers(&mut self) -> Vec<TimedOutcome> {
        self.answers.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Kills the master, which stays down. Secondaries that are not cut off notice.
    pub(crate) fn crash_master(&mut self) {
        self.note("master crashes");
        self.crash_disk(None);
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            self.end_link(link, true);
        }
        self.master = None;
    }

    /// Starts a master that is down, from its disk if it has one.
    pub(crate) fn revive_master(&mut self) {
        self.boot_master();
    }
}
