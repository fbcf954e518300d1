//! Injects faults into the nodes of `up`, as the user typed.

use acklog_api::{Faults, FaultsRequest, paths};
use acklog_client::{Answer, READ_TIMEOUT};
use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::Method;

use super::typed_commands::Fault;
use crate::cli::NodeUrl;
use crate::cli::client::ToolClient;

/// Adds a fault to those of a node.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn add(port: u16, fault: Fault) -> anyhow::Result<()> {
    let mut client = ToolClient::new(NodeUrl::local(port));
    let answer = ask(&mut client, Method::GET, paths::FAULTS, Bytes::new()).await?;
    let faults: Faults = answer.parsed().context("the answer names no faults: is this a node?")?;
    let body = serde_json::to_vec(&with(faults.into(), fault))?;
    ask(&mut client, Method::PUT, paths::FAULTS, body.into()).await?;
    if fault == Fault::Cut {
        // No frame gets out any more, so the new connection stays without a handshake.
        ask(&mut client, Method::POST, paths::FAULTS_DISCONNECT, Bytes::new()).await?;
    }
    Ok(())
}

/// Clears the faults of a node.
///
/// # Errors
/// When the node refuses or cannot be reached.
pub(super) async fn clear(port: u16) -> anyhow::Result<()> {
    let mut client = ToolClient::new(NodeUrl::local(port));
    ask(&mut client, Method::DELETE, paths::FAULTS, Bytes::new()).await.map(drop)
}

fn with(faults: FaultsRequest, fault: Fault) -> FaultsRequest {
    match fault {
        Fault::Slow(delay) => {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            FaultsRequest { store_delay_ms: Some([millis.into(), millis.into()]), ..faults }
        }
        Fault::Pause => FaultsRequest { paused: Some(true), ..faults },
        Fault::Cut => FaultsRequest { drop_rate: Some(1.0), ..faults },
    }
}

async fn ask(
    client: &mut ToolClient,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Answer> {
    let answer = client.call(method, path, None, body, Some(READ_TIMEOUT)).await?;
    if !answer.status.is_success() {
        bail!(answer.detail());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fault_is_added_to_those_before() {
        let before = FaultsRequest { error_rate: Some(0.5), ..FaultsRequest::default() };
        let faults = with(before, Fault::Slow(Duration::from_secs(2)));
        let faults = with(with(faults, Fault::Pause), Fault::Cut);
        let expected = FaultsRequest {
            drop_rate: Some(1.0),
            error_rate: Some(0.5),
            paused: Some(true),
            store_delay_ms: Some([2000.into(), 2000.into()]),
            ..FaultsRequest::default()
        };
        assert_eq!(faults, expected);
    }
}
