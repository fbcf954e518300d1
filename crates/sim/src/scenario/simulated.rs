//! The backend in virtual time.

mod actions;
mod readers;
mod reads;
mod recording;
mod views;

use std::collections::BTreeMap;
use std::time::Duration;

use acklog_protocol::{Refusal, Wait};
use acklog_types::{LogEnd, MessageId, NodeName, WaiterId, WriteConcern};

use self::readers::SimulatedReader;
use self::recording::EarlierNews;
use self::views::{answer, master_view};
use super::action::{Action, AppendStep, FollowStep, Settings, StreamStep, WaitStep};
use super::backend::{Backend, ReaderEvent, Reply, Shown, Ticket, TimedReply, Trouble};
use super::expect::Expectation;
use super::health::{NodeHealth, SecondaryView};
use super::step::Step;
use super::{is_master, master};
use crate::{Cluster, ClusterOptions, NetworkConditions};

/// Longest time in which secondaries that are started become ready. Shorter: a scenario with long
/// delays fails. Longer: one in which they never do takes longer.
const JOINING: Duration = Duration::from_secs(40);

/// Time between two checks of a condition. Shorter: slower runs. Longer: conditions that hold for a
/// moment are missed.
const LOOKS_PAUSE: Duration = Duration::from_millis(5);

/// A simulated cluster that scenarios are played against.
pub struct Simulated {
    cluster: Cluster,
    seed: u64,
    /// Time of each client's request, in virtual time.
    begun: BTreeMap<Ticket, Duration>,
    answers: BTreeMap<Ticket, TimedReply>,
    readers: BTreeMap<String, SimulatedReader>,
    /// The clients of each stream: the first one and the number of those that were taken together.
    streams: BTreeMap<String, Vec<(WaiterId, u64)>>,
    /// Number of requests without a client in the cluster; their tickets count down from the
    /// largest number.
    refused: u64,
    /// Lines for the end of the trace.
    after_trace: String,
    /// What earlier clusters of the scenario told; none where nothing is recorded.
    recording: Option<EarlierNews>,
}

impl Simulated {
    /// Creates a cluster of a master alone. All draws come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            cluster: cluster(seed, &Settings::default()),
            seed,
            begun: BTreeMap::new(),
            answers: BTreeMap::new(),
            readers: BTreeMap::new(),
            streams: BTreeMap::new(),
            refused: 0,
            after_trace: String::new(),
            recording: None,
        }
    }

    fn has_master(&self) -> bool {
        self.cluster.master().is_some()
    }

    /// Takes in the responses that came.
    fn collect(&mut self) {
        for (waiter, outcome, at) in self.cluster.take_answers() {
            let ticket = Ticket(waiter.get());
            let begun = self.begun.get(&ticket).copied().unwrap_or_default();
            let took = at.saturating_sub(begun);
            self.answers.insert(ticket, TimedReply { answer: answer(outcome), took });
        }
    }

    /// Ends the requests without a reply, since the master was killed.
    fn lose_answers(&mut self) {
        self.collect();
        let now = self.cluster.now();
        for (ticket, begun) in &self.begun {
            self.answers.entry(*ticket).or_insert_with(|| lost(now.saturating_sub(*begun)));
        }
    }

    /// Notes a request that was made at the given time.
    fn request(&mut self, begun: Duration, taken: Result<WaiterId, Refusal>) -> Ticket {
        let ticket = match taken {
            Ok(waiter) => Ticket(waiter.get()),
            Err(refusal) => {
                let ticket = self.unanswered();
                self.after_trace += &format!("refused: {refusal}\n");
                let answer = Reply::Refused(refusal.to_string());
                self.answers.insert(ticket, TimedReply { answer, took: Duration::ZERO });
                ticket
            }
        };
        self.begun.insert(ticket, begun);
        self.collect();
        ticket
    }

    /// Returns the ticket of a request without a client in the cluster.
    fn unanswered(&mut self) -> Ticket {
        self.refused += 1;
        Ticket(u64::MAX - self.refused)
    }

    /// Returns the ticket of a request to a master that is down.
    fn lost_request(&mut self) -> Ticket {
        let ticket = self.unanswered();
        self.answers.insert(ticket, lost(Duration::ZERO));
        ticket
    }
}

