//! An answer tells the write concern that was asked for, and names as many nodes as it says.

use acklog_types::{WriteConcern, escaped};

use crate::answer::AckReceipt;
use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// The parts of answers that are remembered until the cluster's size is known.
#[derive(Debug, Default)]
pub(crate) struct ToldConcerns {
    /// Smallest number that was answered for each word, and for which id.
    smallest_majority: Option<(u64, u64)>,
    smallest_all: Option<(u64, u64)>,
    /// The first name that no watched node has, and for which id.
    unknown_name: Option<(u64, String)>,
}

/// Returns names as part of a line.
pub(crate) fn listed(names: &[String]) -> String {
    format!("[{}]", escaped(&names.join(", ")))
}

fn add(facts: &Facts, id: u64, expected: String, seen: String, found: &mut Violations) {
    found.add(ViolationKind::WriteConcern, facts.name(0), Some(id), expected, seen);
}

/// Judges that an answer tells the number of nodes that was asked for. Returns whether it does.
pub(crate) fn number(
    facts: &Facts,
    asked: Option<WriteConcern>,
    receipt: &AckReceipt,
    found: &mut Violations,
) -> bool {
    let told = receipt.write_concern;
    let right = match asked {
        Some(WriteConcern::Nodes(nodes)) => nodes.max(1),
        _ => told.max(1),
    };
    if told != right {
        add(facts, receipt.id, format!("write concern {right}"), told.to_string(), found);
    }
    told == right
}

/// Judges an answer that says that a message is stored, and that its write concern does not hold
/// yet: the master has it, and fewer nodes than were asked for.
pub(crate) fn shortage(facts: &Facts, receipt: &AckReceipt, found: &mut Violations) {
    let (named, told) = (receipt.acked_by.len() as u64, receipt.write_concern);
    if named == 0 || named >= told {
        let expected = format!("1 to {} names in ackedBy", told.saturating_sub(1));
        add(facts, receipt.id, expected, listed(&receipt.acked_by), found);
    }
}

impl ToldConcerns {
    /// Judges a 201: the number of nodes is the one asked for, and so many are named.
    pub(crate) fn committed(
        &mut self,
        facts: &Facts,
        asked: Option<WriteConcern>,
        receipt: &AckReceipt,
        found: &mut Violations,
    ) {
        let (id, told) = (receipt.id, receipt.write_concern);
        let word = match asked {
            Some(WriteConcern::Majority) => Some(&mut self.smallest_majority),
            Some(WriteConcern::All) => Some(&mut self.smallest_all),
            _ => None,
        };
        if let Some(smallest) = word
            && smallest.is_none_or(|(least, _)| told < least)
        {
            *smallest = Some((told, id));
        }
        if number(facts, asked, receipt, found) && (receipt.acked_by.len() as u64) < told {
            let (expected, seen) = (format!("{told} names in ackedBy"), listed(&receipt.acked_by));
            add(facts, id, expected, seen, found);
        }
    }

    /// Judges what holds for every answer with an id: the names are the master's, then others, each
    /// once. One that no watched node has is kept for the end.
    pub(crate) fn names(&mut self, facts: &Facts, receipt: &AckReceipt, found: &mut Violations) {
        let names = &receipt.acked_by;
        let master = facts.name(0);
        if names.first().is_some_and(|first| *first != master) {
            let expected = format!("{master} first in ackedBy");
            add(facts, receipt.id, expected, listed(names), found);
        }
        let is_unknown = |name: &&String| facts.nodes.iter().all(|node| node.name != **name);
        if let Some(unknown) = names.iter().find(is_unknown)
            && self.unknown_name.is_none()
        {
            self.unknown_name = Some((receipt.id, unknown.clone()));
        }
        let twice =
            names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|b| b == name));
        if twice {
            let expected = "each name once in ackedBy".to_owned();
            add(facts, receipt.id, expected, listed(names), found);
        }
    }

    /// Judges, when a run is over, that words meant as many nodes as they say.
    pub(crate) fn finish_words(&self, facts: &Facts, cluster_size: u64, found: &mut Violations) {
        let words = [
            ("majority", self.smallest_majority, cluster_size / 2 + 1),
            ("all", self.smallest_all, cluster_size),
        ];
        for (word, smallest, least) in words {
            if let Some((told, id)) = smallest.filter(|(told, _)| *told < least) {
                let expected = format!("\"{word}\" of {cluster_size} nodes to mean {least}");
                add(facts, id, expected, told.to_string(), found);
            }
        }
    }

    /// Judges, when a run is over, names that no watched node has: they are nobody's, where all
    /// nodes were watched and none joined meanwhile.
    pub(crate) fn finish_names(
        &mut self,
        facts: &Facts,
        cluster_size_max: u64,
        found: &mut Violations,
    ) {
        if let Some((id, name)) = self.unknown_name.take()
            && facts.nodes.len() as u64 >= cluster_size_max
        {
            let expected = "names of nodes in ackedBy".to_owned();
            add(facts, id, expected, escaped(&name).into_owned(), found);
        }
    }
}
