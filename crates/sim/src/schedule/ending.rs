//! The end of a random life: all faults are over, the cluster gets whole again, and everybody is answered.

use std::time::Duration;

use acklog_protocol::SecondaryPhase;
use acklog_types::{Faults, NodeName};
use rand::RngExt;

use super::{Report, Schedule};
use crate::{Cluster, Network};

/// Within this virtual time after the last fault a cluster must be whole again. A heartbeat interval decides how soon a
/// dead connection is noticed, and the longest one that a schedule draws is 3 s. Where small pages are asked for and
/// stored with delays of up to 3 s, a log of some hundred messages takes a minute and more.
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(180);

/// Within this virtual time a cluster without other faults repairs what is damaged: twice the longest pause between two
/// attempts.
const REPAIR_LIMIT: Duration = Duration::from_secs(120);

/// Time after which the last stray connection is over.
const STRAY_TIME: Duration = Duration::from_secs(11);

impl Schedule {
    /// Ends all faults and starts what is down.
    pub(super) fn mend(&mut self) {
        self.resume_master();
        self.cluster.set_faults(None, Faults::default());
        self.cluster.network = Network::default();
        while !self.partitioned.is_empty() {
            self.heal_one();
        }
        self.mend_disk(None);
        if self.cluster.resize(self.nodes()) {
            self.cluster.restart_master();
            self.waiters.clear();
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
        // Behind the last crash, which would undo what is not yet on the disk. Refused where it never got ready.
        let _ = self.cluster.forget(&Cluster::stray());
    }

    /// Has all damage found. What the master cannot get back, a person puts there.
    fn find_damage(&mut self) {
        self.cluster.scrub(None);
        for name in &self.secondaries {
            self.cluster.scrub(Some(name));
        }
        if self.cluster.is_only_copy_damaged() {
            self.restart_master();
        }
    }

    /// Makes room, and starts a node again whose disk failed.
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

    /// Waits until all logs are the same. Whoever has messages of a master's earlier log is refused until a person
    /// restarts it, which is done here.
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
            "senders wait, or the master is read-only, although all nodes have everything\n{}",
            self.cluster.summary()
        );
        let is_repaired = |cluster: &Cluster| !cluster.is_damaged();
        assert!(
            self.cluster.run_until(REPAIR_LIMIT, is_repaired),
            "what one node's disk damaged is not repaired, although others have it\n{}",
            self.cluster.summary()
        );
        self.cluster.read_all_again();
        if self.rng.random_bool(0.5) {
            self.append();
        }
        self.cluster.shut_down_master();
        self.cluster.run_for(Duration::from_secs(1));
        self.cluster.give_up_master();
        assert_eq!(self.cluster.checker().waiting_count(), 0, "a sender was never answered");
        Report {
            messages: self.cluster.checker().accepted_count(),
            answered: self.cluster.checker().released_count(),
            took: self.cluster.now(),
            events: self.cluster.event_counts().clone(),
            trace: self.cluster.take_trace(),
        }
    }
}
