//! `acklog up`: runs a whole cluster on this machine, as child processes of one program.
//!
//! `plan` decides what to start, `child` holds one process, `output` writes the lines,
//! `typed_commands` parses what a user types, and this file connects them.

mod child;
mod fault;
mod flags;
mod output;
mod plan;
mod typed_commands;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use acklog_api::paths;
use acklog_types::SECONDARIES_MAX;
use anyhow::Context;
use child::{Ended, Running, Signal};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
pub(super) use flags::with_dashes;
use output::{Printer, TerminalOutput};
use plan::{NodePlan, PROGRAM, UpPlan};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use typed_commands::{Fault, TypedCommand};

use super::client::ToolClient;
use super::{NodeUrl, typed_lines};
use crate::config::{COMM_PORT, MASTER_HTTP_PORT, port};
use crate::server::run::{StopOn, StopSignals};

/// Index of the master among the nodes.
const MASTER: usize = 0;

/// Lines that can wait to be acted on: more than a user types ahead.
const LINES_MAX: usize = 16;

/// Longest wait for the nodes to be ready before `up` names those that are not and goes on. Far
/// longer than starting takes, so that a node that is late waits for something.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between two checks of whether a node is ready.
const READY_POLL: Duration = Duration::from_millis(50);

/// Longest wait for nodes to end cleanly: the time in which they promise to.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Time after which a further signal kills the nodes that have not ended. Before that it is the
/// same request: `timeout` sends it to the process and to its group.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Longest wait for the system to end a killed process.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// Flags of `acklog up`.
#[derive(Clone, Debug, Args)]
pub(super) struct UpArgs {
    /// Number of secondaries: bonnie, clyde, secondary-3, …
    #[arg(long, env = "ACKLOG_SECONDARIES", value_name = "N", default_value_t = 2)]
    #[arg(value_parser = secondaries)]
    secondaries: u16,

    /// HTTP port of the master; the secondaries' follow; 0 takes free ones
    #[arg(long, env = "ACKLOG_HTTP_PORT", value_name = "PORT")]
    #[arg(default_value_t = MASTER_HTTP_PORT, value_parser = port)]
    http_port: u16,

    /// Port that secondaries dial; 0 takes a free one
    #[arg(long, env = "ACKLOG_COMM_PORT", value_name = "PORT")]
    #[arg(default_value_t = COMM_PORT, value_parser = port)]
    comm_port: u16,

    /// Directory for the logs on disk, with one for each node in it [default: none, in memory]
    #[arg(long, env = "ACKLOG_DATA_DIR", value_name = "DIR")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    data_dir: Option<String>,

    /// Flags for every node that has them, as --log debug --store-delay 1s..2s; -- is not needed
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

fn secondaries(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number <= SECONDARIES_MAX);
    number.ok_or_else(|| format!("it must be a whole number from 0 to {SECONDARIES_MAX}"))
}

/// Runs the cluster until a signal ends it, and returns the exit status.
pub(super) fn run(args: UpArgs) -> ExitCode {
    let signals = StopSignals::install(StopOn::Signals);
    let plan = match UpPlan::new(&args) {
        Ok(plan) => plan,
        Err(stop) => return stop.report(),
    };
    match plan.probe().and_then(|()| run_plan(plan, signals?)) {
        Ok(status) => status,
        Err(error) => {
            crate::config::report(PROGRAM, &error);
            ExitCode::FAILURE
        }
    }
}

fn run_plan(plan: UpPlan, mut signals: StopSignals) -> anyhow::Result<ExitCode> {
    let executable = std::env::current_exe().context("cannot find this program's own file")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = TerminalOutput::start().context("cannot start a thread for what is printed")?;
    let status = runtime.block_on(async {
        let mut cluster = UpCluster::new(plan, executable, output.printer());
        let status = cluster.run(&mut signals).await;
        cluster.end(&mut signals).await;
        status
    });
    // This drops the tasks that still hold a printer.
    drop(runtime);
    output.finish();
    Ok(status)
}

struct UpNode {
    plan: NodePlan,
    prefix: String,
    running: Option<Running>,
    /// The user killed it, so that its end is no failure.
    killed: bool,
}

