//! `acklog faults`: shows, sets and clears the injected faults of nodes.

use std::io::Write;
use std::time::Duration;

use acklog_api::{Disconnected, Faults, FaultsRequest, paths};
use acklog_client::{Answer, READ_TIMEOUT};
use acklog_types::{DelayRange, Rate};
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;

use super::NodeUrl;
use super::client::{ToolClient, is_unreachable};

/// Flags of `acklog faults`.
#[derive(Clone, Debug, Args)]
pub(super) struct FaultsArgs {
    #[command(subcommand)]
    action: Option<FaultsAction>,

    /// URL of the node; may be given several times, for several nodes at once
    #[arg(long, env = "ACKLOG_URL", value_name = "URL", value_delimiter = ',', global = true)]
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: Vec<NodeUrl>,

    /// Print the nodes' answers as JSON, one a line
    #[arg(long, env = "ACKLOG_JSON", global = true)]
    json: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum FaultsAction {
    /// Show the faults in force; so does no subcommand at all
    Show,
    /// Replace all faults by these: what is not named is off
    Set(SetArgs),
    /// Clear all faults, the delays of the node's command line too
    Clear,
    /// Drop the node's connections to other nodes, once
    Disconnect,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
struct SetArgs {
    /// Delay of each request to another node, as 250ms or 0ms..50ms [default: none]
    #[arg(long, env = "ACKLOG_SEND_DELAY", value_name = "RANGE", value_parser = whole_millis)]
    send_delay: Option<Millis>,

    /// Delay before messages are stored, as 250ms or 0ms..50ms [default: none]
    #[arg(long, env = "ACKLOG_STORE_DELAY", value_name = "RANGE", value_parser = whole_millis)]
    store_delay: Option<Millis>,

    /// Share of requests answered with an error after the messages were stored [default: 0]
    #[arg(long, env = "ACKLOG_ERROR_RATE", value_name = "0..1", value_parser = rate)]
    #[arg(allow_negative_numbers = true)]
    error_rate: Option<Rate>,

    /// Share of outgoing frames that are never written [default: 0]
    #[arg(long, env = "ACKLOG_DROP_RATE", value_name = "0..1", value_parser = rate)]
    #[arg(allow_negative_numbers = true)]
    drop_rate: Option<Rate>,

    /// Share of outgoing frames that are written twice [default: 0]
    #[arg(long, env = "ACKLOG_DUPLICATE_RATE", value_name = "0..1", value_parser = rate)]
    #[arg(allow_negative_numbers = true)]
    duplicate_rate: Option<Rate>,

    /// Neither read nor write frames, like a hung process; HTTP goes on [default: off]
    #[arg(long, env = "ACKLOG_PAUSED")]
    paused: bool,

    /// Seed that makes the draws repeatable [default: another one each time]
    #[arg(long, env = "ACKLOG_SEED", value_name = "N", value_parser = seed)]
    #[arg(allow_negative_numbers = true)]
    seed: Option<u64>,
}

/// A range of delays in whole milliseconds, as sent to a node.
#[derive(Clone, Copy, Debug)]
struct Millis(u64, u64);

fn whole_millis(text: &str) -> Result<Millis, String> {
    let range = DelayRange::parse_with_unit(text).map_err(|error| error.to_string())?;
    let millis = |delay: Duration| {
        let whole = delay.subsec_nanos().is_multiple_of(1_000_000);
        let millis = u64::try_from(delay.as_millis()).ok().filter(|_| whole);
        millis.ok_or_else(|| "it must be whole milliseconds: write 1ms..2ms, not 0.5ms".to_owned())
    };
    Ok(Millis(millis(range.min())?, millis(range.max())?))
}

/// Parses the seed of random draws.
///
/// # Errors
/// When it is no number.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("it must be a whole number from 0 to {}", u64::MAX))
}

fn rate(text: &str) -> Result<Rate, String> {
    text.parse()
        .ok()
        .and_then(Rate::new)
        .ok_or_else(|| "it must be a number from 0 to 1, as 0.3".to_owned())
}

/// Sends the request to each node and prints the answers. A node that refuses does not keep the
/// others from being asked.
///
/// # Errors
/// When a node refuses or cannot be reached.
pub(super) async fn run(args: &FaultsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    let several = args.url.len() > 1;
    for url in &args.url {
        match ask(args, url).await {
            Ok(answer) => print(args, url, &answer, out)?,
            // The error already names the node.
            Err(error) if is_unreachable(&error) => failures.push(error.to_string()),
            Err(error) if several => failures.push(format!("{url}: {error:#}")),
            Err(error) => return Err(error),
        }
        out.flush()?;
    }
    if !failures.is_empty() {
        bail!(failures.join("; "));
    }
    Ok(())
}

async fn ask(args: &FaultsArgs, url: &NodeUrl) -> anyhow::Result<Answer> {
    let (method, path, body) = match &args.action {
        None | Some(FaultsAction::Show) => (Method::GET, paths::FAULTS, Bytes::new()),
        Some(FaultsAction::Set(set)) => {
            (Method::PUT, paths::FAULTS, serde_json::to_vec(&set.request())?.into())
        }
        Some(FaultsAction::Clear) => (Method::DELETE, paths::FAULTS, Bytes::new()),
        Some(FaultsAction::Disconnect) => (Method::POST, paths::FAULTS_DISCONNECT, Bytes::new()),
    };
    let mut client = ToolClient::new(url.clone());
    let answer = client.call(method, path, None, body, Some(READ_TIMEOUT)).await?;
    if !answer.status.is_success() {
        bail!(answer.detail());
    }
    Ok(answer)
}

impl SetArgs {
    fn request(&self) -> FaultsRequest {
        let range = |range: Millis| [range.0.into(), range.1.into()];
        FaultsRequest {
            drop_rate: self.drop_rate.map(Rate::get),
            duplicate_rate: self.duplicate_rate.map(Rate::get),
            error_rate: self.error_rate.map(Rate::get),
            paused: self.paused.then_some(true),
            seed: self.seed,
            send_delay_ms: self.send_delay.map(range),
            store_delay_ms: self.store_delay.map(range),
        }
    }
}

fn print(
    args: &FaultsArgs,
    url: &NodeUrl,
    answer: &Answer,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let is_disconnect = matches!(args.action, Some(FaultsAction::Disconnect));
    if args.json {
        // The answer to disconnecting may be empty.
        let line = if answer.body.is_empty() { "{}".to_owned() } else { answer.json_line()? };
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let lines = if is_disconnect { vec![dropped(answer)] } else { in_force(answer)? };
    for line in lines {
        match args.url.len() {
            1 => writeln!(out, "{line}")?,
            _ => writeln!(out, "{url}: {line}")?,
        }
    }
    Ok(())
}

/// Returns the line that reports how many connections a node dropped, if it says so.
fn dropped(answer: &Answer) -> String {
    match answer.parsed::<Disconnected>().map(|answer| answer.disconnected) {
        Ok(1) => "dropped 1 connection".to_owned(),
        Ok(count) => format!("dropped {count} connections"),
        Err(_) => "dropped its connections".to_owned(),
    }
}

/// Returns one line for each fault that is on.
///
/// # Errors
/// When the answer is not a node's.
fn in_force(answer: &Answer) -> anyhow::Result<Vec<String>> {
    let faults: Faults = answer.parsed().context("the answer names no faults: is this a node?")?;
    let mut lines = Vec::new();
    for (delay, words) in
        [(&faults.send_delay_ms, "send delay"), (&faults.store_delay_ms, "store delay")]
    {
        if let Some([min, max]) = delay {
            lines.push(format!("{words} {min}ms..{max}ms"));
        }
    }
    for (rate, words) in [
        (faults.error_rate, "error rate"),
        (faults.drop_rate, "drop rate"),
        (faults.duplicate_rate, "duplicate rate"),
    ] {
        if rate > 0.0 {
            lines.push(format!("{words} {rate}"));
        }
    }
    if faults.paused {
        lines.push("paused".to_owned());
    }
    match faults.seed {
        _ if lines.is_empty() => lines.push("no faults".to_owned()),
        Some(seed) => lines.push(format!("seed {seed}")),
        None => {}
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::{LocalNode, TestNode};
    use crate::config::Stop;

    #[derive(Debug, clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: FaultsArgs,
    }

    fn parsed(args: &[&str]) -> Result<FaultsArgs, Stop> {
        Ok(crate::config::parse::<Wrapped>([&["faults"], args].concat())?.args)
    }

    /// Returns the requests to a node that gives this answer, and what is printed.
    async fn asked(
        args: &[&str],
        status: u16,
        answer: &'static str,
    ) -> (Vec<String>, String, anyhow::Result<()>) {
        let (node, requests) = TestNode::recording(status, answer).await;
        let url = node.url().to_string();
        let args = parsed(&[args, &["--url", &url]].concat()).unwrap();
        let mut out = Vec::new();
        let done = run(&args, &mut out).await;
        let requests = requests.lock().unwrap().clone();
        (requests, String::from_utf8(out).unwrap(), done)
    }

    const SOME: &str = r#"{"sendDelayMs": [0, 50], "storeDelayMs": null, "errorRate": 0.3,
        "dropRate": 0, "duplicateRate": 0.0, "paused": true, "seed": 7}"#;
    const NONE: &str = r#"{"sendDelayMs": null, "storeDelayMs": null, "errorRate": 0,
        "dropRate": 0, "duplicateRate": 0, "paused": false, "seed": null}"#;

