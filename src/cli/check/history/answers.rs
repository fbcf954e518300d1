//! What senders were told.

use std::ops::Range;

use super::{Fate, History, Receipt, Said};
use crate::cli::check::violation::Kind;
use crate::telemetry::escaped;
use crate::types::WriteConcern;

fn listed(names: &[String]) -> String {
    format!("[{}]", escaped(&names.join(", ")))
}

impl History {
    /// The sender of messages was answered. `asked`: none where the request named no write concern.
    pub(in crate::cli::check) fn answered(
        &mut self,
        numbers: Range<u64>,
        asked: Option<WriteConcern>,
        said: Said,
    ) {
        self.answers += u64::from(!matches!(said, Said::Nothing));
        match said {
            Said::Committed(receipt) => {
                self.check_write_concern(asked, &receipt);
                self.check_receipt(&receipt);
                self.all_promised(numbers, Fate::Promised, &receipt);
            }
            Said::Stored(receipt) => {
                self.check_number(asked, &receipt);
                self.check_shortage(&receipt);
                self.check_receipt(&receipt);
                self.all_promised(numbers, Fate::Promised, &receipt);
            }
            Said::Unknown(receipt) => {
                self.check_number(asked, &receipt);
                self.check_receipt(&receipt);
                self.all_promised(numbers, Fate::Perhaps, &receipt);
            }
            Said::Refused => numbers.for_each(|number| self.refused(number)),
            Said::Nothing => numbers.for_each(|number| self.set_fate(number, Fate::Nothing)),
            Said::Malformed(what) => {
                let first = numbers.start;
                numbers.for_each(|number| self.set_fate(number, Fate::Nothing));
                let expected = format!("a whole answer to {}", self.quoted(first));
                self.add(Kind::Malformed, 0, self.place(first), expected, what);
            }
        }
    }

    fn refused(&mut self, number: u64) {
        self.set_fate(number, Fate::Refused);
        if let Some(id) = self.place(number) {
            let (expected, seen) = ("nothing of a refused message", self.quoted(number));
            self.add(Kind::Refused, 0, Some(id), expected.to_owned(), seen);
        }
    }

    /// Checks a 201: the number of nodes is the one asked for, and so many are named.
    fn check_write_concern(&mut self, asked: Option<WriteConcern>, receipt: &Receipt) {
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
    fn check_shortage(&mut self, receipt: &Receipt) {
        let (id, told) = (receipt.id, receipt.write_concern);
        let named = receipt.acked_by.len() as u64;
        if named == 0 || named >= told {
            let expected = format!("1 to {} names in ackedBy", told.saturating_sub(1));
            self.add(Kind::WriteConcern, 0, Some(id), expected, listed(&receipt.acked_by));
        }
    }

    /// Checks what holds for every answer with an id: the names are the master's, then others, each once, and none
    /// that no node of the cluster has.
    fn check_receipt(&mut self, receipt: &Receipt) {
        let names = &receipt.acked_by;
        let master = self.name(0);
        if names.first().is_some_and(|first| *first != master) {
            let expected = format!("{master} first in ackedBy");
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, listed(names));
        }
        let is_nodes = |name: &String| self.nodes.iter().any(|node| node.name == *name);
        if self.has_all_nodes && !names.iter().all(is_nodes) {
            let expected = "names of nodes in ackedBy".to_owned();
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, listed(names));
        }
        let twice =
            names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|b| b == name));
        if twice {
            let expected = "each name once in ackedBy".to_owned();
            self.add(Kind::WriteConcern, 0, Some(receipt.id), expected, listed(names));
        }
    }

    /// Messages have ids, by the master's word: one behind the other.
    fn all_promised(&mut self, numbers: Range<u64>, fate: Fate, receipt: &Receipt) {
        for (id, number) in (receipt.id..).zip(numbers) {
            self.promised(number, fate, id, receipt);
        }
    }

    fn promised(&mut self, number: u64, fate: Fate, id: u64, receipt: &Receipt) {
        self.set_fate(number, fate);
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
            Some(_) => {}
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
        for node in &mut self.nodes {
            if receipt.acked_by.contains(&node.name) {
                node.acked_end = node.acked_end.max(id.saturating_add(1));
            }
        }
    }
}