struct UpCluster {
    plan: UpPlan,
    nodes: Vec<UpNode>,
    executable: PathBuf,
    printer: Printer,
    ended: mpsc::Receiver<Ended>,
    ended_sender: mpsc::Sender<Ended>,
    /// Not all nodes are ready yet: the end of one ends `up` too.
    starting: bool,
    /// Standard input is still open.
    typing: bool,
    /// Time at which `up` began, in milliseconds since 1970: the clock of all nodes.
    since: u128,
}

impl UpCluster {
    fn new(plan: UpPlan, executable: PathBuf, printer: Printer) -> Self {
        let prefixes = output::prefixes(plan.nodes.iter().map(|node| node.name.as_str()));
        let node = |(plan, prefix): (&NodePlan, _)| UpNode {
            plan: plan.clone(),
            prefix,
            running: None,
            killed: false,
        };
        let nodes: Vec<_> = plan.nodes.iter().zip(prefixes).map(node).collect();
        // Capacity for the end of each node, so that no child waits to report it.
        let (ended_sender, ended) = mpsc::channel(nodes.len().max(1));
        let (starting, typing) = (true, true);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since = since.as_millis();
        Self { plan, nodes, executable, printer, ended, ended_sender, starting, typing, since }
    }

    /// Starts all nodes and lets them run until a signal, or until one fails to start.
    async fn run(&mut self, signals: &mut StopSignals) -> ExitCode {
        for number in 0..self.nodes.len() {
            if !self.start(number) {
                return ExitCode::FAILURE;
            }
        }
        // Without a thread nothing can be typed, and the cluster runs all the same.
        let mut typed = typed_lines::lines(LINES_MAX).unwrap_or_else(|_| mpsc::channel(1).1);
        let ready = all_ready(self.plan.nodes.clone());
        tokio::pin!(ready);
        loop {
            tokio::select! {
                _ = signals.stopped() => {
                    self.printer.say("ending all nodes");
                    return ExitCode::SUCCESS;
                }
                Some(ended) = self.ended.recv() => {
                    if !self.note_end(ended) {
                        return ExitCode::FAILURE;
                    }
                }
                line = typed.recv(), if self.typing => match line {
                    Some(line) => self.typed(&line),
                    None => self.typing = false,
                },
                late = &mut ready, if self.starting => {
                    self.starting = false;
                    if !late.is_empty() {
                        self.printer.say(&format!("not ready yet: {}", late.join(", ")));
                    }
                    self.printer.show(self.plan.guide());
                }
            }
        }
    }

    /// Starts a node. Reports a failure and returns `false` then.
    fn start(&mut self, number: usize) -> bool {
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let lines = (self.printer.clone(), node.prefix.clone());
        let ended = self.ended_sender.clone();
        let mut args = node.plan.args.clone();
        args.push(format!("--up-since={}", self.since));
        match child::start(number, &self.executable, &args, lines, ended) {
            Ok(running) => {
                node.running = Some(running);
                node.killed = false;
                true
            }
            Err(error) => {
                self.printer.say(&format!("cannot start {}: {error}", node.plan.name));
                false
            }
        }
    }

    /// Reports that a node has ended; returns `false` when the cluster cannot go on.
    fn note_end(&mut self, ended: Ended) -> bool {
        let Some(node) = self.nodes.get_mut(ended.node) else { return true };
        node.running = None;
        let name = &node.plan.name;
        let how = match ended.status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let fatal = self.starting && !node.killed;
        let next = if fatal {
            "ending the others"
        } else if self.typing {
            &format!("type {name} and Enter to start it again")
        } else {
            "the others go on"
        };
        self.printer.say(&format!("{name} ended ({how}); {next}"));
        !fatal
    }