impl Backend for Simulated {
    fn lacks(&self, step: &Step) -> Option<String> {
        let lacks = match step {
            Step::Act(Action::Files(..) | Action::Log { .. })
            | Step::Expect(Expectation::NoStart { .. } | Expectation::Aside { .. }) => {
                "files, which real nodes have: run it without --simulate"
            }
            _ => return None,
        };
        Some(format!("the simulation has no {lacks}"))
    }

    fn act(&mut self, action: &Action) -> Result<Option<String>, Trouble> {
        self.is_up(action)?;
        let cluster = &mut self.cluster;
        match action {
            Action::Cluster(_)
            | Action::NewMaster
            | Action::RestartMaster
            | Action::PutBack
            | Action::AcceptLoss => return Ok(self.replace_master(action)),
            Action::Start { node, registers_as } => self.start(node, registers_as)?,
            Action::Join(nodes) => self.join(nodes)?,
            Action::Kill(nodes) => nodes.iter().for_each(|node| self.kill(node)),
            Action::Terminate(nodes) => nodes.iter().for_each(|node| self.terminate(node)),
            Action::Disconnect(node) => cluster.disconnect(node),
            Action::Partition(node) => cluster.partition(node),
            Action::Heal(node) => cluster.heal(node),
            Action::Pause(node) => cluster.hang(not_master(node)),
            Action::Resume(node) => cluster.go_on(not_master(node)),
            Action::Faults(node, faults) => cluster.set_faults(not_master(node), *faults),
            Action::DropConnections(node) => cluster.disconnect_peers(not_master(node)),
            Action::CopyMaster => cluster.copy_master(),
            Action::Wipe(node) => cluster.wipe(node),
            Action::Forget(node) => {
                let result =
                    cluster.forget(node).map_or_else(|e| e.to_string(), |()| "done".into());
                return Ok(Some(result + "\n"));
            }
            Action::Stop => cluster.shut_down_master(),
            Action::GiveUp => cluster.give_up_master(),
            Action::BreakDisk(node) => cluster.break_disk(not_master(node)),
            Action::Slow(time) => {
                cluster.network = NetworkConditions {
                    delay_min: *time,
                    delay_max: *time,
                    ..NetworkConditions::default()
                };
            }
            Action::Rule(rule) => cluster.add_rule(rule.clone()),
            Action::Files(..) | Action::Log { .. } => {
                return Err(Trouble::failed("the simulation has no files"));
            }
        }
        self.collect();
        Ok(None)
    }

    fn append(&mut self, append: &AppendStep) -> Result<Ticket, Trouble> {
        if !self.has_master() {
            return Ok(self.lost_request());
        }
        let wait = Wait::until(append.write_concern, append.timeout);
        let begun = self.cluster.now();
        let expected_end = append.expected_end.map(LogEnd::new);
        let taken = self.cluster.send(&append.batch(), append.key.as_ref(), wait, expected_end);
        Ok(self.request(begun, taken.map(|(waiter, _)| waiter)))
    }

    fn stream(&mut self, lines: &StreamStep) -> Result<Vec<Ticket>, Trouble> {
        let (begun, mut tickets) = (self.cluster.now(), Vec::new());
        let wait = Wait::until(lines.write_concern, lines.timeout);
        if !self.has_master() {
            return Ok(lines.texts.iter().map(|_| self.lost_request()).collect());
        }
        match self.cluster.send_lines(&lines.texts, wait) {
            Ok((first, _, count)) if count == lines.texts.len() => {
                let all = self.streams.entry(lines.stream.clone()).or_default();
                all.push((first, count as u64));
                for n in 0..count as u64 {
                    tickets.push(self.request(begun, Ok(WaiterId::new(first.get() + n))));
                }
            }
            Ok(_) => return Err(Trouble::failed("more lines are sent than may wait")),
            Err(refusal) => {
                tickets
                    .extend(lines.texts.iter().map(|_| self.request(begun, Err(refusal.clone()))));
            }
        }
        Ok(tickets)
    }

