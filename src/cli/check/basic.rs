//! Checks another program that solves the same exercise. Messages are posted and lists are read as
//! a whole; nothing else is requested. There are no ids, no health and no `ackedBy`, so that only
//! the lists can show whether an answer was true.

use std::sync::Arc;
use std::time::Duration;

use acklog_client::Answer;
use acklog_judge::{AppendOutcome, AppendTerms};
use acklog_types::WriteConcern;
use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::Method;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::check_run::{CheckRun, CheckedCluster, CheckedNode};
use crate::cli::NodeUrl;
use crate::cli::client::{ToolClient, is_unreachable};

/// Paths at which messages may be posted; the first that the master has is used.
const POST_PATHS: [&str; 2] = ["/messages", "/newMessage"];

/// Path of the lists.
const LIST_PATH: &str = "/messages";

/// Most messages of a run: the lists are read as a whole, again and again.
pub(super) const MESSAGES_MAX: u64 = 20_000;

/// Time after which a client gives up waiting for an answer while the load lasts.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest pause between two reads of a list.
const PAUSE: Duration = Duration::from_millis(20);

/// Pause after a request that failed.
const PAUSE_FAILED: Duration = Duration::from_millis(100);

/// One client out of this many asks for the master alone, so that the load never stops.
const CLIENTS_PER_EAGER: usize = 4;

/// A message in a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedMessage {
    Text(String),
    Object { message: String },
}

impl ListedMessage {
    fn text(&self) -> &str {
        let (Self::Text(text) | Self::Object { message: text }) = self;
        text
    }
}

