//! What senders were told.

use std::ops::Range;

use acklog_types::WriteConcern;
use acklog_types::escaped;

use super::{Fate, History, Question, Receipt, Said};
use crate::cli::check::violation::{Kind, quoted};

fn listed(names: &[String]) -> String {
    format!("[{}]", escaped(&names.join(", ")))
}

impl History {
    /// The sender of messages was answered.
    pub(in crate::cli::check) fn answered(
        &mut self,
        numbers: Range<u64>,
        asked: Question,
        said: Said,
    ) {
        let is_there = match said {
            Said::Committed(_) | Said::Stored(_) | Said::Unknown(_) | Said::Accepted { .. } => 1,
            _ => 0,
        };
        self.answers += is_there;
        match said {
            Said::Accepted { nodes } => numbers.for_each(|number| self.claimed(number, nodes)),
            Said::Refused => numbers.for_each(|number| self.refused(number)),
            Said::KeyReused => {
                self.key_reused(numbers.start);
                numbers.for_each(|number| self.refused(number));
            }
            Said::Nothing => numbers.for_each(|number| self.set_fate(number, Fate::Nothing)),
            Said::Malformed(what) => {
                let first = numbers.start;
                numbers.for_each(|number| self.set_fate(number, Fate::Nothing));
                self.whole_answer_expected(first, what);
            }
            said => self.accepted(numbers, asked, &said),
        }
    }

    /// The same messages were sent once more, under the same key, and were answered. Whatever became of them before:
    /// they stand under one id, and a refusal speaks of the request that it answers.
    pub(in crate::cli::check) fn repeated(
        &mut self,
        numbers: Range<u64>,
        asked: Question,
        said: Said,
    ) {
        match said {
            Said::Refused | Said::Nothing => {}
            Said::KeyReused => self.key_reused(numbers.start),
            Said::Malformed(what) => self.whole_answer_expected(numbers.start, what),
            said => self.accepted(numbers, asked, &said),
        }
    }

    /// Another message was sent under the key of one that has its id, and was answered.
    pub(in crate::cli::check) fn reused(&mut self, number: u64, asked: Question, said: Said) {
        let id = match &said {
            Said::Committed(receipt) | Said::Stored(receipt) => receipt.id,
            // Which of both the id is of may not be known yet.
            Said::Unknown(_) => return self.set_fate(number, Fate::Nothing),
            Said::KeyReused => return self.refused(number),
            _ => return self.answered(number..number + 1, asked, said),
        };
        let expected = format!("422 to {}, whose key is another message's", self.quoted(number));
        self.add(Kind::Key, 0, Some(id), expected, format!("it is accepted as {id}"));
        self.set_fate(number, Fate::Nothing);
    }

    /// A request that must be refused was answered: how, and with which status.
    pub(in crate::cli::check) fn bad_request(&mut self, body: &str, status: u16, said: &Said) {
        // Where there is no room for a body it is not looked at.
        if !matches!((status, said), (400 | 503, Said::Refused) | (_, Said::Nothing)) {
            let expected = format!("400 and the outcome refused for {}", quoted(body));
            let seen = match said {
                Said::Malformed(what) => what.clone(),
                _ => status.to_string(),
            };
            self.add(Kind::Malformed, 0, None, expected, seen);
        }
    }

    /// A request with a time limit was not answered, long after that had passed.
    pub(in crate::cli::check) fn overdue(&mut self, id: Option<u64>, asked: Question) {
        let limit = asked.timeout.unwrap_or_default().as_millis();
        let expected = format!("504 once the {limit} ms of timeoutMs had passed");
        let took = asked.took.as_secs_f64();
        let seen = format!("no answer within {took:.1} s, while others are answered");
        self.add(Kind::Late, 0, id, expected, seen);
    }

    fn key_reused(&mut self, first: u64) {
        let expected = format!("the key of {} to be its own", self.quoted(first));
        let seen = "422: it was used for another message".to_owned();
        self.add(Kind::Key, 0, self.place(first), expected, seen);
    }

    fn whole_answer_expected(&mut self, first: u64, seen: String) {
        let expected = format!("a whole answer to {}", self.quoted(first));
        self.add(Kind::Malformed, 0, self.place(first), expected, seen);
    }

    /// Messages have ids, and the master tells who has them.
    fn accepted(&mut self, numbers: Range<u64>, asked: Question, said: &Said) {
        let (fate, receipt) = match said {
            Said::Committed(receipt) => {
                self.check_write_concern(asked.concern, receipt);
                (Fate::Promised, receipt)
            }
            Said::Stored(receipt) => {
                self.check_shortage(asked, receipt);
                (Fate::Promised, receipt)
            }
            Said::Unknown(receipt) => {
                self.check_unknown(asked, receipt);
                (Fate::Perhaps, receipt)
            }
            _ => return,
        };
        self.check_receipt(receipt);
        if receipt.id < asked.floor {
            let expected = format!(
                "{} or a later id for {}, which was sent after the one before that was answered",
                asked.floor,
                self.quoted(numbers.start)
            );
            self.add(Kind::AnswerId, 0, Some(receipt.id), expected, receipt.id.to_string());
        }
        self.all_placed(numbers, fate, receipt);
    }

    fn refused(&mut self, number: u64) {
        self.set_fate(number, Fate::Refused);
        if let Some(id) = self.place(number) {
            let (expected, seen) = ("nothing of a refused message", self.quoted(number));
            self.add(Kind::Refused, 0, Some(id), expected.to_owned(), seen);
        }
    }

