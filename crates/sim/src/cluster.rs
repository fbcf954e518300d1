//! The simulated world and its clock.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use acklog_log::LogReader;
use acklog_log::SimDisk;
use acklog_protocol::frame::{self, Frame, FrameKind};
use acklog_protocol::{
    Effect, FollowerEffect, FollowerInput, ForgetError, Input, LeaderEffect, LeaderInput, LineView,
    Machine, MasterOptions, Outcome, ReadOrder, Refusal, STRANGERS_MAX, SecondaryOptions,
    SecondaryPhase, SessionEnd,
};
use acklog_types::Unreadable;
use acklog_types::{
    IdRange, InstanceId, LogId, MessageId, NodeName, Records, SessionId, WaiterId, WriteConcern,
};
use bytes::{Bytes, BytesMut};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::damage::Flipped;
use super::check::{Checker, Sent};
use super::event::Event;
use super::link::{Link, Network, Rule, RuleAction, describe};
use super::node::{AnyNode, Found, MasterNode, SecondaryNode, Stalled};
use super::options::ClusterOptions;
use super::positions::Positions;

/// Lines of the trace that a failure's report shows.
const SUMMARY_LINES: usize = 60;

/// A simulated cluster.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    base: Instant,
    now: Duration,
    rng: ChaCha8Rng,
    /// What happens to disks has draws of its own, so that a world takes the same course with disks and without.
    disk_rng: ChaCha8Rng,
    next_number: u64,
    master: Option<MasterNode>,
    secondaries: BTreeMap<NodeName, SecondaryNode>,
    /// Which life of each node this is: what its earlier lives left behind is void.
    lives: BTreeMap<Option<NodeName>, u64>,
    /// What each node has its log on, if nodes have disks (none: the master's).
    disks: BTreeMap<Option<NodeName>, SimDisk>,
    /// What the master's next start is told of the cluster's size.
    next_size: Option<u16>,
    /// A copy of the master's disk.
    copy: Option<SimDisk>,
    /// The bit that was flipped last.
    flipped: Option<Flipped>,
    links: BTreeMap<u64, Link>,
    partitioned: Vec<NodeName>,
    events: BTreeMap<(Duration, u64), Event>,
    /// How the network treats frames; may be changed at any time.
    pub network: Network,
    rules: Vec<Rule>,
    checker: Checker,
    positions: Positions,
    /// Whether the master was asked to stop.
    stopping: bool,
    /// The answers to clients, where somebody asks for them.
    answers: Option<Vec<answers::Told>>,
    /// How often each kind of protocol event happened.
    event_counts: BTreeMap<&'static str, u64>,
    trace: String,
    print_trace: bool,
    master_name: NodeName,
}

impl Cluster {
    /// A cluster of a master alone.
    pub fn new(options: ClusterOptions) -> Self {
        let mut cluster = Self {
            base: Instant::now(),
            now: Duration::ZERO,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            disk_rng: ChaCha8Rng::seed_from_u64(!options.seed),
            checker: Checker::new(options.idempotency_window),
            next_size: options.cluster_size,
            options,
            next_number: 0,
            master: None,
            secondaries: BTreeMap::new(),
            lives: BTreeMap::new(),
            disks: BTreeMap::new(),
            copy: None,
            flipped: None,
            links: BTreeMap::new(),
            partitioned: Vec::new(),
            events: BTreeMap::new(),
            network: Network::default(),
            rules: Vec::new(),
            positions: Positions::default(),
            stopping: false,
            answers: None,
            event_counts: BTreeMap::new(),
            trace: String::new(),
            print_trace: false,
            master_name: "master".parse().expect("a name"),
        };
        cluster.start_master();
        cluster
    }

    /// Starts a new master with an empty log in place of the one before, which is killed and loses its disk.
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
        // With fewer than are registered it would not start.
        let registered = found.members.len() as u16 + 1;
        self.options.cluster_size = self.next_size.map(|size| size.max(registered));
        let options = MasterOptions {
            name: self.master_name.clone(),
            log: found.log.expect("a master's log has an identity"),
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

    /// Has the master's next start told of so many nodes, where it is told how many there are. Returns whether it was
    /// told of another number before.
    pub fn resize(&mut self, nodes: u16) -> bool {
        self.next_size = self.next_size.map(|_| nodes);
        self.next_size != self.options.cluster_size
    }

    /// Starts a secondary, with an empty log or from its disk; one of that name that runs is killed first.
    pub fn start_secondary(&mut self, name: &NodeName) {
        self.start_namesake(name, name);
    }

    /// Starts a secondary that registers under another node's name.
    pub fn start_namesake(&mut self, name: &NodeName, registers_as: &NodeName) {
        self.crash(name);
        let options = SecondaryOptions {
            name: registers_as.clone(),
            instance: InstanceId::new(self.rng.random()),
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

    /// Lets a rule hold for the next frames of its kind.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Prints each line of the trace to standard output as it comes.
    pub fn print_trace(&mut self) {
        self.print_trace = true;
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step_before(end) {}
        self.now = end;
    }

    /// Lets time pass until `done` or until `limit` has passed. Returns whether it got done.
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

    /// Whether every node has and shows all of the master's log, and every secondary is ready.
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

    /// Whether a sender waits for a number of nodes that is `nodes` at most.
    pub fn waits_for_at_most(&self, nodes: u16) -> bool {
        self.checker.waits_for_at_most(nodes)
    }

    /// The nodes as they are now and the end of the trace, for a failure's report.
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

    /// The trace so far, taken out.
    pub fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// Returns how often each [kind](acklog_protocol::Event::kind) of protocol event happened, at all nodes together.
    pub fn event_counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.event_counts
    }

    /// The checker, with its counts.
    pub fn checker(&self) -> &Checker {
        &self.checker
    }

    /// The master.
    pub fn master(&self) -> Option<&MasterNode> {
        self.master.as_ref()
    }

    /// The secondaries that run.
    pub fn secondaries(&self) -> impl Iterator<Item = (&NodeName, &SecondaryNode)> {
        self.secondaries.iter()
    }

    /// A node that runs (none: the master).
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

    /// Virtual time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The instant that the nodes are told as now.
    pub fn instant(&self) -> Instant {
        self.base + self.now
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn note(&mut self, what: &str) {
        let millis = self.now.as_micros() as f64 / 1000.0;
        let line = format!("{millis:>9.1}ms {what}");
        if self.print_trace {
            println!("{line}");
        }
        writeln!(self.trace, "{line}").expect("a string takes all");
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        let at = (self.now + delay, self.number());
        self.events.insert(at, event);
    }
}

mod answers;
mod damage;
mod disks;
mod effects;
mod failures;
mod forgery;
mod judge;
mod network;
mod run;
mod senders;

/// What a node starts with, in words.
fn start_of(found: &Found) -> String {
    match found.end.get() {
        0 => "an empty log".to_owned(),
        end => format!("{end} messages on its disk"),
    }
}
