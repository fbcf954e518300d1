//! Random lives of clusters: everything that can go wrong, in an order that a seed decides.

mod senders;

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::senders::{Keyed, some_rate, sometimes};
use super::cluster::Cluster;
use super::link::Network;
use super::options::ClusterOptions;
use crate::protocol::SecondaryPhase;
use crate::types::{Faults, NodeName, Quorum, Rate, WaiterId};

/// Within this virtual time after the last fault a cluster must be whole again. A heartbeat interval decides how soon a
/// dead connection is noticed, and the longest one that a schedule draws is 3 s. Where small pages are asked for and
/// stored with delays of up to 3 s, a log of some hundred messages takes a minute and more.
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(180);

/// Within this virtual time a cluster without other faults repairs what is damaged: twice the longest pause between two
/// attempts.
const REPAIR_LIMIT: Duration = Duration::from_secs(120);

/// Time after which the last stray connection is over.
const STRAY_TIME: Duration = Duration::from_secs(11);

/// A delay that is never over before [`CONVERGENCE_LIMIT`]: only its end as a fault ends it.
const ENDLESS: &str = "1000s";

/// A random life of a cluster.
#[derive(Debug)]
pub struct Schedule {
    rng: ChaCha8Rng,
    cluster: Cluster,
    secondaries: Vec<NodeName>,
    /// A further node, which comes under a name that is taken.
    namesake: NodeName,
    waiters: Vec<WaiterId>,
    partitioned: Vec<NodeName>,
    master_paused: bool,
    /// Whether its network is a slow one.
    is_slow: bool,
    sent: u64,
    /// Keyed messages that were sent, and may be sent again.
    keyed: Vec<Keyed>,
}

/// Mostly the usual time, sometimes another, in milliseconds.
fn rarely(rng: &mut ChaCha8Rng, usual: u64, others: [u64; 3]) -> Duration {
    let other = others.get(rng.random_range(0..others.len())).copied().unwrap_or(usual);
    Duration::from_millis(if rng.random_bool(0.3) { other } else { usual })
}

/// What came out of a schedule that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Messages in the log at the end.
    pub messages: u64,
    /// Senders that were answered.
    pub answered: usize,
    /// Virtual time that it took.
    pub took: Duration,
    /// Who sent what to whom.
    pub trace: String,
}

