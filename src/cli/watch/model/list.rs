//! The newest messages of one node, and what it holds above a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cli::list_tail::ListTail;

/// Most messages that are kept of a node. Smaller: a tall screen is not filled. Larger: a frozen
/// screen, which keeps them twice, takes more memory.
const MESSAGES_MAX: usize = 400;

/// Longest text that is kept, in characters; the node cuts them shorter.
const TEXT_CHARS_MAX: usize = 400;

/// Most ranges of ids that are held at once. A node whose gaps are more than this is shown with the
/// newest ones.
const HELD_MAX: usize = 256;

/// How long a list counts as moving after messages came. Shorter: one that moves in steps stands
/// still between them. Longer: one that stopped counts as moving.
const MOVES_FOR: Duration = Duration::from_secs(1);

/// A place in a node's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::watch) enum Cell<'a> {
    /// The node shows this message.
    Shows(&'a str),
    /// The node has it, and this program does not know its text.
    Unknown,
    /// The node has it above a gap, and does not show it.
    Held,
    /// The node does not have it.
    Lacks,
}

/// The newest messages of one node.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::watch) struct List {
    tail: ListTail,
    /// Ranges of ids that are held, each with the id behind its last one.
    held: VecDeque<[u64; 2]>,
    /// The number of messages that came last, and when.
    last: Option<(usize, Instant)>,
}

impl List {
    /// Takes the messages from this id on; see [`ListTail::take`].
    pub(super) fn take(&mut self, from: u64, mut messages: Vec<String>, now: Instant) {
        if !messages.is_empty() {
            self.last = Some((messages.len(), now));
        }
        for text in &mut messages {
            if let Some((cut, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
                text.truncate(cut);
            }
        }
        self.tail.take(from, messages, MESSAGES_MAX);
        self.show_held();
    }

    /// Notes that the node has nothing from this id on: its log is another one than before.
    pub(super) fn cut(&mut self, end: u64) {
        self.tail.cut(end);
    }

    /// Notes that the node holds these messages above a gap.
    pub(super) fn hold(&mut self, ids: [u64; 2]) {
        if self.held.contains(&ids) || ids[1] <= self.end() {
            return;
        }
        if self.held.len() == HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back(ids);
    }

    /// Notes that the node holds nothing: its gap closed, or its connection ended.
    pub(super) fn hold_nothing(&mut self) {
        self.held.clear();
    }

    /// Forgets what is held and is shown by now.
    fn show_held(&mut self) {
        let end = self.end();
        self.held.retain(|ids| ids[1] > end);
    }

    /// Returns how many messages came last, where that was a moment ago.
    pub(super) fn came_lately(&self, now: Instant) -> Option<usize> {
        let (count, came) = self.last?;
        (now.duration_since(came) <= MOVES_FOR).then_some(count)
    }

    /// Returns the id behind the last message that the node shows.
    pub(in crate::cli::watch) fn end(&self) -> u64 {
        self.tail.end()
    }

    /// Returns the id behind the last message that the node shows or holds.
    pub(super) fn newest_end(&self) -> u64 {
        self.held.iter().map(|ids| ids[1]).fold(self.end(), u64::max)
    }

    /// Returns a message that the node shows, if it is kept.
    pub(super) fn text(&self, id: u64) -> Option<&str> {
        self.tail.text(id)
    }

    /// Returns what stands at a place.
    pub(in crate::cli::watch) fn cell(&self, id: u64) -> Cell<'_> {
        match self.text(id) {
            Some(text) => Cell::Shows(text),
            None if id < self.end() => Cell::Unknown,
            None if self.held.iter().any(|ids| (ids[0]..ids[1]).contains(&id)) => Cell::Held,
            None => Cell::Lacks,
        }
    }
}
