//! `acklog status`: prints the health of nodes and of the cluster as a table.

use std::io::{IsTerminal, Write};

use super::client::ToolClient;
use super::table::{UNKNOWN, align_columns, number, time_span, word};
use super::{NodeUrl, TargetArgs};
use crate::telemetry::wants_colour;
use acklog_api::{
    Disk, DiskState, Health, MasterHealth, MasterLink, MemberHealth, MemberStatus, Mode, Phase,
    Refused, RefusedCode, SecondaryHealth, paths,
};
use acklog_client::Answer;
use acklog_types::escaped;
use anyhow::{Context, bail};
use clap::Args;
use hyper::StatusCode;

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
    target: TargetArgs,
}

/// Asks each node for its health and prints it. A node that refuses does not keep the others from
/// being asked.
///
/// # Errors
/// When a node refuses, cannot be reached, or is not ready where that is required.
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
            nodes => several_nodes(nodes, colour),
        };
        out.write_all(text.as_bytes())?;
    }
    out.flush()?;
    if !failures.is_empty() {
        bail!(failures.join("; "));
    }
    Ok(())
}

/// Requests the health of a node.
///
/// # Errors
/// When the node refuses, cannot be reached, or is not ready where that is required.
async fn ask(args: &StatusArgs, url: &NodeUrl) -> anyhow::Result<(Answer, Health)> {
    let path = if args.ready { paths::READY } else { paths::HEALTH };
    let answer = ToolClient::new(url.clone()).get(path).await?;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE
        && let Ok(health) = answer.parsed::<Health>()
    {
        bail!("not ready: {}", summary(&health).trim_end().replace('\n', "; "));
    }
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    let health = answer.parsed().context("the answer reports no health: is this a node?")?;
    Ok((answer, health))
}

/// Formats a row for each node, followed by the master's view of the cluster.
fn several_nodes(nodes: &[(&NodeUrl, Option<Health>)], colour: bool) -> String {
    let row = |(url, health): &(&NodeUrl, Option<Health>)| {
        let (name, role, state, log_end) = match health {
            Some(health) => {
                let name = word(health.name());
                (name, word(Some(health.role().as_str())), word(state(health)), health.log_end())
            }
            None => (word(None), word(None), word(None), None),
        };
        [name, role, state, number(log_end), url.to_string()]
    };
    let heads = ["NAME", "ROLE", "STATE", "LOG END", "URL"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(nodes.iter().map(row)).collect();
    let mut text = align_columns(&rows, |column| column != 3, |_, _| None);
    for health in nodes.iter().filter_map(|(_, health)| health.as_ref()) {
        match health {
            Health::Master(_) => {
                text.push('\n');
                text.push_str(&rendered(health, colour));
            }
            Health::Secondary(_) => {
                let problems = problems(health);
                if !problems.is_empty() {
                    text.push_str(&format!("\n{}:\n{problems}", word(health.name())));
                }
            }
        }
    }
    text
}

/// Returns a master's mode, or a secondary's phase.
fn state(health: &Health) -> Option<&str> {
    match health {
        Health::Master(health) => health.mode.as_ref().map(Mode::as_str),
        Health::Secondary(health) => health.phase.as_ref().map(Phase::as_str),
    }
}

fn rendered(health: &Health, colour: bool) -> String {
    let mut text = summary(health);
    match health {
        Health::Master(health) if health.secondaries.is_empty() => {
            text.push_str(
                "no secondaries: one is listed from when it is ready until it is forgotten\n",
            );
        }
        Health::Master(health) => {
            text.push('\n');
            text.push_str(&table(&health.secondaries, colour));
        }
        Health::Secondary(_) => {}
    }
    text
}

/// Formats the health of a node, one fact a line.
fn summary(health: &Health) -> String {
    match health {
        Health::Master(master) => {
            let mut text = master_head(master);
            if let Some(quorum) = &master.quorum {
                let (healthy, required) = (number(quorum.healthy), number(quorum.required));
                text.push_str(&format!("quorum: {healthy} healthy of {required} required\n"));
            }
            text + &problems(health)
        }
        Health::Secondary(secondary) => {
            let mut text = secondary_head(secondary) + &problems(health);
            if let Some(master) = &secondary.master {
                text.push_str(&master_line(master));
            }
            text
        }
    }
}

/// Formats what is wrong, one problem a line.
fn problems(health: &Health) -> String {
    let mut text = String::new();
    if let Some(Disk { state, detail }) = health.disk()
        && *state != Some(DiskState::Ok)
    {
        let state = word(state.as_ref().map(DiskState::as_str));
        text.push_str(&format!("disk {state}: {}\n", word(detail.as_deref())));
    }
    let Health::Master(master) = health else { return text };
    for refused in &master.refused {
        let when = match refused.last_seen_ms {
            Some(ms) => format!("{} ago", time_span(ms as f64)),
            None => "before this start".to_owned(),
        };
        let name = word(refused.name.as_deref());
        let code = word(refused.code.as_ref().map(RefusedCode::as_str));
        let end = number(refused.log_end);
        text.push_str(&format!("refused {name}: {code}, log end {end}, {when}\n"));
    }
    let is_longer = |refused: &Refused| refused.code == Some(RefusedCode::LongerLog);
    if master.mode == Some(Mode::ReadOnly) && master.refused.iter().any(is_longer) {
        text.push_str(
            "behind: a secondary has more of this log; was this master put back from an older \
             copy? Keep that secondary, and see acklog log accept-loss --help\n",
        );
    }
    text
}

fn master_head(health: &MasterHealth) -> String {
    format!(
        "{} ({}): {}, log end {}, committed end {}, cluster size {}, waiting senders {}\n",
        word(health.name.as_deref()),
        health.role,
        word(health.mode.as_ref().map(Mode::as_str)),
        number(health.log_end),
        number(health.committed_end),
        number(health.cluster_size),
        number(health.waiting_senders),
    )
}

fn secondary_head(health: &SecondaryHealth) -> String {
    format!(
        "{} ({}): {}, log end {}, committed end {}, buffered {}\n",
        word(health.name.as_deref()),
        health.role,
        word(health.phase.as_ref().map(Phase::as_str)),
        number(health.log_end),
        number(health.committed_end),
        number(health.buffered),
    )
}

fn master_line(master: &MasterLink) -> String {
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
        word(master.name.as_deref()),
        word(master.address.as_deref()),
        number(master.log_end),
    )
}