/// Checks that each node has a list; the first one is the master. With `allow_down`, other nodes
/// that cannot be reached are left out.
///
/// # Errors
/// When a node cannot be reached, or does not answer with a list.
pub(super) async fn identify_nodes(
    urls: &[NodeUrl],
    allow_down: bool,
) -> anyhow::Result<CheckedCluster> {
    let (mut nodes, mut down) = (Vec::new(), Vec::new());
    for url in urls {
        match list(&mut ToolClient::new(url.clone())).await {
            Ok(_) => nodes.push(CheckedNode { url: url.clone(), name: url.to_string(), end: 0 }),
            Err(error) if is_unreachable(&error) && allow_down && !nodes.is_empty() => {
                down.push(error.to_string());
            }
            Err(error) if is_unreachable(&error) => {
                bail!(
                    "{error:#}; the first --url is the master's, and must be up; give --allow-down \
                     if another one is meant to be down"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(CheckedCluster { nodes, cluster_size: urls.len() as u64, down })
}

/// Requests a node's list.
///
/// # Errors
/// When the node cannot be reached, or does not answer with a list.
async fn list(client: &mut ToolClient) -> anyhow::Result<Vec<ListedMessage>> {
    let answer = client.get(LIST_PATH).await?;
    let path = || format!("GET {}{LIST_PATH}", client.target());
    if !answer.status.is_success() {
        bail!("{}: {}", path(), answer.detail());
    }
    let wanted = || format!("{}: no JSON array of strings, or of objects with \"message\"", path());
    answer.parsed().with_context(wanted)
}

/// Reads a node's list into the history, and returns the number of its messages.
///
/// # Errors
/// When the node cannot be reached, or does not answer with a list.
pub(super) async fn read(
    run: &CheckRun,
    client: &mut ToolClient,
    node: usize,
) -> anyhow::Result<u64> {
    let mut read = run.lock().history.begin_list(node, 0, u64::MAX);
    let rows = list(client).await;
    let mut state = run.lock();
    if let Some(reads) = state.reads.get_mut(node) {
        reads.reads += 1;
        reads.messages += rows.as_ref().map_or(0, |rows| rows.len() as u64);
        reads.failed += u64::from(rows.is_err());
    }
    for (id, row) in (0..).zip(&rows?) {
        state.history.row(&mut read, id, row.text());
    }
    let next = read.next();
    state.history.end_list(read);
    Ok(next)
}

/// Reads a node's list again and again, until it is aborted.
pub(super) async fn watch(run: Arc<CheckRun>, node: usize) {
    let Some(url) = run.nodes().get(node).map(|node| node.url.clone()) else { return };
    let mut client = ToolClient::new(url);
    loop {
        let begin = Instant::now();
        match read(&run, &mut client, node).await {
            // Half of the time is left to other requests.
            Ok(_) => sleep(begin.elapsed().max(PAUSE)).await,
            Err(_) => sleep(PAUSE_FAILED).await,
        }
    }
}

/// Sends one message after the other until the time or the messages are used up.
pub(super) async fn send(run: Arc<CheckRun>, number: usize, seed: u64) {
    let mut client = ToolClient::new(run.master().url.clone());
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
    let is_eager = number % CLIENTS_PER_EAGER == CLIENTS_PER_EAGER - 1;
    while !run.is_over() {
        if let Some(send_time) = run.send_time(1) {
            tokio::select! {
                () = sleep_until(send_time) => {}
                () = run.until_over() => return,
            }
        }
        let nodes = match is_eager {
            true => 1,
            false => rng.random_range(1..=run.load.mix.cluster_size),
        };
        let (numbers, text) = {
            let mut state = run.lock();
            if state.history.sent_count() >= run.load.messages_max {
                return;
            }
            state.requests += 1;
            let numbers = state.history.sent(1);
            let text = state.history.text(numbers.start);
            (numbers, text)
        };
        let body = serde_json::json!({"message": text, "w": nodes}).to_string();
        let begin = Instant::now();
        let answer = post(&mut client, body.into(), run.until()).await;
        let (status, said, refusal) = match answer {
            Ok(answer) if answer.status.is_success() => {
                (answer.status.as_u16(), AppendOutcome::Accepted { nodes }, None)
            }
            Ok(answer) => (answer.status.as_u16(), AppendOutcome::Nothing, Some(answer.detail())),
            Err(error) => (0, AppendOutcome::Nothing, Some(format!("{error:#}"))),
        };
        let failed = refusal.is_some();
        {
            let mut state = run.lock();
            let concern = Some(WriteConcern::Nodes(nodes));
            let question = AppendTerms { concern, timeout: None, took: begin.elapsed(), floor: 0 };
            state.history.answered(numbers, question, said);
            *state.answers.entry((nodes as usize - 1, status)).or_default() += 1;
            state.refusal = refusal.or_else(|| state.refusal.take());
        }
        if failed {
            sleep(PAUSE_FAILED).await;
        }
    }
}

/// Posts a message at the path that the master has.
async fn post(client: &mut ToolClient, body: Bytes, until: Instant) -> anyhow::Result<Answer> {
    let answer_timeout =
        if Instant::now() + CLIENT_TIMEOUT < until { CLIENT_TIMEOUT } else { CLIENT_TIMEOUT * 2 };
    let mut last = None;
    for path in POST_PATHS {
        let answer =
            client.call(Method::POST, path, None, body.clone(), Some(answer_timeout)).await?;
        if !matches!(answer.status.as_u16(), 404 | 405) {
            return Ok(answer);
        }
        last = Some(answer);
    }
    last.context("there is a path to post to")
}

/// Reads a node's list again and returns the number of its messages.
///
/// # Errors
/// As [`read`].
pub(super) async fn end_of(run: &CheckRun, node: usize) -> anyhow::Result<u64> {
    let url = run.nodes().get(node).context("there is such a node")?.url.clone();
    read(run, &mut ToolClient::new(url), node).await
}

/// Reads a node's list for the last time. The history notes a list that cannot be read.
pub(super) async fn read_all(run: Arc<CheckRun>, node: usize, target: u64) {
    if let Err(error) = end_of(&run, node).await {
        run.lock().history.unread(node, target, format!("{error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::{LocalNode, TestNode};

    #[tokio::test]
    async fn lists_of_strings_and_of_objects_are_read_and_others_are_told_with_their_path() {
        for (body, expected) in [
            (r#"["a","b"]"#, Some(vec!["a", "b"])),
            (r#"[{"id":"x-1","message":"a"}]"#, Some(vec!["a"])),
            ("[]", Some(vec![])),
            (r#"{"messages":["a"]}"#, None),
            (r#"[{"text":"a"}]"#, None),
        ] {
            let node = TestNode::start(move |_, _| (200, body.to_owned())).await;
            let rows = list(&mut ToolClient::new(node.url())).await;
            match (rows, expected) {
                (Ok(rows), Some(expected)) => {
                    assert_eq!(rows.iter().map(ListedMessage::text).collect::<Vec<_>>(), expected);
                }
                (Err(error), None) => {
                    let path = format!("GET {}/messages: no JSON array", node.url());
                    assert!(error.to_string().starts_with(&path), "{error}");
                }
                (rows, _) => panic!("{body}: {:?}", rows.map(|rows| rows.len())),
            }
        }
    }

    #[tokio::test]
    async fn messages_are_posted_where_the_master_takes_them() {
        for path in POST_PATHS {
            let node = TestNode::start(move |line, _| {
                let status = if line == format!("POST {path}") { 201 } else { 404 };
                (status, String::new())
            });
            let node = node.await;
            let until = Instant::now() + Duration::from_secs(1);
            let answer = post(&mut ToolClient::new(node.url()), Bytes::new(), until).await.unwrap();
            assert_eq!(answer.status, 201, "{path}");
        }
    }
}
