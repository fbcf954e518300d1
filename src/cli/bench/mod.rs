//! `acklog bench`: measures throughput and latency of appends, seen by the clients.
//!
//! Without `--rate` the load is a **closed loop**: each client sends its next request when the one
//! before is answered. While the server stalls, no requests become due, so that the stall shows up
//! in few latencies only (*coordinated omission*). With `--rate` it is an **open loop**: requests
//! are due at a fixed rate, and each latency counts from the time at which its request was due.
//!
//! `engine` drives connections of any kind (`target`), so that other systems are measured in the
//! same way; `http` is the connection to a node. `schedule` decides when a request is due, `tally`
//! counts, `report` computes and `table` prints.

pub mod engine;
mod http;
mod load;
mod precise_timer;
mod report;
mod request_timeout;
mod response;
mod schedule;
mod stream;
mod stream_answers;
mod table;
mod tally;
mod target;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use acklog_api::{AppendRequest, paths};
use acklog_threads::ThreadPool;
use acklog_types::{MESSAGE_BYTES_LIMIT, WriteConcern, parse_duration_with_unit};
use anyhow::bail;
use clap::Args;
pub use http::{HttpConnection, HttpTarget};
use indicatif::{ProgressBar, ProgressStyle};
pub use report::{BenchReport, FailureCount, Percentiles};
use tokio::signal::unix::{SignalKind, signal};

use self::engine::{BenchLoad, BenchProgress, LoadModel, RequestFailure};
use self::stream::StreamTarget;
use super::client::master_of;
use super::{NodeUrl, TargetArgs};
use crate::config::{Stop, interval_with_unit, number};
use crate::server::run::raise_descriptor_limit;

/// Most clients: each holds a connection.
const CLIENTS_MAX: usize = 10_000;

/// Most threads. With more, the threads measure how they disturb each other.
const THREADS_MAX: usize = 64;

/// Most lines under way in one stream: as many as a node lets wait. With more, lines wait to be
/// read.
const WINDOW_MAX: usize = 16_384;

/// Time between two updates of the progress bar.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Time after the warm-up in which every request may fail before the run is given up. Shorter: a
/// node that is just coming back ends the run. Longer: a user who gave a wrong flag waits for
/// nothing.
const ALL_FAILS_MAX: Duration = Duration::from_secs(1);

/// Flags of `acklog bench`.
#[derive(Clone, Debug, Args)]
pub(super) struct BenchArgs {
    /// Clients, each with a connection and one request under way; with --stream, streams [default:
    /// 64; 1 with --stream]
    #[arg(long, env = "ACKLOG_CLIENTS", value_name = "N", value_parser = clients)]
    clients: Option<usize>,

    /// Send lines in append streams, each with many lines under way
    #[arg(long, env = "ACKLOG_STREAM")]
    stream: bool,

    /// Lines under way in each stream
    #[arg(long, env = "ACKLOG_WINDOW", value_name = "N", value_parser = window)]
    #[arg(default_value_t = 4096)]
    window: usize,

    /// Messages a second that are due, answered or not; latencies count from then [default: each
    /// client waits]
    #[arg(long, env = "ACKLOG_RATE", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Bytes of each message
    #[arg(long, env = "ACKLOG_SIZE", value_name = "N", value_parser = size, default_value_t = 100)]
    size: usize,

    /// How many nodes must have each message: a number, majority or all [default: the node's]
    #[arg(long, env = "ACKLOG_WRITE_CONCERN", value_name = "W")]
    write_concern: Option<WriteConcern>,

    /// Messages in each request
    #[arg(long, env = "ACKLOG_BATCH", value_name = "N", value_parser = batch, default_value_t = 1)]
    batch: usize,

    /// How long to measure
    #[arg(long, env = "ACKLOG_DURATION", value_name = "DURATION")]
    #[arg(value_parser = interval_with_unit)]
    #[arg(default_value = "10s")]
    duration: Duration,

    /// How long to send before that
    #[arg(long, env = "ACKLOG_WARM_UP", value_name = "DURATION")]
    #[arg(value_parser = parse_duration_with_unit)]
    #[arg(default_value = "1s")]
    warm_up: Duration,

    /// How long an answer may take; then the client hangs up
    #[arg(long, env = "ACKLOG_TIMEOUT", value_name = "DURATION", value_parser = interval_with_unit)]
    #[arg(default_value = "10s")]
    timeout: Duration,

    /// Threads that the clients share
    #[arg(long, env = "ACKLOG_THREADS", value_name = "N", value_parser = threads)]
    #[arg(default_value_t = 1)]
    threads: usize,

    /// Print what was measured as one JSON object
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    #[command(flatten)]
    target: TargetArgs,
}

fn clients(text: &str) -> Result<usize, String> {
    number(text, 1, CLIENTS_MAX)
}

fn window(text: &str) -> Result<usize, String> {
    number(text, 1, WINDOW_MAX)
}

fn threads(text: &str) -> Result<usize, String> {
    number(text, 1, THREADS_MAX)
}

fn size(text: &str) -> Result<usize, String> {
    number(text, 1, MESSAGE_BYTES_LIMIT)
}

