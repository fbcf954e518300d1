//! `acklog status`: what a node says about itself and its cluster, as a table.

use std::io::{IsTerminal, Write};

use acklog_types::escaped;
use anyhow::bail;
use clap::Args;
use hyper::StatusCode;
use serde::Deserialize;

use super::client::{Answer, Client};
use super::{NodeUrl, Target};
use crate::telemetry::wants_colour;

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
    refused: Vec<Refused>,
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

/// A secondary that the master did not let in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Refused {
    name: Option<String>,
    code: Option<String>,
    log_end: Option<u64>,
    last_seen_ms: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Master {
    address: Option<String>,
    connected: Option<bool>,
    name: Option<String>,
    log_end: Option<u64>,
    last_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Disk {
    state: Option<String>,
    detail: Option<String>,
}

/// Asks each node and prints what it says. A node that refuses does not keep the others from being
/// asked.
///
/// # Errors
/// When a node refuses, cannot be reached, or is not ready where that is asked for.
pub(super) async fn run(args: &StatusArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let urls = &args.target.urls;
    let colour = wants_colour(std::io::stdout().is_terminal());
    let (mut nodes, mut failures) = (Vec::new(), Vec::new());
    for url in urls {
        match ask(args, url).await {
            Ok((answer, _)) if args.json => {
                out.write_all(&answer.body)?;
                if !answer.body.ends_with(b"\n") {
                    writeln!(out)?;
                }
            }
            Ok((_, health)) => nodes.push((url, Some(health))),
            Err(error) if urls.len() == 1 => return Err(error),
            Err(error) => {
                nodes.push((url, None));
                failures.push(format!("{error:#}"));
            }
        }
    }
    if !args.json {
        let text = match nodes.as_slice() {
            [(_, Some(health))] if urls.len() == 1 => rendered(health, colour),
            nodes => of_several(nodes, colour),
        };
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    if !failures.is_empty() {
        bail!(failures.join("; "));
    }
    Ok(())
}

/// What a node says about itself.
async fn ask(args: &StatusArgs, url: &NodeUrl) -> anyhow::Result<(Answer, Health)> {
    let path = if args.ready { "/ready" } else { "/health" };
    let answer = Client::new(url.clone()).get(path).await?;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE
        && let Ok(health) = serde_json::from_slice::<Health>(&answer.body)
        && health.role.is_some()
    {
        bail!("not ready: {}", summary(&health).trim_end().replace('\n', "; "));
    }
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    let health = serde_json::from_value(answer.json()?)?;
    Ok((answer, health))
}

/// A row for each node, and below it what the master says.
fn of_several(nodes: &[(&NodeUrl, Option<Health>)], colour: bool) -> String {
    let nobody = Health::default();
    let row = |(url, health): &(&NodeUrl, Option<Health>)| {
        let health = health.as_ref().unwrap_or(&nobody);
        let state = health.mode.as_ref().or(health.phase.as_ref());
        let url = url.to_string();
        [word(&health.name), word(&health.role), word(&state.cloned()), number(health.log_end), url]
    };
    let heads = ["NAME", "ROLE", "STATE", "LOG END", "URL"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(nodes.iter().map(row)).collect();
    let mut text = laid_out(&rows, |column| column != 3, |_, _| None);
    for health in nodes.iter().filter_map(|(_, health)| health.as_ref()) {
        if health.role.as_deref() == Some("master") {
            text.push('\n');
            text.push_str(&rendered(health, colour));
        } else {
            let troubles = troubles(health);
            if !troubles.is_empty() {
                text.push_str(&format!("\n{}:\n{troubles}", word(&health.name)));
            }
        }
    }
    text
}

fn rendered(health: &Health, colour: bool) -> String {
    let mut text = summary(health);
    if health.master.is_none() && health.secondaries.is_empty() {
        text.push_str(
            "no secondaries: one is listed from when it is ready until it is forgotten\n",
        );
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
    text.push_str(&troubles(health));
    if let Some(master) = &health.master {
        text.push_str(&master_line(master));
    }
    text
}

/// What is wrong: a line for each thing.
fn troubles(health: &Health) -> String {
    let mut text = String::new();
    if let Some(disk) = &health.disk
        && disk.state.as_deref() != Some("ok")
    {
        text.push_str(&format!("disk {}: {}\n", word(&disk.state), word(&disk.detail)));
    }
    for refused in &health.refused {
        let when = match refused.last_seen_ms {
            Some(ms) => format!("{} ago", span(ms)),
            None => "before this start".to_owned(),
        };
        let (name, code) = (word(&refused.name), word(&refused.code));
        let end = number(refused.log_end);
        text.push_str(&format!("refused {name}: {code}, log end {end}, {when}\n"));
    }
    let is_longer = |refused: &Refused| refused.code.as_deref() == Some("longer-log");
    if health.mode.as_deref() == Some("read-only") && health.refused.iter().any(is_longer) {
        text.push_str(
            "behind: a secondary has more of this log; was this master put back from an older copy? \
             Keep that secondary, and see acklog log accept-loss --help\n",
        );
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
    let error = master
        .last_error
        .as_ref()
        .map_or(String::new(), |error| format!("; the last attempt failed: {}", escaped(error)));
    format!(
        "its master: {} at {}, {connected}, log end {}{error}\n",
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
    let heads = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(secondaries.iter().map(row)).collect();
    let colour = |column, cell: &str| colour_of(cell).filter(|_| colour && column == STATUS_COLUMN);
    laid_out(&rows, |column| column < WORD_COLUMNS, colour)
}

/// Rows as lines of a table: words stand left, numbers right.
fn laid_out<const N: usize>(
    rows: &[[String; N]],
    is_word: impl Fn(usize) -> bool,
    colour: impl Fn(usize, &str) -> Option<u8>,
) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = match is_word(column) {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            };
            match colour(column, cell) {
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
        phase(secondary),
        number(secondary.acked_end),
        number(secondary.lag),
        number(secondary.in_flight),
        number(secondary.retries),
        secondary.rtt_ms.map_or(UNKNOWN.to_owned(), round_trip),
        secondary.last_seen_ms.map_or(UNKNOWN.to_owned(), |ms| format!("{} ago", span(ms))),
    ]
}

/// How far it is in joining. One that has a connection and does not answer on it is neither ready nor catching up.
fn phase(secondary: &Secondary) -> String {
    let is_unhealthy = secondary.status.as_deref() == Some("unhealthy");
    match secondary.phase.as_deref() {
        Some("ready" | "catching-up") if is_unhealthy => "silent".to_owned(),
        _ => word(&secondary.phase),
    }
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

/// A round trip; one on the same machine is shorter than what is shown of it.
fn round_trip(ms: f64) -> String {
    if ms < 0.05 { "<0.1 ms".to_owned() } else { format!("{ms:.1} ms") }
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
mod tests;
