//! Plays scenarios against real nodes; clients wait in the background.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acklog_sim::scenario::{
    Action, AppendStep, Backend, FollowStep, NodeHealth, ReaderEvent, Reply, Settings, Shown, Step,
    StreamStep, Ticket, TimedReply, Trouble, WaitStep, is_master, master,
};
use acklog_threads::lock;
use acklog_types::{NodeName, WriteConcern};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::line_stream::LineStream;
use super::nodes::{Launch, Nodes, PathState, ProcessState, Reach};
use super::{http, log_files};
use crate::cli::NodeUrl;

/// Pause between two checks of a condition. Shorter: nodes are kept busy with requests. Longer: a
/// condition is noticed later.
const LOOKS_PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for a secondary to join. Shorter: one that catches up on a busy machine fails the
/// step. Longer: one that never joins holds up the scenario.
const JOINING: Duration = Duration::from_secs(40);

/// Longest wait of the next step for the master to take a message, so that messages get their ids
/// in the order of the steps. Shorter: on a busy machine they get them in another one. Longer: a
/// step behind a message that the master does not take comes that much later.
const TAKING: Duration = Duration::from_millis(500);

/// Pause between two checks of whether it has. Shorter: the master is kept busy with requests.
/// Longer: each append takes that much longer.
const TAKING_PAUSE: Duration = Duration::from_millis(2);

/// Lines of each node's log that a failure shows. Fewer: the cause is not among them. More: the
/// failure of several nodes fills more than a screen.
const LAST_LINES: usize = 15;

mod actions;
mod lines;
mod news;
mod readers;

use self::news::EventFeeds;
pub(super) use self::news::LiveNews;
use self::readers::LiveReader;

type Answers = Arc<Mutex<BTreeMap<Ticket, TimedReply>>>;

/// The tickets of the lines of a stream, and when each was sent.
type LineTickets = Arc<Mutex<Vec<(Ticket, Instant)>>>;

/// A cluster of real nodes.
pub(super) struct Live<N> {
    runtime: Runtime,
    nodes: N,
    settings: Settings,
    began: Instant,
    stopped: watch::Receiver<bool>,
    answers: Answers,
    clients: BTreeMap<Ticket, AbortHandle>,
    /// The append streams that go on, with the tickets of their lines.
    streams: BTreeMap<String, (LineStream, LineTickets)>,
    readers: BTreeMap<String, LiveReader>,
    tickets: u64,
    /// Nodes whose processes are stopped: they would not answer.
    paused: Vec<NodeName>,
    /// Whether the cluster that a scenario begins with was started.
    is_begun: bool,
    /// None where nobody wants to know what the nodes tell.
    news: Option<EventFeeds>,
}

impl<N: Nodes> Live<N> {
    /// Creates a cluster without nodes; its first action starts the master. When `stopped` becomes
    /// true, the run is given up.
    pub(super) fn new(runtime: Runtime, nodes: N, stopped: watch::Receiver<bool>) -> Self {
        Self {
            runtime,
            nodes,
            settings: Settings::default(),
            began: Instant::now(),
            stopped,
            answers: Answers::default(),
            clients: BTreeMap::new(),
            streams: BTreeMap::new(),
            readers: BTreeMap::new(),
            tickets: 0,
            paused: Vec::new(),
            is_begun: false,
            news: None,
        }
    }

    /// Ends all nodes.
    pub(super) fn end(&mut self) {
        self.clients.values().for_each(AbortHandle::abort);
        self.runtime.block_on(self.nodes.end());
    }

