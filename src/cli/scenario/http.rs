//! All HTTP requests of scenarios to real nodes, and the parsing of their answers.

use std::time::Duration;

use acklog_api::{
    AppendRequest, Appended, FaultsRequest, Health, MasterHealth, MemberHealth, Message, Mode,
    Problem, SecondaryHealth, paths, query,
};
use acklog_client::CallError;
use acklog_sim::scenario::{
    AppendStep, MasterView, MemberView, NodeHealth, Reply, ReplyReceipt, SecondaryView, Shown,
    WaitStep,
};
use acklog_types::{DelayRange, Faults, IdempotencyKey, NodeName, WriteConcern};
use anyhow::{Context, bail};
use hyper::{Method, StatusCode};

use crate::cli::NodeUrl;
use crate::cli::client::ToolClient;

/// Longest wait for an answer that a node gives from memory. Shorter: a busy machine is taken for a
/// node that hangs. Longer: a node that hangs is noticed later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends a message and waits for its answer.
pub(super) async fn append(url: NodeUrl, append: &AppendStep) -> Reply {
    let request = match append.texts.as_slice() {
        [text] => AppendRequest::message(text.as_str()),
        texts => AppendRequest::batch(texts),
    };
    let request = AppendRequest {
        write_concern: append.write_concern,
        timeout_ms: append.timeout.map(millis),
        expected_end: append.expected_end,
        ..request
    };
    let body = match serde_json::to_string(&request) {
        Ok(body) => body,
        Err(error) => return Reply::Lost(error.to_string()),
    };
    let key = append.key.as_ref().map(IdempotencyKey::as_str);
    answer(ToolClient::new(url).call(Method::POST, paths::MESSAGES, key, body, None).await)
}

/// Waits for a message that is there.
pub(super) async fn wait(url: NodeUrl, wait: &WaitStep) -> Reply {
    let concern = wait.write_concern.map(|concern| format!("{}={concern}", query::WRITE_CONCERN));
    let timeout = wait.timeout.map(|timeout| format!("{}={}", query::TIMEOUT_MS, millis(timeout)));
    let query: Vec<_> = concern.into_iter().chain(timeout).collect();
    let path = format!("{}?{}", paths::message(wait.id), query.join("&"));
    answer(ToolClient::new(url).call(Method::GET, &path, None, "", None).await)
}

/// Reads the answer to an append or to a wait: both report the id and who acked.
fn answer(got: Result<acklog_client::Answer, CallError>) -> Reply {
    let got = match got {
        Ok(got) => got,
        Err(error) => return Reply::Lost(error.to_string()),
    };
    reply(got.status, &got.body, || got.detail())
}

/// Converts an answer with this status and body. `detail` says what was wrong.
fn reply(status: StatusCode, body: &[u8], detail: impl Fn() -> String) -> Reply {
    if status.is_success() {
        return match serde_json::from_slice(body) {
            Ok(Appended { id, write_concern, acked_by, .. }) => {
                Reply::Stored(ReplyReceipt { id, write_concern: nodes(write_concern), acked_by })
            }
            Err(error) => Reply::Lost(error.to_string()),
        };
    }
    let receipt = serde_json::from_slice::<Problem>(body).ok().and_then(|problem| {
        Some(ReplyReceipt {
            id: problem.id?,
            write_concern: nodes(problem.write_concern.unwrap_or_default()),
            acked_by: problem.acked_by.unwrap_or_default(),
        })
    });
    match receipt {
        Some(receipt) if status == StatusCode::GATEWAY_TIMEOUT => Reply::TimedOut(receipt),
        Some(receipt) => Reply::Unfinished(receipt, detail()),
        None => Reply::Refused(detail()),
    }
}

/// Converts the answer of a node that does not take an append stream.
pub(super) fn stream_reply(status: StatusCode, body: &[u8]) -> Reply {
    let problem = serde_json::from_slice::<Problem>(body);
    reply(status, body, || match &problem {
        Ok(problem) => problem.detail.clone(),
        Err(_) => format!("status {}", status.as_u16()),
    })
}

/// Converts the answer to a line of an append stream. Returns also the number of the line.
///
/// # Errors
/// When it is none.
pub(super) fn line_reply(line: &[u8]) -> anyhow::Result<(u64, Reply)> {
    let problem = serde_json::from_slice::<Problem>(line).ok();
    let status = problem
        .as_ref()
        .map_or(Ok(StatusCode::CREATED), |problem| StatusCode::from_u16(problem.status))?;
    let number = match &problem {
        Some(problem) => problem.line,
        None => serde_json::from_slice::<Appended>(line)?.line,
    };
    let detail = || problem.as_ref().map(|problem| problem.detail.clone()).unwrap_or_default();
    Ok((number.context("the answer names no line")?, reply(status, line, detail)))
}