    fn typed(&mut self, line: &str) {
        let names = self.nodes.iter().map(|node| node.plan.name.as_str());
        match typed_commands::parse(line, names) {
            TypedCommand::Start(number) => match self.nodes.get(number) {
                Some(node) if node.running.is_some() => {
                    self.printer.say(&format!("{} is running", node.plan.name));
                }
                _ => {
                    self.start(number);
                }
            },
            TypedCommand::Kill(number) => {
                let Some(node) = self.nodes.get_mut(number) else { return };
                match &node.running {
                    Some(running) => {
                        node.killed = true;
                        running.signal(Signal::KILL);
                    }
                    None => self.printer.say(&format!("{} is not running", node.plan.name)),
                }
            }
            TypedCommand::Fault(..) | TypedCommand::Heal if !self.plan.allow_faults => {
                self.printer.say("faults are off: start with `acklog up --allow-faults`");
            }
            TypedCommand::Fault(MASTER, Fault::Slow(_)) => {
                self.printer.say("only a secondary has a store delay: slow one of them");
            }
            TypedCommand::Fault(number, fault) => match self.nodes.get(number) {
                Some(node) if node.running.is_some() => {
                    let (name, port) = (node.plan.name.clone(), node.plan.http_port);
                    self.run_in_background(name, async move { fault::add(port, fault).await });
                }
                Some(node) => self.printer.say(&format!("{} is not running", node.plan.name)),
                None => {}
            },
            TypedCommand::Heal => {
                for node in self.nodes.iter().filter(|node| node.running.is_some()) {
                    let (name, port) = (node.plan.name.clone(), node.plan.http_port);
                    self.run_in_background(name, async move { fault::clear(port).await });
                }
            }
            TypedCommand::Nothing => {}
            TypedCommand::Unusable(why) => self.printer.say(&why),
            TypedCommand::Unknown => {
                let (help, names) =
                    (typed_commands::help(self.plan.allow_faults), names_of(&self.plan.nodes));
                self.printer.say(&format!("{help}. Nodes: {names}"));
            }
        }
    }

    /// Runs a request in the background and reports its failure. Its success is in the node's log.
    fn run_in_background(
        &self,
        name: String,
        what: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let printer = self.printer.clone();
        tokio::spawn(async move {
            if let Err(error) = what.await {
                printer.say(&format!("{name}: {error:#}"));
            }
        });
    }

    /// Ends all nodes: terminates them, and kills those that have not ended in time or when the
    /// user asks again.
    async fn end(&mut self, signals: &mut StopSignals) {
        let begun = Instant::now();
        for (signal, grace) in [(Signal::TERM, STOP_GRACE), (Signal::KILL, KILL_GRACE)] {
            let deadline = Instant::now() + grace;
            let left: Vec<_> = self.nodes.iter().filter(|node| node.running.is_some()).collect();
            if signal == Signal::KILL && !left.is_empty() {
                let names = names_of(left.iter().map(|node| &node.plan));
                self.printer.say(&format!("killing what has not ended: {names}"));
            }
            left.iter().filter_map(|node| node.running.as_ref()).for_each(|running| {
                running.signal(signal);
            });
            while self.nodes.iter().any(|node| node.running.is_some()) {
                tokio::select! {
                    ended = timeout_at(deadline, self.ended.recv()) => match ended {
                        Ok(Some(ended)) => {
                            if let Some(node) = self.nodes.get_mut(ended.node) {
                                node.running = None;
                            }
                        }
                        Ok(None) | Err(_) => break,
                    },
                    _ = signals.stopped() => {
                        if begun.elapsed() >= ASKED_AGAIN_AFTER {
                            break;
                        }
                    }
                }
            }
        }
    }
}

fn names_of<'a>(nodes: impl IntoIterator<Item = &'a NodePlan>) -> String {
    let names: Vec<_> = nodes.into_iter().map(|node| node.name.as_str()).collect();
    names.join(", ")
}

/// Waits until all nodes are ready, and returns the names of those that are late.
async fn all_ready(nodes: Vec<NodePlan>) -> Vec<String> {
    let deadline = Instant::now() + READY_TIMEOUT;
    let mut late = Vec::new();
    for node in nodes {
        let ready = async {
            let mut client = ToolClient::new(NodeUrl::local(node.http_port));
            while !client.get(paths::READY).await.is_ok_and(|answer| answer.status.is_success()) {
                sleep(READY_POLL).await;
            }
        };
        if timeout_at(deadline, ready).await.is_err() {
            late.push(node.name);
        }
    }
    late
}
