//! Drives a run from beginning to end: introductions, load, failures, convergence, last reads.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use acklog_judge::RunEnding;
use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout_at};

use super::CheckArgs;
use super::basic;
use super::check_run::{CheckLoad, CheckRun, CheckedCluster};
use super::converge::{converge, read_everything};
use super::follow::{follow, followers_reach};
use super::load::LoadClient;
use super::lookup::look_up;
use super::mix::LoadMix;
use super::nodes::{
    clear_faults, cluster_size, disconnects, end_of, faults_are_allowed, identify_nodes,
};
use super::report::{ANSWERS_MIN, CheckReport, RunSummary};
use super::restart::restart;
use super::watch::watch;

/// Further time for the last messages, where the first wait used up all of it.
const GRACE: Duration = Duration::from_secs(2);

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Most nodes whose log ends the progress line shows one by one. More do not fit on a line of 80
/// columns.
const ENDS_MAX: usize = 4;

/// Checks a cluster, prints the report, and returns whether everything holds.
///
/// # Errors
/// When there is nothing to judge: a node cannot be reached at the start, none or several are
/// masters, too few messages were accepted, or the restart failed.
pub(super) async fn run(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let introduced = match args.basic {
        true => basic::identify_nodes(&args.url, args.allow_down).await?,
        false => identify_nodes(&args.url, args.allow_down).await?,
    };
    let CheckedCluster { nodes, cluster_size: size, down } = introduced;
    if args.disconnect_every.is_some() {
        faults_are_allowed(&nodes).await?;
    }
    let seed = args.seed.unwrap_or_else(rand::random);
    let begin = Instant::now();
    let most = if args.basic { basic::MESSAGES_MAX } else { u64::MAX };
    let messages_max = most.min(args.messages as u64);
    let mix = LoadMix::new(size, messages_max, args.rate);
    let load = CheckLoad { mix, begin, messages_max, rate: args.rate, is_basic: args.basic };
    let run = Arc::new(CheckRun::new(nodes, load, begin + args.duration));
    let mut watchers = watchers(&run);
    let mut senders = JoinSet::new();
    let loaded = run_load(&run, args, seed, &mut senders).await?;
    let load = begin.elapsed();
    {
        let mut state = run.lock();
        let ends = (0..run.nodes().len()).map(|node| state.history.end(node));
        state.load_ends = ends.collect();
    }
    let cleared = match args.keep_faults || args.basic {
        true => None,
        false => Some(clear_faults(&run).await),
    };

    let deadline = Instant::now() + args.converge;
    let first = converge(&run, deadline).await;
    if !loaded.all_sent {
        let all = async { while senders.join_next().await.is_some() {} };
        let _ = timeout_at(deadline, all).await;
        senders.shutdown().await;
    }
    let took = first.took;
    let converged = match took {
        // Messages that were still in flight.
        Some(_) => converge(&run, deadline.max(Instant::now() + GRACE)).await,
        None => first,
    };
    if let Some(target) = converged.target {
        let _ =
            timeout_at(deadline.max(Instant::now() + GRACE), followers_reach(&run, target)).await;
    }
    watchers.shutdown().await;
    clear_line();
    read_everything(&run, &converged).await;
    let last_size = cluster_size(&run).await.unwrap_or(size);
    let ending = RunEnding {
        target: converged.target,
        in_time: converged.took.is_some(),
        without_faults: cleared.is_some_and(|cleared| cleared.failed == 0),
        master_end: end_of(&run, 0).await.ok(),
        cluster_size: last_size.min(size),
        cluster_size_max: last_size.max(size),
    };
    run.lock().history.finish(ending);
    let restart = loaded.restart.as_ref().and_then(|it| it.as_ref().ok()).copied();
    let ran =
        RunSummary { seed, senders: args.senders, load, restart, cleared, converged: took, down };
    verdict(&run, args, ran, out)?;
    match loaded.restart {
        Some(Err(error)) => Err(error),
        _ => Ok(run.lock().history.violations().count() == 0),
    }
}

/// Prints the report.
///
/// # Errors
/// When the run says too little about the cluster.
fn verdict(
    run: &CheckRun,
    args: &CheckArgs,
    ran: RunSummary,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let state = run.lock();
    let report = CheckReport::new(run, &state, ran);
    report.print(args.json, out)?;
    if report.accepted == 0 {
        let why = state.refusal.clone().unwrap_or_else(|| "no sender was answered".to_owned());
        bail!("nothing was checked, since no message was accepted: {why}");
    }
    let answers = state.history.answer_count();
    if report.holds() && answers < ANSWERS_MIN {
        bail!(
            "only {answers} appends were answered with an id, and it takes {ANSWERS_MIN} to say \
             that anything holds: let it run longer (--duration 10s), or send more at once \
             (--senders, --rate, --messages)"
        );
    }
    Ok(())
}

