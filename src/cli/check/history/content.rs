//! What stands under an id: the number of a message of this run, or a hash of somebody else's text.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::History;
use crate::cli::check::texts::Origin;
use crate::cli::check::violation::{Kind, quoted};

/// Marks the hash of a text that is not from this run; without it, a content is a message's number.
pub(super) const FOREIGN: u64 = 1 << 63;

impl History {
    /// What stands for a text that a node shows. One that the run sent and that came back changed is found here.
    pub(super) fn content_of(&mut self, node: usize, id: u64, text: &str) -> u64 {
        match self.texts.origin(text) {
            Origin::Ours(number) if number < self.sent_count() => return number,
            Origin::Changed(number) if number < self.sent_count() => {
                let expected = format!("{} as it was sent, or nothing of it", self.quoted(number));
                self.add(Kind::Content, node, Some(id), expected, quoted(text));
            }
            Origin::Ours(_) | Origin::Changed(_) => {
                let expected = "a message that was sent".to_owned();
                self.add(Kind::Invented, node, Some(id), expected, quoted(text));
            }
            Origin::Foreign => {}
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        hasher.finish() | FOREIGN
    }

    /// A content in words.
    pub(super) fn quoted(&self, content: u64) -> String {
        match content & FOREIGN {
            0 => quoted(&self.text(content)),
            _ => format!("somebody else's text with the hash {:016x}", content & !FOREIGN),
        }
    }

    /// Where the content of an id is kept.
    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.base)?).ok()
    }

    pub(super) fn content(&self, id: u64) -> Option<u64> {
        match self.index(id) {
            Some(index) => self.contents.get(index).copied(),
            None => self.old.get(&id).map(|(content, _)| *content),
        }
    }

    /// The node that showed an id first.
    pub(super) fn shown(&self, id: u64) -> usize {
        let node = match self.index(id) {
            Some(index) => self.shown_by.get(index).copied(),
            None => self.old.get(&id).map(|(_, node)| *node),
        };
        node.unwrap_or_default().into()
    }

    /// Notes what a node shows under an id that no other has shown before.
    pub(super) fn set_content(&mut self, id: u64, content: u64, node: usize) {
        let node = u8::try_from(node).unwrap_or(u8::MAX);
        if id < self.base {
            self.old.insert(id, (content, node));
            return;
        }
        // From `base` on every list is read without gaps from what its node showed before, so ids come in order.
        debug_assert_eq!(id, self.base + self.contents.len() as u64);
        self.contents.push(content);
        self.shown_by.push(node);
    }
}
