//! The simulated cluster and its virtual clock.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use acklog_log::{LogReader, SimDisk};
use acklog_protocol::{Machine, MasterOptions, STRANGERS_MAX, SecondaryOptions, SecondaryPhase};
use acklog_types::{InstanceId, NodeName, WriteConcern};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::damage::Flipped;
use super::check::Checker;
use super::event::ScheduledEvent;
use super::link::{NetworkConditions, Rule, SimLink};
use super::news::NewsRecorder;
use super::node::{AnyNode, Found, MasterNode, SecondaryNode};
use super::options::ClusterOptions;
use super::positions::Positions;

/// Most lines of the trace in the report of a failure.
const SUMMARY_LINES: usize = 60;

/// Gives out numbers, from 1.
#[derive(Debug, Default)]
struct Counter(u64);

impl Counter {
    /// Returns the next number.
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// A simulated cluster.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    base: Instant,
    now: Duration,
    rng: ChaCha8Rng,
    /// Draws for disks, apart from the others, so that a cluster takes the same course with disks
    /// and without.
    disk_rng: ChaCha8Rng,
    /// Numbers of events, of connections, and of requests of clients. Events of the same moment
    /// happen in the order of their numbers.
    event_numbers: Counter,
    link_numbers: Counter,
    client_numbers: Counter,
    master: Option<MasterNode>,
    secondaries: BTreeMap<NodeName, SecondaryNode>,
    /// Number of starts of each node (`None`: the master). Events for an earlier start are void.
    lives: BTreeMap<Option<NodeName>, u64>,
    /// Disk of each node that has one (`None`: the master).
    disks: BTreeMap<Option<NodeName>, SimDisk>,
    /// Cluster size with which the master starts next.
    next_size: Option<u16>,
    /// Copy of the master's disk.
    copy: Option<SimDisk>,
    /// Bit that was flipped last.
    flipped: Option<Flipped>,
    links: BTreeMap<u64, SimLink>,
    partitioned: Vec<NodeName>,
    events: BTreeMap<(Duration, u64), ScheduledEvent>,
    /// Behaviour of the network; may be changed at any time.
    pub network: NetworkConditions,
    rules: Vec<Rule>,
    checker: Checker,
    positions: Positions,
    /// Whether the master was asked to stop.
    stopping: bool,
    /// Responses to clients that were not taken out yet; `None` where they are not kept.
    answers: Option<Vec<answers::TimedOutcome>>,
    /// Number of protocol events of each kind.
    event_counts: BTreeMap<&'static str, u64>,
    trace: String,
    print_trace: bool,
    /// None where nothing is recorded.
    recorder: Option<NewsRecorder>,
    master_name: NodeName,
}

impl Cluster {
    /// Creates a cluster of a master alone.
    pub fn new(options: ClusterOptions) -> Self {
        let mut cluster = Self {
            base: Instant::now(),
            now: Duration::ZERO,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            disk_rng: ChaCha8Rng::seed_from_u64(!options.seed),
            checker: Checker::new(options.idempotency_window),
            next_size: options.cluster_size,
            options,
            event_numbers: Counter::default(),
            link_numbers: Counter::default(),
            client_numbers: Counter::default(),
            master: None,
            secondaries: BTreeMap::new(),
            lives: BTreeMap::new(),
            disks: BTreeMap::new(),
            copy: None,
            flipped: None,
            links: BTreeMap::new(),
            partitioned: Vec::new(),
            events: BTreeMap::new(),
            network: NetworkConditions::default(),
            rules: Vec::new(),
            positions: Positions::default(),
            stopping: false,
            answers: None,
            event_counts: BTreeMap::new(),
            trace: String::new(),
            print_trace: false,
            recorder: None,
            master_name: "master".parse().expect("a name"),
        };
        cluster.start_master();
        cluster
    }

    /// Starts a new master with an empty log. Kills the one before, whose disk is lost.
    pub fn start_master(&mut self) {
        self.disks.remove(&None);
        self.boot_master();
    }

    fn boot_master(&mut self) {
        let links: Vec<u64> = self.links.keys().copied().collect();
        for link in links {
            self.end_link(link, true);
        }
        let (log, found) = self.open_log(None);
        // It would not start with fewer nodes than are registered.
        let registered = found.members.len() as u16 + 1;
        self.options.cluster_size = self.next_size.map(|size| size.max(registered));
        let options = MasterOptions {
            name: self.master_name.clone(),
            log: found.log.expect("a master's log has an identity"),
            http_port: None,
            request_timeout: self.options.request_timeout,
            heartbeat_interval: self.options.heartbeat_interval,
            cluster_size: self.options.cluster_size,
            secondaries: self.options.secondaries.clone(),
            default_write_concern: WriteConcern::Majority,
            quorum: self.options.quorum,
            max_waiting: self.options.max_waiting,
            max_strangers: STRANGERS_MAX,
            idempotency_window: self.options.idempotency_window,
            seed: self.rng.random(),
        };
        *self.lives.entry(None).or_default() += 1;
        self.checker.master_started(&self.master_name, options.log, found.end);
        self.positions.master_started();
        self.stopping = false;
        let what = start_of(&found);
        self.master =
            Some(MasterNode::new(self.instant(), options, self.options.faults, log, found));
        self.note(&format!("master starts with {what}"));
    }

