//! Answers that tell no ids and no names: only that so many nodes have the message.

use super::{Fate, History};
use crate::cli::check::violation::Kind;

/// What an answer claims.
#[derive(Debug)]
pub(super) struct Claim {
    number: u64,
    nodes: u64,
    /// The nodes whose next list lacked the message.
    lacking: Vec<usize>,
}

impl History {
    /// A sender was told that its message is on so many nodes.
    pub(super) fn claimed(&mut self, number: u64, nodes: u64) {
        self.set_fate(number, Fate::Promised);
        self.claims.push(Claim { number, nodes, lacking: Vec::new() });
    }

    pub(super) fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// A node's list ended before `end`, and was asked for when there were so many claims: each of them is compared
    /// with one list of each node. Too many that lack the message cannot be right: a message never goes away again.
    pub(super) fn judge_claims(&mut self, node: usize, end: u64, count: usize) {
        let Some(judged) = self.nodes.get_mut(node).map(|node| &mut node.judged) else { return };
        let (first, cluster_size) = (*judged, self.cluster_size);
        *judged = count.max(first);
        let mut wrong = Vec::new();
        for index in first..count {
            let number = self.claims.get(index).map(|claim| claim.number);
            let place = number.and_then(|number| self.place(number));
            let Some(claim) =
                self.claims.get_mut(index).filter(|_| place.is_none_or(|id| id >= end))
            else {
                continue;
            };
            claim.lacking.push(node);
            if claim.lacking.len() as u64 + claim.nodes > cluster_size {
                wrong.push(index);
            }
        }
        for index in wrong {
            let Some(Claim { number, nodes, lacking }) = self.claims.get(index) else { continue };
            let names: Vec<_> = lacking.iter().map(|node| self.name(*node)).collect();
            let expected = format!(
                "{} on {nodes} of {cluster_size} nodes, as its sender was told",
                self.quoted(*number)
            );
            let seen = format!("lists asked for afterwards lack it: {}", names.join(", "));
            self.add(Kind::Ack, node, None, expected, seen);
        }
    }

    /// What was promised without an id must be somewhere.
    pub(super) fn check_claims_lost(&mut self) {
        let is_lost = |claim: &&Claim| self.place(claim.number).is_none();
        let lost: Vec<u64> = self.claims.iter().filter(is_lost).map(|claim| claim.number).collect();
        for number in lost {
            let expected = format!("{}, as it was answered", self.quoted(number));
            self.add(Kind::Lost, 0, None, expected, "nothing".to_owned());
        }
    }
}
