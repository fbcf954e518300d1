//! What a scenario needs of a cluster: the answers to its clients, and a master that stays down.

use super::*;

/// An answer to a client, and when it came.
pub(crate) type TimedOutcome = (WaiterId, Outcome, Duration);

impl Cluster {
    /// Keeps all answers from here on, for [`Cluster::take_answers`].
    pub(crate) fn keep_answers(&mut self) {
        self.answers.get_or_insert_default();
    }

    /// Takes out the answers since the last call.
    pub(crate) fn take_answers(&mut self) -> Vec<TimedOutcome> {
        self.answers.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Kills the master, which stays down; the secondaries learn of it unless they are cut off.
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
