//! Has the nodes of `up` fail on purpose, as was typed.

use anyhow::bail;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};

use super::typing::Fault;
use crate::cli::NodeUrl;
use crate::cli::client::{Client, READ_TIMEOUT};
use crate::cli::faults::{DISCONNECT_PATH, PATH};

/// Adds a fault to those of a node.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn add(port: u16, fault: Fault) -> anyhow::Result<()> {
    let mut client = Client::new(NodeUrl::local(port));
    let faults = ask(&mut client, Method::GET, PATH, Bytes::new()).await?;
    let with_it = with(faults.as_object().cloned().unwrap_or_default(), fault);
    ask(&mut client, Method::PUT, PATH, Value::from(with_it).to_string().into()).await?;
    if fault == Fault::Cut {
        // No frame gets out any more, so the new connection stays without a handshake.
        ask(&mut client, Method::POST, DISCONNECT_PATH, Bytes::new()).await?;
    }
    Ok(())
}

/// Clears the faults of a node.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn clear(port: u16) -> anyhow::Result<()> {
    let mut client = Client::new(NodeUrl::local(port));
    ask(&mut client, Method::DELETE, PATH, Bytes::new()).await.map(drop)
}

fn with(mut faults: Map<String, Value>, fault: Fault) -> Map<String, Value> {
    let (field, value) = match fault {
        Fault::Slow(delay) => {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            ("storeDelayMs", json!([millis, millis]))
        }
        Fault::Pause => ("paused", Value::from(true)),
        Fault::Cut => ("dropRate", Value::from(1)),
    };
    faults.insert(field.to_owned(), value);
    faults
}

async fn ask(
    client: &mut Client,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Value> {
    let answer = client.call(method, path, body, Some(READ_TIMEOUT)).await?;
    if !answer.status.is_success() {
        bail!(answer.detail());
    }
    Ok(answer.json().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fault_is_added_to_those_before() {
        let faults = with(Map::new(), Fault::Slow(Duration::from_secs(2)));
        let faults = with(with(faults, Fault::Pause), Fault::Cut);
        let expected = json!({"storeDelayMs": [2000, 2000], "paused": true, "dropRate": 1});
        assert_eq!(Value::from(faults), expected);
    }
}
