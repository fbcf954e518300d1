//! Clients that repeat a message, or a batch, under its key until it is acked, or that stop at the
//! first refusal.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use acklog_judge::{AckReceipt, AppendOutcome, AppendTerms};
use acklog_types::{Batch, WriteConcern};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::ledger::Ledger;
use crate::support::{Answer, pause, try_begin, wait_until};

/// Number of clients at once. The first two never wait for all three nodes, so that acks continue
/// while a secondary is away.
const CLIENTS: u64 = 6;

/// Longest text, or texts of a batch, in bytes.
const LONGEST: usize = 8 * 1024;

/// Most messages of a batch: so many that it is longer than most write groups.
const MOST: usize = 2000;

/// Reaction of a client to a response other than 201.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// It sends again, with the same key, until it gets one.
    Persistent,
    /// It stops.
    Easy,
}

/// Clients at work.
pub struct Clients {
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
    /// Numbers of the messages in the ledger.
    numbers: Range<u64>,
    key: String,
    write_concern: u64,
}

impl Clients {
    pub fn start(seed: u64, temper: Temper, master: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        let longest =
            env::var("ACKLOG_CRASH_BYTES").map_or(LONGEST, |bytes| bytes.parse().unwrap());
        let start = |number| {
            let rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number + 1));
            let ledger = Arc::clone(ledger);
            let sender = Sender { number, temper, longest, master, rng, ledger };
            thread::spawn(move || sender.send())
        };
        Self { threads: (0..CLIENTS).map(start).collect(), ledger: Arc::clone(ledger) }
    }

    /// Lets each client finish the message that it has under way, and waits for that.
    pub fn stop(self) {
        self.ledger.stop();
        self.wait();
    }

    /// Waits until all clients stopped.
    pub fn wait(self) {
        wait_until("clients to end", || self.threads.iter().all(JoinHandle::is_finished));
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
            let mut is_first = true;
            while !self.is_acked(&request, is_first) {
                if self.temper == Temper::Easy {
                    return;
                }
                is_first = false;
                self.ledger.sends_again(request.numbers.clone());
            }
        }
    }

    fn draw(&mut self, n: u64) -> Request {
        let most = if self.number < 2 { 2 } else { 3 };
        // Long ones are rare: all acked messages are read and compared after each round.
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
        let texts: Vec<String> = (1..=count).map(text).collect();
        let (first, others) = texts.split_first().unwrap();
        let mut batch = Batch::from(first.as_str());
        others.iter().for_each(|text| batch.push(text));
        Request {
            numbers: self.ledger.sends(&batch),
            texts,
            key: format!("key-{name}"),
            write_concern: self.rng.random_range(1..=most),
        }
    }

    /// Sends a request once and notes the response.
    fn is_acked(&mut self, request: &Request, is_first: bool) -> bool {
        self.ledger.wait_for_master();
        let timeout = Duration::from_millis(match self.temper {
            // Some are short enough that they pass while the node works.
            Temper::Persistent if self.rng.random_ratio(1, 4) => self.rng.random_range(0..20),
            Temper::Persistent => self.rng.random_range(20..3000),
            Temper::Easy => 30_000,
        });
        let begin = Instant::now();
        let answer = self.ask(request, timeout).ok().filter(Answer::is_whole);
        let took = begin.elapsed();
        let outcome = answer.as_ref().map_or(AppendOutcome::Nothing, |it| request.outcome(it));
        let is_acked = matches!(outcome, AppendOutcome::Committed(_));
        let concern = Some(WriteConcern::Nodes(request.write_concern));
        let terms = AppendTerms { concern, timeout: Some(timeout), took, floor: 0 };
        self.ledger.answered(request.numbers.clone(), terms, outcome, is_first);
        if !is_acked {
            pause();
        } else if answer.is_some_and(|answer| answer.is_replayed()) {
            self.ledger.replayed();
        }
        is_acked
    }

    fn ask(&mut self, request: &Request, timeout: Duration) -> io::Result<Answer> {
        let timeout_ms = timeout.as_millis() as u64;
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
}

impl Request {
    /// Converts a response to what it says of the messages.
    fn outcome(&self, answer: &Answer) -> AppendOutcome {
        let json = answer.json();
        let Some(id) = json["id"].as_u64() else {
            assert_eq!((answer.status, &json["outcome"]), (503, &json!("refused")), "{answer:?}");
            return AppendOutcome::Refused;
        };
        self.hold_to_count(answer);
        let names = json["ackedBy"].as_array().unwrap().iter();
        let receipt = AckReceipt {
            id,
            write_concern: json["writeConcern"].as_u64().unwrap(),
            acked_by: names.map(|name| name.as_str().unwrap().to_owned()).collect(),
            timed_out: answer.status == 504,
        };
        match (answer.status, json["outcome"].as_str()) {
            (201, None) => AppendOutcome::Committed(receipt),
            (503 | 504, Some("stored")) => AppendOutcome::Stored(receipt),
            (503 | 504, Some("unknown")) => AppendOutcome::Unknown(receipt),
            _ => panic!("{answer:?}"),
        }
    }

    /// Checks that a response has the number of messages of a batch.
    fn hold_to_count(&self, answer: &Answer) {
        let count = Some(self.texts.len() as u64).filter(|&count| count > 1);
        assert_eq!(answer.json()["count"].as_u64(), count, "{answer:?}");
    }
}