    /// Checks a 201: the number of nodes is the one asked for, and so many are named.
    pub(super) fn check_write_concern(&mut self, asked: Option<WriteConcern>, receipt: &Receipt) {
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
        if self.check_number(asked, receipt) && (receipt.acked_by.len() as u64) < told {
            let (expected, seen) = (format!("{told} names in ackedBy"), listed(&receipt.acked_by));
            self.add(Kind::WriteConcern, 0, Some(id), expected, seen);
        }
    }

    /// Checks that an answer tells the number of nodes that was asked for. Returns whether it does.
    fn check_number(&mut self, asked: Option<WriteConcern>, receipt: &Receipt) -> bool {
        let told = receipt.write_concern;
        let right = match asked {
            Some(WriteConcern::Nodes(nodes)) => nodes.max(1),
            _ => told.max(1),
        };
        if told != right {
            let expected = format!("write concern {right}");
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, told.to_string());
        }
        told == right
    }

    /// Checks an answer that says that a message is stored, and its write concern does not hold yet: the master has it,
    /// and fewer nodes than were asked for.
    pub(super) fn check_shortage(&mut self, asked: Question, receipt: &Receipt) {
        self.check_number(asked.concern, receipt);
        self.check_time(asked, receipt);
        let (id, told) = (receipt.id, receipt.write_concern);
        let named = receipt.acked_by.len() as u64;
        if named == 0 || named >= told {
            let expected = format!("1 to {} names in ackedBy", told.saturating_sub(1));
            self.add(Kind::WriteConcern, 0, Some(id), expected, listed(&receipt.acked_by));
        }
    }

    /// Checks an answer that says that it is not known yet whether a message is stored: then no node can have acked it.
    pub(super) fn check_unknown(&mut self, asked: Question, receipt: &Receipt) {
        self.check_number(asked.concern, receipt);
        self.check_time(asked, receipt);
        if !receipt.acked_by.is_empty() {
            let expected = "nobody in ackedBy of a message that may not be stored".to_owned();
            self.add(Kind::Outcome, 0, Some(receipt.id), expected, listed(&receipt.acked_by));
        }
    }

    /// Checks that a time limit that is said to have passed has passed.
    fn check_time(&mut self, asked: Question, receipt: &Receipt) {
        if !receipt.timed_out || asked.timeout.is_some_and(|limit| asked.took >= limit) {
            return;
        }
        let expected = match asked.timeout {
            Some(limit) => format!("no 504 within the {} ms of timeoutMs", limit.as_millis()),
            None => "no 504 to a request without timeoutMs".to_owned(),
        };
        let seen = format!("504 after {:.1} ms", asked.took.as_secs_f64() * 1e3);
        self.add(Kind::Early, 0, Some(receipt.id), expected, seen);
    }

    /// Checks what holds for every answer with an id: the names are the master's, then others, each once. One that no
    /// watched node has is kept for the end.
    pub(super) fn check_receipt(&mut self, receipt: &Receipt) {
        let names = &receipt.acked_by;
        let master = self.name(0);
        if names.first().is_some_and(|first| *first != master) {
            let expected = format!("{master} first in ackedBy");
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, listed(names));
        }
        let unknown = names.iter().find(|name| self.nodes.iter().all(|node| node.name != **name));
        if let Some(unknown) = unknown.filter(|_| self.unknown_name.is_none()) {
            self.unknown_name = Some((receipt.id, unknown.clone()));
        }
        let twice =
            names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|b| b == name));
        if twice {
            let expected = "each name once in ackedBy".to_owned();
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, listed(names));
        }
    }

    /// Messages have ids, by the master's word: one behind the other.
    fn all_placed(&mut self, numbers: Range<u64>, fate: Fate, receipt: &Receipt) {
        for (id, number) in (receipt.id..).zip(numbers) {
            self.placed(number, fate, id, receipt);
        }
    }

    fn placed(&mut self, number: u64, fate: Fate, id: u64, receipt: &Receipt) {
        // What was promised once stays so.
        if self.fate(number) != Some(Fate::Promised) {
            self.set_fate(number, fate);
            if fate == Fate::Perhaps {
                return;
            }
        }
        if let Some(place) = self.place(number).filter(|place| *place != id) {
            let expected = format!("{place} as the answered id of {}", self.quoted(number));
            self.add(Kind::AnswerId, 0, Some(id), expected, format!("{id}"));
            return;
        }
        self.set_place(number, id);
        match self.content(id) {
            Some(content) if content != number => {
                let expected = format!("{}, which was answered this id", self.quoted(number));
                let shown = self.shown(id);
                self.add(Kind::AnswerId, shown, Some(id), expected, self.quoted(content));
                return;
            }
            Some(_) => self.floor = self.floor.max(id + 1),
            None => {
                let other = self.awaited.insert(id, number);
                if let Some(other) = other.filter(|other| *other != number) {
                    let expected = format!("an id of its own for {}", self.quoted(number));
                    let seen = format!("the id that was answered to {}", self.quoted(other));
                    self.add(Kind::AnswerId, 0, Some(id), expected, seen);
                    return;
                }
            }
        }
        self.note_acks(id, &receipt.acked_by);
    }

    /// Nodes have a message, by the master's word.
    pub(super) fn note_acks(&mut self, id: u64, names: &[String]) {
        for node in &mut self.nodes {
            if names.contains(&node.name) {
                node.acked_end = node.acked_end.max(id.saturating_add(1));
            }
        }
    }
}
