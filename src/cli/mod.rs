//! `acklog`, the user's tool: starts a cluster on this machine, and talks to nodes.
//!
//! Results go to standard output, everything else to standard error. Exit status 0 means done, 1
//! that a node refused or cannot be reached, 2 that the command line is unusable.

pub mod bench;
mod check;
mod child_process;
mod client;
mod faults;
mod forget;
mod list_tail;
mod log;
mod message_selection;
mod messages;
mod post;
mod receipt;
mod scenario;
mod status;
mod table;
mod typed_lines;
mod up;
mod url;
mod watch;

#[cfg(test)]
mod test_node;

use std::ffi::OsString;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use acklog_types::escaped;
use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};
pub use url::NodeUrl;
use url::TargetArgs;

use crate::config::{
    self, MasterConfig, NodeConfig, SecondaryConfig, Stop, UNKNOWN_VARIABLE_ADVICE,
};
use crate::server;
use crate::server::run::{StopOn, StopSignals};

/// The command line of `acklog`.
#[derive(Clone, Debug, Parser)]
#[command(name = "acklog", version, about = "A replicated log with tunable write concern")]
pub struct Cli {
    #[command(subcommand)]
    command: ToolCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ToolCommand {
    /// Start a master and secondaries on this machine; Ctrl-C ends them all
    Up(up::UpArgs),
    /// Append messages to the log, in order; stops at the first that is refused
    Post(post::PostArgs),
    /// Print messages as lines: id, tab, message with its control characters escaped
    Messages(messages::MessagesArgs),
    /// Print which nodes have a message, and since when, as a table
    Receipt(receipt::ReceiptArgs),
    /// Print the state of the cluster, or of one secondary, as a table
    Status(status::StatusArgs),
    /// Show the cluster on the terminal as it changes: lists side by side, lag, senders, events
    Watch(watch::WatchArgs),
    /// Load a running cluster, read all its nodes, and verify that nothing is lost, doubled or out
    /// of order
    Check(check::CheckArgs),
    /// Measure how fast a running cluster takes messages; what it sends stays in the log
    Bench(bench::BenchArgs),
    /// Show, set or clear the faults of nodes that run with --allow-faults
    Faults(faults::FaultsArgs),
    /// Forget a secondary that is gone, so that it no longer counts
    Forget(forget::ForgetArgs),
    /// Look into the data directory of a node, or make a secondary start over
    Log(log::LogArgs),
    /// Play a text file of steps and expectations, on nodes of its own or in virtual time
    Scenario(scenario::ScenarioArgs),
    /// Run a master that stops when standard input ends; `up` starts it
    #[command(hide = true)]
    MasterNode(ChildArgs<MasterConfig>),
    /// Run a secondary that stops when standard input ends; `up` starts it
    #[command(hide = true)]
    SecondaryNode(ChildArgs<SecondaryConfig>),
}

impl Cli {
    /// Reads the command line of the tool, the program's name first.
    ///
    /// # Errors
    /// When help or the version is asked for, and when the command line is unusable.
    pub fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        config::parse(up::with_dashes(args.into_iter().collect()))
    }

    /// Returns the variables of the environment that look like a flag's and are none, sorted.
    pub fn unknown_variables() -> Vec<String> {
        config::unknown_variables(&Self::command())
    }

    /// Does what the command line asks for and returns the exit status.
    pub fn run(self) -> ExitCode {
        if !matches!(self.command, ToolCommand::MasterNode(_) | ToolCommand::SecondaryNode(_)) {
            for name in Self::unknown_variables() {
                let line = format!("acklog: {}: {UNKNOWN_VARIABLE_ADVICE}", escaped(&name));
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
        match self.command {
            ToolCommand::Up(args) => up::run(args),
            ToolCommand::Post(args) => match args.unusable() {
                Some(wrong) => Stop::bad_usage("acklog", &wrong).report(),
                None => finish(block_on(post::run(&args, &mut std::io::stdout()))),
            },
            ToolCommand::Messages(args) => {
                if let Some(wrong) = args.unusable() {
                    return Stop::bad_usage("acklog", &wrong).report();
                }
                // Buffered: a long log is many short lines.
                let mut out = std::io::BufWriter::new(std::io::stdout());
                let done = block_on(messages::run(&args, &mut out));
                finish(seen_enough(done.and_then(|()| Ok(out.flush()?))))
            }
            ToolCommand::Status(args) => {
                finish(seen_enough(block_on(status::run(&args, &mut std::io::stdout()))))
            }
            ToolCommand::Watch(args) => match watch::unusable() {
                Some(wrong) => Stop::bad_usage("acklog", &wrong).report(),
                None => finish(block_on(watch::run(&args))),
            },
            ToolCommand::Receipt(args) => {
                finish(seen_enough(block_on(receipt::run(&args, &mut std::io::stdout()))))
            }
            ToolCommand::Check(args) => check::run(&args),
            ToolCommand::Bench(args) => bench::run(&args),
            ToolCommand::Faults(args) => {
                finish(block_on(faults::run(&args, &mut std::io::stdout())))
            }
            ToolCommand::Forget(args) => {
                finish(block_on(forget::run(&args, &mut std::io::stdout())))
            }
            ToolCommand::Log(args) => log::run(&args),
            ToolCommand::Scenario(args) => scenario::run(&args),
            ToolCommand::MasterNode(args) => match args.node.check() {
                Ok(()) => {
                    let mut config = args.node.clone();
                    config.common.up_since = args.up_since();
                    server::master_node(config, stop_of_child(), &Self::unknown_variables())
                }
                Err(stop) => stop.report(),
            },
            ToolCommand::SecondaryNode(args) => match args.node.check() {
                Ok(()) => {
                    let mut config = args.node.clone();
                    config.common.up_since = args.up_since();
                    server::secondary_node(config, stop_of_child(), &Self::unknown_variables())
                }
                Err(stop) => stop.report(),
            },
        }
    }
}

/// The flags of a node that `up` starts.
#[derive(Clone, Debug, Args)]
struct ChildArgs<A: Args> {
    #[command(flatten)]
    node: A,

    /// When `up` began, in milliseconds since 1970: the one clock of all its nodes
    #[arg(long, hide = true, value_name = "MS")]
    up_since: Option<u64>,
}

impl<A: Args> ChildArgs<A> {
    fn up_since(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.up_since?))
    }
}

/// Returns the stop signals of a node that `up` started: it also stops when `up` ends.
fn stop_of_child() -> anyhow::Result<StopSignals> {
    StopSignals::install(StopOn::SignalsOrStdinEnd)
}

/// Runs a command that talks to a node. A thread of its own drives the connection, so that the
/// command may block on its standard input and output.
///
/// # Errors
/// As the command, and when no thread can be started.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    acklog_threads::ask_for(1).context("cannot start a thread")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build()?.block_on(command)
}

/// Reports the error of a command in one line, and returns its exit status.
fn finish(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            config::report("acklog", &error);
            ExitCode::FAILURE
        }
    }
}

/// Ignores a closed output in a command that only reads: the reader of `acklog messages | head` has
/// seen enough. Not for `post`, which would leave messages unsent.
fn seen_enough(done: anyhow::Result<()>) -> anyhow::Result<()> {
    let broken_pipe = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    match done {
        Err(error) if error.downcast_ref().is_some_and(broken_pipe) => Ok(()),
        done => done,
    }
}
