//! The facts that are known of a cluster so far. No judgement: `history` fills them, the invariants
//! read them.
//!
//! Memory stays small however long a run is: where a message's text follows from its number, the
//! number stands for it, and a hash stands for somebody else's text: 18 bytes a message, and some
//! more a batch. What was in the log before the run is not read, except for some places, which all
//! nodes must show alike.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::texts::{SentTexts, TextOrigin, hash_of};
use crate::violation::quoted;

/// Marks the hash of a text that is not from this run; without it, a content is a message's number.
pub(crate) const FOREIGN: u64 = 1 << 63;

/// No place yet.
const NOWHERE: u64 = u64::MAX;

/// The fate of a message that was sent, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageFate {
    Waiting,
    /// Its place is promised.
    Promised,
    /// It may be in the log. The id that was told came to be another message's where the master
    /// ended before its disk had this one.
    Perhaps,
    Refused,
    Nothing,
}

/// A node as it was seen so far.
#[derive(Debug)]
pub(crate) struct WatchedNode {
    pub(crate) name: String,
    /// The name that it tells its master; acks name it so.
    pub(crate) registers_as: String,
    /// End of what it showed, and may not show less of.
    pub(crate) end: u64,
    /// End of what it acked, by the master's word.
    pub(crate) acked_end: u64,
    /// End of the most that it ever had under its present name, also in earlier lives.
    pub(crate) held_end: u64,
    /// Number of claims that one of its lists was compared with.
    pub(crate) judged: usize,
}

/// A message as a node shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownMessage<'a> {
    pub(crate) node: usize,
    /// The id that it stands under.
    pub(crate) id: u64,
    /// The stand-in for its text: see [`Facts::content_of`].
    pub(crate) content: u64,
    pub(crate) text: &'a str,
}

/// The senders to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentBy {
    /// Only the history's senders: no text is anybody else's.
    UsAlone,
    Anybody,
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) texts: SentTexts,
    pub(crate) sent_by: SentBy,
    /// The log's end when the run began: the messages of this run stand from here on.
    pub(crate) base: u64,
    /// The first node is the master.
    pub(crate) nodes: Vec<WatchedNode>,
    /// By name, the end of the most that nodes had that have another name now.
    held_before: BTreeMap<String, u64>,
    /// The content under each id from `base` on, and the node that showed it first.
    contents: Vec<u64>,
    shown_by: Vec<u8>,
    /// The same for the ids below `base` that were read.
    old: HashMap<u64, (u64, u8)>,
    /// The place of each message, by its number, and its fate as far as that is known.
    places: Vec<u64>,
    fates: Vec<MessageFate>,
    /// Number of messages in each batch of several, by the number of its first one.
    batches: BTreeMap<u64, u64>,
    /// Behind the last id that was answered and shown: what is sent from now on gets this one or a
    /// later one.
    pub(crate) floor: u64,
    /// Behind the last id that the master was seen to give.
    pub(crate) given_end: u64,
    /// Answered or given ids that no node has shown yet, and the numbers of their messages.
    pub(crate) awaited: HashMap<u64, u64>,
}

impl Facts {
    pub(crate) fn new(texts: SentTexts, sent_by: SentBy, base: u64) -> Self {
        Self {
            texts,
            sent_by,
            base,
            nodes: Vec::new(),
            held_before: BTreeMap::new(),
            contents: Vec::new(),
            shown_by: Vec::new(),
            old: HashMap::new(),
            places: Vec::new(),
            fates: Vec::new(),
            batches: BTreeMap::new(),
            floor: base,
            given_end: base,
            awaited: HashMap::new(),
        }
    }

    /// Adds a node that showed the messages before `end`.
    pub(crate) fn add_node(&mut self, name: String, end: u64) {
        let registers_as = name.clone();
        let (acked_end, held_end, judged) = (0, end, 0);
        self.nodes.push(WatchedNode { name, registers_as, end, acked_end, held_end, judged });
    }

