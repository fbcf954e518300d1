//! What senders were told, and what nodes showed: a node that comes back is held to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, health, texts};

/// A master counts as up when all that the nodes show was read and compared. With long messages that takes a while.
const PATIENCE_FOR_A_MASTER: Duration = Duration::from_secs(300);

/// Shared by the senders, who fill it, and the test, which looks at the nodes.
#[derive(Default)]
pub struct Ledger {
    book: Mutex<Book>,
    changed: Condvar,
}

/// All that was said so far.
#[derive(Default)]
pub struct Book {
    /// By id: what was answered 201.
    acks: BTreeMap<u64, Ack>,
    /// By id: messages that were told to be stored, without the write concern that was asked for.
    stored: BTreeMap<u64, String>,
    /// Refused without an id by a node that senders left alone afterwards.
    refused: Vec<String>,
    /// The longest log that any node showed, and how much of it each showed last.
    shown: Vec<String>,
    shown_by: BTreeMap<&'static str, usize>,
    retries: u64,
    replays: u64,
    /// Requests that were answered 201, and how many of them were batches.
    answers: usize,
    batches: usize,
    is_master_up: bool,
    is_stopping: bool,
}

struct Ack {
    text: String,
    /// On which nodes it must be from now on.
    nodes: Vec<String>,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.changed.notify_all();
    }

    /// Waits until the book is as wanted.
    fn wait(&self, what: &str, patience: Duration, is_so: impl Fn(&Book) -> bool) {
        let mut book = self.book();
        let deadline = Instant::now() + patience;
        while !is_so(&book) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for: {what}");
            book = self.changed.wait_timeout(book, left).unwrap().0;
        }
    }

    pub fn master_is_up(&self, is_up: bool) {
        self.change(|book| book.is_master_up = is_up);
    }

    pub fn stop(&self) {
        self.change(|book| book.is_stopping = true);
    }

    pub fn is_stopping(&self) -> bool {
        self.book().is_stopping
    }

    /// Waits for a master that runs.
    pub fn wait_for_master(&self) {
        self.wait("a master", PATIENCE_FOR_A_MASTER, |book| book.is_master_up);
    }

    /// Waits for so many more answers that ack something.
    pub fn wait_for_acks(&self, count: usize) {
        let enough = self.book().answers + count;
        self.wait("messages to be acked", PATIENCE, |book| book.answers >= enough);
    }

    /// A sender was answered 201, with this id for its first message.
    pub fn acked(&self, first: u64, texts: &[String], nodes: &[String], is_replayed: bool) {
        let mut book = self.book();
        for (id, text) in (first..).zip(texts) {
            if let Some(stored) = book.stored.get(&id) {
                assert!(
                    stored == text,
                    "message {id} was {} before and is {}",
                    brief(stored),
                    brief(text)
                );
            }
            let ack = Ack { text: text.clone(), nodes: nodes.to_vec() };
            if let Some(before) = book.acks.insert(id, ack) {
                panic!("id {id} was given to {} and to {}", brief(&before.text), brief(text));
            }
        }
        book.replays += u64::from(is_replayed);
        book.answers += 1;
        book.batches += usize::from(texts.len() > 1);
        drop(book);
        self.changed.notify_all();
    }

    /// A sender was told that its messages are in the master's log for good.
    pub fn stored(&self, first: u64, texts: &[String]) {
        self.change(|book| {
            for (id, text) in (first..).zip(texts) {
                let before = book.stored.insert(id, text.clone());
                assert!(before.is_none_or(|before| before == *text), "message {id} changed");
            }
        });
    }

    /// A sender was told that its messages are not in the log, and will not ask again.
    pub fn refused(&self, texts: &[String]) {
        self.change(|book| book.refused.extend_from_slice(texts));
    }

    /// A sender asks once more.
    pub fn retried(&self) {
        self.change(|book| book.retries += 1);
    }

    /// Notes how far a node's log goes, as it says itself: a crash must not take it back.
    pub fn note_end(&self, name: &'static str, http: SocketAddr) {
        let end = health(http)["logEnd"].as_u64().unwrap();
        self.change(|book| {
            let shown = book.shown_by.entry(name).or_default();
            *shown = usize::try_from(end).unwrap().max(*shown);
        });
    }

    /// Looks at the log of a node once `start` started it again, and holds it to all that was said before that and to
    /// all that was shown.
    pub fn hold_to(&self, node: &'static str, http: SocketAddr, start: impl FnOnce()) {
        let mut promised = self.book().promised_by(node);
        start();
        let shown = texts(http);
        promised.retain(|id, text| shown.get(*id as usize) != Some(text));
        let lost: Vec<_> = promised.iter().map(|(id, text)| (id, brief(text))).collect();
        assert!(lost.is_empty(), "{node} lost what it had acked: {lost:?}");
        self.change(|book| book.saw(node, shown));
    }

    /// At the very end: the log is what was acked, without anything else, and in each message's place.
    pub fn hold_to_the_end(&self, log: &[String]) {
        let book = self.book();
        hold_to_batches("every node", log);
        let once: BTreeSet<_> = log.iter().collect();
        assert_eq!(once.len(), log.len(), "a message stands there twice");
        for (n, text) in log.iter().enumerate() {
            let acked = book.acks.get(&(n as u64)).map(|ack| &ack.text);
            assert!(
                acked == Some(text),
                "{n} is {}, acked as {:?}",
                brief(text),
                acked.map(|a| brief(a))
            );
        }
        assert_eq!(book.acks.len(), log.len(), "a message is missing");
    }

    /// What senders were told by a master that stopped, against its log.
    pub fn hold_to_a_clean_stop(&self, log: &[String]) -> Told {
        let book = self.book();
        hold_to_batches("the master", log);
        let once: BTreeSet<_> = log.iter().collect();
        assert_eq!(once.len(), log.len(), "a message stands there twice");
        for text in &book.refused {
            assert!(!once.contains(text), "{} was refused and is there", brief(text));
        }
        book.told()
    }

    pub fn told(&self) -> Told {
        self.book().told()
    }
}

