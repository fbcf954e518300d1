//! `acklog scenario`: plays a text file of steps, against real nodes or in virtual time.
//!
//! `acklog_sim::scenario` has the language. `live` plays it against real nodes, which `processes`
//! and `compose` (over `docker`) start; `http` sends requests to them, `proxy` stands between them,
//! `line_stream` is an append stream to one,
//! `log_files` changes their files. `invariants` reports what a simulation breaks. `performance`
//! tells the story and the steps, and waits for `keys`; `run_stream` is what a recording holds, to
//! which `simulated_news` adds what simulated nodes tell.

mod compose;
mod docker;
mod http;
mod invariants;
mod keys;
mod line_stream;
mod live;
mod log_files;
mod nodes;
mod performance;
mod processes;
mod proxy;
mod recording_file;
mod run_stream;
mod simulated_news;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use acklog_api::recording::RECORDING_VERSION;
use acklog_api::{RecordingClock, RecordingHead};
use acklog_sim::scenario::{Backend, Player, Recorded, Script, Simulated, Step, Trouble};
use acklog_types::escaped;
use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use self::compose::Compose;
use self::keys::EnterKey;
use self::live::{Live, LiveNews};
use self::nodes::Nodes;
use self::performance::{Performance, Source};
use self::processes::Processes;
use self::recording_file::RecordingFile;
use self::run_stream::RunStream;
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
    let unusable = |error: anyhow::Error| PlayFailure::Unusable(format!("{error:#}"));
    let stream = stream(args, &file, &script).map_err(unusable)?;
    let key = args.step.then(EnterKey::begin).transpose();
    let key =
        key.map_err(|error| PlayFailure::Unusable(format!("cannot start a thread: {error}")))?;
    let act = Act { file: &file, script: &script, stream, key };
    if args.simulate {
        let seed = args.seed.unwrap_or(RECORDED_SEED);
        let recorded = if seed == RECORDED_SEED { Recorded::Compare } else { Recorded::Ignore };
        invariants::exit_when_broken(&file, seed);
        let mut simulated = Simulated::new(seed);
        if act.stream.is_some() {
            simulated.record();
        }
        return act.play(&mut simulated, recorded, SimulatedNews::default());
    }
    let (runtime, stopped) = runtime().map_err(unusable)?;
    if args.compose {
        let nodes = runtime.block_on(Compose::new()).map_err(unusable)?;
        act.play_live(Live::new(runtime, nodes, stopped))
    } else {
        let nodes = Processes::new().map_err(unusable)?;
        act.play_live(Live::new(runtime, nodes, stopped))
    }
}

/// Returns the stream of a run that is recorded; none where it is not.
///
/// # Errors
/// When the file cannot be written.
fn stream(args: &RunArgs, file: &str, script: &Script) -> anyhow::Result<Option<RunStream>> {
    let Some(path) = &args.record else { return Ok(None) };
    let clock = if args.simulate { RecordingClock::Virtual } else { RecordingClock::Wall };
    let title = script.lines().find_map(|line| match &line.step {
        Step::Story(title) => Some(title.clone()),
        _ => None,
    });
    let head = RecordingHead {
        recording: RECORDING_VERSION,
        made_by: format!("acklog {}", env!("CARGO_PKG_VERSION")),
        clock,
        title: title.unwrap_or_else(|| file.to_owned()),
    };
    Ok(Some(RunStream::new(RecordingFile::begin(path, &head)?)))
}

/// Creates a runtime, and a value that becomes true when the user ends this program.
fn runtime() -> anyhow::Result<(Runtime, watch::Receiver<bool>)> {
    acklog_threads::ask_for(1).context("cannot start a thread")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build()?;
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

/// A scenario to be played, and what goes with it.
struct Act<'a> {
    file: &'a str,
    script: &'a Script,
    stream: Option<RunStream>,
    key: Option<EnterKey>,
}

impl Act<'_> {
    fn play_live<N: Nodes>(self, mut live: Live<N>) -> Result<(), PlayFailure> {
        if let Some(stream) = &self.stream {
            live.tell(stream.clone());
        }
        let played = self.play(&mut live, Recorded::Ignore, LiveNews);
        live.end();
        played
    }

    fn play<B: Backend>(
        self,
        backend: &mut B,
        recorded: Recorded,
        source: impl Source<B>,
    ) -> Result<(), PlayFailure> {
        let Act { file, script, stream, key } = self;
        let mut player = Player::new(backend);
        if let Err(lacking) = player.check(script) {
            let (line, text) = (lacking.line, lacking.text);
            return Err(PlayFailure::Unusable(format!("{file}:{line}: {text}: {}", lacking.lacks)));
        }
        let mut performance = Performance::new(source, stream.clone(), key);
        let Err(broken) = player.play_to(script, recorded, &mut performance) else {
            return match stream.and_then(|stream| stream.failure()) {
                Some(what) => Err(PlayFailure::Broken { what, words: String::new() }),
                None => Ok(()),
            };
        };
        match broken.trouble {
            Trouble::Interrupted => Err(PlayFailure::Interrupted),
            Trouble::Failed(seen) => {
                let place = format!("{file}:{}: {}", broken.line, broken.text);
                let what = format!("{place}\n  seen instead: {seen}");
                Err(PlayFailure::Broken { what, words: backend.last_words() })
            }
        }
    }
}
