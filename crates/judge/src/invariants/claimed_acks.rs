//! Acks are true, of programs whose answers tell no ids and no names: only that so many nodes have
//! the message. Such a claim is compared with one list of each node that was asked for afterwards.

use crate::facts::Facts;
use crate::violation::{ViolationKind, Violations};

/// The claim of an answer.
#[derive(Debug)]
struct AckClaim {
    number: u64,
    nodes: u64,
    /// The nodes whose next list lacked the message.
    lacking: Vec<usize>,
}

/// All claims, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct AckClaims {
    claims: Vec<AckClaim>,
    /// Number of nodes, including those that are not watched.
    pub(crate) cluster_size: u64,
}

impl AckClaims {
    /// A sender was told that its message is on so many nodes.
    pub(crate) fn add(&mut self, number: u64, nodes: u64) {
        self.claims.push(AckClaim { number, nodes, lacking: Vec::new() });
    }

    pub(crate) fn count(&self) -> usize {
        self.claims.len()
    }

    /// Judges the claims from `first` up to `count` by a list of a node that ended before `end`.
    /// Too many lists that lack the message cannot be right: a message never goes away again.
    pub(crate) fn judge(
        &mut self,
        facts: &Facts,
        node: usize,
        end: u64,
        (first, count): (usize, usize),
        found: &mut Violations,
    ) {
        let cluster_size = self.cluster_size;
        for claim in self.claims.iter_mut().take(count).skip(first) {
            if facts.place(claim.number).is_some_and(|id| id < end) {
                continue;
            }
            claim.lacking.push(node);
            let AckClaim { number, nodes, lacking } = claim;
            if lacking.len() as u64 + *nodes > cluster_size {
                let names: Vec<_> = lacking.iter().map(|node| facts.name(*node)).collect();
                let expected = format!(
                    "{} on {nodes} of {cluster_size} nodes, as its sender was told",
                    facts.quoted(*number)
                );
                let seen = format!("lists asked for afterwards lack it: {}", names.join(", "));
                found.add(ViolationKind::Ack, facts.name(node), None, expected, seen);
            }
        }
    }

    /// Judges, when all was read, that what was promised without an id is somewhere.
    pub(crate) fn judge_lost(&self, facts: &Facts, found: &mut Violations) {
        let is_lost = |claim: &&AckClaim| facts.place(claim.number).is_none();
        for claim in self.claims.iter().filter(is_lost) {
            let expected = format!("{}, as it was answered", facts.quoted(claim.number));
            found.add(ViolationKind::Lost, facts.name(0), None, expected, "nothing".to_owned());
        }
    }
}