    #[tokio::test]
    async fn each_fault_in_force_is_a_line() {
        for args in [&[][..], &["show"]] {
            let (requests, out, done) = asked(args, 200, SOME).await;
            done.unwrap();
            assert_eq!(requests, ["GET /faults "]);
            assert_eq!(out, "send delay 0ms..50ms\nerror rate 0.3\npaused\nseed 7\n");
        }
        let (requests, out, _) = asked(&["clear"], 200, NONE).await;
        assert_eq!((requests, out.as_str()), (vec!["DELETE /faults ".to_owned()], "no faults\n"));
    }

    #[tokio::test]
    async fn what_is_set_goes_out_in_one_request_and_nothing_else() {
        let args = ["set", "--send-delay", "0ms..50ms", "--drop-rate", "0.2", "--paused", "--json"];
        let (requests, out, done) = asked(&args, 200, r#"{"seed":null}"#).await;
        done.unwrap();
        assert_eq!(
            requests,
            [r#"PUT /faults {"dropRate":0.2,"paused":true,"sendDelayMs":[0,50]}"#]
        );
        assert_eq!(out, "{\"seed\":null}\n");
        let all = ["set", "--store-delay=1s", "--error-rate=1", "--duplicate-rate=0", "--seed=9"];
        let (requests, _, _) = asked(&all, 200, SOME).await;
        let body = r#"{"duplicateRate":0.0,"errorRate":1.0,"seed":9,"storeDelayMs":[1000,1000]}"#;
        assert_eq!(requests, [format!("PUT /faults {body}")]);
    }

    #[tokio::test]
    async fn disconnecting_needs_no_word_from_the_node() {
        let (requests, out, done) = asked(&["disconnect"], 200, "").await;
        done.unwrap();
        assert_eq!(requests, ["POST /faults/disconnect "]);
        assert_eq!(out, "dropped its connections\n");
        let (_, out, _) = asked(&["disconnect"], 200, r#"{"disconnected": 2}"#).await;
        assert_eq!(out, "dropped 2 connections\n");
        assert_eq!(asked(&["disconnect", "--json"], 200, "").await.1, "{}\n");
    }

    #[tokio::test]
    async fn several_nodes_are_asked_whatever_one_of_them_says() {
        let refusing =
            TestNode::start(|_, _| (403, r#"{"detail": "not enabled"}"#.to_owned())).await;
        let (refusing, node) = (refusing.url(), TestNode::start(|_, _| (200, NONE.into())).await);
        let args = format!("--url={refusing},{}", node.url());
        let mut out = Vec::new();
        let done = run(&parsed(&[&args]).unwrap(), &mut out).await;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{}: no faults\n", node.url()));
        assert_eq!(done.unwrap_err().to_string(), format!("{refusing}: not enabled"));
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = NodeUrl::local(nobody.port());
        let args = format!("--url={gone},{}", node.url());
        let done = run(&parsed(&[&args]).unwrap(), &mut Vec::new()).await.unwrap_err().to_string();
        assert_eq!(done.matches(&gone.to_string()).count(), 1, "{done}");
        let (_, out, done) = asked(&["show"], 403, r#"{"detail": "not enabled"}"#).await;
        assert_eq!((out.as_str(), done.unwrap_err().to_string().as_str()), ("", "not enabled"));
    }

    #[test]
    fn values_that_no_node_would_take_are_bad_usage() {
        let cases: [(&[&str], &str); 6] = [
            (&["set"], "--send-delay"),
            (&["set", "--send-delay", "0.5ms"], "whole milliseconds"),
            (&["set", "--store-delay", "2ms..1ms"], "ends before it starts"),
            (&["set", "--error-rate", "1.1"], "from 0 to 1"),
            (&["set", "--drop-rate", "nan"], "from 0 to 1"),
            (&["clear", "--paused"], "--paused"),
        ];
        for (args, expected) in cases {
            let Err(Stop::BadUsage(line)) = parsed(args) else { panic!("{args:?} is taken") };
            assert!(line.contains(expected), "{line}");
        }
    }
}
