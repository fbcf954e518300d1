//! What a scenario asks of real nodes over HTTP, and how their answers are read. All of its
//! requests are here.

use std::time::Duration;

use acklog_sim::scenario::{
    Answer, Append, MasterView, MemberView, NodeHealth, Receipt, SecondaryView, Shown,
};
use acklog_types::{DelayRange, Faults, NodeName, WriteConcern};
use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::NodeUrl;
use crate::cli::client::{self, Client};
use crate::cli::faults::{DISCONNECT_PATH, PATH as FAULTS_PATH};
use crate::cli::post::concern_value;

/// How long a node may take to answer what it answers from memory. Longer: a node that hangs is
/// noticed later. Shorter: one on a busy machine is taken for one that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a message and waits for its answer.
pub(super) async fn append(url: NodeUrl, append: &Append) -> Answer {
    let mut body = Map::new();
    match append.texts.as_slice() {
        [text] => body.insert("message".to_owned(), text.as_str().into()),
        texts => body.insert("messages".to_owned(), texts.into()),
    };
    let concern = append.write_concern.map(concern_value);
    body.extend(concern.map(|concern| ("writeConcern".to_owned(), concern)));
    body.extend(append.timeout.map(|timeout| ("timeoutMs".to_owned(), millis(timeout))));
    let (body, key) = (Value::from(body).to_string(), append.key.as_ref());
    let key = key.map(acklog_types::IdempotencyKey::as_str);
    let mut client = Client::new(url);
    let call = client.call_with(Method::POST, "/messages", key, body.into(), None);
    answer(call.await)
}

/// Waits for a message that is there.
pub(super) async fn wait(
    url: NodeUrl,
    id: u64,
    write_concern: Option<WriteConcern>,
    timeout: Option<Duration>,
) -> Answer {
    let concern = write_concern.map(|concern| format!("writeConcern={concern}"));
    let timeout = timeout.map(|timeout| format!("timeoutMs={}", millis(timeout)));
    let query: Vec<_> = concern.into_iter().chain(timeout).collect();
    let path = format!("/messages/{id}?{}", query.join("&"));
    answer(Client::new(url).call(Method::GET, &path, Bytes::new(), None).await)
}

fn answer(got: anyhow::Result<client::Answer>) -> Answer {
    let got = match got {
        Ok(got) => got,
        Err(error) => return Answer::Lost(format!("{error:#}")),
    };
    let body = got.json().unwrap_or_default();
    let receipt = body.get("id").and_then(Value::as_u64).map(|id| Receipt {
        id,
        write_concern: number(&body, "writeConcern").unwrap_or_default() as u16,
        acked_by: texts(&body, "ackedBy"),
    });
    match receipt {
        Some(receipt) if got.status.is_success() => Answer::Stored(receipt),
        Some(receipt) if got.status == StatusCode::GATEWAY_TIMEOUT => Answer::TimedOut(receipt),
        Some(receipt) => Answer::Unfinished(receipt, got.detail()),
        None => Answer::Refused(got.detail()),
    }
}

/// Returns what a node shows.
///
/// # Errors
/// When the node cannot be reached, or answers with something else.
pub(super) async fn messages(url: NodeUrl) -> anyhow::Result<Shown> {
    shown(&ask(url, Method::GET, "/messages", String::new()).await?)
}

/// Reads a list of messages.
///
/// # Errors
/// When it is none.
pub(super) fn shown(list: &Value) -> anyhow::Result<Shown> {
    let rows = list.as_array().context("the answer is no list")?;
    let row = |row: &Value| Some((number(row, "id")?, text(row, "message")?));
    rows.iter().map(row).collect::<Option<_>>().context("the list has a row that is no message")
}

/// Returns what a node tells about itself.
///
/// # Errors
/// When the node cannot be reached, or answers with something else.
pub(super) async fn health(url: NodeUrl) -> anyhow::Result<NodeHealth> {
    let answer = Client::new(url).call(Method::GET, "/ready", Bytes::new(), Some(PATIENCE)).await?;
    read_health(&answer.json()?, answer.status.is_success())
}

/// Reads a node's health.
///
/// # Errors
/// When it is none.
pub(super) fn read_health(health: &Value, ready: bool) -> anyhow::Result<NodeHealth> {
    let end = number(health, "logEnd").context("the answer names no log end")?;
    let rows = |field: &str| health.get(field).and_then(Value::as_array).into_iter().flatten();
    let word = |row: &Value, field: &str| text(row, field).unwrap_or_default();
    Ok(match health.get("role").and_then(Value::as_str) {
        Some("master") => NodeHealth::Master(MasterView {
            end,
            cluster_size: number(health, "clusterSize").unwrap_or_default() as u16,
            waiting: number(health, "waitingSenders").unwrap_or_default(),
            read_only: text(health, "mode").as_deref() == Some("read-only"),
            ready,
            secondaries: rows("secondaries")
                .map(|row| MemberView {
                    name: word(row, "name"),
                    status: word(row, "status"),
                    phase: word(row, "phase"),
                    acked: number(row, "ackedEnd"),
                    lag: number(row, "lag"),
                    retries: number(row, "retries").unwrap_or_default(),
                })
                .collect(),
            refused: rows("refused")
                .map(|row| (text(row, "name"), word(row, "code"), number(row, "logEnd")))
                .collect(),
        }),
        Some("secondary") => NodeHealth::Secondary(SecondaryView {
            phase: word(health, "phase"),
            end,
            buffered: number(health, "buffered").unwrap_or_default(),
        }),
        _ => bail!("the answer names no role: is this a node?"),
    })
}

/// Replaces a node's faults.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn set_faults(url: NodeUrl, faults: &Faults) -> anyhow::Result<()> {
    let range = |range: DelayRange| json!([millis(range.min()), millis(range.max())]);
    let body = json!({
        "sendDelayMs": faults.send_delay.map(range),
        "storeDelayMs": faults.store_delay.map(range),
        "errorRate": faults.error_rate.get(),
        "dropRate": faults.drop_rate.get(),
        "duplicateRate": faults.duplicate_rate.get(),
        "paused": faults.paused,
        "seed": faults.seed,
    });
    ask(url, Method::PUT, FAULTS_PATH, body.to_string()).await.map(drop)
}

/// Has a node close its connections to other nodes.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn drop_connections(url: NodeUrl) -> anyhow::Result<()> {
    ask(url, Method::POST, DISCONNECT_PATH, String::new()).await.map(drop)
}

/// Has the master forget a secondary. Returns what it says.
///
/// # Errors
/// When the master cannot be reached.
pub(super) async fn forget(url: NodeUrl, name: &NodeName) -> anyhow::Result<String> {
    let path = format!("/secondaries/{name}");
    let call = Client::new(url).call(Method::DELETE, &path, Bytes::new(), Some(PATIENCE)).await?;
    Ok(if call.status.is_success() { "done".to_owned() } else { call.detail() })
}

async fn ask(url: NodeUrl, method: Method, path: &str, body: String) -> anyhow::Result<Value> {
    let answer = Client::new(url).call(method, path, body, Some(PATIENCE)).await?;
    match answer.status.is_success() {
        true if answer.body.is_empty() => Ok(Value::Null),
        true => answer.json(),
        false => bail!(answer.detail()),
    }
}

fn number(value: &Value, field: &str) -> Option<u64> {
    value.get(field)?.as_u64()
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    let rows = value.get(field).and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn millis(time: Duration) -> Value {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into()
}
