//! What was sent, answered and seen, and whether it fits together. No I/O: the driver tells, this judges.
//!
//! Memory stays small however long a run is: a message's text follows from its number, so that a number, or a hash
//! where the text is somebody else's, stands for it: 18 bytes a message, and some more a batch. What was in the log
//! before the run is not read, except for some places, which all nodes must show alike.

mod answers;
mod batches;
mod claims;
mod content;
mod ending;
mod single;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::Duration;

use acklog_types::WriteConcern;

use self::claims::Claim;
use self::content::FOREIGN;
pub(super) use self::ending::Ending;
pub(super) use self::single::Found;
use super::texts::Texts;
use super::violation::{Kind, Violation, Violations, quoted};

/// No place yet.
const NOWHERE: u64 = u64::MAX;

/// What a node said about an accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) id: u64,
    pub(super) write_concern: u64,
    pub(super) acked_by: Vec<String>,
    /// The node says that the time limit passed.
    pub(super) timed_out: bool,
}

/// What a sender asked for, and how long its answer took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// None where the request named none.
    pub(super) concern: Option<WriteConcern>,
    pub(super) timeout: Option<Duration>,
    /// From before the request was sent until after the answer came.
    pub(super) took: Duration,
    /// [`History::floor`] before the request was sent; 0 where the message may have an id already.
    pub(super) floor: u64,
}

/// What a sender learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// 201: the write concern holds.
    Committed(Receipt),
    /// So many nodes have it; which, and under which id, is not told.
    Accepted { nodes: u64 },
    /// In the log, the write concern does not hold yet.
    Stored(Receipt),
    /// It has an id, whether it is in the log is not known.
    Unknown(Receipt),
    /// Not in the log, and never will be by this request.
    Refused,
    /// Refused, since the key is another message's.
    KeyReused,
    /// The request broke off, or its answer does not tell what became of the message.
    Nothing,
    /// The answer lacks something: what.
    Malformed(String),
}

/// What is known of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    /// Its place is promised.
    Promised,
    /// It may be in the log. The id that was told came to be another message's where the master ended before its disk
    /// had this one.
    Perhaps,
    Refused,
    Nothing,
}

/// A node as it was seen so far.
#[derive(Debug)]
struct Node {
    name: String,
    /// End of what it showed.
    end: u64,
    /// End of what it acked, by the master's word.
    acked_end: u64,
    /// How many claims one of its lists was compared with.
    judged: usize,
}

/// A list that is being read.
#[derive(Debug)]
pub(super) struct Read {
    node: usize,
    next: u64,
    /// Where the list ends at the latest.
    until: u64,
    /// What the node had shown when the list was asked for, as far as the list could show it.
    shown_end: u64,
    /// The same for what it had acked.
    acked_end: u64,
    /// How many claims there were when the list was asked for.
    claims: usize,
    /// Something is wrong with the list itself; the rest of it tells nothing.
    is_broken: bool,
}