impl Schedule {
    /// The life that the seed decides.
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
        }
    }

    /// Prints the trace as it comes, also of a life that fails.
    pub fn print_trace(&mut self) {
        self.cluster.print_trace();
    }

    /// Lives it.
    ///
    /// # Panics
    /// When something that must hold does not; the message says what.
    pub fn run(mut self) -> Report {
        for _ in 0..self.rng.random_range(20..=120) {
            self.act();
            let pause = self.rng.random_range(0..=400);
            let pause = if self.rng.random_bool(0.1) { pause * 20 } else { pause };
            self.cluster.run_for(Duration::from_millis(pause));
        }
        self.mend();
        self.finish()
    }

    fn act(&mut self) {
        match self.rng.random_range(0..104) {
            0..45 => self.append(),
            45..49 => self.send_again(),
            49..51 => self.let_a_disk_fail(),
            51..53 => self.restart_master(),
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
                // Refused while the secondary is live; either answer is fine.
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
                self.waiters.clear();
            }
        }
    }

    /// Kills the master; from a disk it comes back with its log, without one it would begin another.
    fn restart_master(&mut self) {
        if self.cluster.disk(None).is_some() {
            self.master_paused = false;
            self.cluster.restart_master();
            self.waiters.clear();
        }
    }

    fn let_a_disk_fail(&mut self) {
        let node = self.some_node();
        let (room, how) = (self.rng.random_range(0..3000), self.rng.random_range(0..5));
        if let Some(disk) = self.cluster.disk(node.as_ref()) {
            match how {
                0 => disk.fail_writes_after(room),
                1 => disk.fail_next_syncs(1),
                2 => disk.take_descriptors(),
                // Room, or descriptors again: what was held up goes on by itself.
                _ => disk.heal(),
            }
        }
    }

    fn change_network(&mut self) {
        let min = self.rng.random_range(0..50);
        let bad = self.rng.random_bool(0.5);
        self.cluster.network = Network {
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

    /// A secondary, or none for the master.
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

    /// Ends all faults and starts what is down.
    fn mend(&mut self) {
        self.resume_master();
        self.cluster.set_faults(None, Faults::default());
        self.cluster.network = Network::default();
        while !self.partitioned.is_empty() {
            self.heal_one();
        }
        self.mend_disk(None);
        self.cluster.wipe(&self.namesake);
        self.cluster.run_for(STRAY_TIME);
        for name in self.secondaries.clone() {
            self.cluster.go_on(Some(&name));
            self.mend_disk(Some(&name));
            self.cluster.set_faults(Some(&name), Faults::default());
            if !self.cluster.secondaries().any(|(running, _)| *running == name) {
                self.cluster.start_secondary(&name);
            }
        }
        self.find_damage();
        // Behind the last crash, which would undo what is not yet on the disk. Refused where it never got ready.
        let _ = self.cluster.forget(&Cluster::stray());
    }

    /// Has all damage found. What the master cannot get back, a person puts there.
    fn find_damage(&mut self) {
        self.cluster.scrub(None);
        for name in &self.secondaries {
            self.cluster.scrub(Some(name));
        }
        if self.cluster.is_only_copy_damaged() {
            self.restart_master();
        }
    }

    /// Makes room, and starts a node again whose disk failed.
    fn mend_disk(&mut self, name: Option<&NodeName>) {
        if let Some(disk) = self.cluster.disk(name) {
            disk.heal();
        }
        if self.cluster.has_disk_fault(name) {
            match name {
                None => self.restart_master(),
                Some(name) => self.cluster.start_secondary(name),
            }
        }
    }

    /// Waits until all logs are the same. Whoever has messages of a master's earlier log is refused until a person
    /// restarts it, which is done here.
    fn converge(&mut self) {
        let diverged = |cluster: &Cluster| {
            let mut nodes = cluster.secondaries();
            nodes
                .find(|(_, node)| node.phase() == SecondaryPhase::Diverged)
                .map(|(name, _)| name.clone())
        };
        loop {
            let stop = |cluster: &Cluster| cluster.has_converged() || diverged(cluster).is_some();
            let stopped = self.cluster.run_until(CONVERGENCE_LIMIT, stop);
            assert!(
                stopped,
                "the logs differ long after the last fault\n{}",
                self.cluster.summary()
            );
            match diverged(&self.cluster) {
                Some(name) => {
                    self.cluster.wipe(&name);
                    self.cluster.start_secondary(&name);
                }
                None => return,
            }
        }
    }

    fn finish(mut self) -> Report {
        self.converge();
        let reachable = self.secondaries.len() as u16 + 1;
        let is_whole = |cluster: &Cluster| {
            cluster.has_converged()
                && !cluster.waits_for_at_most(reachable)
                && cluster.master().is_some_and(|node| !node.health(cluster.instant()).read_only)
        };
        assert!(
            self.cluster.run_until(CONVERGENCE_LIMIT, is_whole),
            "senders wait, or the master is read-only, although all nodes have everything\n{}",
            self.cluster.summary()
        );
        let is_repaired = |cluster: &Cluster| !cluster.is_damaged();
        assert!(
            self.cluster.run_until(REPAIR_LIMIT, is_repaired),
            "what one node's disk damaged is not repaired, although others have it\n{}",
            self.cluster.summary()
        );
        if self.rng.random_bool(0.5) {
            self.append();
        }
        self.cluster.shut_down_master();
        self.cluster.run_for(Duration::from_secs(1));
        self.cluster.give_up_master();
        assert_eq!(self.cluster.checker().waiting_count(), 0, "a sender was never answered");
        Report {
            messages: self.cluster.checker().accepted_count(),
            answered: self.cluster.checker().released_count(),
            took: self.cluster.now(),
            trace: self.cluster.take_trace(),
        }
    }
}
