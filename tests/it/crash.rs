//! Nodes with a disk that are killed at any moment, under clients that repeat messages until they
//! are acked. Acked messages are there, once, under their ids, on each node that acked them.
//!
//! `ACKLOG_CRASH_ROUNDS` sets how often nodes are killed, `ACKLOG_CRASH_SEED` repeats the draws;
//! what happens depends on the machine too. `ACKLOG_CRASH_BYTES` makes one text of sixteen longer,
//! up to so many bytes, so that the log's files fill up and others begin.

mod clients;
mod ledger;
mod lies;
mod nodes;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clients::{Clients, Temper};
use ledger::Ledger;
use nodes::{NAMES, Nodes};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{get, health, texts, wait_until};

/// Enough for each kind to come three times.
const ROUNDS: usize = 9;
const MASTER: usize = 0;
const SECONDARIES: [usize; 2] = [1, 2];

/// Nodes that are killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Master,
    Secondary,
    All,
}

const KINDS: [Kind; 3] = [Kind::Master, Kind::Secondary, Kind::All];

/// The cluster, its clients and the draws.
struct Run {
    nodes: Nodes,
    ledger: Arc<Ledger>,
    rng: ChaCha8Rng,
    /// Number of processes that were killed while they started.
    killed_starting: usize,
}

fn seed() -> u64 {
    let given = env::var("ACKLOG_CRASH_SEED").ok().map(|seed| seed.parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = given.unwrap_or(now);
    println!("ACKLOG_CRASH_SEED={seed}");
    seed
}

fn rounds() -> usize {
    env::var("ACKLOG_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

impl Run {
    fn start(seed: u64) -> Self {
        let mut nodes = Nodes::new();
        (0..NAMES.len()).for_each(|node| nodes.start(node));
        let ledger = Arc::new(Ledger::default());
        ledger.master_is_up(true);
        Self { nodes, ledger, rng: ChaCha8Rng::seed_from_u64(seed), killed_starting: 0 }
    }

    /// Spins for a drawn time, to reach a moment that no event marks.
    fn spin(&mut self, most: u32) {
        for _ in 0..self.rng.random_range(0..most) {
            std::hint::spin_loop();
        }
    }

    fn round(&mut self, kind: Kind) {
        let acks = self.rng.random_range(5..60);
        self.ledger.wait_for_acks(acks);
        let one = SECONDARIES[usize::from(self.rng.random_bool(0.5))];
        let mut victims = match kind {
            Kind::Master => vec![MASTER],
            Kind::Secondary => vec![one],
            Kind::All => vec![MASTER, SECONDARIES[0], SECONDARIES[1]],
        };
        victims.shuffle(&mut self.rng);
        for node in &victims {
            let end = health(self.nodes.http(*node))["logEnd"].as_u64().unwrap();
            self.ledger.note_end(*node, end);
        }
        self.spin(300_000);
        if victims.contains(&MASTER) {
            self.ledger.master_is_up(false);
        }
        self.nodes.kill(&victims);
        if kind == Kind::Secondary {
            let acks = self.rng.random_range(0..30);
            self.ledger.wait_for_acks(acks);
        }
        victims.shuffle(&mut self.rng);
        victims.iter().for_each(|node| self.start_again(*node));
    }

    /// Starts a node, perhaps not at the first attempt, and compares it with everything that was
    /// acked and shown.
    fn start_again(&mut self, node: usize) {
        while self.rng.random_ratio(1, 4) {
            self.nodes.begin(node);
            self.spin(3_000_000);
            self.nodes.kill(&[node]);
            self.killed_starting += 1;
        }
        let http = self.nodes.http(node);
        self.ledger.hold_to(node, || {
            self.nodes.start(node);
            texts(http)
        });
        if node == MASTER {
            self.ledger.master_is_up(true);
        }
    }

    /// Waits until all nodes show the same, and returns that.
    fn log_of_all(&self) -> Vec<String> {
        let nodes = 0..NAMES.len();
        let is_ready = |node| get(self.nodes.http(node), "/ready").status == 200;
        wait_until("all to be ready", || nodes.clone().all(is_ready));
        let log = texts(self.nodes.http(MASTER));
        let is_same = |node: &usize| texts(self.nodes.http(*node)) == log;
        wait_until("all logs to be equal", || SECONDARIES.iter().all(is_same));
        nodes.for_each(|node| self.ledger.hold_to(node, || texts(self.nodes.http(node))));
        log
    }
}

#[test]
fn nothing_acked_is_lost_or_doubled_however_often_nodes_are_killed() {
    let seed = seed();
    let mut run = Run::start(seed);
    let mut kinds: Vec<_> = KINDS.into_iter().cycle().take(rounds()).collect();
    kinds.shuffle(&mut run.rng);
    let clients = Clients::start(seed, Temper::Persistent, run.nodes.http(MASTER), &run.ledger);
    for (n, kind) in kinds.iter().enumerate() {
        println!("round {}: {kind:?}", n + 1);
        run.round(*kind);
    }
    run.ledger.wait_for_acks(10);
    clients.stop();
    let log = run.log_of_all();
    run.ledger.hold_to_the_end();
    for kind in KINDS {
        let count = kinds.iter().filter(|other| **other == kind).count();
        println!("{count} rounds in which kill -9 took {kind:?}");
    }
    println!("{} processes killed while they started", run.killed_starting);
    println!("{}", run.ledger.told());
    println!("log length {}, the same on all nodes", log.len());
}

#[test]
fn a_master_that_is_stopped_under_load_ends_with_0_and_keeps_all_that_it_accepted() {
    let seed = seed();
    let mut run = Run::start(seed);
    // A client that waits for all three nodes waits while the master stops.
    run.nodes.kill(&[SECONDARIES[1]]);
    let clients = Clients::start(seed, Temper::Easy, run.nodes.http(MASTER), &run.ledger);
    run.ledger.wait_for_acks(100);
    run.spin(300_000);
    let begun = Instant::now();
    assert_eq!(run.nodes.stop(MASTER), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    clients.wait();
    run.start_again(MASTER);
    let told = run.ledger.told();
    println!("{told}");
    assert!(told.acked >= 100 && told.stored > 0, "{told}");
    run.nodes.start(SECONDARIES[1]);
    run.log_of_all();
}
