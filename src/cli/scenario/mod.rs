//! `acklog scenario`: plays a text file of steps, against real nodes or in virtual time.
//!
//! `acklog_sim::scenario` has the language. `live` plays it against real nodes, which `processes`
//! and `compose` (over `docker`) start; `http` sends requests to them, `proxy` stands between them,
//! `line_stream` is an append stream to one,
//! `log_files` changes their files. `invariants` reports what a simulation breaks. `narrator`
//! tells the story and the steps, and waits for `keys`; `run_stream` is what a recording holds and
//! what the page is told (`page_feed` with `past_items`, over `page_server`); `simulated_news` adds
//! to it what simulated nodes tell, and `live` what real nodes do. `run` puts all of it together.

mod compose;
mod docker;
mod http;
mod invariants;
mod keys;
mod line_stream;
mod live;
mod log_files;
mod narrator;
mod nodes;
mod page_feed;
mod page_server;
mod past_items;
mod processes;
mod proxy;
mod recording_file;
mod run;
mod run_stream;
mod simulated_news;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use acklog_sim::scenario::{Recorded, Script, Simulated};
use acklog_types::escaped;
use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::compose::Compose;
use self::live::{Live, LiveNews};
use self::nodes::Nodes;
use self::processes::Processes;
use self::run::ScenarioRun;
use self::simulated_news::SimulatedNews;
use super::faults::seed;
use crate::server::run::{StopOn, StopSignals};

/// The program's name in error messages.
const PROGRAM: &str = "acklog scenario";

/// Exit status: the file cannot be read, or needs what the backend lacks.
const UNUSABLE: u8 = 2;

/// Exit status after a Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// The seed with which the traces in the files were recorded.
const RECORDED_SEED: u64 = 0;

/// Flags of `acklog scenario`.
#[derive(Clone, Debug, Args)]
pub(super) struct ScenarioArgs {
    #[command(subcommand)]
    action: ScenarioAction,
}

#[derive(Clone, Debug, Subcommand)]
enum ScenarioAction {
    /// Play a scenario: status 0 it holds, 1 an expectation does not, 2 it cannot be played
    Run(RunArgs),
}

#[derive(Clone, Debug, Args)]
struct RunArgs {
    /// The scenario: a text file, one step a line
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Play it in virtual time; a trace that the file has below --- must happen again
    #[arg(long, env = "ACKLOG_SIMULATE", conflicts_with = "compose")]
    simulate: bool,

    /// Seed of the simulation; recorded traces are compared with 0 only [default: 0]
    #[arg(long, env = "ACKLOG_SEED", value_name = "N", value_parser = seed, requires = "simulate")]
    #[arg(allow_negative_numbers = true)]
    seed: Option<u64>,

    /// Play it with the containers of docker-compose.yml, which is looked for from here upwards
    #[arg(long, env = "ACKLOG_COMPOSE")]
    compose: bool,

    /// Write what the nodes tell, and the steps, into a file that the page can open
    #[arg(long, env = "ACKLOG_RECORD", value_name = "FILE")]
    record: Option<PathBuf>,

    /// Serve a page that shows the run, at a free port of 127.0.0.1 or at ADDR, and begin when it
    /// is opened or reloaded, or at the Enter key
    #[arg(long, env = "ACKLOG_WATCH", value_name = "ADDR", default_missing_value = "127.0.0.1:0")]
    #[arg(num_args = 0..=1, require_equals = true)]
    watch: Option<SocketAddr>,

    /// Wait for the Enter key before each step, until standard input ends
    #[arg(long, env = "ACKLOG_STEP")]
    step: bool,
}

/// The reason for which a scenario was not played to its end.
enum PlayFailure {
    /// It cannot be played, for this reason.
    Unusable(String),
    /// A step did not hold: what was seen, and what may explain it.
    Broken {
        what: String,
        words: String,
    },
    Interrupted,
}

/// Plays a scenario and returns the exit status.
pub(super) fn run(args: &ScenarioArgs) -> ExitCode {
    let ScenarioAction::Run(args) = &args.action;
    let mut err = std::io::stderr();
    match play(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(PlayFailure::Unusable(what)) => {
            let _ = writeln!(err, "{PROGRAM}: {what}");
            ExitCode::from(UNUSABLE)
        }
        Err(PlayFailure::Broken { what, words }) => {
            let _ = write!(err, "{words}");
            let _ = writeln!(err, "{PROGRAM}: {what}");
            ExitCode::FAILURE
        }
        Err(PlayFailure::Interrupted) => {
            let _ = writeln!(err, "{PROGRAM}: interrupted");
            ExitCode::from(INTERRUPTED)
        }
    }
}

fn play(args: &RunArgs) -> Result<(), PlayFailure> {
    let file = escaped(&args.file.display().to_string()).into_owned();
    let text = std::fs::read_to_string(&args.file);
    let text = text.map_err(|error| PlayFailure::Unusable(format!("{file}: {error}")))?;
    let script = Script::parse(&text)
        .map_err(|bad| PlayFailure::Unusable(format!("{file}:{}: {}", bad.line, bad.reason)))?;
    let run = ScenarioRun { args, file: &file, script: &script };
    let unusable = |error: anyhow::Error| PlayFailure::Unusable(format!("{error:#}"));
    if args.simulate {
        let seed = args.seed.unwrap_or(RECORDED_SEED);
        let recorded = if seed == RECORDED_SEED { Recorded::Compare } else { Recorded::Ignore };
        invariants::exit_when_broken(&file, seed);
        let telling = SimulatedNews::new(plain_runtime().map_err(unusable)?);
        return run.play(&mut Simulated::new(seed), recorded, telling);
    }
    let (runtime, stopped) = runtime().map_err(unusable)?;
    if args.compose {
        let nodes = runtime.block_on(Compose::new()).map_err(unusable)?;
        play_live(&run, Live::new(runtime, nodes, stopped))
    } else {
        let nodes = Processes::new().map_err(unusable)?;
        play_live(&run, Live::new(runtime, nodes, stopped))
    }
}

fn play_live<N: Nodes>(run: &ScenarioRun<'_>, mut live: Live<N>) -> Result<(), PlayFailure> {
    let played = run.play(&mut live, Recorded::Ignore, LiveNews);
    live.end();
    played
}

/// Creates a runtime with a thread of its own.
fn plain_runtime() -> anyhow::Result<Runtime> {
    acklog_threads::ask_for(1).context("cannot start a thread")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.worker_threads(1).enable_all().build()?)
}

/// Creates a runtime, and a value that becomes true when the user ends this program.
fn runtime() -> anyhow::Result<(Runtime, watch::Receiver<bool>)> {
    let runtime = plain_runtime()?;
    let (sender, stopped) = watch::channel(false);
    let mut signals = {
        let _inside = runtime.enter();
        StopSignals::install(StopOn::Signals)?
    };
    runtime.spawn(async move {
        signals.stopped().await;
        sender.send_replace(true);
        // Kept alive: a receiver would take a dropped sender for the end of this program.
        std::future::pending::<()>().await;
    });
    Ok((runtime, stopped))
}