    /// Does something to the nodes, unless the run is interrupted.
    fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut N) -> anyhow::Result<T>,
    ) -> Result<T, Trouble> {
        let (nodes, stopped) = (&mut self.nodes, &mut self.stopped);
        self.runtime.block_on(unless_interrupted(stopped, work(nodes)))
    }

    /// Sends a request to a node by its URL, unless the run is interrupted.
    fn ask<T>(
        &mut self,
        node: &NodeName,
        question: impl AsyncFnOnce(NodeUrl) -> anyhow::Result<T>,
    ) -> Result<T, Trouble> {
        match self.nodes.reach(node) {
            _ if self.paused.contains(node) => Err(Trouble::failed(format!("{node} stands still"))),
            Some(Reach::Url(url)) => {
                self.runtime.block_on(unless_interrupted(&mut self.stopped, question(url)))
            }
            Some(Reach::Inside) => Err(Trouble::failed(format!("{node} is cut off"))),
            None => Err(Trouble::failed(format!("{node} is down"))),
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Runs a client beside everything else.
    fn client<R: Future<Output = Reply> + Send + 'static>(
        &mut self,
        request: impl FnOnce(NodeUrl) -> R,
    ) -> Ticket {
        let ticket = self.next_ticket();
        let Some(Reach::Url(url)) = self.nodes.reach(&master()) else {
            let answer = Reply::Lost("the master is down".to_owned());
            lock(&self.answers).insert(ticket, TimedReply { answer, took: Duration::ZERO });
            return ticket;
        };
        let (answers, began, request) = (Arc::clone(&self.answers), Instant::now(), request(url));
        let task = self.runtime.spawn(async move {
            let answer = request.await;
            lock(&answers).insert(ticket, TimedReply { answer, took: began.elapsed() });
        });
        self.clients.insert(ticket, task.abort_handle());
        ticket
    }

    /// Waits until the master has taken the message or has answered, or for a moment.
    fn wait_until_taken(&mut self, ticket: Ticket, before: u64) -> Result<(), Trouble> {
        let Some(Reach::Url(url)) = self.nodes.reach(&master()) else { return Ok(()) };
        let answers = Arc::clone(&self.answers);
        let taken = async {
            while !lock(&answers).contains_key(&ticket) {
                let health = http::health(url.clone()).await;
                if matches!(health, Ok(NodeHealth::Master(health)) if health.end > before) {
                    break;
                }
                tokio::time::sleep(TAKING_PAUSE).await;
            }
        };
        let taken = async {
            // The steps that follow deal with a master that takes longer.
            let _ = timeout(TAKING, taken).await;
            Ok(())
        };
        self.runtime.block_on(unless_interrupted(&mut self.stopped, taken))
    }
}

impl<N: Nodes> Backend for Live<N> {
    fn lacks(&self, step: &Step) -> Option<String> {
        let lacks = match step {
            Step::Act(Action::Cluster(settings))
                if settings.options.disk_delay_max > Duration::ZERO =>
            {
                Some("disk-delay=, which the simulation has: run it with --simulate")
            }
            Step::Act(action) => self.nodes.lacks(action),
            Step::HangUp(label) if label.parse::<u64>().is_ok() => {
                Some("the numbers of a trace: run it with --simulate")
            }
            _ => None,
        };
        lacks.map(|lacks| format!("real nodes do not have {lacks}"))
    }

    fn act(&mut self, action: &Action) -> Result<Option<String>, Trouble> {
        if !matches!(action, Action::Cluster(_)) {
            self.begin()?;
        }
        match action {
            Action::Cluster(settings) => self.cluster(settings)?,
            Action::Start { node, registers_as } => self.start(node, registers_as)?,
            Action::Join(nodes) => self.join(nodes)?,
            Action::Kill(nodes) => self.kill(nodes)?,
            Action::Terminate(nodes) => nodes.iter().try_for_each(|node| self.terminate(node))?,
            Action::Disconnect(node) => self.nodes.disconnect(node),
            Action::Partition(node) => {
                self.with(async |nodes| nodes.set_path(node, PathState::Cut).await)?
            }
            Action::Heal(node) => {
                self.with(async |nodes| nodes.set_path(node, PathState::Open).await)?
            }
            Action::Pause(node) => {
                self.with(async |nodes| nodes.set_process(node, ProcessState::Paused).await)?;
                self.paused.push(node.clone());
            }
            Action::Resume(node) => {
                self.with(async |nodes| nodes.set_process(node, ProcessState::Running).await)?;
                self.paused.retain(|paused| paused != node);
            }
            Action::Faults(node, faults) => {
                self.ask(node, async |url| http::set_faults(url, faults).await)?;
            }
            Action::DropConnections(node) => self.ask(node, http::drop_connections)?,
            Action::NewMaster => self.restart_master(async |its| its.wipe(&master()).await)?,
            Action::RestartMaster => self.restart_master(async |_| Ok(()))?,
            Action::CopyMaster => {
                let folder = self.nodes.scratch().with_extension("copy");
                self.with(async |nodes| nodes.fetch(&master(), &folder).await)?;
            }
            Action::PutBack => {
                let folder = self.nodes.scratch().with_extension("copy");
                self.restart_master(async |its| its.put_all(&master(), &folder).await)?;
            }
            Action::AcceptLoss => return self.accept_loss().map(Some),
            Action::Wipe(node) => {
                self.kill(std::slice::from_ref(node))?;
                self.with(async |nodes| nodes.wipe(node).await)?;
            }
            Action::Forget(node) => {
                let told = self.ask(&master(), async |url| http::forget(url, node).await)?;
                return Ok(Some(told + "\n"));
            }
            Action::Files(node, what) => self.change(node, what)?,
            Action::Log { .. } => self.log(action)?,
            Action::Stop
            | Action::GiveUp
            | Action::BreakDisk(_)
            | Action::Slow(_)
            | Action::Rule(_) => return Err(Trouble::failed("only the simulation can do this")),
        }
        Ok(None)
    }

