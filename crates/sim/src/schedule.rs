//! Random schedules: everything that can go wrong in a cluster, in an order that a seed decides.

mod clients;
mod ending;
mod readers;

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_types::{Faults, Fsync, NodeName, Quorum, Rate, WaiterId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::clients::{Keyed, some_rate, sometimes};
use self::readers::RoamingReaders;
use super::cluster::Cluster;
use super::link::NetworkConditions;
use super::options::ClusterOptions;

/// A delay that never ends while a schedule runs: it ends with the fault.
const ENDLESS: &str = "1000s";

/// A random schedule of requests and failures, with the cluster that it runs on.
#[derive(Debug)]
pub struct Schedule {
    rng: ChaCha8Rng,
    cluster: Cluster,
    secondaries: Vec<NodeName>,
    /// A further node, which registers under a name that is taken.
    namesake: NodeName,
    waiters: Vec<WaiterId>,
    partitioned: Vec<NodeName>,
    master_paused: bool,
    /// Whether the network is slow.
    is_slow: bool,
    sent: u64,
    /// Messages with a key that were sent, and may be sent again.
    keyed: Vec<Keyed>,
    /// Draws conditions and streams, where the schedule has them. Apart from the other draws, so
    /// that the seeds of schedules without them mean what they always meant.
    further: Option<ChaCha8Rng>,
    /// The clients of each stream that goes on: the first one and their number.
    streams: Vec<(WaiterId, u64)>,
    refused_conditions: u64,
    readers: RoamingReaders,
}

/// Returns mostly the usual time, sometimes another one, in milliseconds.
fn rarely(rng: &mut ChaCha8Rng, usual: u64, others: [u64; 3]) -> Duration {
    let other = others.get(rng.random_range(0..others.len())).copied().unwrap_or(usual);
    Duration::from_millis(if rng.random_bool(0.3) { other } else { usual })
}

/// Result of a schedule in which everything held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Number of messages in the log at the end.
    pub messages: u64,
    /// Number of clients that got a response.
    pub answered: usize,
    /// Number of messages that were refused since the log did not end where they expected.
    pub refused_conditions: u64,
    /// Number of messages that readers received which follow the log from node to node.
    pub followed: u64,
    /// Virtual time that it took.
    pub took: Duration,
    /// Number of protocol events of each kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Trace of the frames, appends, failures and responses.
    pub trace: String,
}