impl Read {
    /// The id that must come next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

/// The history of a cluster, seen from outside.
#[derive(Debug)]
pub(super) struct History {
    texts: Texts,
    /// Where the log ended when the run began: the messages of this run stand from here on.
    base: u64,
    /// The first node is the master.
    nodes: Vec<Node>,
    /// The first name in an `ackedBy` that none of them has, and for which id.
    unknown_name: Option<(u64, String)>,
    /// What stands under each id from `base` on, and which node showed it first.
    contents: Vec<u64>,
    shown_by: Vec<u8>,
    /// The same for the ids below `base` that were read.
    old: HashMap<u64, (u64, u8)>,
    /// Where each message stands, by its number, and what is known of it.
    places: Vec<u64>,
    fates: Vec<Fate>,
    /// How many messages each batch of several has, by the number of its first one.
    batches: BTreeMap<u64, u64>,
    /// How many requests were answered with an id.
    answers: u64,
    /// Behind the last id that was answered and shown: what is sent from now on gets this one or a later one.
    floor: u64,
    /// Answered ids that no node has shown yet, and the numbers of their messages.
    awaited: HashMap<u64, u64>,
    /// What was answered without ids and names, in this order.
    claims: Vec<Claim>,
    /// How many nodes there are, those counted that are not watched.
    cluster_size: u64,
    /// Smallest number that was answered for each word, and for which id.
    smallest_majority: Option<(u64, u64)>,
    smallest_all: Option<(u64, u64)>,
    violations: Violations,
}

impl History {
    /// Nothing has happened yet, in a cluster of so many nodes whose log ends at `base`. The first name is the
    /// master's; there are at most 256. Each name comes with the end of what its node has.
    pub(super) fn new(
        prefix: String,
        nodes: impl IntoIterator<Item = (String, u64)>,
        base: u64,
    ) -> Self {
        let node =
            |(name, end): (_, u64)| Node { name, end: end.min(base), acked_end: 0, judged: 0 };
        let nodes: Vec<Node> = nodes.into_iter().map(node).collect();
        Self {
            texts: Texts::new(prefix),
            base,
            unknown_name: None,
            nodes,
            contents: Vec::new(),
            shown_by: Vec::new(),
            old: HashMap::new(),
            places: Vec::new(),
            fates: Vec::new(),
            batches: BTreeMap::new(),
            answers: 0,
            floor: base,
            awaited: HashMap::new(),
            claims: Vec::new(),
            cluster_size: 0,
            smallest_majority: None,
            smallest_all: None,
            violations: Violations::default(),
        }
    }

    /// Only short texts of plain ASCII are sent, and answers tell nothing but that they hold, in a cluster of so many
    /// nodes.
    pub(super) fn basic(mut self, cluster_size: u64) -> Self {
        (self.texts, self.cluster_size) = (self.texts.plain(), cluster_size);
        self
    }

    /// So many messages are about to be sent as one; returns their numbers.
    pub(super) fn sent(&mut self, count: u64) -> Range<u64> {
        let first = self.sent_count();
        let end = first + count;
        self.places.resize(end as usize, NOWHERE);
        self.fates.resize(end as usize, Fate::Waiting);
        if count > 1 {
            self.batches.insert(first, count);
        }
        first..end
    }

    /// The text of a message.
    pub(super) fn text(&self, number: u64) -> String {
        self.texts.text(number)
    }

    pub(super) fn sent_count(&self) -> u64 {
        self.places.len() as u64
    }

    /// How many messages were answered with an id.
    pub(super) fn accepted_count(&self) -> u64 {
        let accepted = |fate: &&Fate| matches!(fate, Fate::Promised | Fate::Perhaps);
        self.fates.iter().filter(accepted).count() as u64
    }

    /// How many requests were answered with an id. A refusal says nothing about a log.
    pub(super) fn answer_count(&self) -> u64 {
        self.answers
    }

    /// Where the log ended when the run began.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The smallest id that a message can get which is sent from now on.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The end of what a node showed so far.
    pub(super) fn end(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |node| node.end)
    }

    pub(super) fn violations(&self) -> &Violations {
        &self.violations
    }

    fn name(&self, node: usize) -> String {
        self.nodes.get(node).map_or_else(String::new, |node| node.name.clone())
    }

    fn add(&mut self, kind: Kind, node: usize, id: Option<u64>, expected: String, seen: String) {
        let node = self.name(node);
        self.violations.add(Violation { kind, id, node, expected, seen });
    }

    /// A list is about to be asked for: `limit` messages from `from` on. One list of a node is read at a time.
    pub(super) fn begin_read(&self, node: usize, from: u64, limit: u64) -> Read {
        let until = from.saturating_add(limit);
        let (shown, acked) = self.nodes.get(node).map_or((0, 0), |it| (it.end, it.acked_end));
        Read {
            node,
            next: from,
            until,
            shown_end: shown.min(until),
            acked_end: acked.min(until),
            claims: self.claim_count(),
            is_broken: false,
        }
    }

