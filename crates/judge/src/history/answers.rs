//! The answers that senders were told.

use std::ops::Range;

use super::History;
use crate::answer::{AckReceipt, AppendOutcome, AppendTerms};
use crate::facts::MessageFate;
use crate::invariants::{
    keys, lookups, outcomes, stable_ids, waiting, whole_answers, write_concern,
};

impl History {
    /// Judges the answer to the sender of messages.
    pub fn answered(&mut self, numbers: Range<u64>, asked: AppendTerms, outcome: AppendOutcome) {
        let is_there = matches!(
            outcome,
            AppendOutcome::Committed(_)
                | AppendOutcome::Stored(_)
                | AppendOutcome::Unknown(_)
                | AppendOutcome::Accepted { .. }
        );
        self.answers += u64::from(is_there);
        match outcome {
            AppendOutcome::Accepted { nodes } => numbers.for_each(|number| {
                self.facts.set_fate(number, MessageFate::Promised);
                self.claims.add(number, nodes);
            }),
            AppendOutcome::Refused => numbers.for_each(|number| self.refused(number)),
            AppendOutcome::KeyReused => {
                keys::taken_for_reused(&self.facts, numbers.start, &mut self.found);
                numbers.for_each(|number| self.refused(number));
            }
            AppendOutcome::Nothing => self.set_fates(numbers, MessageFate::Nothing),
            AppendOutcome::Malformed(what) => {
                self.set_fates(numbers.clone(), MessageFate::Nothing);
                whole_answers::of_append(&self.facts, numbers.start, what, &mut self.found);
            }
            outcome => self.accepted(numbers, asked, &outcome),
        }
    }

    /// Judges the answer to messages that were sent once more, under the same key. Whatever became
    /// of them before: they stand under one id, and a refusal speaks of the request that it
    /// answers.
    pub fn repeated(&mut self, numbers: Range<u64>, asked: AppendTerms, outcome: AppendOutcome) {
        match outcome {
            AppendOutcome::Refused | AppendOutcome::Nothing => {}
            AppendOutcome::KeyReused => {
                keys::taken_for_reused(&self.facts, numbers.start, &mut self.found);
            }
            AppendOutcome::Malformed(what) => {
                whole_answers::of_append(&self.facts, numbers.start, what, &mut self.found);
            }
            outcome => self.accepted(numbers, asked, &outcome),
        }
    }

    /// Judges the answer to a message that was sent under the key of another one, which has its id.
    pub fn reused_key(&mut self, number: u64, asked: AppendTerms, outcome: AppendOutcome) {
        let id = match &outcome {
            AppendOutcome::Committed(receipt) | AppendOutcome::Stored(receipt) => receipt.id,
            // Which of both the id is of may not be known yet.
            AppendOutcome::Unknown(_) => return self.facts.set_fate(number, MessageFate::Nothing),
            AppendOutcome::KeyReused => return self.refused(number),
            _ => return self.answered(number..number + 1, asked, outcome),
        };
        keys::accepted_twice(&self.facts, number, id, &mut self.found);
        self.facts.set_fate(number, MessageFate::Nothing);
    }

    /// Judges the answer to a request that must be refused.
    pub fn bad_request(&mut self, body: &str, status: u16, outcome: &AppendOutcome) {
        whole_answers::of_bad_request(&self.facts, body, status, outcome, &mut self.found);
    }

    /// Adds that a request with a time limit was not answered, long after that had passed.
    pub fn overdue(&mut self, id: Option<u64>, asked: AppendTerms) {
        waiting::overdue(&self.facts, id, asked, &mut self.found);
    }

