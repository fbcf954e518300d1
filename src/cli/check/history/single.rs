//! Messages that were asked for one by one.

use super::{History, Question, Said};
use crate::cli::check::violation::{Kind, quoted};

/// What a node answers to `GET /messages/<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::check) enum Found {
    /// The message with this id and text.
    Message(u64, String),
    /// The node has no such message.
    Absent,
    /// The request broke off, or the node cannot tell at the moment.
    Nothing,
    /// None of these: what.
    Malformed(String),
}

impl History {
    /// The end of what a node must have by now: it showed it, or it acked it.
    pub(in crate::cli::check) fn known_end(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |node| node.end.max(node.acked_end))
    }

    /// A node was asked for a message. `known_end`: of the node, before it was asked.
    pub(in crate::cli::check) fn looked_up(
        &mut self,
        node: usize,
        id: u64,
        known_end: u64,
        found: Found,
    ) {
        match found {
            Found::Message(told, text) => {
                if told != id {
                    let expected = format!("message {id}, as asked for");
                    self.add(Kind::Single, node, Some(id), expected, format!("message {told}"));
                } else {
                    self.check_text(node, id, &text);
                }
            }
            Found::Absent if id < known_end => {
                let expected = "the message, which the node showed or acked before".to_owned();
                self.add(Kind::Single, node, Some(id), expected, "404".to_owned());
            }
            Found::Absent | Found::Nothing => {}
            Found::Malformed(seen) => {
                let expected = "a message with its id, or 404".to_owned();
                self.add(Kind::Single, node, Some(id), expected, seen);
            }
        }
    }

    /// Checks that a message is the one that the lists show, or that was answered this id.
    fn check_text(&mut self, node: usize, id: u64, text: &str) {
        let content = self.content_of(node, id, text);
        let wanted = self.content(id).or_else(|| self.awaited.get(&id).copied());
        if let Some(wanted) = wanted.filter(|wanted| *wanted != content) {
            let expected = format!("{}, as in the lists", self.quoted(wanted));
            self.add(Kind::Single, node, Some(id), expected, quoted(text));
        }
    }

    /// The master was asked for a message and to wait until so many nodes have it. Its text comes with a success only.
    pub(in crate::cli::check) fn waited(
        &mut self,
        id: u64,
        asked: Question,
        said: &Said,
        text: Option<&str>,
    ) {
        let (Said::Committed(receipt) | Said::Stored(receipt) | Said::Unknown(receipt)) = said
        else {
            if let Said::Malformed(seen) = said {
                let expected = "an answer that tells who has the message".to_owned();
                self.add(Kind::Malformed, 0, Some(id), expected, seen.clone());
            }
            return;
        };
        if receipt.id != id {
            let expected = format!("message {id}, as asked for");
            self.add(Kind::Single, 0, Some(id), expected, format!("message {}", receipt.id));
            return;
        }
        match (said, text) {
            (Said::Committed(_), Some(text)) => self.check_text(0, id, text),
            (Said::Committed(_), None) => {
                let expected = "the message, which enough nodes have".to_owned();
                self.add(Kind::Malformed, 0, Some(id), expected, "no text".to_owned());
            }
            _ => {}
        }
        match said {
            Said::Committed(_) => self.check_write_concern(asked.concern, receipt),
            Said::Stored(_) => self.check_shortage(asked, receipt),
            _ => self.check_unknown(asked, receipt),
        }
        self.check_receipt(receipt);
        self.note_acks(id, &receipt.acked_by);
    }
}
