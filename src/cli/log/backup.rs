//! `acklog log backup`: copies a log into a new directory, also while its node runs.

use std::io::Write;
use std::path::PathBuf;

use acklog_log::backup::{BackedUp, backup};
use clap::Args;

use super::DataDir;

/// Flags of `acklog log backup`.
#[derive(Clone, Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    data: DataDir,

    /// The directory to make; it must not exist
    #[arg(value_name = "TARGET")]
    target: PathBuf,
}

/// Copies the log and reports how much it is.
///
/// # Errors
/// When the target exists, the log is damaged, or a file cannot be read or written; then there is
/// no copy.
pub(super) fn run(args: &BackupArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let BackedUp { end, linked, copied } = backup(&args.data.dir, &args.target)?;
    let target = args.target.display();
    writeln!(
        out,
        "{target} has the messages below id {end}: {linked} segments linked, {copied} copied"
    )?;
    Ok(())
}