    /// Judges the answer of a master that was asked for a message and to wait until so many nodes
    /// have it. Its text comes with a success only.
    pub fn waited(
        &mut self,
        id: u64,
        asked: AppendTerms,
        outcome: &AppendOutcome,
        text: Option<&str>,
    ) {
        let receipt = match outcome {
            AppendOutcome::Committed(receipt)
            | AppendOutcome::Stored(receipt)
            | AppendOutcome::Unknown(receipt) => Some(receipt),
            _ => None,
        };
        lookups::same_id(&self.facts, 0, id, receipt.map_or(id, |it| it.id), &mut self.found);
        let Some(receipt) = receipt.filter(|receipt| receipt.id == id) else {
            if receipt.is_none() {
                whole_answers::of_wait(&self.facts, id, outcome, text, &mut self.found);
            }
            return;
        };
        if let (AppendOutcome::Committed(_), Some(text)) = (outcome, text) {
            self.shown_by_itself(0, id, text);
        }
        whole_answers::of_wait(&self.facts, id, outcome, text, &mut self.found);
        self.judge_receipt(asked, outcome, receipt);
        self.note_acks(id, &receipt.acked_by);
    }

    fn set_fates(&mut self, numbers: Range<u64>, fate: MessageFate) {
        numbers.for_each(|number| self.facts.set_fate(number, fate));
    }

    fn refused(&mut self, number: u64) {
        self.facts.set_fate(number, MessageFate::Refused);
        outcomes::refused_is_absent(&self.facts, 0, number, &mut self.found);
    }

    /// Judges an answer that tells the ids of messages, and who has them.
    fn accepted(&mut self, numbers: Range<u64>, asked: AppendTerms, outcome: &AppendOutcome) {
        let (fate, receipt) = match outcome {
            AppendOutcome::Committed(receipt) | AppendOutcome::Stored(receipt) => {
                (MessageFate::Promised, receipt)
            }
            AppendOutcome::Unknown(receipt) => (MessageFate::Perhaps, receipt),
            _ => return,
        };
        self.judge_receipt(asked, outcome, receipt);
        let (first, id) = (numbers.start, receipt.id);
        stable_ids::above_floor(&self.facts, first, id, asked.floor, &mut self.found);
        for (id, number) in (receipt.id..).zip(numbers) {
            self.placed(number, fate, id, &receipt.acked_by);
        }
    }

    /// Judges what an answer says of the nodes that have a message, whatever it is the answer to.
    pub(super) fn judge_receipt(
        &mut self,
        asked: AppendTerms,
        outcome: &AppendOutcome,
        receipt: &AckReceipt,
    ) {
        let (facts, found) = (&self.facts, &mut self.found);
        if let AppendOutcome::Committed(_) = outcome {
            self.concerns.committed(facts, asked.concern, receipt, found);
        } else {
            write_concern::number(facts, asked.concern, receipt, found);
            waiting::not_early(facts, asked, receipt, found);
        }
        match outcome {
            AppendOutcome::Stored(_) => write_concern::shortage(facts, receipt, found),
            AppendOutcome::Unknown(_) => outcomes::unknown_is_unacked(facts, receipt, found),
            _ => {}
        }
        self.concerns.names(facts, receipt, found);
    }

    /// Notes that a message has an id, by the master's word.
    fn placed(&mut self, number: u64, fate: MessageFate, id: u64, acked_by: &[String]) {
        // What was promised once stays so.
        if self.facts.fate(number) != Some(MessageFate::Promised) {
            self.facts.set_fate(number, fate);
            if fate == MessageFate::Perhaps {
                return;
            }
        }
        let is_right = stable_ids::answered(&self.facts, number, id, &mut self.found);
        if self.facts.place(number).is_none() {
            self.facts.set_place(number, id);
        }
        let is_shown = self.facts.content(id).is_some();
        if !is_shown && self.facts.place(number) == Some(id) {
            self.facts.awaited.insert(id, number);
        }
        if !is_right {
            return;
        }
        if is_shown {
            self.facts.floor = self.facts.floor.max(id + 1);
        }
        self.note_acks(id, acked_by);
    }

    /// Notes that nodes have a message, by the master's word.
    fn note_acks(&mut self, id: u64, names: &[String]) {
        for node in &mut self.facts.nodes {
            if names.contains(&node.name) {
                node.acked_end = node.acked_end.max(id.saturating_add(1));
            }
        }
    }
}
