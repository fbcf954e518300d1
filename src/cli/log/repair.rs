//! `acklog log repair`: rebuilds a manifest, and takes the messages of damaged places from another
//! node's directory, or from a node.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use acklog_api::Message;
use acklog_client::Lines;
use acklog_log::disk::Role;
use acklog_log::repair::{Source, repair};
use acklog_types::LogEnd;
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::DataDir;
use crate::cli::NodeUrl;
use crate::cli::client::ToolClient;

/// Flags of `acklog log repair`.
#[derive(Clone, Debug, Args)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    data: DataDir,

    /// Another node's data directory, a backup of one, or a node's URL, that has the damaged
    /// messages
    #[arg(long, env = "ACKLOG_FROM", value_name = "DIR|URL")]
    from: Option<PathBuf>,

    /// Whose directory it is; only looked at where its manifest is gone and nothing else tells
    #[arg(long, env = "ACKLOG_ROLE")]
    role: Option<RoleArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    Master,
    Secondary,
}

/// Repairs the directory and reports what was done.
///
/// # Errors
/// When not all of it can be repaired; then no message was changed.
pub(super) fn run(args: &RepairArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let role = args.role.map(|role| match role {
        RoleArg::Master => Role::Master,
        RoleArg::Secondary => Role::Secondary,
    });
    let from = args.from.as_deref();
    let url = from.and_then(Path::to_str).filter(|from| is_url(from));
    let node = url.map(|url| NodeUrl::from_str(url).map_err(|error| anyhow!("{url}: {error}")));
    let node = node.transpose()?;
    let text_of = |id| match &node {
        Some(node) => text_of(node, id).map_err(|error| format!("{error:#}")),
        None => Err("no node was named".to_owned()),
    };
    let from = match url {
        Some(url) => Some(Source::Node { url, text_of: &text_of }),
        None => from.map(Source::Directory),
    };
    let repaired = repair(&args.data.dir, role, from)?;
    if repaired.manifest {
        writeln!(out, "made a manifest from the segment files{}", kept(&repaired.kept_manifest))?;
    }
    if repaired.has_lost_members {
        writeln!(out, "the secondaries' names are lost: each counts again when it joins")?;
    }
    for (file, aside) in &repaired.segments {
        writeln!(out, "wrote {file} anew{}", kept(aside))?;
    }
    if repaired.messages > 0 {
        let messages = match repaired.messages {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        writeln!(out, "took {messages}, checked against the checksums")?;
    }
    if !repaired.manifest && repaired.segments.is_empty() {
        writeln!(out, "nothing is damaged")?;
    }
    Ok(())
}

/// Returns the name under which a damaged file is kept; empty for one that was missing.
fn kept(aside: &Option<String>) -> String {
    aside
        .as_ref()
        .map_or(String::new(), |aside| format!("; the damaged one is kept beside it, as {aside}"))
}

/// Returns whether the text names a node: a URL, or host and port where no directory has that name.
fn is_url(from: &str) -> bool {
    let is_node = || from.contains(':') && NodeUrl::from_str(from).is_ok();
    from.starts_with("http://")
        || from.starts_with("https://")
        || (!Path::new(from).exists() && is_node())
}

/// Requests the text of a message from a node.
///
/// # Errors
/// When the node cannot be reached or does not have it.
fn text_of(node: &NodeUrl, id: LogEnd) -> anyhow::Result<String> {
    crate::cli::block_on(async {
        let mut client = ToolClient::new(node.clone());
        let mut body = client.list(id.get(), 1).await?;
        let (mut lines, mut text) = (Lines::default(), None);
        while let Some(piece) = client.next_piece(&mut body).await? {
            lines.add(&piece, |line| {
                let message: Message<'_> =
                    serde_json::from_slice(line).context("the answer is no list of messages")?;
                text = (message.id == id.get()).then(|| message.message.into_owned());
                anyhow::Ok(())
            })?;
        }
        text.with_context(|| format!("{node} has no message {id}"))
    })
}
