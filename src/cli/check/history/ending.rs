//! What must hold when a run is over.

use acklog_types::escaped;

use super::{Fate, History};
use crate::cli::check::violation::Kind;

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::check) struct Ending {
    /// How many messages each node must show; none: the master did not tell.
    pub(in crate::cli::check) target: Option<u64>,
    /// Whether they all did before their time was up.
    pub(in crate::cli::check) in_time: bool,
    /// Whether no node has faults any more, as far as is known.
    pub(in crate::cli::check) without_faults: bool,
    /// What the master had when all others had been looked at for the last time.
    pub(in crate::cli::check) master_end: Option<u64>,
    /// The smallest cluster size that the master told.
    pub(in crate::cli::check) cluster_size: u64,
    /// The largest one.
    pub(in crate::cli::check) cluster_size_max: u64,
}

impl History {
    /// Nodes were restarted, and the master is back with a log of this end. `floor`: [`History::floor`] before that.
    pub(in crate::cli::check) fn restarted(&mut self, master_end: u64, floor: u64) {
        if master_end < floor {
            let expected = format!("{floor} messages, as they were answered before the restart");
            let seen = format!("{master_end} messages (without --data-dir a node forgets its log)");
            self.add(Kind::Lost, 0, Some(master_end), expected, seen);
        }
    }

    /// A node could not be read to the end when all was over.
    pub(in crate::cli::check) fn unread(&mut self, node: usize, target: u64, why: String) {
        let expected = format!("its {target} messages, to be read once more");
        self.add(Kind::NotConverged, node, None, expected, why);
    }

    /// The run is over, all nodes were waited for.
    pub(in crate::cli::check) fn finish(&mut self, ending: Ending) {
        let Ending { target, in_time, without_faults, master_end, cluster_size, cluster_size_max } =
            ending;
        self.check_words(cluster_size);
        self.check_names(cluster_size_max);
        let Some(target) = target else {
            let (expected, seen) = ("the end of the master's log", "no answer to /health");
            self.add(Kind::NotConverged, 0, None, expected.to_owned(), seen.to_owned());
            return;
        };
        for node in 0..self.nodes.len() {
            let end = self.end(node);
            if end < target {
                let expected = format!("{target} messages, as on the master");
                self.add(Kind::NotConverged, node, None, expected, end.to_string());
            }
            if let Some(master_end) = master_end.filter(|master_end| end > *master_end) {
                let expected = format!("{master_end} messages at most, as on the master");
                self.add(Kind::Ahead, node, None, expected, end.to_string());
            }
        }
        if self.end(0) >= target {
            self.check_lost();
            self.check_claims_lost();
        }
        // Where a node of the cluster is not watched, it may be the one that senders wait for.
        let all_have_it = self.nodes.iter().all(|node| node.end >= target);
        if all_have_it && !in_time {
            let expected = format!("{target} messages on all nodes in time");
            self.add(Kind::NotConverged, 0, None, expected, "they came later".to_owned());
        }
        // A node with faults may keep its acks to itself for as long as it has them.
        if all_have_it && without_faults && cluster_size <= self.nodes.len() as u64 {
            self.check_unanswered();
        }
    }

    /// Words must have meant as many nodes as they say.
    fn check_words(&mut self, cluster_size: u64) {
        let words = [
            ("majority", self.smallest_majority, cluster_size / 2 + 1),
            ("all", self.smallest_all, cluster_size),
        ];
        for (word, smallest, least) in words {
            if let Some((told, id)) = smallest.filter(|(told, _)| *told < least) {
                let expected = format!("\"{word}\" of {cluster_size} nodes to mean {least}");
                self.add(Kind::WriteConcern, 0, Some(id), expected, told.to_string());
            }
        }
    }

    /// A name that no watched node has is nobody's, where all nodes were watched and none joined meanwhile.
    fn check_names(&mut self, cluster_size_max: u64) {
        if let Some((id, name)) = self.unknown_name.take()
            && self.nodes.len() as u64 >= cluster_size_max
        {
            let expected = "names of nodes in ackedBy".to_owned();
            self.add(Kind::WriteConcern, 0, Some(id), expected, escaped(&name).into_owned());
        }
    }

    /// What was answered must be there.
    fn check_lost(&mut self) {
        let mut awaited: Vec<_> = self.awaited.drain().collect();
        awaited.sort_unstable();
        for (id, number) in awaited {
            if self.fate(number) == Some(Fate::Promised) {
                let expected = format!("{}, as it was answered", self.quoted(number));
                self.add(Kind::Lost, 0, Some(id), expected, "nothing".to_owned());
            }
        }
    }

    /// Whose message is everywhere must have been told.
    fn check_unanswered(&mut self) {
        for number in 0..self.sent_count() {
            if self.fate(number) == Some(Fate::Waiting)
                && let Some(id) = self.place(number)
            {
                let expected = format!("an answer to {}", self.quoted(number));
                let seen = "none, although all nodes show it".to_owned();
                self.add(Kind::Unanswered, 0, Some(id), expected, seen);
            }
        }
    }
}