    fn append(&mut self, append: &AppendStep) -> Result<Ticket, Trouble> {
        self.begin()?;
        let health = self.health(&master());
        let before = match health {
            Ok(NodeHealth::Master(health)) => Some(health.end),
            _ => None,
        };
        let append = append.clone();
        let ticket = self.client(async move |url| http::append(url, &append).await);
        before.map_or(Ok(()), |before| self.wait_until_taken(ticket, before))?;
        Ok(ticket)
    }

    fn stream(&mut self, lines: &StreamStep) -> Result<Vec<Ticket>, Trouble> {
        self.begin()?;
        self.send_lines(lines)
    }

    fn end_stream(&mut self, stream: &str) -> bool {
        let Some((_closed, tickets)) = self.streams.remove(stream) else { return false };
        let answer = Reply::Lost("the client hung up".to_owned());
        for (ticket, _) in lock(&tickets).iter() {
            let hung_up = TimedReply { answer: answer.clone(), took: Duration::ZERO };
            lock(&self.answers).entry(*ticket).or_insert(hung_up);
        }
        true
    }

    fn wait(&mut self, wait: &WaitStep) -> Result<Ticket, Trouble> {
        self.begin()?;
        let wait = wait.clone();
        Ok(self.client(async move |url| http::wait(url, &wait).await))
    }

    fn hang_up(&mut self, ticket: Ticket) {
        self.clients.get(&ticket).into_iter().for_each(AbortHandle::abort);
        let answer = Reply::Lost("the client hung up".to_owned());
        let hung_up = TimedReply { answer, took: Duration::ZERO };
        lock(&self.answers).entry(ticket).or_insert(hung_up);
    }

    fn answer(&mut self, ticket: Ticket) -> Option<TimedReply> {
        lock(&self.answers).get(&ticket).cloned()
    }

    fn follow(&mut self, step: &FollowStep) -> Result<(), Trouble> {
        self.begin()?;
        self.begin_to_follow(step);
        Ok(())
    }

    fn take_received(&mut self, reader: &str) -> Vec<ReaderEvent> {
        self.receive(reader)
    }

    fn read(&mut self, node: &NodeName, concern: WriteConcern) -> Result<Shown, String> {
        let shown = match self.nodes.reach(node) {
            Some(Reach::Inside) => {
                self.with(async |nodes| nodes.messages_inside(node, concern).await)
            }
            _ => self.ask(node, async |url| http::messages(url, concern).await),
        };
        shown.map_err(|trouble| trouble.to_string())
    }

    fn health(&mut self, node: &NodeName) -> Result<NodeHealth, String> {
        let health = match self.nodes.reach(node) {
            Some(Reach::Inside) => self.with(async |nodes| nodes.health_inside(node).await),
            _ => self.ask(node, http::health),
        };
        health.map_err(|trouble| trouble.to_string())
    }

    fn refuses_to_start(&mut self, node: &NodeName) -> Result<String, Trouble> {
        let launch = Launch::new(node, node, &self.settings);
        let ran = self.with(async |nodes| nodes.start_expecting_exit(&launch).await)?;
        match ran.status {
            Some(1) => Ok(ran.output),
            status => Err(Trouble::failed(format!("it ended with {status:?}: {}", ran.output))),
        }
    }

    fn is_aside(&mut self, node: &NodeName, text: &str) -> Result<bool, Trouble> {
        let folder = self.fresh_folder()?;
        self.with(async |nodes| {
            nodes.fetch(node, &folder).await?;
            log_files::is_aside(&folder, text)
        })
    }

    fn nodes(&self) -> Vec<NodeName> {
        let mut nodes = self.nodes.running();
        nodes.sort_by_key(|node| !is_master(node));
        nodes
    }

    fn pass(&mut self, time: Duration) -> Result<(), Trouble> {
        let pass = async {
            tokio::time::sleep(time).await;
            Ok(())
        };
        self.runtime.block_on(unless_interrupted(&mut self.stopped, pass))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause_between_looks(&self) -> Duration {
        LOOKS_PAUSE
    }

    fn take_trace(&mut self) -> String {
        String::new()
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        for node in self.nodes.known() {
            let lines = self.runtime.block_on(self.nodes.last_lines(&node));
            words += &format!("--- the end of the log of {node}\n");
            let begin = lines.len().saturating_sub(LAST_LINES);
            lines.iter().skip(begin).for_each(|line| words += &format!("{line}\n"));
        }
        words
    }
}

/// Returns the result of `work`, unless the run is interrupted first.
async fn unless_interrupted<T>(
    stopped: &mut watch::Receiver<bool>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        _ = stopped.wait_for(|is_stopped| *is_stopped) => Err(Trouble::Interrupted),
        done = work => done.map_err(|error| Trouble::Failed(format!("{error:#}"))),
    }
}
