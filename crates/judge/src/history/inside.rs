//! A cluster that is seen from inside: each id as it is given, all that each node has before
//! anything else happens, and the master's senders. The simulator sees clusters so.

use std::ops::Range;
use std::time::Duration;

use acklog_types::{Batch, WaiterId, WriteConcern};

use super::{History, ListReading};
use crate::answer::{AckWait, AppendOutcome, AppendTerms, HeldMoment, MasterMoment, ShownMoment};
use crate::facts::{MessageFate, SentBy};
use crate::invariants::keys::{self, RememberedKeys};
use crate::invariants::{
    never_ahead, nothing_invented, outcomes, stable_ids, total_order, true_acks, waiting,
    whole_batches,
};
use crate::texts::{KeptTexts, SentTexts};

impl History {
    /// Begins the history of an empty log, of which everything is seen. Its master remembers the
    /// last `window` keyed messages. It has no nodes yet.
    pub fn from_inside(window: usize) -> Self {
        let mut history = Self::new(SentTexts::Kept(KeptTexts::default()), SentBy::UsAlone, 0);
        history.keys = RememberedKeys::new(window);
        history
    }

    /// Adds a node that has nothing; the first one is the master.
    pub fn add_node(&mut self, name: &str) {
        self.facts.add_node(name.to_owned(), 0);
    }

    /// Notes that a node tells its master this name from now on, and that acks name it so.
    pub fn registered(&mut self, node: usize, name: &str) {
        self.facts.register(node, name);
    }

    /// Judges that the master took a batch in under this id; its sender may have named a key.
    /// Returns the messages' numbers.
    pub fn taken(&mut self, batch: &Batch, id: u64, key: Option<&str>) -> Range<u64> {
        let numbers = self.sent_batch(batch);
        stable_ids::dense(&self.facts, id, &mut self.found);
        for (id, number) in (id..).zip(numbers.clone()) {
            self.facts.set_place(number, id);
            self.facts.set_fate(number, MessageFate::Perhaps);
            self.facts.awaited.insert(id, number);
        }
        self.facts.given_end = self.facts.given_end.max(id + batch.len() as u64);
        if let Some(key) = key {
            keys::stored_once(&self.facts, &self.keys, key, id, &mut self.found);
            self.keys.insert(key, id);
        }
        numbers
    }

    /// Returns the end of the ids that the master gave.
    pub fn given_end(&self) -> u64 {
        self.facts.given_end
    }

    /// Returns the message that has a key, if it is one of those that the master remembers.
    pub fn message_of(&self, key: &str) -> Option<u64> {
        self.keys.message_of(key)
    }

    /// Judges a node that has the messages before `end`. Returns the list of those that are new, to
    /// be read to its end; none where there is nothing new.
    pub fn look_at(&mut self, node: usize, end: u64) -> Option<ListReading> {
        let watched = self.facts.nodes.get_mut(node)?;
        let shown_end = watched.end;
        if shown_end == end {
            return None;
        }
        watched.held_end = watched.held_end.max(end);
        let found = &mut self.found;
        stable_ids::not_shrunk(&self.facts, node, end, shown_end, found);
        whole_batches::not_cut(&self.facts, node, end, found);
        let master_end = self.facts.nodes.first().map_or(0, |master| master.held_end);
        never_ahead::within_master(&self.facts, node, end, master_end, found);
        (shown_end < end).then(|| self.begin_list(node, shown_end, end - shown_end))
    }

    /// Judges a list of which all was read that the node can show.
    pub fn end_look(&mut self, list: &ListReading) {
        if list.next < list.until && !list.is_broken {
            total_order::follows(&self.facts, list.node, list.next, None, &mut self.found);
        }
    }

    /// Has all that a node shows read anew from now on: it was damaged, it begins with an empty
    /// log, or its disk was put back to what it was before.
    pub fn look_anew(&mut self, node: usize) {
        if let Some(node) = self.facts.nodes.get_mut(node) {
            node.end = 0;
        }
        self.reads.begins_anew(node);
    }

    /// Judges a node that comes back with the messages before `end` on its disk: all that it ever
    /// showed, and so all that it acked. They are read anew.
    pub fn came_back(&mut self, node: usize, end: u64) {
        let shown = self.facts.end(node);
        stable_ids::not_shrunk(&self.facts, node, end, shown, &mut self.found);
        self.look_anew(node);
    }

    /// Judges a master that starts with the messages before `end`, and gives the ids from there on
    /// again. Its senders are gone. `is_put_back`: with an older copy, as somebody wanted; else all
    /// that it promised is among them.
    pub fn master_started(&mut self, end: u64, is_put_back: bool) {
        self.waits.clear();
        nothing_invented::was_given(&self.facts, end, &mut self.found);
        if !is_put_back {
            let lost = self.facts.promised_from(end);
            stable_ids::nothing_lost(&self.facts, &lost, &mut self.found);
        }
        self.facts.cut(end);
        self.keys.cut(end);
        self.reads.cut(end);
    }

    /// Notes that a sender begins to wait for a message that has its id.
    pub fn begins_to_wait(&mut self, waiter: WaiterId, wait: AckWait) {
        self.waits.insert(waiter, wait);
    }

    /// Notes that a sender gave up.
    pub fn gave_up(&mut self, waiter: WaiterId) {
        self.waits.remove(&waiter);
    }

    /// Returns the senders that wait.
    pub fn waits(&self) -> impl ExactSizeIterator<Item = &AckWait> {
        self.waits.values()
    }

    /// Judges the answer to a sender that waits. `now`: on the clock of [`AckWait::since`].
    /// `is_liar`: names that tell their master what is not true; acks that name them are not
    /// judged.
    pub fn released(
        &mut self,
        now: Duration,
        waiter: WaiterId,
        outcome: &AppendOutcome,
        is_liar: &dyn Fn(&str) -> bool,
    ) {
        let wait = self.waits.remove(&waiter);
        waiting::answered_once(&self.facts, waiter, wait.as_ref(), &mut self.found);
        let Some(AckWait { id, nodes, timeout, since }) = wait else { return };
        let (AppendOutcome::Committed(receipt)
        | AppendOutcome::Stored(receipt)
        | AppendOutcome::Unknown(receipt)) = outcome
        else {
            return outcomes::taken_is_not_refused(&self.facts, id, &mut self.found);
        };
        stable_ids::answered_its_own(&self.facts, id, receipt.id, &mut self.found);
        let (concern, took) = (Some(WriteConcern::Nodes(nodes)), now.saturating_sub(since));
        self.judge_receipt(AppendTerms { concern, timeout, took, floor: 0 }, outcome, receipt);
        true_acks::held_by_all_named(&self.facts, receipt, is_liar, &mut self.found);
        if !matches!(outcome, AppendOutcome::Unknown(_))
            && let Some(number) = self.facts.known(id)
        {
            self.facts.set_fate(number, MessageFate::Promised);
        }
    }

    /// Judges what the master shows under read concerns.
    pub fn master_shows(&mut self, moment: &HeldMoment<'_>) {
        self.reads.master_shows(&self.facts, moment, &mut self.found);
    }

    /// Judges what a secondary shows under read concerns.
    pub fn secondary_shows(&mut self, node: usize, moment: &ShownMoment<'_>) {
        self.reads.secondary_shows(&self.facts, node, moment, &mut self.found);
    }

    /// Judges whether the master keeps anybody waiting who must be answered by now.
    pub fn judge_waits(&mut self, moment: &MasterMoment<'_>) {
        waiting::nobody_too_long(&self.facts, &self.waits, moment, &mut self.found);
    }
}
