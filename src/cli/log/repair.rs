//! `acklog log repair`: makes a manifest again, and takes the messages of damaged places from another node's directory.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::DataDir;
use crate::log::disk::Role;
use crate::log::repair::repair;

/// Flags of `acklog log repair`.
#[derive(Clone, Debug, Args)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    data: DataDir,

    /// The data directory of another node of this log, or a backup of it, that has the damaged messages
    #[arg(long, env = "ACKLOG_FROM", value_name = "DIR")]
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

/// Repairs the directory and tells what was done.
///
/// # Errors
/// When not all of it can be repaired; then no message was changed.
pub(super) fn run(args: &RepairArgs, out: &mut impl Write) -> anyhow::Result<()> {
    if let Some(url) = args.from.as_deref().filter(|from| is_url(from)) {
        anyhow::bail!(
            "{} is a URL, and over HTTP a node tells neither the times nor the keys of its messages, \
             without which no checksum proves that they fit; name its data directory, or a backup \
             of it (`acklog log backup`)",
            url.display()
        );
    }
    let role = args.role.map(|role| match role {
        RoleArg::Master => Role::Master,
        RoleArg::Secondary => Role::Secondary,
    });
    let repaired = repair(&args.data.dir, role, args.from.as_deref())?;
    if repaired.manifest {
        writeln!(out, "made a manifest from the segment files")?;
    }
    if repaired.has_lost_members {
        writeln!(out, "the secondaries' names are lost: each counts again when it joins")?;
    }
    for file in &repaired.segments {
        writeln!(out, "wrote {file} anew; the damaged one stands beside it, named .damaged")?;
    }
    if repaired.messages > 0 {
        writeln!(out, "took {} messages, and a checksum proves that they fit", repaired.messages)?;
    }
    if !repaired.manifest && repaired.segments.is_empty() {
        writeln!(out, "nothing is damaged")?;
    }
    Ok(())
}

fn is_url(from: &Path) -> bool {
    let text = from.to_string_lossy();
    text.starts_with("http://") || text.starts_with("https://")
}