    /// Sets the cluster size with which the master starts next, if it has a fixed one. Returns
    /// whether this size differs from the one with which it runs.
    pub fn resize(&mut self, nodes: u16) -> bool {
        self.next_size = self.next_size.map(|_| nodes);
        self.next_size != self.options.cluster_size
    }

    /// Starts a secondary, with an empty log or from its disk. Kills one of that name that runs.
    pub fn start_secondary(&mut self, name: &NodeName) {
        self.start_namesake(name, name);
    }

    /// Starts a secondary that registers under the name of another node.
    pub fn start_namesake(&mut self, name: &NodeName, registers_as: &NodeName) {
        self.crash(name);
        let options = SecondaryOptions {
            name: registers_as.clone(),
            instance: InstanceId::new(self.rng.random()),
            http_port: None,
            request_timeout: self.options.request_timeout,
            reconnect_delay: self.options.reconnect_delay,
            seed: self.rng.random(),
        };
        *self.lives.entry(Some(name.clone())).or_default() += 1;
        let (log, found) = self.open_log(Some(name));
        match log.reader.is_on_disk() {
            true => self.checker.came_back(name, found.end),
            false => self.checker.started_empty(name),
        }
        let what = start_of(&found);
        let node = SecondaryNode::new(self.instant(), options, self.options.faults, log, found);
        self.secondaries.insert(name.clone(), node);
        self.note(&format!("{name} starts with {what}"));
    }

    /// Adds a rule for the next frames of a kind.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Prints each line of the trace to standard output from here on.
    pub fn print_trace(&mut self) {
        self.print_trace = true;
    }

    /// Advances the clock by `time`, and carries out what is due.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step_before(end) {}
        self.now = end;
        self.look_for_news();
    }

    /// Advances the clock until `done` returns true, by at most `limit`. Returns whether it did.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            if !self.step_before(end) {
                self.now = end;
                return done(self);
            }
        }
        true
    }

    /// Returns whether every node shows all of the master's log, and every secondary is ready.
    pub fn has_converged(&self) -> bool {
        let Some(master) = &self.master else { return false };
        let (log, end) = (Some(master.machine.get_ref().log_id()), self.checker.accepted_count());
        let has_all = |log: &LogReader| log.durable_end().get() == end;
        let is_whole = |node: &SecondaryNode| {
            has_all(&node.log.reader)
                && node.machine.get_ref().log_id() == log
                && node.phase() == SecondaryPhase::Ready
        };
        has_all(&master.log.reader) && self.secondaries.values().all(is_whole)
    }

    /// Returns whether a client waits for at most `nodes` nodes.
    pub fn waits_for_at_most(&self, nodes: u16) -> bool {
        self.checker.waits_for_at_most(nodes)
    }

    /// Returns the health of all nodes and the end of the trace, for the report of a failure.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        if let Some(master) = &self.master {
            let health = master.machine.health(self.instant());
            writeln!(out, "{health:#?}").expect("a string takes all");
        }
        for node in self.secondaries.values() {
            writeln!(out, "{:?}", node.health(self.instant())).expect("a string takes all");
        }
        let lines: Vec<&str> = self.trace.lines().rev().take(SUMMARY_LINES).collect();
        for line in lines.into_iter().rev() {
            writeln!(out, "{line}").expect("a string takes all");
        }
        out
    }

    /// Takes out the trace so far.
    pub fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// Returns the number of protocol events of each [kind](acklog_protocol::Event::kind), at all
    /// nodes together.
    pub fn event_counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.event_counts
    }

    /// Returns the checker, with its counts.
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Returns the master, if one runs.
    pub fn master(&self) -> Option<&MasterNode> {
        self.master.as_ref()
    }

    /// Returns the secondaries that run.
    pub fn secondaries(&self) -> impl Iterator<Item = (&NodeName, &SecondaryNode)> {
        self.secondaries.iter()
    }

    /// Returns a node that runs (`None`: the master).
    fn node(&self, name: Option<&NodeName>) -> Option<&dyn AnyNode> {
        match name {
            None => self.master.as_ref().map(|node| node as _),
            Some(name) => self.secondaries.get(name).map(|node| node as _),
        }
    }

    fn node_mut(&mut self, name: Option<&NodeName>) -> Option<&mut dyn AnyNode> {
        match name {
            None => self.master.as_mut().map(|node| node as _),
            Some(name) => self.secondaries.get_mut(name).map(|node| node as _),
        }
    }

    /// Returns the virtual time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Returns the virtual time as the nodes see it.
    pub fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&mut self, what: &str) {
        let millis = self.now.as_micros() as f64 / 1000.0;
        let line = format!("{millis:>9.1}ms {what}");
        if self.print_trace {
            println!("{line}");
        }
        writeln!(self.trace, "{line}").expect("a string takes all");
    }

    fn schedule(&mut self, delay: Duration, event: ScheduledEvent) {
        let at = (self.now + delay, self.event_numbers.next());
        self.events.insert(at, event);
    }
}

mod answers;
mod clients;
mod damage;
mod disks;
mod effects;
mod failures;
mod forgery;
mod judge;
mod network;
mod reads;
mod recording;
mod run;

pub(crate) use self::reads::{FollowerPlace, PageSize};

/// Describes in words the log that a node starts with.
fn start_of(found: &Found) -> String {
    match found.end.get() {
        0 => "an empty log".to_owned(),
        end => format!("{end} messages on its disk"),
    }
}