/// Reads a number of messages. `acklog post` reads the same variable for its own `--batch`.
fn batch(text: &str) -> Result<usize, String> {
    number(text, 1, MESSAGE_BYTES_LIMIT).map_err(|wrong| match text {
        "true" | "false" => {
            format!("{wrong} ({text} is for `acklog post`, which has a --batch, too)")
        }
        _ => wrong,
    })
}

impl BenchArgs {
    fn load(&self) -> BenchLoad {
        let batch = self.batch as u64;
        let model = self.rate.map_or(LoadModel::Closed, |rate| LoadModel::Open {
            per_second: f64::from(rate) / batch as f64,
        });
        BenchLoad {
            clients: self.clients.unwrap_or(if self.stream { 1 } else { 64 }),
            model,
            warm_up: self.warm_up,
            duration: self.duration,
            timeout: self.timeout,
            threads: self.threads,
            batch,
        }
    }

    /// Returns the body of each request.
    fn body(&self) -> String {
        let message = "m".repeat(self.size);
        let request = match self.batch {
            1 => AppendRequest::message(message),
            count => AppendRequest::batch(vec![message; count]),
        };
        let request = AppendRequest { write_concern: self.write_concern, ..request };
        serde_json::to_string(&request).expect("a request always has a JSON form")
    }

    /// Returns why the flags are unusable together; `None` if they are usable.
    fn unusable(&self) -> Option<String> {
        if self.stream && self.rate.is_some() {
            let why = "--stream sends as lines are answered; it has no --rate";
            return Some(why.to_owned());
        }
        (self.batch.saturating_mul(self.size) > MESSAGE_BYTES_LIMIT).then(|| {
            format!(
                "--batch {} with --size {} is more than any node takes in one request: \
                 {MESSAGE_BYTES_LIMIT} bytes",
                self.batch, self.size
            )
        })
    }
}

/// Runs the measurement and returns the exit status: 0 when every request was answered with
/// success.
pub(super) fn run(args: &BenchArgs) -> ExitCode {
    if let Some(wrong) = args.unusable() {
        return Stop::bad_usage("acklog", &wrong).report();
    }
    raise_descriptor_limit();
    super::finish(super::block_on(measure(args, &mut std::io::stdout())))
}

async fn measure(args: &BenchArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let url = &master_of(&args.target.urls).await?;
    let (load, progress) = (args.load(), Arc::new(BenchProgress::default()));
    let (url_of_target, body) = (url.clone(), args.body());
    let window = args.stream.then_some(args.window);
    // Held until the end: a pool that is dropped runs no work.
    let thread = ThreadPool::new("bench", 1);
    let running = {
        let (load, progress) = (load.clone(), Arc::clone(&progress));
        thread.run(move || match window {
            Some(window) => {
                stream::run(StreamTarget::new(url_of_target, &body, window), &load, &progress)
            }
            None => {
                let target = HttpTarget::post(url_of_target, paths::MESSAGES, &body);
                engine::run(target, &load, &progress)
            }
        })
    };
    let watched = tokio::spawn(watch(Arc::clone(&progress), args.warm_up + args.duration));
    let hopeless = tokio::spawn(stop_where_all_fails(Arc::clone(&progress), args.warm_up));
    tokio::spawn(stop_on_signals(Arc::clone(&progress))?);
    let done = running.await?;
    watched.abort();
    hopeless.abort();
    let report = match done {
        Ok(report) => report,
        Err(RequestFailure::Connect(why)) => bail!("cannot reach {url}: {why}"),
        Err(failure) => bail!("{url}: {failure}"),
    };
    table::print(args, url, &report, out)?;
    match report.errors.first() {
        Some(most) if report.answered > 0 => {
            bail!("{} failed; most often: {}", report.failed, most.line())
        }
        Some(most) => bail!("no request succeeded: {}", most.line()),
        None if report.answered > 0 => Ok(()),
        None => bail!("no request was answered in the time that was measured"),
    }
}

/// Shows the progress of the run on a terminal.
async fn watch(progress: Arc<BenchProgress>, length: Duration) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}");
    let bar = ProgressBar::new(length.as_millis() as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let _cleared = ClearOnDrop(bar.clone());
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    let mut before = (Duration::ZERO, 0);
    loop {
        ticks.tick().await;
        let Some(elapsed) = progress.elapsed() else { continue };
        let answered = progress.answered();
        let rate = (answered - before.1) as f64 / (elapsed - before.0).as_secs_f64();
        before = (elapsed, answered);
        bar.set_message(format!("{rate:.0} requests/s, {} failures", progress.failed()));
        bar.set_position(elapsed.as_millis() as u64);
    }
}

/// A progress bar that is removed from the terminal when it is dropped.
struct ClearOnDrop(ProgressBar);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Stops a run in which every request fails: it measures nothing.
async fn stop_where_all_fails(progress: Arc<BenchProgress>, warm_up: Duration) {
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    while progress.answered() == 0 {
        ticks.tick().await;
        let is_over = progress.elapsed().is_some_and(|elapsed| elapsed > warm_up + ALL_FAILS_MAX);
        if is_over && progress.failed() > 0 && progress.answered() == 0 {
            progress.stop();
        }
    }
}

/// Stops the run early on SIGINT and SIGTERM; the second signal ends the program without a report.
fn stop_on_signals(progress: Arc<BenchProgress>) -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if progress.is_stopped() {
                std::process::exit(1);
            }
            progress.stop();
        }
    })
}
