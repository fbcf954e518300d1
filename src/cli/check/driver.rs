//! A run from its beginning to its end: who is who, load, chaos, convergence, a last look at everything.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::{Method, StatusCode};
use rand::RngExt;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout_at};

use super::CheckArgs;
use super::history::Ending;
use super::load::{Mix, sender};
use super::report::{Cleared, Report};
use super::shared::{Load, Node, Shared};
use super::watch::{read_all, watch};
use crate::cli::NodeUrl;
use crate::cli::client::{Answer, Client, READ_TIMEOUT};
use crate::cli::faults;

/// Pause between two looks at whether something has come to pass.
const PAUSE: Duration = Duration::from_millis(5);

/// What the last messages may take on top, where the first wait used up all the time.
const GRACE: Duration = Duration::from_secs(2);

/// Answered appends below which a check says nothing about a cluster. Fewer would pass for a proof; more would refuse
/// short checks of slow clusters.
const ANSWERS_MIN: u64 = 100;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Most nodes whose ends the line of progress names one by one. More do not fit on a line of 80 columns.
const ENDS_MAX: usize = 4;

/// The part of `/health` that is needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    name: String,
    role: String,
    log_end: u64,
    cluster_size: Option<u64>,
}

/// Checks a cluster, prints what was found, and returns whether all holds.
///
/// # Errors
/// When there is nothing to check: a node cannot be reached at the start, none or several are masters, no message was
/// accepted.
pub(super) async fn run(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<bool> {
    let (nodes, cluster_size) = introductions(&args.url).await?;
    if args.disconnect_every.is_some() {
        faults_are_allowed(&nodes).await?;
    }
    let seed = args.seed.unwrap_or_else(rand::random);
    let begin = Instant::now();
    let until = begin + args.duration;
    let (mix, messages_max, rate) = (Mix { cluster_size }, args.messages as u64, args.rate);
    let shared = Arc::new(Shared::new(nodes, Load { mix, begin, until, messages_max, rate }));
    let mut watchers = JoinSet::new();
    for node in 0..shared.nodes.len() {
        watchers.spawn(watch(Arc::clone(&shared), node));
    }
    if std::io::stderr().is_terminal() {
        watchers.spawn(progress(Arc::clone(&shared), begin));
    }
    let mut senders = JoinSet::new();
    let loaded = load(&shared, args, seed, &mut senders).await?;
    let load = begin.elapsed();
    {
        let mut state = shared.lock();
        let ends = (0..shared.nodes.len()).map(|node| state.history.end(node));
        state.load_ends = ends.collect();
    }
    let cleared = if args.keep_faults { None } else { Some(clear_faults(&shared).await) };

    let deadline = Instant::now() + args.converge;
    let (converged, mut target) = converge(&shared, deadline).await;
    if !loaded {
        let all = async { while senders.join_next().await.is_some() {} };
        let _ = timeout_at(deadline, all).await;
        senders.shutdown().await;
    }
    let mut in_time = converged.is_some();
    if in_time {
        // Messages of senders that were still on their way.
        let last = converge(&shared, deadline.max(Instant::now() + GRACE)).await;
        (in_time, target) = (last.0.is_some(), last.1);
    }
    watchers.shutdown().await;
    clear_line();
    look_at_everything(&shared, target.unwrap_or(0)).await;
    let last = master_health(&shared).await.ok();
    let size = last.as_ref().and_then(|last| last.cluster_size).unwrap_or(cluster_size);
    let ending = Ending {
        target,
        in_time,
        without_faults: cleared.is_some_and(|cleared| cleared.failed == 0),
        master_end: last.map(|last| last.log_end),
        cluster_size: size.min(cluster_size),
    };
    let mut state = shared.lock();
    state.history.finish(ending);
    let report = Report::new(&shared, &state, seed, args.senders, load, cleared, converged);
    report.print(args.json, out)?;
    if report.accepted == 0 {
        let why = state.refusal.clone().unwrap_or_else(|| "no sender was answered".to_owned());
        bail!("nothing was checked, since no message was accepted: {why}");
    }
    let answers = state.history.answer_count();
    if report.holds() && answers < ANSWERS_MIN {
        bail!(
            "only {answers} appends were answered, too few to say that anything holds: let it run \
             longer (--duration 10s), or send more at once (--senders, --rate, --messages)"
        );
    }
    Ok(report.holds())
}

/// Sends until the time is up, all messages are sent, or somebody has had enough (SIGINT, SIGTERM): what was sent is
/// still checked then, and who has had enough of that too ends the program. Returns whether all senders have ended.
async fn load(
    shared: &Arc<Shared>,
    args: &CheckArgs,
    seed: u64,
    senders: &mut JoinSet<()>,
) -> anyhow::Result<bool> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut interrupted = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    for number in 0..args.senders {
        senders.spawn(sender(Arc::clone(shared), number, seed));
    }
    let chaos = tokio::spawn(disconnects(Arc::clone(shared), args.disconnect_every));
    let all = async { while senders.join_next().await.is_some() {} };
    let loaded = tokio::select! {
        loaded = timeout_at(shared.load.until, all) => loaded.is_ok(),
        () = interrupted() => {
            clear_line();
            let text = "the load ends early; once more, and the check ends without a report";
            let _ = writeln!(std::io::stderr(), "{text}");
            false
        }
    };
    shared.stop.cancel();
    chaos.abort();
    tokio::spawn(async move {
        interrupted().await;
        std::process::exit(1);
    });
    Ok(loaded)
}

