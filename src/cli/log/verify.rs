//! `acklog log verify`: reads all of a log and reports what is there and what is wrong.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;

use acklog_log::inspect::{DamageFinding, Findings, Torn, inspect};
use acklog_types::escaped;
use acklog_types::{IdRange, LogEnd};
use clap::Args;
use serde_json::json;

use super::DataDir;

/// Flags of `acklog log verify`.
#[derive(Clone, Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: DataDir,

    /// Print what was found as one JSON object
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,
}

/// Reads the log and prints what is there.
///
/// # Errors
/// When something is damaged, or the directory cannot be read.
pub(super) fn run(args: &VerifyArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let all = IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX));
    let mut shown = std::io::stderr().is_terminal().then(std::io::stderr);
    let mut progress = |done: u64, of: usize| {
        if let Some(terminal) = &mut shown {
            // A closed terminal is no reason to stop.
            let _ = write!(terminal, "\r\x1b[Kread {done} of {of} segments");
        }
    };
    let read = inspect(&args.data.dir, all, &mut |_| ControlFlow::Continue(()), &mut progress);
    if let Some(terminal) = &mut shown {
        let _ = write!(terminal, "\r\x1b[K");
    }
    let findings = read?;
    if args.json {
        writeln!(out, "{}", as_json(&findings))?;
    } else {
        table(&findings, out)?;
    }
    match (findings.refusal, findings.damage) {
        (Some(refusal), _) => Err(refusal.into()),
        (None, Some(damage)) => Err(super::unserved(&damage)),
        (None, None) => Ok(()),
    }
}

fn as_json(found: &Findings) -> serde_json::Value {
    json!({
        "role": found.role.as_str(),
        "log": found.log.map(|log| log.to_string()),
        "secondaries": found.members.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "segments": found.segments,
        "messages": found.messages,
        "recordBytes": found.bytes,
        "keyedMessages": found.keyed,
        "syncedEnd": found.flushed_end.get(),
        "torn": found.torn.as_ref().map(|torn| json!({
            "file": torn.file,
            "offset": torn.offset,
            "bytes": torn.bytes,
            "ids": [torn.ids.start().get(), torn.ids.end().get()],
            "what": torn.what,
        })),
        "damage": found.refusal.as_ref().or(found.damage.as_ref()).map(ToString::to_string),
        "startRefuses": found.refusal.is_some(),
        "damagedPlaces": found.places.iter().map(|place| json!({
            "file": place.file,
            "offset": place.offset,
            "ids": [place.ids.start().get(), place.ids.end().get()],
            "what": place.what,
        })).collect::<Vec<_>>(),
        "badIndexes": found.bad_indexes,
    })
}

fn table(found: &Findings, out: &mut impl Write) -> std::io::Result<()> {
    let mut row = |name: &str, value: &dyn std::fmt::Display| writeln!(out, "{name:<16}{value}");
    row("role", &found.role)?;
    row("log id", &found.log.map_or_else(|| "none yet".to_owned(), |log| log.to_string()))?;
    if !found.members.is_empty() {
        let names: Vec<_> = found.members.iter().map(|name| name.as_str()).collect();
        row("secondaries", &names.join(", "))?;
    }
    row("segments", &found.segments)?;
    row("messages", &found.messages)?;
    row("record bytes", &found.bytes)?;
    row("keyed messages", &found.keyed)?;
    let note = match found.flushed_end < found.end && found.damage.is_none() {
        true => {
            " (the last writes: only a clean stop, or a later write, tells that they were synced)"
        }
        false => "",
    };
    row("synced end", &format_args!("{}{note}", found.flushed_end))?;
    if found.bad_indexes > 0 {
        let note = "missing, damaged, without keys or being written; a start makes those of whole \
                    segments again";
        row("indexes", &format_args!("{} {note}", found.bad_indexes))?;
    }
    for place in &found.places {
        row("damaged", &described(place))?;
    }
    if let Some(torn) = &found.torn {
        row("torn tail", &told(torn))?;
    }
    let verdict = match (&found.damage, &found.refusal, &found.torn) {
        (Some(_), ..) => "damaged; the figures count what is whole",
        (None, Some(_), _) => "no segment was looked at: without a manifest nothing leads to them",
        (None, None, Some(_)) => "whole, but for the torn tail, which the next start cuts off",
        (None, None, None) => "whole",
    };
    writeln!(out, "{verdict}")
}

fn described(place: &DamageFinding) -> String {
    let ids = match place.ids.is_empty() {
        true => String::new(),
        false => format!(", message {}", place.ids),
    };
    format!("offset {} of {}{ids}: {}", place.offset, escaped(&place.file), place.what)
}

fn told(torn: &Torn) -> String {
    let ids = match torn.ids.is_empty() {
        true => String::new(),
        false => format!(", message {}", torn.ids),
    };
    let Torn { file, offset, bytes, what, .. } = torn;
    format!("{bytes} bytes at offset {offset} of {}{ids}: {what}", escaped(file))
}