impl Schedule {
    /// Creates the schedule of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..=4_usize);
        let faults = Faults {
            send_delay: sometimes(&mut rng, "1000ms..2000ms"),
            store_delay: sometimes(&mut rng, "0ms..3000ms"),
            ..Faults::default()
        };
        let options = ClusterOptions {
            seed: rng.random(),
            cluster_size: rng.random_bool(0.5).then_some(count as u16 + 1),
            quorum: rng.random_bool(0.3).then_some(Quorum::Majority),
            faults,
            max_waiting: if rng.random_bool(0.2) { 5 } else { 1000 },
            on_disk: rng.random_bool(0.5),
            fsync: if rng.random_bool(0.2) { Fsync::Never } else { Fsync::Always },
            disk_delay_max: Duration::from_millis(if rng.random_bool(0.5) { 0 } else { 50 }),
            turn_events: if rng.random_bool(0.5) { 1 } else { rng.random_range(2..=16) },
            idempotency_window: if rng.random_bool(0.3) { rng.random_range(1..=5) } else { 1000 },
            request_timeout: rarely(&mut rng, 1500, [100, 400, 5000]),
            heartbeat_interval: rarely(&mut rng, 1000, [200, 500, 3000]),
            reconnect_delay: rarely(&mut rng, 3000, [100, 500, 10_000]),
            ..ClusterOptions::default()
        };
        let mut cluster = Cluster::new(options);
        let is_slow = rng.random_bool(0.3);
        cluster.network.bytes_per_second = some_rate(&mut rng, is_slow);
        let name = |n| format!("s{n}").parse().expect("a name");
        let secondaries: Vec<NodeName> = (0..count).map(name).collect();
        for name in &secondaries {
            if rng.random_bool(0.8) {
                cluster.start_secondary(name);
            }
        }
        let readers = RoamingReaders::new(seed, secondaries.clone());
        Self {
            rng,
            cluster,
            secondaries,
            namesake: "namesake".parse().expect("a name"),
            waiters: Vec::new(),
            partitioned: Vec::new(),
            master_paused: false,
            is_slow,
            sent: 0,
            keyed: Vec::new(),
            further: None,
            streams: Vec::new(),
            refused_conditions: 0,
            readers,
        }
    }

    /// Creates the schedule of a seed in which some messages are sent on condition that the log
    /// ends at a certain id, and some as lines of append streams.
    pub fn with_streams(seed: u64) -> Self {
        Self { further: Some(ChaCha8Rng::seed_from_u64(!seed)), ..Self::new(seed) }
    }

    /// Prints the trace as it comes, also of a schedule that fails.
    pub fn print_trace(&mut self) {
        self.cluster.print_trace();
    }

    /// Runs the schedule to its end.
    ///
    /// # Panics
    /// When something that must hold does not; the message says what.
    pub fn run(mut self) -> Report {
        for _ in 0..self.rng.random_range(20..=120) {
            self.act();
            let pause = self.rng.random_range(0..=400);
            let pause = if self.rng.random_bool(0.1) { pause * 20 } else { pause };
            self.cluster.run_for(Duration::from_millis(pause));
            self.readers.read(&mut self.cluster);
        }
        self.mend();
        self.finish()
    }

    fn act(&mut self) {
        match self.rng.random_range(0..104) {
            0..45 => self.append(),
            45..49 => self.send_again(),
            49..51 => self.let_a_disk_fail(),
            51..53 => self.resize(),
            53..58 => self.change_faults(),
            58..60 => {
                let node = self.some_node();
                self.cluster.disconnect_peers(node.as_ref());
            }
            60..66 => self.change_network(),
            66..70 => {
                let name = self.some_secondary();
                self.cluster.crash(&name);
            }
            70..77 => {
                let name = self.some_secondary();
                self.cluster.start_secondary(&name);
            }
            77..80 => {
                let name = self.some_secondary();
                self.cluster.disconnect(&name);
            }
            80..83 => {
                let name = self.some_secondary();
                if !self.partitioned.contains(&name) {
                    self.cluster.partition(&name);
                    self.partitioned.push(name);
                }
            }
            83..87 => self.heal_one(),
            87..89 => {
                let name = self.some_secondary();
                self.cluster.hang(Some(&name));
            }
            89..93 => {
                let name = self.some_secondary();
                self.cluster.go_on(Some(&name));
            }
            93..94 => {
                self.cluster.hang(None);
                self.master_paused = true;
            }
            94..96 => self.resume_master(),
            96..98 => {
                if !self.waiters.is_empty() {
                    let at = self.rng.random_range(0..self.waiters.len());
                    self.cluster.cancel(self.waiters.swap_remove(at));
                }
            }
            98..99 => {
                let name = self.some_secondary();
                // Refused while the secondary is live; either result is fine.
                let _ = self.cluster.forget(&name);
                let registers_as = self.some_secondary();
                self.cluster.start_namesake(&self.namesake, &registers_as);
            }
            99..100 => self.cluster.dial_stray(),
            100..103 => {
                let node = self.some_node();
                self.cluster.damage(node.as_ref());
            }
            _ => {
                self.master_paused = false;
                self.cluster.start_master();
                self.forget_clients();
            }
        }
    }

    /// Restarts the master with another cluster size.
    fn resize(&mut self) {
        let size = self.rng.random_range(1..=self.nodes());
        self.cluster.resize(size);
        self.restart_master();
    }

    /// Kills the master and starts it from its disk. Does nothing in memory, where it would begin
    /// another log.
    fn restart_master(&mut self) {
        if self.cluster.disk(None).is_some() {
            self.master_paused = false;
            self.cluster.restart_master();
            self.forget_clients();
        }
    }

    /// Forgets the clients of a master that is gone.
    fn forget_clients(&mut self) {
        self.waiters.clear();
        self.streams.clear();
    }

    /// Returns the number of nodes, including the master.
    fn nodes(&self) -> u16 {
        self.secondaries.len() as u16 + 1
    }

    fn let_a_disk_fail(&mut self) {
        let node = self.some_node();
        let (room, how) = (self.rng.random_range(0..3000), self.rng.random_range(0..5));
        if let Some(disk) = self.cluster.disk(node.as_ref()) {
            match how {
                0 => disk.fail_writes_after(room),
                1 => disk.fail_next_syncs(1),
                2 => disk.take_descriptors(),
                // Space, or descriptors again: writes continue automatically.
                _ => disk.heal(),
            }
        }
    }

    fn change_network(&mut self) {
        let min = self.rng.random_range(0..50);
        let bad = self.rng.random_bool(0.5);
        self.cluster.network = NetworkConditions {
            delay_min: Duration::from_millis(min),
            delay_max: Duration::from_millis(min + self.rng.random_range(0..1000)),
            reorder: self.rng.random_bool(0.5),
            drop_rate: if bad { self.rng.random_range(0.0..0.5) } else { 0.0 },
            duplicate_rate: if bad { self.rng.random_range(0.0..0.5) } else { 0.0 },
            bytes_per_second: some_rate(&mut self.rng, self.is_slow),
        };
    }

    fn change_faults(&mut self) {
        let node = self.some_node();
        let (send, store) = (self.rng.random_bool(0.1), self.rng.random_bool(0.1));
        let mut rate = || {
            let share =
                if self.rng.random_bool(0.5) { self.rng.random_range(0.0..0.6) } else { 0.0 };
            Rate::new(share).expect("a share")
        };
        let [send_delay, store_delay] =
            [send, store].map(|endless| if endless { ENDLESS } else { "0ms..2000ms" });
        let faults = Faults {
            error_rate: rate(),
            drop_rate: rate(),
            duplicate_rate: rate(),
            send_delay: sometimes(&mut self.rng, send_delay),
            store_delay: sometimes(&mut self.rng, store_delay),
            paused: self.rng.random_bool(0.2),
            seed: self.rng.random_bool(0.5).then(|| self.rng.random()),
        };
        self.cluster.set_faults(node.as_ref(), faults);
    }

    /// Returns a secondary, or none for the master.
    fn some_node(&mut self) -> Option<NodeName> {
        let is_master = self.rng.random_bool(0.3);
        (!is_master).then(|| self.some_secondary())
    }

    fn some_secondary(&mut self) -> NodeName {
        let at = self.rng.random_range(0..self.secondaries.len());
        self.secondaries.get(at).cloned().expect("at least one secondary")
    }

    fn heal_one(&mut self) {
        if let Some(name) = self.partitioned.pop() {
            self.cluster.heal(&name);
        }
    }

    fn resume_master(&mut self) {
        if std::mem::take(&mut self.master_paused) {
            self.cluster.go_on(None);
        }
    }
}
