//! `acklog forget`: removes a secondary that is gone from the cluster.

use std::io::Write;

use acklog_api::{MasterHealth, paths};
use acklog_client::READ_TIMEOUT;
use acklog_types::NodeName;
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use hyper::Method;

use super::TargetArgs;
use super::client::{ToolClients, master_of};

/// Flags of `acklog forget`.
#[derive(Clone, Debug, Args)]
pub(super) struct ForgetArgs {
    /// Name of the secondary; it must be unhealthy
    name: NodeName,

    /// Print the master's answer as JSON: its health without that secondary
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    #[command(flatten)]
    target: TargetArgs,
}

/// Asks the master to forget the secondary.
///
/// # Errors
/// When the master refuses or cannot be reached.
pub(super) async fn run(args: &ForgetArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let path = paths::secondary(args.name.as_str());
    let all = &args.target.urls;
    // If none can be reached, the request fails with the reason for each.
    let urls = master_of(all).await.map_or_else(|_| all.clone(), |url| vec![url]);
    let mut clients = ToolClients::new(&urls);
    let patience = Some(READ_TIMEOUT);
    let answer = clients.call(Method::DELETE, &path, None, Bytes::new(), patience).await?;
    if !answer.status.is_success() {
        bail!(answer.detail());
    }
    if args.json {
        writeln!(out, "{}", answer.json_line()?)?;
        return Ok(());
    }
    let health: MasterHealth =
        answer.parsed().context("the answer reports no master's health: is this a node?")?;
    match health.cluster_size {
        Some(size) => writeln!(out, "forgot {}; the cluster size is {size}", args.name)?,
        None => writeln!(out, "forgot {}", args.name)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::{LocalNode, TestNode};

    async fn forgotten(status: u16, answer: &'static str) -> Result<(String, String), String> {
        let (node, requests) = TestNode::recording(status, answer).await;
        let target = TargetArgs { urls: vec![node.url()] };
        let args = ForgetArgs { name: "clyde".parse().unwrap(), json: false, target };
        let mut out = Vec::new();
        run(&args, &mut out).await.map_err(|error| error.to_string())?;
        let requests = requests.lock().unwrap().join("; ");
        Ok((requests, String::from_utf8(out).unwrap()))
    }

    #[tokio::test]
    async fn a_secondary_is_forgotten_by_its_name() {
        let (request, out) =
            forgotten(200, r#"{"role": "master", "clusterSize": 2}"#).await.unwrap();
        assert_eq!(request, "DELETE /secondaries/clyde ");
        assert_eq!(out, "forgot clyde; the cluster size is 2\n");
        let refused = forgotten(409, r#"{"detail": "clyde is healthy"}"#).await;
        assert_eq!(refused.unwrap_err(), "clyde is healthy");
    }

    #[tokio::test]
    async fn of_several_nodes_the_master_is_asked() {
        let secondary = TestNode::recording(200, r#"{"role": "secondary"}"#).await.0;
        let (master, requests) =
            TestNode::recording(200, r#"{"role": "master", "clusterSize": 2}"#).await;
        let target = TargetArgs { urls: vec![secondary.url(), master.url()] };
        let args = ForgetArgs { name: "clyde".parse().unwrap(), json: false, target };
        run(&args, &mut Vec::new()).await.unwrap();
        assert_eq!(requests.lock().unwrap().last().unwrap(), "DELETE /secondaries/clyde ");
    }
}
