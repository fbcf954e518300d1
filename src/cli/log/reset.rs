//! `acklog log reset`: lets a secondary start over that cannot go on with its log.

use std::io::Write;
use std::time::SystemTime;

use acklog_log::reset;
use clap::Args;

use super::DataDir;

/// Flags of `acklog log reset`.
#[derive(Clone, Debug, Args)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Moves the log's files aside and reports where to.
///
/// # Errors
/// When the directory is a master's or in use, or cannot be changed.
pub(super) fn run(args: &ResetArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let moved = reset(&args.data.dir, SystemTime::now())?;
    let into = moved.into.display();
    let files = if moved.files == 1 { "file" } else { "files" };
    writeln!(out, "moved {} {files} to {into}; nothing was deleted", moved.files)?;
    writeln!(out, "when this secondary is started again, it fetches everything from its master")?;
    Ok(())
}