/// A message without what makes it long: `sender-request.place/count`.
fn brief(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Which request a message is of, its place in the batch, from 1 on, and how many that has.
fn place(text: &str) -> (&str, usize, usize) {
    let (name, rest) = brief(text).split_once('.').unwrap();
    let (place, count) = rest.split_once('/').unwrap();
    (name, place.parse().unwrap(), count.parse().unwrap())
}

/// Holds a node to showing all of each batch, in order and without anything in between, or nothing of it.
fn hold_to_batches(node: &str, shown: &[String]) {
    let mut wanted = None;
    for text in shown {
        let (name, at, count) = place(text);
        let expected = wanted.unwrap_or((name, 1, count));
        assert_eq!((name, at, count), expected, "{node} shows a batch with something else in it");
        wanted = (at < count).then_some((name, at + 1, count));
    }
    assert_eq!(wanted, None, "{node} shows a part of a batch");
}

impl Book {
    /// What must be in a node's log: all that it acked, and for the master all that was stored.
    fn promised_by(&self, name: &str) -> BTreeMap<u64, String> {
        let is_its = |ack: &Ack| ack.nodes.iter().any(|node| node == name);
        let acks = self.acks.iter().filter(|(_, ack)| is_its(ack));
        let mut promised: BTreeMap<_, _> = acks.map(|(id, ack)| (*id, ack.text.clone())).collect();
        if name == "master" {
            promised.extend(self.stored.iter().map(|(id, text)| (*id, text.clone())));
        }
        promised
    }

    /// Notes what a node shows: what any other showed before under these ids, and no less than it said itself.
    fn saw(&mut self, name: &'static str, shown: Vec<String>) {
        hold_to_batches(name, &shown);
        let both = self.shown.len().min(shown.len());
        let differs = (0..both).find(|n| self.shown[*n] != shown[*n]);
        assert_eq!(differs, None, "{name} shows another message under an id than was shown before");
        let before = self.shown_by.insert(name, shown.len()).unwrap_or(0);
        assert!(before <= shown.len(), "{name} had {before} messages and now {}", shown.len());
        if name == "master" {
            let most = self.shown_by.values().max().copied().unwrap_or(0);
            assert!(
                most <= shown.len(),
                "a node showed {most} messages, the master {}",
                shown.len()
            );
        }
        if shown.len() > self.shown.len() {
            self.shown = shown;
        }
    }

    fn told(&self) -> Told {
        Told {
            acked: self.acks.len(),
            batches: self.batches,
            stored: self.stored.len(),
            refused: self.refused.len(),
            retried: self.retries,
            replayed: self.replays,
        }
    }
}

/// How often senders were told what.
pub struct Told {
    pub acked: usize,
    pub batches: usize,
    pub stored: usize,
    pub refused: usize,
    pub retried: u64,
    pub replayed: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages acked, among them {} batches, {} told to be stored before, {} refused, \
             {} requests repeated, {} answers replayed",
            self.acked, self.batches, self.stored, self.refused, self.retried, self.replayed
        )
    }
}
