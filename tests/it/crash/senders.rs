//! Senders that repeat a message under its key until it is acked, or that take the first refusal for an answer.

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

/// Longest text, in bytes.
const LONGEST: usize = 8 * 1024;

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

struct Message {
    text: String,
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
            let message = self.draw(n);
            while !self.is_acked(&message) {
                if self.temper == Temper::Easy {
                    return;
                }
                self.ledger.retried();
            }
        }
    }

    fn draw(&mut self, n: u64) -> Message {
        let most = if self.number < 2 { 2 } else { 3 };
        // Most are short; some are long enough that a write of several is cut somewhere in between.
        let is_long = self.rng.random_ratio(1, 16);
        let padding = if is_long { self.rng.random_range(0..self.longest) } else { 0 };
        let name = format!("{}-{n}", self.number);
        Message {
            text: format!("{name} {}", "x".repeat(padding)),
            key: format!("key-{name}"),
            write_concern: self.rng.random_range(1..=most),
        }
    }

    /// Asks once. Notes what it is told.
    fn is_acked(&mut self, message: &Message) -> bool {
        self.ledger.wait_for_master();
        let Ok(answer) = self.ask(message) else {
            pause();
            return false;
        };
        match answer.status {
            _ if !answer.is_whole() => false,
            201 => {
                let (id, nodes) = created(&answer);
                assert!(nodes.len() as u64 >= message.write_concern, "{answer:?}");
                self.ledger.acked(id, &message.text, nodes, answer.is_replayed());
                true
            }
            503 | 504 => {
                self.note_failure(message, &answer);
                pause();
                false
            }
            _ => panic!("{answer:?}"),
        }
    }

    fn ask(&mut self, message: &Message) -> io::Result<Answer> {
        let timeout_ms = match self.temper {
            // Some are short enough that they pass while the node works.
            Temper::Persistent if self.rng.random_ratio(1, 4) => self.rng.random_range(0..20),
            Temper::Persistent => self.rng.random_range(20..3000),
            Temper::Easy => 30_000,
        };
        let (text, w) = (&message.text, message.write_concern);
        let body = json!({"message": text, "w": w, "timeoutMs": timeout_ms}).to_string();
        let key = format!("Idempotency-Key: {}", message.key);
        let asked = try_begin(self.master, "POST", "/messages", &[&key], &body)?;
        if self.temper == Temper::Persistent && self.rng.random_ratio(1, 16) {
            return Err(io::Error::other("hung up without waiting for the answer"));
        }
        asked.try_answer()
    }

    fn note_failure(&self, message: &Message, answer: &Answer) {
        let problem = answer.json();
        match (problem["id"].as_u64(), problem["outcome"].as_str()) {
            (Some(id), Some("stored")) => self.ledger.stored(id, &message.text),
            (Some(_), Some("unknown")) => {}
            (None, None) if self.temper == Temper::Easy => self.ledger.refused(&message.text),
            (None, None) => {}
            _ => panic!("{answer:?}"),
        }
    }
}
