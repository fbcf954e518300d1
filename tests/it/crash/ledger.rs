//! The responses to clients and the messages that nodes showed. The judge compares each node that
//! comes back with them.

use std::fmt;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use acklog_judge::{AppendOutcome, AppendTerms, History, RunEnding};
use acklog_types::Batch;

use super::nodes::NAMES;
use crate::support::PATIENCE;

/// Longest wait for a master. It counts as up when all messages that the nodes show were read and
/// compared, which takes a while with long ones.
const PATIENCE_FOR_A_MASTER: Duration = Duration::from_secs(300);

/// The master's number in [`NAMES`].
const MASTER: usize = 0;

/// A record that the clients fill, shared with the test, which looks at the nodes. Each method
/// panics when the judge finds something.
pub struct Ledger {
    book: Mutex<Book>,
    changed: Condvar,
    /// Panics with the violation that was found.
    panics: fn(String) -> !,
}

/// Everything recorded so far.
struct Book {
    history: History,
    told: Told,
    /// Number of requests with response 201.
    answers: usize,
    is_master_up: bool,
    is_stopping: bool,
}

impl Default for Ledger {
    fn default() -> Self {
        let book = Book {
            history: History::of_own_cluster(NAMES),
            told: Told::default(),
            answers: 0,
            is_master_up: false,
            is_stopping: false,
        };
        Self { book: Mutex::new(book), changed: Condvar::new(), panics: |found| panic!("{found}") }
    }
}

impl Ledger {
    /// Creates a ledger for a test that expects what is found: its panics are not printed, since
    /// nobody could tell them from those of a test that fails.
    pub fn of_lies() -> Self {
        Self { panics: |found| resume_unwind(Box::new(found)), ..Self::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Changes the book and judges it.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let done = change(&mut book);
        if let Some(violation) = book.history.violations().first().first() {
            (self.panics)(violation.to_string());
        }
        drop(book);
        self.changed.notify_all();
        done
    }

    /// Waits until the book meets a condition.
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

    /// Waits for `count` more responses with an ack.
    pub fn wait_for_acks(&self, count: usize) {
        let enough = self.book().answers + count;
        self.wait("messages to be acked", PATIENCE, |book| book.answers >= enough);
    }

    /// Notes that a client is about to send a message, or a batch, for the first time. Returns the
    /// messages' numbers.
    pub fn sends(&self, batch: &Batch) -> Range<u64> {
        self.change(|book| book.history.sent_batch(batch))
    }

    /// Notes that a client is about to send these once more.
    pub fn sends_again(&self, numbers: Range<u64>) {
        self.change(|book| {
            book.told.retried += 1;
            book.history.sent_again(numbers);
        });
    }

    /// Notes the response to a client, or its absence. `is_first`: it had not sent these messages
    /// before.
    pub fn answered(
        &self,
        numbers: Range<u64>,
        terms: AppendTerms,
        outcome: AppendOutcome,
        is_first: bool,
    ) {
        self.change(|book| {
            book.told.count(&numbers, &outcome);
            book.answers += usize::from(matches!(outcome, AppendOutcome::Committed(_)));
            match is_first {
                true => book.history.answered(numbers, terms, outcome),
                false => book.history.repeated(numbers, terms, outcome),
            }
        });
    }

    /// Notes that a response was a repeated one.
    pub fn replayed(&self) {
        self.change(|book| book.told.replayed += 1);
    }

    /// Notes the end of a node's log, as the node reports it: a crash must not take it back.
    pub fn note_end(&self, node: usize, end: u64) {
        self.change(|book| book.history.told_end(node, end));
    }

    /// Compares the messages that a node shows with everything recorded before. `list` starts the
    /// node, if it does not run, and reads its list.
    pub fn hold_to(&self, node: usize, list: impl FnOnce() -> Vec<String>) {
        let mut reading = self.book().history.begin_list(node, 0, u64::MAX);
        let shown = list();
        self.change(|book| {
            for (id, text) in (0..).zip(&shown) {
                book.history.row(&mut reading, id, text);
            }
            book.history.end_list(reading);
            if node == MASTER {
                book.history.compared_with_master(shown.len() as u64);
            }
        });
    }

    /// Checks at the very end, when all nodes were compared, that each has all messages that were
    /// sent, and no others.
    pub fn hold_to_the_end(&self) {
        let log = self.change(|book| {
            let log = book.history.end(MASTER);
            book.history.finish(RunEnding {
                target: Some(log),
                in_time: true,
                without_faults: true,
                master_end: Some(log),
                cluster_size: NAMES.len() as u64,
                cluster_size_max: NAMES.len() as u64,
            });
            log
        });
        let book = self.book();
        let all = (book.history.sent_count(), book.told.acked as u64);
        assert_eq!(all, (log, log), "messages sent and acked, of which the log has {log}");
    }

    pub fn told(&self) -> Told {
        self.book().told
    }
}

/// Number of each kind of response to clients.
#[derive(Clone, Copy, Default)]
pub struct Told {
    pub acked: usize,
    pub batches: usize,
    pub stored: usize,
    pub refused: usize,
    pub retried: u64,
    pub replayed: u64,
}

impl Told {
    fn count(&mut self, numbers: &Range<u64>, outcome: &AppendOutcome) {
        let count = (numbers.end - numbers.start) as usize;
        match outcome {
            AppendOutcome::Committed(_) => {
                self.acked += count;
                self.batches += usize::from(count > 1);
            }
            AppendOutcome::Stored(_) => self.stored += count,
            AppendOutcome::Refused => self.refused += count,
            _ => {}
        }
    }
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
