//! The newest messages of one node, and what it holds above a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    /// The id of the first text.
    from: u64,
    texts: VecDeque<String>,
    /// Ranges of ids that are held, each with the id behind its last one.
    held: VecDeque<[u64; 2]>,
    /// The number of messages that came last, and when.
    last: Option<(usize, Instant)>,
}

impl List {
    /// Takes the messages from this id on. Where others were left out before them, those from
    /// before are forgotten; where they begin lower, what stood there before is gone.
    pub(super) fn take(&mut self, from: u64, messages: Vec<String>, now: Instant) {
        if !messages.is_empty() {
            self.last = Some((messages.len(), now));
        }
        if from < self.from || from > self.end() {
            self.texts.clear();
        }
        match usize::try_from(from.saturating_sub(self.from)) {
            Ok(kept) if !self.texts.is_empty() => self.texts.truncate(kept),
            _ => self.from = from,
        }
        for mut text in messages {
            if let Some((cut, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
                text.truncate(cut);
            }
            self.texts.push_back(text);
            if self.texts.len() > MESSAGES_MAX {
                self.texts.pop_front();
                self.from += 1;
            }
        }
        self.show_held();
    }

    /// Notes that the node has nothing from this id on: its log is another one than before.
    pub(super) fn cut(&mut self, end: u64) {
        match usize::try_from(end.saturating_sub(self.from)) {
            Ok(kept) if end >= self.from => self.texts.truncate(kept),
            _ => (self.from, self.texts) = (end, VecDeque::new()),
        }
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
        self.from + self.texts.len() as u64
    }

    /// Returns the id behind the last message that the node shows or holds.
    pub(super) fn newest_end(&self) -> u64 {
        self.held.iter().map(|ids| ids[1]).fold(self.end(), u64::max)
    }

    /// Returns a message that the node shows, if it is kept.
    pub(super) fn text(&self, id: u64) -> Option<&str> {
        let at = usize::try_from(id.checked_sub(self.from)?).ok()?;
        self.texts.get(at).map(String::as_str)
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
