//! A history: what was sent, answered and shown goes in, one event after the other, and each is
//! judged as it comes.

mod answers;
mod ending;
mod following;
mod inside;

use std::ops::Range;

use acklog_types::Batch;

use crate::answer::LookupAnswer;
use crate::facts::{Facts, MessageFate, SentBy, ShownMessage};
use crate::follower::Follower;
use crate::invariants::claimed_acks::AckClaims;
use crate::invariants::keys::RememberedKeys;
use crate::invariants::read_concern::ReadConcerns;
use crate::invariants::waiting::AckWaits;
use crate::invariants::write_concern::ToldConcerns;
use crate::invariants::{
    exactly_once, lookups, nothing_invented, outcomes, stable_ids, total_order, true_acks,
    whole_answers, whole_batches,
};
use crate::texts::{KeptTexts, MadeTexts, SentTexts};
use crate::violation::Violations;

/// A list of messages that is being read from a node.
#[derive(Debug)]
pub struct ListReading {
    node: usize,
    next: u64,
    /// The end of the list at the latest.
    until: u64,
    /// The end of what the node had shown when the list was asked for, as far as the list could
    /// show it.
    shown_end: u64,
    /// The same for what it had acked.
    acked_end: u64,
    /// Number of claims when the list was asked for.
    claims: usize,
    /// Something is wrong with the list itself; the rest of it tells nothing.
    is_broken: bool,
}

impl ListReading {
    /// Returns the id that must come next.
    pub fn next(&self) -> u64 {
        self.next
    }
}

/// The history of a cluster, with what was found wrong in it so far. The node with the number 0 is
/// the master.
#[derive(Debug)]
pub struct History {
    facts: Facts,
    claims: AckClaims,
    concerns: ToldConcerns,
    keys: RememberedKeys,
    waits: AckWaits,
    reads: ReadConcerns,
    followers: Vec<Follower>,
    /// Number of requests that were answered with an id, or with a number of nodes that have the
    /// messages.
    answers: u64,
    found: Violations,
}

impl History {
    fn new(texts: SentTexts, sent_by: SentBy, base: u64) -> Self {
        Self {
            facts: Facts::new(texts, sent_by, base),
            claims: AckClaims::default(),
            concerns: ToldConcerns::default(),
            keys: RememberedKeys::default(),
            waits: AckWaits::new(),
            reads: ReadConcerns::default(),
            followers: Vec::new(),
            answers: 0,
            found: Violations::default(),
        }
    }

    /// Begins the history of a cluster that is watched from outside, in which others may send as
    /// well. Its log ends at `base`. The first of the nodes is the master, and there are at most
    /// 256; each comes with the end of what it has.
    pub fn of_cluster(
        texts: Box<dyn MadeTexts>,
        nodes: impl IntoIterator<Item = (String, u64)>,
        base: u64,
    ) -> Self {
        let mut history = Self::new(SentTexts::Made(texts), SentBy::Anybody, base);
        for (name, end) in nodes {
            history.facts.add_node(name, end.min(base));
        }
        history
    }

