//! Restarts, and what must hold when a run is over.

use super::History;
use crate::answer::RunEnding;
use crate::facts::MessageFate;
use crate::invariants::{delivery, never_ahead, stable_ids, waiting};

impl History {
    /// Judges a master that is back, after nodes were restarted, with a log of this end. `floor`:
    /// [`History::floor`] before that.
    pub fn restarted(&mut self, master_end: u64, floor: u64) {
        stable_ids::nothing_lost_at_restart(&self.facts, master_end, floor, &mut self.found);
    }

    /// Notes that a node said, otherwise than by a list, that it has the messages before `end`.
    pub fn told_end(&mut self, node: usize, end: u64) {
        if let Some(node) = self.facts.nodes.get_mut(node) {
            node.end = node.end.max(end);
        }
    }

    /// Adds that a node could not be read to its end, `end`.
    pub fn unread(&mut self, node: usize, end: u64, why: String) {
        delivery::unread(&self.facts, node, end, why, &mut self.found);
    }

    /// Judges all that any node showed by a master that has the messages before `master_end`
    /// afterwards.
    pub fn compared_with_master(&mut self, master_end: u64) {
        for node in 0..self.facts.nodes.len() {
            let end = self.facts.end(node);
            never_ahead::within_master(&self.facts, node, end, master_end, &mut self.found);
        }
    }

    /// Judges a run that is over, when all nodes were waited for.
    pub fn finish(&mut self, ending: RunEnding) {
        let (facts, found) = (&self.facts, &mut self.found);
        self.concerns.finish_words(facts, ending.cluster_size, found);
        self.concerns.finish_names(facts, ending.cluster_size_max, found);
        let Some(target) = ending.target else { return delivery::no_target(facts, found) };
        for node in 0..facts.nodes.len() {
            delivery::has_all(facts, node, target, found);
            if let Some(master_end) = ending.master_end {
                never_ahead::within_master(facts, node, facts.end(node), master_end, found);
            }
        }
        if facts.end(0) >= target {
            self.find_lost();
        }
        self.finish_followers(target);
        let (facts, found) = (&self.facts, &mut self.found);
        // Where a node of the cluster is not watched, it may be the one that senders wait for.
        let all_have_it = facts.nodes.iter().all(|node| node.end >= target);
        if all_have_it {
            delivery::in_time(facts, target, &ending, found);
        }
        // A node with faults may keep its acks to itself for as long as it has them.
        let are_watched = ending.cluster_size <= facts.nodes.len() as u64;
        if all_have_it && ending.without_faults && are_watched {
            waiting::all_answered(facts, found);
        }
    }

    /// Judges that what was answered is there.
    fn find_lost(&mut self) {
        let mut awaited: Vec<_> = self.facts.awaited.drain().collect();
        awaited.sort_unstable();
        awaited.retain(|(_, number)| self.facts.fate(*number) == Some(MessageFate::Promised));
        stable_ids::nothing_lost(&self.facts, &awaited, &mut self.found);
        self.claims.judge_lost(&self.facts, &mut self.found);
    }
}
