//! The end of a random schedule: all faults are over, the logs become the same, and every client
//! gets a response.

use std::time::Duration;

use acklog_protocol::SecondaryPhase;
use acklog_types::{Faults, NodeName};
use rand::RngExt;

use super::{Report, Schedule};
use crate::{Cluster, NetworkConditions};

/// Longest virtual time after the last fault until all logs are the same. A heartbeat interval
/// decides how soon a dead connection is noticed, and the longest one that a schedule draws is 3 s.
/// If small pages are requested and stored with delays of up to 3 s, a log of some hundred messages
/// takes a minute and more.
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(180);

/// Longest virtual time until a cluster without other faults has repaired all damage: twice the
/// longest pause between two attempts.
const REPAIR_LIMIT: Duration = Duration::from_secs(120);

/// Time after which the last stray connection is closed.
const STRAY_TIME: Duration = Duration::from_secs(11);

impl Schedule {
    /// Ends all faults and starts what is down.
    pub(super) fn mend(&mut self) {
        self.resume_master();
        self.cluster.set_faults(None, Faults::default());
        self.cluster.network = NetworkConditions::default();
        while !self.partitioned.is_empty() {
            self.heal_one();
        }
        self.mend_disk(None);
        if self.cluster.resize(self.nodes()) {
            self.cluster.restart_master();
            self.forget_clients();
        }
        self.cluster.wipe(&self.namesake);
        self.cluster.run_for(STRAY_TIME);
        for name in self.secondaries.clone() {
            self.cluster.go_on(Some(&name));
            self.mend_disk(Some(&name));
            self.cluster.set_faults(Some(&name), Faults::default());
            if !self.cluster.secondaries().any(|(running, _)| *running == name) {
                self.cluster.start_secondary(&name);
            }
        }
        self.find_damage();
        // After the last crash, which would undo a change that is not on the disk yet. Refused if
        // it never became ready.
        let _ = self.cluster.forget(&Cluster::stray());
    }

    /// Lets the nodes find all damage. An operator restores what the master cannot get from another
    /// node.
    fn find_damage(&mut self) {
        self.cluster.scrub(None);
        for name in &self.secondaries {
            self.cluster.scrub(Some(name));
        }
        if self.cluster.is_only_copy_damaged() {
            self.restart_master();
        }
    }

    /// Frees space on a disk, and restarts a node whose disk failed.
    fn mend_disk(&mut self, name: Option<&NodeName>) {
        if let Some(disk) = self.cluster.disk(name) {
            disk.heal();
        }
        if self.cluster.has_disk_fault(name) {
            match name {
                None => self.restart_master(),
                Some(name) => self.cluster.start_secondary(name),
            }
        }
    }

    /// Waits until all logs are the same. A secondary with messages of an earlier log of the master
    /// is refused until an operator resets it, which is done here.
    fn converge(&mut self) {
        let diverged = |cluster: &Cluster| {
            let mut nodes = cluster.secondaries();
            nodes
                .find(|(_, node)| node.phase() == SecondaryPhase::Diverged)
                .map(|(name, _)| name.clone())
        };
        loop {
            let stop = |cluster: &Cluster| cluster.has_converged() || diverged(cluster).is_some();
            let stopped = self.cluster.run_until(CONVERGENCE_LIMIT, stop);
            assert!(
                stopped,
                "the logs differ long after the last fault\n{}",
                self.cluster.summary()
            );
            match diverged(&self.cluster) {
                Some(name) => {
                    self.cluster.wipe(&name);
                    self.cluster.start_secondary(&name);
                }
                None => return,
            }
        }
    }

    pub(super) fn finish(mut self) -> Report {
        self.converge();
        let reachable = self.nodes();
        let is_whole = |cluster: &Cluster| {
            cluster.has_converged()
                && !cluster.waits_for_at_most(reachable)
                && cluster.master().is_some_and(|node| !node.health(cluster.instant()).read_only)
        };
        assert!(
            self.cluster.run_until(CONVERGENCE_LIMIT, is_whole),
            "clients wait, or the master is read-only, although all nodes have everything\n{}",
            self.cluster.summary()
        );
        let is_repaired = |cluster: &Cluster| !cluster.is_damaged();
        assert!(
            self.cluster.run_until(REPAIR_LIMIT, is_repaired),
            "what one node's disk damaged is not repaired, although others have it\n{}",
            self.cluster.summary()
        );
        self.cluster.read_all_again();
        self.readers.finish(&mut self.cluster);
        if self.rng.random_bool(0.5) {
            self.append();
        }
        self.cluster.shut_down_master();
        self.cluster.run_for(Duration::from_secs(1));
        self.cluster.give_up_master();
        assert_eq!(self.cluster.checker().waiting_count(), 0, "a client never got a response");
        Report {
            messages: self.cluster.checker().accepted_count(),
            answered: self.cluster.checker().released_count(),
            refused_conditions: self.refused_conditions,
            followed: self.readers.followed(),
            took: self.cluster.now(),
            events: self.cluster.event_counts().clone(),
            trace: self.cluster.take_trace(),
        }
    }
}