const COLUMNS: [&str; 9] =
    ["NAME", "STATUS", "PHASE", "ACKED", "LAG", "IN-FLIGHT", "RETRIES", "RTT", "LAST SEEN"];

/// The column whose words are coloured.
const STATUS_COLUMN: usize = 1;

/// The first columns hold words, aligned left; the others hold numbers, aligned right.
const WORD_COLUMNS: usize = 3;

fn table(secondaries: &[MemberHealth], colour: bool) -> String {
    let heads = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(secondaries.iter().map(row)).collect();
    let colour = |column, cell: &str| colour_of(cell).filter(|_| colour && column == STATUS_COLUMN);
    align_columns(&rows, |column| column < WORD_COLUMNS, colour)
}

fn row(secondary: &MemberHealth) -> [String; 9] {
    [
        word(secondary.name.as_deref()),
        word(secondary.status.as_ref().map(MemberStatus::as_str)),
        phase(secondary),
        number(secondary.acked_end),
        number(secondary.lag),
        number(secondary.in_flight),
        number(secondary.retries),
        secondary.rtt_ms.map_or(UNKNOWN.to_owned(), round_trip),
        secondary
            .last_seen_ms
            .map_or(UNKNOWN.to_owned(), |ms| format!("{} ago", time_span(ms as f64))),
    ]
}

/// Returns the phase of a member. One that is connected and does not answer is neither ready nor
/// catching up.
fn phase(secondary: &MemberHealth) -> String {
    let is_unhealthy = secondary.status == Some(MemberStatus::Unhealthy);
    match &secondary.phase {
        Some(Phase::Ready | Phase::CatchingUp) if is_unhealthy => "silent".to_owned(),
        phase => word(phase.as_ref().map(Phase::as_str)),
    }
}

/// Returns the number of a terminal colour for a status; `None` for other words.
fn colour_of(cell: &str) -> Option<u8> {
    match cell {
        "healthy" => Some(32),
        "suspected" => Some(33),
        "unhealthy" => Some(31),
        _ => None,
    }
}

/// Formats a round trip; on one machine it is often shorter than the precision shown.
fn round_trip(ms: f64) -> String {
    if ms < 0.05 { "<0.1 ms".to_owned() } else { format!("{ms:.1} ms") }
}

#[cfg(test)]
mod tests;
