//! Actions that start and end simulated nodes.

use std::time::Duration;

use acklog_types::NodeName;

use super::{JOINING, Simulated, cluster};
use crate::Cluster;
use crate::scenario::action::Action;
use crate::scenario::backend::Trouble;
use crate::scenario::is_master;

impl Simulated {
    pub(super) fn join(&mut self, nodes: &[NodeName]) -> Result<(), Trouble> {
        for node in nodes {
            self.cluster.start_secondary(node);
        }
        if !self.cluster.run_until(JOINING, Cluster::has_converged) {
            return Err(Trouble::failed("they do not become ready"));
        }
        self.cluster.run_for(Duration::from_millis(10));
        self.cluster.take_trace();
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        node: &NodeName,
        registers_as: &NodeName,
    ) -> Result<(), Trouble> {
        if !is_master(node) {
            self.cluster.start_namesake(node, registers_as);
        } else if self.has_master() {
            return Err(Trouble::failed("the master runs already"));
        } else {
            self.cluster.revive_master();
        }
        Ok(())
    }

    pub(super) fn kill(&mut self, node: &NodeName) {
        if !is_master(node) {
            self.cluster.crash(node);
        } else if self.has_master() {
            self.cluster.crash_master();
            self.lose_answers();
        }
    }

    pub(super) fn terminate(&mut self, node: &NodeName) {
        if is_master(node) {
            self.cluster.shut_down_master();
            self.cluster.give_up_master();
            self.collect();
        }
        self.kill(node);
    }

    /// Carries out an action that replaces the master, from which no client gets a reply.
    pub(super) fn replace_master(&mut self, action: &Action) -> Option<String> {
        let mut result = None;
        match action {
            Action::Cluster(settings) => {
                let next = cluster(self.seed, settings);
                self.replace_cluster(next);
                self.readers.clear();
            }
            Action::NewMaster => self.cluster.start_master(),
            Action::PutBack => self.cluster.put_master_back(),
            Action::AcceptLoss => {
                let accepted = self.cluster.accept_loss();
                result = Some(if accepted { "done\n" } else { "no loss\n" }.to_owned());
            }
            _ => self.cluster.restart_master(),
        }
        self.lose_answers();
        result
    }

    /// Refuses an action on a node that is down, as real nodes do.
    pub(super) fn is_up(&self, action: &Action) -> Result<(), Trouble> {
        let node = match action {
            Action::Faults(node, _)
            | Action::DropConnections(node)
            | Action::Pause(node)
            | Action::Resume(node) => Some(node),
            Action::Terminate(nodes) => nodes.iter().find(|node| self.log(node).is_none()),
            _ => None,
        };
        match node.filter(|node| self.log(node).is_none()) {
            None => Ok(()),
            Some(node) => Err(Trouble::failed(format!("{node} is down"))),
        }
    }
}