    /// A message of the list came.
    pub(super) fn row(&mut self, read: &mut Read, id: u64, text: &str) {
        if read.is_broken {
            return;
        }
        if id != read.next {
            read.is_broken = true;
            let expected = format!("id {} next in the list", read.next);
            self.add(Kind::Order, read.node, Some(read.next), expected, format!("id {id}"));
            return;
        }
        read.next += 1;
        let content = self.content_of(read.node, id, text);
        match self.content(id) {
            Some(before) if before != content => {
                let first = self.name(self.shown(id));
                let expected = format!("{}, as first shown by {first}", self.quoted(before));
                self.add(Kind::Content, read.node, Some(id), expected, quoted(text));
            }
            Some(_) => {}
            None => self.first_seen(read.node, id, content, text),
        }
        if let Some(node) = self.nodes.get_mut(read.node) {
            node.end = node.end.max(id + 1);
        }
    }

    /// No node has shown this id before.
    fn first_seen(&mut self, node: usize, id: u64, content: u64, text: &str) {
        self.set_content(id, content, node);
        self.check_order_in_batch(node, id, content);
        match self.awaited.remove(&id) {
            Some(number) if number == content => self.floor = self.floor.max(id + 1),
            Some(number) => {
                let expected = format!("{}, which was answered this id", self.quoted(number));
                self.add(Kind::AnswerId, node, Some(id), expected, quoted(text));
            }
            None => {}
        }
        if content & FOREIGN != 0 {
            return;
        }
        match self.place(content) {
            // An answer said so, or this is what a node had shown.
            Some(place) if place != id => {
                let what = quoted(text);
                // Whether the other place was seen or only told makes the difference.
                if self.content(place) == Some(content) {
                    let expected = format!("{what} under id {place} only");
                    self.add(Kind::Twice, node, Some(id), expected, format!("id {id} as well"));
                } else {
                    let expected = format!("{what} under id {place}, as it was answered");
                    self.add(Kind::AnswerId, node, Some(place), expected, format!("id {id}"));
                }
            }
            _ => self.set_place(content, id),
        }
        if self.fate(content) == Some(Fate::Refused) {
            let expected = "nothing of a refused message".to_owned();
            self.add(Kind::Refused, node, Some(id), expected, quoted(text));
        }
    }

    /// The list came to its end: nothing that the node had may be missing in it.
    pub(super) fn end_read(&mut self, read: Read) {
        let Read { node, next, until, shown_end, acked_end, claims, is_broken } = read;
        if !is_broken {
            self.judge_claims(node, next, claims);
        }
        if !is_broken && next < until {
            self.check_last_batch(node, next);
        }
        if is_broken || next >= shown_end.max(acked_end) {
            return;
        }
        let seen = format!("a list that ends before id {next}");
        if next < shown_end {
            let expected = format!(
                "the {shown_end} messages that it showed before (a node without --data-dir \
                 forgets them when its process ends)"
            );
            self.add(Kind::Shrunk, node, Some(next), expected, seen);
        } else {
            let expected = format!("message {}, as it is named in ackedBy", acked_end - 1);
            self.add(Kind::Ack, node, Some(acked_end - 1), expected, seen);
        }
        // From here on it is looked at anew.
        if let Some(node) = self.nodes.get_mut(node) {
            (node.end, node.acked_end) = (0, 0);
        }
    }

    /// An answer to a read that is no list of messages.
    pub(super) fn malformed(&mut self, node: usize, expected: &str, seen: String) {
        self.add(Kind::Malformed, node, None, expected.to_owned(), seen);
    }

    fn place(&self, number: u64) -> Option<u64> {
        let place = self.places.get(usize::try_from(number).ok()?).copied();
        place.filter(|place| *place != NOWHERE)
    }

    fn set_place(&mut self, number: u64, id: u64) {
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = id;
        }
    }

    fn fate(&self, number: u64) -> Option<Fate> {
        self.fates.get(usize::try_from(number).ok()?).copied()
    }

    fn set_fate(&mut self, number: u64, fate: Fate) {
        if let Some(before) = self.fates.get_mut(number as usize) {
            *before = fate;
        }
    }
}

#[cfg(test)]
mod tests;
