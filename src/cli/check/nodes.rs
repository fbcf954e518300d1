//! The nodes of a run: their roles and names, and requests to them other than for messages.

use std::sync::Arc;
use std::time::Duration;

use acklog_api::{Health, paths};
use acklog_client::{Answer, READ_TIMEOUT};
use anyhow::{Context, bail};
use hyper::{Method, StatusCode};
use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::basic;
use super::check_run::{CheckRun, CheckedCluster, CheckedNode};
use super::report::ClearedFaults;
use crate::cli::NodeUrl;
use crate::cli::client::{ToolClient, is_unreachable};

/// Asks every node for its role and name. With `allow_down`, nodes that cannot be reached are left
/// out.
///
/// # Errors
/// When a node cannot be reached or is no acklog node, and when not exactly one of them is a
/// master.
pub(super) async fn identify_nodes(
    urls: &[NodeUrl],
    allow_down: bool,
) -> anyhow::Result<CheckedCluster> {
    let (mut masters, mut secondaries, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for url in urls {
        let health = match health(url).await {
            Err(error) if is_unreachable(&error) && allow_down => {
                down.push(error.to_string());
                continue;
            }
            Err(error) if is_unreachable(&error) => {
                bail!("{error:#}; if it is meant to be down, give --allow-down");
            }
            health => health?,
        };
        let name = health.name().with_context(|| no_node(url))?.to_owned();
        let node = CheckedNode { url: url.clone(), name, end: end(&health, url)? };
        match health {
            Health::Master(health) => masters.push((node, health.cluster_size)),
            Health::Secondary(_) => secondaries.push(node),
        }
    }
    if masters.len() > 1 {
        bail!("{} of the URLs are masters: name the nodes of one cluster", masters.len());
    }
    let Some((master, size)) = masters.pop() else {
        let unreachable: String = down.iter().map(|error| format!("; {error}")).collect();
        bail!("none of the URLs is a master: add its --url{unreachable}")
    };
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
    let cluster_size = size.unwrap_or((nodes.len() + down.len()) as u64).max(1);
    Ok(CheckedCluster { nodes, cluster_size, down })
}

async fn request(url: &NodeUrl, method: Method, path: &str) -> anyhow::Result<Answer> {
    Ok(ToolClient::new(url.clone()).call(method, path, None, "", Some(READ_TIMEOUT)).await?)
}

/// Requests a node's health.
///
/// # Errors
/// When the node cannot be reached or is no acklog node.
async fn health(url: &NodeUrl) -> anyhow::Result<Health> {
    let answer = request(url, Method::GET, paths::HEALTH).await?;
    if !answer.status.is_success() {
        bail!("GET {url}/health: {}; --basic checks programs without it", answer.detail());
    }
    answer.parsed().with_context(|| no_node(url))
}

fn no_node(url: &NodeUrl) -> String {
    format!(
        "GET {url}{}: not the answer of an acklog node; --basic checks other programs",
        paths::HEALTH
    )
}

fn end(health: &Health, url: &NodeUrl) -> anyhow::Result<u64> {
    health.log_end().with_context(|| no_node(url))
}

/// Requests a node's log end.
///
/// # Errors
/// When the node cannot be reached, or does not report it.
pub(super) async fn end_of(run: &CheckRun, node: usize) -> anyhow::Result<u64> {
    if run.load.is_basic {
        return basic::end_of(run, node).await;
    }
    let node = run.nodes().get(node).context("there is such a node")?;
    end(&health(&node.url).await?, &node.url)
}

/// Requests the cluster size from the master; `None` if it does not report one.
pub(super) async fn cluster_size(run: &CheckRun) -> Option<u64> {
    if run.load.is_basic {
        return None;
    }
    health(&run.master().url).await.ok()?.cluster_size()
}

/// Checks that all secondaries allow faults, so that their connections can be dropped.
///
/// # Errors
/// When a secondary cannot be reached or refuses.
pub(super) async fn faults_are_allowed(nodes: &[CheckedNode]) -> anyhow::Result<()> {
    for node in nodes.iter().skip(1) {
        let answer = request(&node.url, Method::GET, paths::FAULTS).await?;
        if !answer.status.is_success() {
            bail!("--disconnect-every: {}: {}", node.url, answer.detail());
        }
    }
    Ok(())
}

/// Drops the connections of secondaries, one after the other, at random.
pub(super) async fn disconnects(run: Arc<CheckRun>, every: Option<Duration>) {
    let secondaries = run.nodes().len().saturating_sub(1);
    let Some(every) = every.filter(|_| secondaries > 0) else { return };
    let mut ticks = interval(every);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let chosen = 1 + rand::rng().random_range(0..secondaries);
        let Some(node) = run.nodes().get(chosen) else { return };
        let answer = request(&node.url, Method::POST, paths::FAULTS_DISCONNECT).await;
        let done = answer.is_ok_and(|answer| answer.status.is_success());
        run.lock().disconnects += u64::from(done);
    }
}

/// Clears the faults of all nodes at once.
pub(super) async fn clear_faults(run: &CheckRun) -> ClearedFaults {
    let mut requests = JoinSet::new();
    for node in run.nodes() {
        let url = node.url.clone();
        requests.spawn(async move { request(&url, Method::DELETE, paths::FAULTS).await });
    }
    let mut cleared = ClearedFaults::default();
    for answer in requests.join_all().await {
        match answer.map(|answer| answer.status) {
            Ok(status) if status.is_success() => cleared.nodes += 1,
            // A node that does not allow faults has none.
            Ok(StatusCode::FORBIDDEN) => {}
            _ => cleared.failed += 1,
        }
    }
    cleared
}
