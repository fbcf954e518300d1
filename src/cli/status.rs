//! `acklog status`: what a node says about itself and its cluster, as a table.

use std::io::{IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use hyper::StatusCode;
use serde::Deserialize;

use super::Target;
use super::client::Client;
use crate::telemetry::{escaped, wants_colour};

/// Flags of `acklog status`.
#[derive(Clone, Debug, Args)]
pub(super) struct StatusArgs {
    /// Print the node's own JSON as it is
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    /// Fail, with a line that says why, where the node does not do its whole job (as /ready does)
    #[arg(long, env = "ACKLOG_READY")]
    ready: bool,

    #[command(flatten)]
    target: Target,
}

/// The part of `/health` that a person reads. Whatever is missing is not known.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Health {
    name: Option<String>,
    role: Option<String>,
    mode: Option<String>,
    phase: Option<String>,
    log_end: Option<u64>,
    buffered: Option<u64>,
    cluster_size: Option<u64>,
    quorum: Option<Quorum>,
    waiting_senders: Option<u64>,
    secondaries: Vec<Secondary>,
    master: Option<Master>,
    disk: Option<Disk>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Quorum {
    required: Option<u64>,
    healthy: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Secondary {
    name: Option<String>,
    status: Option<String>,
    phase: Option<String>,
    acked_end: Option<u64>,
    lag: Option<u64>,
    in_flight: Option<u64>,
    retries: Option<u64>,
    rtt_ms: Option<f64>,
    last_seen_ms: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Master {
    address: Option<String>,
    connected: Option<bool>,
    name: Option<String>,
    log_end: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Disk {
    state: Option<String>,
    detail: Option<String>,
}

/// Asks the node and prints what it says.
///
/// # Errors
/// When the node refuses, cannot be reached, or is not ready where that is asked for.
pub(super) async fn run(args: &StatusArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let path = if args.ready { "/ready" } else { "/health" };
    let answer = Client::new(args.target.url.clone()).get(path).await?;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE
        && let Ok(health) = serde_json::from_slice::<Health>(&answer.body)
        && health.role.is_some()
    {
        bail!("not ready: {}", summary(&health).trim_end().replace('\n', "; "));
    }
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    if args.json {
        out.write_all(&answer.body)?;
        if !answer.body.ends_with(b"\n") {
            writeln!(out)?;
        }
    } else {
        let health: Health = serde_json::from_value(answer.json()?)?;
        let colour = wants_colour(std::io::stdout().is_terminal());
        out.write_all(rendered(&health, colour).as_bytes())?;
    }
    Ok(out.flush()?)
}

fn rendered(health: &Health, colour: bool) -> String {
    let mut text = summary(health);
    if health.master.is_none() && health.secondaries.is_empty() {
        text.push_str("no secondary has registered yet\n");
    } else if health.master.is_none() {
        text.push('\n');
        text.push_str(&table(&health.secondaries, colour));
    }
    text
}

/// What the node says about itself: a line for each thing.
fn summary(health: &Health) -> String {
    let mut text = head(health);
    if let Some(quorum) = &health.quorum {
        let (healthy, required) = (number(quorum.healthy), number(quorum.required));
        text.push_str(&format!("quorum: {healthy} healthy of {required} required\n"));
    }
    if let Some(disk) = &health.disk
        && disk.state.as_deref() != Some("ok")
    {
        text.push_str(&format!("disk: {} {}\n", word(&disk.state), word(&disk.detail)));
    }
    if let Some(master) = &health.master {
        text.push_str(&master_line(master));
    }
    text
}

fn head(health: &Health) -> String {
    let name = word(&health.name);
    let log_end = number(health.log_end);
    if health.role.as_deref() == Some("secondary") {
        let buffered = number(health.buffered);
        let phase = word(&health.phase);
        return format!("{name} (secondary): {phase}, log end {log_end}, buffered {buffered}\n");
    }
    format!(
        "{name} ({}): {}, log end {log_end}, cluster size {}, waiting senders {}\n",
        word(&health.role),
        word(&health.mode),
        number(health.cluster_size),
        number(health.waiting_senders),
    )
}

fn master_line(master: &Master) -> String {
    let connected = match master.connected {
        Some(true) => "connected",
        Some(false) => "not connected",
        None => UNKNOWN,
    };
    format!(
        "its master: {} at {}, {connected}, log end {}\n",
        word(&master.name),
        word(&master.address),
        number(master.log_end),
    )
}

/// How a table shows what is not known.
const UNKNOWN: &str = "-";

const COLUMNS: [&str; 9] =
    ["NAME", "STATUS", "PHASE", "ACKED", "LAG", "IN-FLIGHT", "RETRIES", "RTT", "LAST SEEN"];

/// The column whose words are coloured.
const STATUS_COLUMN: usize = 1;

/// The first columns hold words and stand left, the others numbers and stand right.
const WORD_COLUMNS: usize = 3;

fn table(secondaries: &[Secondary], colour: bool) -> String {
    let rows: Vec<[String; 9]> =
        std::iter::once(COLUMNS.map(str::to_owned)).chain(secondaries.iter().map(row)).collect();
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = if column < WORD_COLUMNS {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            };
            match colour_of(cell).filter(|_| colour && column == STATUS_COLUMN) {
                Some(number) => line.push_str(&format!("\u{1b}[{number}m{padded}\u{1b}[0m")),
                None => line.push_str(&padded),
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(secondary: &Secondary) -> [String; 9] {
    [
        word(&secondary.name),
        word(&secondary.status),
        word(&secondary.phase),
        number(secondary.acked_end),
        number(secondary.lag),
        number(secondary.in_flight),
        number(secondary.retries),
        secondary.rtt_ms.map_or(UNKNOWN.to_owned(), |ms| format!("{ms:.1} ms")),
        secondary.last_seen_ms.map_or(UNKNOWN.to_owned(), |ms| format!("{} ago", span(ms))),
    ]
}

/// The number of a status' colour on a terminal; only the words of a status have one.
fn colour_of(cell: &str) -> Option<u8> {
    match cell {
        "healthy" => Some(32),
        "suspected" => Some(33),
        "unhealthy" => Some(31),
        _ => None,
    }
}

fn word(text: &Option<String>) -> String {
    text.as_deref().map_or(UNKNOWN.to_owned(), |text| escaped(text).into_owned())
}

fn number(number: Option<u64>) -> String {
    number.map_or(UNKNOWN.to_owned(), |number| number.to_string())
}

/// A time span as a person says it: `40 ms`, `2.5 s`, `12 min`, `3 h`.
fn span(ms: f64) -> String {
    match ms / 1000.0 {
        seconds if seconds < 1.0 => format!("{ms:.0} ms"),
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::TestNode;

    const MASTER: &str = r#"{"name": "master", "role": "master", "mode": "read-write",
        "logEnd": 42, "clusterSize": 3, "quorum": null, "waitingSenders": 1, "secondaries": [
        {"name": "bonnie", "status": "healthy", "phase": "ready", "ackedEnd": 42, "lag": 0,
         "inFlight": 0, "retries": 0, "rttMs": 0.42, "lastSeenMs": 40, "address": "x"},
        {"name": "clyde", "status": "unhealthy", "phase": "disconnected", "ackedEnd": 7,
         "lag": 35, "inFlight": 0, "retries": 12, "rttMs": null, "lastSeenMs": 61500,
         "address": null}], "disk": null}"#;

    fn shown(health: &str, colour: bool) -> String {
        rendered(&serde_json::from_str(health).unwrap(), colour)
    }

    #[test]
    fn a_master_shows_itself_and_a_row_for_each_secondary() {
        let expected = "\
master (master): read-write, log end 42, cluster size 3, waiting senders 1

NAME    STATUS     PHASE         ACKED  LAG  IN-FLIGHT  RETRIES     RTT   LAST SEEN
bonnie  healthy    ready            42    0          0        0  0.4 ms   40 ms ago
clyde   unhealthy  disconnected      7   35          0       12       -  61.5 s ago
";
        assert_eq!(shown(MASTER, false), expected);
    }

    #[test]
    fn colour_marks_the_status_and_moves_no_column() {
        let plain = shown(MASTER, false);
        let coloured = shown(MASTER, true);
        assert!(coloured.contains("\u{1b}[32mhealthy  \u{1b}[0m  ready"), "{coloured}");
        let stripped = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m"]
            .iter()
            .fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_secondary_shows_its_own_facts_and_its_master() {
        let health = r#"{"name": "bonnie", "role": "secondary", "phase": "catching-up",
            "logEnd": 3, "buffered": 2, "master": {"address": "127.0.0.1:6000",
            "connected": true, "name": "master", "logEnd": 9}, "disk": null}"#;
        assert_eq!(
            shown(health, false),
            "bonnie (secondary): catching-up, log end 3, buffered 2\n\
             its master: master at 127.0.0.1:6000, connected, log end 9\n"
        );
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_trouble_is_told() {
        let health = r#"{"name": "m", "role": "master", "quorum": {"required": 2, "healthy": 1},
            "disk": {"state": "failed", "detail": "no\nspace"}}"#;
        assert_eq!(
            shown(health, false),
            "m (master): -, log end -, cluster size -, waiting senders -\n\
             quorum: 1 healthy of 2 required\n\
             disk: failed no\\nspace\n\
             no secondary has registered yet\n"
        );
    }

    async fn ready(status: u16, body: &'static str) -> Result<String, String> {
        let node = TestNode::start(move |line, _| match line {
            "GET /ready" => (status, body.to_owned()),
            _ => (404, "{}".to_owned()),
        });
        let target = Target { url: node.await.url() };
        let mut out = Vec::new();
        let done = run(&StatusArgs { json: false, ready: true, target }, &mut out).await;
        let out = String::from_utf8(out).unwrap();
        done.map(|()| out.clone()).map_err(|error| format!("{out}{error:#}"))
    }

    #[tokio::test]
    async fn a_node_that_is_not_ready_says_in_one_line_what_it_lacks() {
        let head = "master (master): read-write, log end 42";
        assert!(ready(200, MASTER).await.unwrap().starts_with(head));
        let read_only = r#"{"name": "m", "role": "master", "mode": "read-only", "logEnd": 3,
            "clusterSize": 3, "waitingSenders": 0, "quorum": {"required": 2, "healthy": 1},
            "secondaries": [{"name": "bonnie"}]}"#;
        let expected = "not ready: m (master): read-only, log end 3, cluster size 3, \
            waiting senders 0; quorum: 1 healthy of 2 required";
        assert_eq!(ready(503, read_only).await.unwrap_err(), expected);
        let cut_off = r#"{"name": "bonnie", "role": "secondary", "phase": "ready", "logEnd": 3,
            "buffered": 0, "master": {"name": "m", "address": "a:1", "connected": false}}"#;
        let expected = "not ready: bonnie (secondary): ready, log end 3, buffered 0; \
            its master: m at a:1, not connected, log end -";
        assert_eq!(ready(503, cut_off).await.unwrap_err(), expected);
        assert_eq!(ready(503, r#"{"detail": "stopping"}"#).await.unwrap_err(), "stopping");
    }
}