/// Starts the watchers of all nodes.
fn watchers(run: &Arc<CheckRun>) -> JoinSet<()> {
    let mut watchers = JoinSet::new();
    for node in 0..run.nodes().len() {
        if run.load.is_basic {
            watchers.spawn(basic::watch(Arc::clone(run), node));
            continue;
        }
        watchers.spawn(watch(Arc::clone(run), node));
        watchers.spawn(look_up(Arc::clone(run), node));
        watchers.spawn(follow(Arc::clone(run), node));
    }
    if std::io::stderr().is_terminal() {
        watchers.spawn(progress(Arc::clone(run), run.load.begin));
    }
    watchers
}

/// The end of the load.
struct Loaded {
    /// Whether all clients have ended.
    all_sent: bool,
    /// Time that the restart took, or why it failed; `None` without a restart.
    restart: Option<anyhow::Result<Duration>>,
}

/// Sends until the time is up, all messages are sent, or the user stops the load (SIGINT, SIGTERM).
/// What was sent by then is still checked; a second signal ends the program.
async fn run_load(
    run: &Arc<CheckRun>,
    args: &CheckArgs,
    seed: u64,
    senders: &mut JoinSet<()>,
) -> anyhow::Result<Loaded> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut interrupted = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    for number in 0..args.senders {
        let run = Arc::clone(run);
        if run.load.is_basic {
            senders.spawn(basic::send(run, number, seed));
        } else {
            senders.spawn(LoadClient::new(run, number, seed).run());
        }
    }
    let chaos = tokio::spawn(disconnects(Arc::clone(run), args.disconnect_every));
    let restart = async {
        let restarted = restart(run, args.restart_command.as_ref()?, args.converge).await;
        if restarted.is_err() {
            run.end_load();
        }
        Some(restarted)
    };
    let all = async {
        let sent = async { while senders.join_next().await.is_some() {} };
        tokio::select! {
            () = sent => true,
            () = run.until_over() => false,
        }
    };
    let both = async { tokio::join!(all, restart) };
    let loaded = tokio::select! {
        (all_sent, restart) = both => Loaded { all_sent, restart },
        () = interrupted() => {
            clear_line();
            let text = "the load ends early; press Ctrl-C again to end the check without a report";
            let _ = writeln!(std::io::stderr(), "{text}");
            Loaded { all_sent: false, restart: None }
        }
    };
    run.end_load();
    chaos.abort();
    tokio::spawn(async move {
        interrupted().await;
        std::process::exit(1);
    });
    Ok(loaded)
}

/// Clears the progress line. A terminal that is closed is no reason to stop.
fn clear_line() {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let _ = write!(std::io::stderr(), "\r\x1b[K");
}

/// Shows the progress in one line of the terminal, which it overwrites.
async fn progress(run: Arc<CheckRun>, begin: Instant) {
    let mut ticks = interval(PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        let line = {
            let state = run.lock();
            let ends = (0..run.nodes().len()).map(|node| state.history.end(node));
            format!(
                "{:4.0} s: {} messages sent, shown {}, {} violations",
                begin.elapsed().as_secs_f64(),
                state.history.sent_count(),
                shown_ends(&ends.collect::<Vec<_>>()),
                state.history.violations().count()
            )
        };
        clear_line();
        let _ = write!(std::io::stderr(), "{line}");
    }
}

/// Formats the log ends: each one, or the shortest and the longest of many, so that the progress
/// stays on one line.
fn shown_ends<T: Copy + Ord + std::fmt::Display>(ends: &[T]) -> String {
    match (ends.len(), ends.iter().min(), ends.iter().max()) {
        (count, Some(shortest), Some(longest)) if count > ENDS_MAX => {
            format!("{shortest} to {longest} by {count} nodes")
        }
        _ => ends.iter().map(T::to_string).collect::<Vec<_>>().join(" / "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_are_told_in_one_short_line() {
        assert_eq!(shown_ends(&[3, 1, 2]), "3 / 1 / 2");
        let many: Vec<u64> = (0..256).collect();
        assert_eq!(shown_ends(&many), "0 to 255 by 256 nodes");
    }
}