    /// Takes over the name that a node tells its master.
    pub(crate) fn register(&mut self, node: usize, name: &str) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        if node.registers_as != name {
            let held = std::mem::take(&mut node.held_end);
            let before = std::mem::replace(&mut node.registers_as, name.to_owned());
            let most = self.held_before.entry(before).or_default();
            *most = held.max(*most);
        }
    }

    /// Returns the end of the most that nodes of a name ever had.
    pub(crate) fn held_end(&self, name: &str) -> u64 {
        let now = self.nodes.iter().filter(|node| node.registers_as == name);
        let before = self.held_before.get(name).copied();
        now.map(|node| node.held_end).chain(before).max().unwrap_or_default()
    }

    /// Adds a message, or several that are one batch, and returns their numbers.
    pub(crate) fn add_sent(&mut self, count: u64) -> Range<u64> {
        let first = self.sent_count();
        let end = first + count;
        self.places.resize(end as usize, NOWHERE);
        self.fates.resize(end as usize, MessageFate::Waiting);
        if count > 1 {
            self.batches.insert(first, count);
        }
        first..end
    }

    pub(crate) fn sent_count(&self) -> u64 {
        self.places.len() as u64
    }

    pub(crate) fn count_of(&self, is_counted: impl Fn(MessageFate) -> bool) -> u64 {
        self.fates.iter().filter(|fate| is_counted(**fate)).count() as u64
    }

    pub(crate) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |node| &node.name)
    }

    pub(crate) fn end(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |node| node.end)
    }

    /// Returns what stands for a text of this origin: a message's number, or a hash.
    pub(crate) fn content_of(&self, text: &str, origin: TextOrigin) -> u64 {
        match origin {
            TextOrigin::Ours(number) if number < self.sent_count() => number,
            _ => hash_of(text) | FOREIGN,
        }
    }

    /// Returns whether a content is one of this run's messages.
    pub(crate) fn is_sent(&self, content: u64) -> bool {
        content & FOREIGN == 0
    }

    /// Returns a content in words.
    pub(crate) fn quoted(&self, content: u64) -> String {
        match self.is_sent(content) {
            true => quoted(&self.texts.text(content)),
            false => format!("somebody else's text with the hash {:016x}", content & !FOREIGN),
        }
    }

    /// Returns where the content of an id is kept.
    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.base)?).ok()
    }

    /// Returns what a node showed under an id.
    pub(crate) fn content(&self, id: u64) -> Option<u64> {
        match self.index(id) {
            Some(index) => self.contents.get(index).copied(),
            None => self.old.get(&id).map(|(content, _)| *content),
        }
    }

    /// Returns what must stand under an id: it was shown, answered or given.
    pub(crate) fn known(&self, id: u64) -> Option<u64> {
        self.content(id).or_else(|| self.awaited.get(&id).copied())
    }

    /// Returns the node that showed an id first.
    pub(crate) fn shown_by(&self, id: u64) -> usize {
        let node = match self.index(id) {
            Some(index) => self.shown_by.get(index).copied(),
            None => self.old.get(&id).map(|(_, node)| *node),
        };
        node.unwrap_or_default().into()
    }

    /// Notes what a node shows under an id that no other has shown before.
    pub(crate) fn set_content(&mut self, id: u64, content: u64, node: usize) {
        let node = u8::try_from(node).unwrap_or(u8::MAX);
        if id < self.base {
            self.old.insert(id, (content, node));
            return;
        }
        // From `base` on every list is read without gaps from what its node showed before, so ids
        // come in order.
        debug_assert_eq!(id, self.base + self.contents.len() as u64);
        self.contents.push(content);
        self.shown_by.push(node);
    }

    /// Returns where a message stands, by what was shown or told.
    pub(crate) fn place(&self, number: u64) -> Option<u64> {
        let place = self.places.get(usize::try_from(number).ok()?).copied();
        place.filter(|place| *place != NOWHERE)
    }

    pub(crate) fn set_place(&mut self, number: u64, id: u64) {
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = id;
        }
    }

    pub(crate) fn fate(&self, number: u64) -> Option<MessageFate> {
        self.fates.get(usize::try_from(number).ok()?).copied()
    }

    pub(crate) fn set_fate(&mut self, number: u64, fate: MessageFate) {
        if let Some(before) = self.fates.get_mut(number as usize) {
            *before = fate;
        }
    }

    /// Returns where a message stands in its batch, from 0 on, and how many messages that has.
    pub(crate) fn place_in_batch(&self, content: u64) -> (u64, u64) {
        let before = self.batches.range(..=content).next_back();
        let inside = before.filter(|&(first, count)| content < first + count);
        inside.map_or((0, 1), |(first, count)| (content - first, *count))
    }

    /// Returns the message that must come next, where this one is of a batch that has more.
    pub(crate) fn rest_of_batch(&self, content: u64) -> Option<u64> {
        let (place, count) = self.place_in_batch(content);
        (place + 1 < count).then_some(content + 1)
    }

    /// Returns the promised messages that stand at `end` or behind it, with their ids, in order.
    pub(crate) fn promised_from(&self, end: u64) -> Vec<(u64, u64)> {
        let behind = self.known_from(end).into_iter();
        behind.filter(|(_, it)| self.fate(*it) == Some(MessageFate::Promised)).collect()
    }

    /// Returns what must stand under the ids from `end` on, in order.
    fn known_from(&self, end: u64) -> Vec<(u64, u64)> {
        let behind = end.max(self.base)..self.base + self.contents.len() as u64;
        let shown = behind.filter_map(|id| Some((id, self.content(id)?)));
        let awaited = self.awaited.iter().map(|(id, number)| (*id, *number));
        let mut known: Vec<_> = shown.chain(awaited.filter(|(id, _)| *id >= end)).collect();
        known.sort_unstable();
        known
    }

    /// Forgets what stood at `end` and behind it: those ids are given again.
    pub(crate) fn cut(&mut self, end: u64) {
        for (_, number) in self.known_from(end) {
            self.set_place(number, NOWHERE);
            self.set_fate(number, MessageFate::Nothing);
        }
        self.awaited.retain(|id, _| *id < end);
        let kept = end.saturating_sub(self.base) as usize;
        self.contents.truncate(kept);
        self.shown_by.truncate(kept);
        (self.given_end, self.floor) = (end, self.floor.min(end));
    }
}