/// Reads the messages that a node shows under a read concern.
///
/// # Errors
/// When the node cannot be reached, or answers with something else.
pub(super) async fn messages(url: NodeUrl, concern: WriteConcern) -> anyhow::Result<Shown> {
    let path = format!("{}?{}={concern}", paths::MESSAGES, query::READ_CONCERN);
    let answer = ask(url, Method::GET, &path, String::new()).await?;
    let rows: Vec<Message<'_>> =
        serde_json::from_slice(&answer.body).context("the answer is no list of messages")?;
    Ok(rows.into_iter().map(row).collect())
}

/// Parses messages from lines of JSON, as the tool prints them.
///
/// # Errors
/// When a line is no message.
pub(super) fn shown(lines: &str) -> anyhow::Result<Shown> {
    let read = |line| Ok(row(serde_json::from_str(line).context("a line is no message")?));
    lines.lines().map(read).collect()
}

fn row(message: Message<'_>) -> (u64, String) {
    (message.id, message.message.into_owned())
}

/// Reads the health of a node.
///
/// # Errors
/// When the node cannot be reached, or answers with something else.
pub(super) async fn health(url: NodeUrl) -> anyhow::Result<NodeHealth> {
    let mut client = ToolClient::new(url);
    let answer = client.call(Method::GET, paths::READY, None, "", Some(ANSWER_TIMEOUT)).await?;
    let mut health = read_health(&answer.body)?;
    if let NodeHealth::Master(master) = &mut health {
        master.ready = answer.status.is_success();
    }
    Ok(health)
}

/// Parses a node's health from JSON, which does not say whether the node is ready.
///
/// # Errors
/// When it is none.
pub(super) fn read_health(json: &[u8]) -> anyhow::Result<NodeHealth> {
    let health = serde_json::from_slice(json).context("the answer is no node's health")?;
    let end = |end: Option<u64>| end.context("the answer names no log end");
    Ok(match health {
        Health::Master(health) => {
            NodeHealth::Master(MasterView { end: end(health.log_end)?, ..master_view(health) })
        }
        Health::Secondary(SecondaryHealth { phase, log_end, buffered, .. }) => {
            NodeHealth::Secondary(SecondaryView {
                phase: word(phase),
                end: end(log_end)?,
                buffered: buffered.unwrap_or_default(),
            })
        }
    })
}

fn master_view(health: MasterHealth) -> MasterView {
    let member = |row: MemberHealth| MemberView {
        name: row.name.unwrap_or_default(),
        status: word(row.status),
        phase: word(row.phase),
        acked: row.acked_end,
        lag: row.lag,
        retries: row.retries.unwrap_or_default(),
    };
    let refused = health.refused.into_iter();
    MasterView {
        cluster_size: nodes(health.cluster_size.unwrap_or_default()),
        waiting: health.waiting_senders.unwrap_or_default(),
        read_only: health.mode == Some(Mode::ReadOnly),
        secondaries: health.secondaries.into_iter().map(member).collect(),
        refused: refused.map(|row| (row.name, word(row.code), row.log_end)).collect(),
        ..MasterView::default()
    }
}

/// Replaces a node's faults.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn set_faults(url: NodeUrl, faults: &Faults) -> anyhow::Result<()> {
    let range = |range: DelayRange| [millis(range.min()).into(), millis(range.max()).into()];
    let request = FaultsRequest {
        drop_rate: Some(faults.drop_rate.get()),
        duplicate_rate: Some(faults.duplicate_rate.get()),
        error_rate: Some(faults.error_rate.get()),
        paused: Some(faults.paused),
        seed: faults.seed,
        send_delay_ms: faults.send_delay.map(range),
        store_delay_ms: faults.store_delay.map(range),
    };
    let body = serde_json::to_string(&request)?;
    ask(url, Method::PUT, paths::FAULTS, body).await.map(drop)
}

/// Makes a node close its connections to other nodes.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn drop_connections(url: NodeUrl) -> anyhow::Result<()> {
    ask(url, Method::POST, paths::FAULTS_DISCONNECT, String::new()).await.map(drop)
}

/// Makes the master forget a secondary. Returns its answer.
///
/// # Errors
/// When the master cannot be reached.
pub(super) async fn forget(url: NodeUrl, name: &NodeName) -> anyhow::Result<String> {
    let (mut client, path) = (ToolClient::new(url), paths::secondary(name.as_str()));
    let answer = client.call(Method::DELETE, &path, None, "", Some(ANSWER_TIMEOUT)).await?;
    Ok(if answer.status.is_success() { "done".to_owned() } else { answer.detail() })
}

async fn ask(
    url: NodeUrl,
    method: Method,
    path: &str,
    body: String,
) -> anyhow::Result<acklog_client::Answer> {
    let answer = ToolClient::new(url).call(method, path, None, body, Some(ANSWER_TIMEOUT)).await?;
    match answer.status.is_success() {
        true => Ok(answer),
        false => bail!(answer.detail()),
    }
}

/// Returns a word of the HTTP contract as text; empty if it is missing.
fn word<W: ToString>(word: Option<W>) -> String {
    word.map(|word| word.to_string()).unwrap_or_default()
}

/// Returns a number of nodes; a cluster has at most 256.
fn nodes(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