    fn end_stream(&mut self, stream: &str) -> bool {
        let Some(lines) = self.streams.remove(stream) else { return false };
        for (first, count) in lines {
            self.cluster.cancel_lines(first, count);
            for n in 0..count {
                let ticket = Ticket(first.get() + n);
                self.answers.entry(ticket).or_insert_with(|| lost(Duration::ZERO));
            }
        }
        true
    }

    fn wait(&mut self, wait: &WaitStep) -> Result<Ticket, Trouble> {
        if !self.has_master() {
            return Ok(self.lost_request());
        }
        let begun = self.cluster.now();
        let wanted = Wait::until(wait.write_concern, wait.timeout);
        let taken = self.cluster.wait(MessageId::new(wait.id), wanted);
        Ok(self.request(begun, taken))
    }

    fn hang_up(&mut self, ticket: Ticket) {
        self.cluster.cancel(WaiterId::new(ticket.0));
        self.answers.entry(ticket).or_insert_with(|| lost(Duration::ZERO));
    }

    fn answer(&mut self, ticket: Ticket) -> Option<TimedReply> {
        self.collect();
        self.answers.get(&ticket).cloned()
    }

    fn follow(&mut self, step: &FollowStep) -> Result<(), Trouble> {
        self.begin_to_follow(step);
        Ok(())
    }

    fn take_received(&mut self, reader: &str) -> Vec<ReaderEvent> {
        self.receive(reader)
    }

    fn read(&mut self, node: &NodeName, concern: WriteConcern) -> Result<Shown, String> {
        self.shown(node, concern)
    }

    fn health(&mut self, node: &NodeName) -> Result<NodeHealth, String> {
        let down = || format!("{node} is down");
        if is_master(node) {
            let health = self.cluster.master().ok_or_else(down)?.health(self.cluster.instant());
            return Ok(NodeHealth::Master(master_view(&health)));
        }
        let mut nodes = self.cluster.secondaries();
        let (_, secondary) = nodes.find(|(name, _)| *name == node).ok_or_else(down)?;
        let health = secondary.health(self.cluster.instant());
        Ok(NodeHealth::Secondary(SecondaryView {
            phase: health.phase.as_str().to_owned(),
            end: health.log_end.get(),
            buffered: health.buffered,
        }))
    }

    fn refuses_to_start(&mut self, _: &NodeName) -> Result<String, Trouble> {
        Err(Trouble::failed("the simulation has no files"))
    }

    fn is_aside(&mut self, _: &NodeName, _: &str) -> Result<bool, Trouble> {
        Err(Trouble::failed("the simulation has no files"))
    }

    fn nodes(&self) -> Vec<NodeName> {
        let secondaries = self.cluster.secondaries().map(|(name, _)| name.clone());
        self.has_master().then(master).into_iter().chain(secondaries).collect()
    }

    fn pass(&mut self, time: Duration) -> Result<(), Trouble> {
        self.cluster.run_for(time);
        self.collect();
        Ok(())
    }

    fn now(&self) -> Duration {
        self.cluster.now()
    }

    fn pause_between_looks(&self) -> Duration {
        LOOKS_PAUSE
    }

    fn take_trace(&mut self) -> String {
        self.cluster.take_trace() + &std::mem::take(&mut self.after_trace)
    }

    fn last_words(&mut self) -> String {
        self.cluster.summary()
    }
}

fn cluster(seed: u64, settings: &Settings) -> Cluster {
    let mut cluster = Cluster::new(ClusterOptions { seed, ..settings.options.clone() });
    cluster.keep_answers();
    cluster
}

fn not_master(node: &NodeName) -> Option<&NodeName> {
    (!is_master(node)).then_some(node)
}

fn lost(took: Duration) -> TimedReply {
    TimedReply { answer: Reply::Lost("the master is gone".to_owned()), took }
}