/// Asks every node who it is; the master comes first.
async fn introductions(urls: &[NodeUrl]) -> anyhow::Result<(Vec<Node>, u64)> {
    let (mut masters, mut secondaries) = (Vec::new(), Vec::new());
    for url in urls {
        let health = health(url).await?;
        let node = Node { url: url.clone(), name: health.name };
        match health.role.as_str() {
            "master" => masters.push((node, health.cluster_size)),
            _ => secondaries.push(node),
        }
    }
    if masters.len() > 1 {
        bail!("{} of the URLs are masters: name the nodes of one cluster", masters.len());
    }
    let (master, size) = masters.pop().context("none of the URLs is a master: add its --url")?;
    let mut nodes = vec![master];
    for node in secondaries {
        if let Some(same) = nodes.iter().find(|other| other.name == node.name) {
            bail!(
                "{} and {} are both called {}: name each node once",
                same.url,
                node.url,
                node.name
            );
        }
        nodes.push(node);
    }
    let size = size.unwrap_or(nodes.len() as u64).max(1);
    Ok((nodes, size))
}

async fn request(url: &NodeUrl, method: Method, path: &str) -> anyhow::Result<Answer> {
    Client::new(url.clone()).call(method, path, "", Some(READ_TIMEOUT)).await
}

async fn health(url: &NodeUrl) -> anyhow::Result<Health> {
    let answer = request(url, Method::GET, "/health").await?;
    if !answer.status.is_success() {
        bail!("{url}: {}", answer.detail());
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("{url} is no node"))
}

async fn master_health(shared: &Shared) -> anyhow::Result<Health> {
    let master = shared.nodes.first().context("there is a master")?;
    health(&master.url).await
}

/// Whether all secondaries let their connections be dropped.
async fn faults_are_allowed(nodes: &[Node]) -> anyhow::Result<()> {
    for node in nodes.iter().skip(1) {
        let answer = request(&node.url, Method::GET, faults::PATH).await?;
        if !answer.status.is_success() {
            bail!("--disconnect-every: {}: {}", node.url, answer.detail());
        }
    }
    Ok(())
}

/// Drops the connections of one secondary after the other, at random.
async fn disconnects(shared: Arc<Shared>, every: Option<Duration>) {
    let secondaries = shared.nodes.len().saturating_sub(1);
    let Some(every) = every.filter(|_| secondaries > 0) else { return };
    let mut ticks = interval(every);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let chosen = 1 + rand::rng().random_range(0..secondaries);
        let Some(node) = shared.nodes.get(chosen) else { return };
        let answer = request(&node.url, Method::POST, faults::DISCONNECT_PATH).await;
        let done = answer.is_ok_and(|answer| answer.status.is_success());
        shared.lock().disconnects += u64::from(done);
    }
}

/// Clears the faults of all nodes at once.
async fn clear_faults(shared: &Shared) -> Cleared {
    let mut requests = JoinSet::new();
    for node in &shared.nodes {
        let url = node.url.clone();
        requests.spawn(async move { request(&url, Method::DELETE, faults::PATH).await });
    }
    let mut cleared = Cleared::default();
    for answer in requests.join_all().await {
        match answer.map(|answer| answer.status) {
            Ok(status) if status.is_success() => cleared.nodes += 1,
            // Where faults are not allowed, there are none.
            Ok(StatusCode::FORBIDDEN) => {}
            _ => cleared.failed += 1,
        }
    }
    cleared
}

/// Waits until all nodes show what the master has by now. Returns how long it took, if they do, and how many messages
/// that are, if the master tells.
async fn converge(shared: &Shared, deadline: Instant) -> (Option<Duration>, Option<u64>) {
    let begin = Instant::now();
    let target = loop {
        match timeout_at(deadline, master_health(shared)).await {
            Ok(Ok(health)) => break health.log_end,
            Ok(Err(_)) => sleep(PAUSE).await,
            Err(_) => return (None, None),
        }
    };
    loop {
        let nodes = 0..shared.nodes.len();
        let all = {
            let state = shared.lock();
            nodes.into_iter().all(|node| state.history.end(node) >= target)
        };
        if all {
            return (Some(begin.elapsed()), Some(target));
        }
        if Instant::now() >= deadline {
            return (None, Some(target));
        }
        sleep(PAUSE).await;
    }
}

/// Reads every list from its beginning, of those nodes that have come so far.
async fn look_at_everything(shared: &Arc<Shared>, target: u64) {
    let mut readers = JoinSet::new();
    for node in 0..shared.nodes.len() {
        if shared.lock().history.end(node) >= target {
            readers.spawn(read_all(Arc::clone(shared), node, target));
        }
    }
    while readers.join_next().await.is_some() {}
}

/// Clears the line that shows progress. A terminal that is gone is no reason to stop.
fn clear_line() {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let _ = write!(std::io::stderr(), "\r\x1b[K");
}

/// One line on the terminal, written over the one before, that shows where the run is.
async fn progress(shared: Arc<Shared>, begin: Instant) {
    let mut ticks = interval(PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        let line = {
            let state = shared.lock();
            let ends = (0..shared.nodes.len()).map(|node| state.history.end(node));
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

/// How far the nodes' lists are: each by itself, or of many the shortest and the longest, so that the line stays one
/// line of a terminal.
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
