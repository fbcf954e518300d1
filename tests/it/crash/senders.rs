//! Senders that repeat a message, or a batch, under its key until it is acked, or that take the first refusal for an
//! answer.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::ledger::Ledger;
use crate::support::{Answer, created, pause, try_begin, wait_until};

/// Senders at once. The first two never ask for all three nodes, so that acks go on while a secondary is away.
const SENDERS: u64 = 6;

/// Longest text, or texts of a batch, in bytes.
const LONGEST: usize = 8 * 1024;

/// Most messages of a batch: so many that it is longer than what is mostly written as one group.
const MOST: usize = 2000;

/// What a sender does when it gets no 201.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// It asks again, with the same key, until it gets one.
    Persistent,
    /// It leaves.
    Easy,
}

/// Senders at work.
pub struct Senders {
    threads: Vec<JoinHandle<()>>,
    ledger: Arc<Ledger>,
}

struct Sender {
    number: u64,
    temper: Temper,
    /// Longest text, in bytes.
    longest: usize,
    master: SocketAddr,
    rng: ChaCha8Rng,
    ledger: Arc<Ledger>,
}

/// One message, or a batch.
struct Request {
    texts: Vec<String>,
    key: String,
    write_concern: u64,
}

impl Senders {
    pub fn start(seed: u64, temper: Temper, master: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        let longest =
            env::var("ACKLOG_CRASH_BYTES").map_or(LONGEST, |bytes| bytes.parse().unwrap());
        let start = |number| {
            let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number + 1));
            let ledger = Arc::clone(ledger);
            let sender = Sender { number, temper, longest, master, rng, ledger };
            thread::spawn(move || sender.send())
        };
        Self { threads: (0..SENDERS).map(start).collect(), ledger: Arc::clone(ledger) }
    }

    /// Has each sender end with the message that it has under way, and waits for that.
    pub fn stop(self) {
        self.ledger.stop();
        self.wait();
    }

    /// Waits until all senders left.
    pub fn wait(self) {
        wait_until("senders to end", || self.threads.iter().all(JoinHandle::is_finished));
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

impl Sender {
    fn send(mut self) {
        for n in 0.. {
            if self.ledger.is_stopping() {
                return;
            }
            let request = self.draw(n);
            while !self.is_acked(&request) {
                if self.temper == Temper::Easy {
                    return;
                }
                self.ledger.retried();
            }
        }
    }

    fn draw(&mut self, n: u64) -> Request {
        let most = if self.number < 2 { 2 } else { 3 };
        // Long ones are rare: all that is acked is read and compared after each round.
        let count = match self.rng.random_range(0..1024) {
            0 => self.rng.random_range(2..=MOST),
            1..256 => self.rng.random_range(2..=8),
            _ => 1,
        };
        // Most are short; some are long enough that a write of several is cut somewhere in between.
        let is_long = self.rng.random_ratio(1, 16);
        let padding = if is_long { self.rng.random_range(0..self.longest) / count } else { 0 };
        let name = format!("{}-{n}", self.number);
        let text = |at| format!("{name}.{at}/{count} {}", "x".repeat(padding));
        Request {
            texts: (1..=count).map(text).collect(),
            key: format!("key-{name}"),
            write_concern: self.rng.random_range(1..=most),
        }
    }

    /// Asks once. Notes what it is told.
    fn is_acked(&mut self, request: &Request) -> bool {
        self.ledger.wait_for_master();
        let Ok(answer) = self.ask(request) else {
            pause();
            return false;
        };
        match answer.status {
            _ if !answer.is_whole() => false,
            201 => {
                let (id, nodes) = created(&answer);
                assert!(nodes.len() as u64 >= request.write_concern, "{answer:?}");
                request.hold_to_count(&answer);
                self.ledger.acked(id, &request.texts, &nodes, answer.is_replayed());
                true
            }
            503 | 504 => {
                self.note_failure(request, &answer);
                pause();
                false
            }
            _ => panic!("{answer:?}"),
        }
    }

    fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let timeout_ms = match self.temper {
            // Some are short enough that they pass while the node works.
            Temper::Persistent if self.rng.random_ratio(1, 4) => self.rng.random_range(0..20),
            Temper::Persistent => self.rng.random_range(20..3000),
            Temper::Easy => 30_000,
        };
        let mut body = json!({"w": request.write_concern, "timeoutMs": timeout_ms});
        match request.texts.as_slice() {
            [text] => body["message"] = json!(text),
            texts => body["messages"] = json!(texts),
        }
        let key = format!("Idempotency-Key: {}", request.key);
        let asked = try_begin(self.master, "POST", "/messages", &[&key], &body.to_string())?;
        if self.temper == Temper::Persistent && self.rng.random_ratio(1, 16) {
            return Err(io::Error::other("hung up without waiting for the answer"));
        }
        asked.try_answer()
    }

    fn note_failure(&self, request: &Request, answer: &Answer) {
        let problem = answer.json();
        match (problem["id"].as_u64(), problem["outcome"].as_str()) {
            (Some(id), Some(outcome @ ("stored" | "unknown"))) => {
                request.hold_to_count(answer);
                if outcome == "stored" {
                    self.ledger.stored(id, &request.texts);
                }
            }
            (None, Some("refused")) if self.temper == Temper::Easy => {
                self.ledger.refused(&request.texts);
            }
            (None, Some("refused")) => {}
            _ => panic!("{answer:?}"),
        }
    }
}

impl Request {
    /// An answer tells how many messages a batch has.
    fn hold_to_count(&self, answer: &Answer) {
        let count = Some(self.texts.len() as u64).filter(|&count| count > 1);
        assert_eq!(answer.json()["count"].as_u64(), count, "{answer:?}");
    }
}