    /// Begins the history of an empty cluster that is watched from outside and to which nobody else
    /// sends. The first name is the master's.
    pub fn of_own_cluster<'a>(nodes: impl IntoIterator<Item = &'a str>) -> Self {
        let mut history = Self::new(SentTexts::Kept(KeptTexts::default()), SentBy::UsAlone, 0);
        nodes.into_iter().for_each(|name| history.facts.add_node(name.to_owned(), 0));
        history
    }

    /// Begins the history of readers that see a log from the message `base` on, to which nobody
    /// else sends. It has no nodes yet.
    pub fn of_readers(base: u64) -> Self {
        Self::new(SentTexts::Kept(KeptTexts::default()), SentBy::UsAlone, base)
    }

    /// Expects answers that tell nothing but that they hold, in a cluster of so many nodes.
    #[must_use]
    pub fn with_claims(mut self, cluster_size: u64) -> Self {
        self.claims.cluster_size = cluster_size;
        self
    }

    /// Returns what was found.
    pub fn violations(&self) -> &Violations {
        &self.found
    }

    /// Notes that so many messages are about to be sent as one, with texts that follow from their
    /// numbers; returns these.
    pub fn sent(&mut self, count: u64) -> Range<u64> {
        self.facts.add_sent(count)
    }

    /// Notes that a batch is about to be sent; returns the numbers of its messages.
    pub fn sent_batch(&mut self, batch: &Batch) -> Range<u64> {
        batch.iter().for_each(|text| self.facts.texts.keep(text));
        self.facts.add_sent(batch.len() as u64)
    }

    /// Notes that messages are about to be sent once more: that they were refused before tells
    /// nothing any more.
    pub fn sent_again(&mut self, numbers: Range<u64>) {
        for number in numbers {
            if self.facts.fate(number) == Some(MessageFate::Refused) {
                self.facts.set_fate(number, MessageFate::Waiting);
            }
        }
    }

    /// Returns the text of a message.
    pub fn text(&self, number: u64) -> String {
        self.facts.texts.text(number).into_owned()
    }

    /// Returns how many messages were sent.
    pub fn sent_count(&self) -> u64 {
        self.facts.sent_count()
    }

    /// Returns how many messages were answered with an id.
    pub fn accepted_count(&self) -> u64 {
        self.facts.count_of(|fate| matches!(fate, MessageFate::Promised | MessageFate::Perhaps))
    }

    /// Returns how many requests were answered with an id. A refusal says nothing about a log.
    pub fn answer_count(&self) -> u64 {
        self.answers
    }

    /// Returns where the log ended when the run began.
    pub fn base(&self) -> u64 {
        self.facts.base
    }

    /// Returns the smallest id that a message can get which is sent from now on.
    pub fn floor(&self) -> u64 {
        self.facts.floor
    }

    /// Returns the end of what a node showed so far.
    pub fn end(&self, node: usize) -> u64 {
        self.facts.end(node)
    }

    /// Returns the end of what a node must have by now: it showed it, or it acked it.
    pub fn known_end(&self, node: usize) -> u64 {
        self.facts.nodes.get(node).map_or(0, |node| node.end.max(node.acked_end))
    }

    /// Begins a list that is about to be asked for: `limit` messages from `from` on. One list of a
    /// node is read at a time.
    pub fn begin_list(&self, node: usize, from: u64, limit: u64) -> ListReading {
        let until = from.saturating_add(limit);
        let watched = self.facts.nodes.get(node);
        let (shown, acked) = watched.map_or((0, 0), |it| (it.end, it.acked_end));
        ListReading {
            node,
            next: from,
            until,
            shown_end: shown.min(until),
            acked_end: acked.min(until),
            claims: self.claims.count(),
            is_broken: false,
        }
    }

    /// Judges a message of the list that came.
    pub fn row(&mut self, list: &mut ListReading, id: u64, text: &str) {
        if list.is_broken {
            return;
        }
        let ListReading { node, next, .. } = *list;
        if id != next {
            list.is_broken = true;
            return total_order::follows(&self.facts, node, next, Some(id), &mut self.found);
        }
        list.next += 1;
        self.show(node, id, text);
    }

    /// Judges a message that a node shows in its place, and returns what stands for its text.
    fn show(&mut self, node: usize, id: u64, text: &str) -> u64 {
        let shown = self.shown(node, id, text);
        match self.facts.content(id) {
            Some(_) => total_order::same_content(&self.facts, shown, &mut self.found),
            None => self.first_seen(shown),
        }
        if let Some(node) = self.facts.nodes.get_mut(node) {
            node.end = node.end.max(id + 1);
        }
        shown.content
    }

    /// Judges the text that a node shows under an id, and finds out whose it is.
    fn shown<'a>(&mut self, node: usize, id: u64, text: &'a str) -> ShownMessage<'a> {
        let is_nowhere = |number| self.facts.place(number).is_none();
        let origin = self.facts.texts.origin(text, self.facts.known(id), is_nowhere);
        nothing_invented::was_sent(&self.facts, node, id, (text, origin), &mut self.found);
        ShownMessage { node, id, content: self.facts.content_of(text, origin), text }
    }

    /// Judges a message under an id that no node has shown before.
    fn first_seen(&mut self, shown: ShownMessage<'_>) {
        let (ShownMessage { node, id, content, .. }, found) = (shown, &mut self.found);
        whole_batches::goes_on(&self.facts, node, id, content, found);
        stable_ids::shown_as_answered(&self.facts, shown, found);
        self.facts.set_content(id, content, node);
        if self.facts.awaited.remove(&id) == Some(content) {
            self.facts.floor = self.facts.floor.max(id + 1);
        }
        if !self.facts.is_sent(content) {
            return;
        }
        exactly_once::one_place(&self.facts, shown, found);
        stable_ids::shown_where_answered(&self.facts, shown, found);
        if self.facts.place(content).is_none() {
            self.facts.set_place(content, id);
        }
        outcomes::refused_is_absent(&self.facts, node, content, found);
    }

    /// Judges a list that came to its end: nothing that the node had may be missing in it.
    pub fn end_list(&mut self, list: ListReading) {
        let ListReading { node, next, until, shown_end, acked_end, claims, is_broken } = list;
        if is_broken {
            return;
        }
        let found = &mut self.found;
        if let Some(judged) = self.facts.nodes.get_mut(node).map(|node| &mut node.judged) {
            let first = std::mem::replace(judged, claims.max(*judged));
            self.claims.judge(&self.facts, node, next, (first, claims), found);
        }
        if next < until {
            whole_batches::not_cut(&self.facts, node, next, found);
        }
        if next >= shown_end.max(acked_end) {
            return;
        }
        if next < shown_end {
            stable_ids::not_shrunk(&self.facts, node, next, shown_end, found);
        } else {
            true_acks::lists_what_it_acked(&self.facts, node, next, acked_end, found);
        }
        // From here on it is looked at anew.
        if let Some(node) = self.facts.nodes.get_mut(node) {
            (node.end, node.acked_end) = (0, 0);
        }
    }

    /// Adds that a node was asked for a list, and answered something else.
    pub fn malformed_list(&mut self, node: usize, expected: &str, seen: String) {
        whole_answers::of_list(&self.facts, node, expected, seen, &mut self.found);
    }

    /// Judges the answer of a node that was asked for one message. `known_end`:
    /// [`History::known_end`] of the node, before it was asked.
    pub fn looked_up(&mut self, node: usize, id: u64, known_end: u64, answer: &LookupAnswer) {
        lookups::answer(&self.facts, node, id, known_end, answer, &mut self.found);
        if let LookupAnswer::Message(told, text) = answer
            && *told == id
        {
            self.shown_by_itself(node, id, text);
        }
    }

    /// Judges a message that a node showed when it was asked for by its id.
    fn shown_by_itself(&mut self, node: usize, id: u64, text: &str) {
        let shown = self.shown(node, id, text);
        lookups::same_content(&self.facts, shown, &mut self.found);
    }
}

#[cfg(test)]
mod tests;
