//! `acklog log accept-loss`: a master that was restored from an older copy takes messages again.

use std::io::Write;

use clap::Args;

use super::DataDir;
use crate::log::accept_loss;

/// Flags of `acklog log accept-loss`.
#[derive(Clone, Debug, Args)]
pub(super) struct AcceptLossArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Notes that the loss is accepted, and tells from which id on.
///
/// # Errors
/// When the directory is no master's, is in use, has no whole log, or cannot be written to.
pub(super) fn run(args: &AcceptLossArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let end = accept_loss(&args.data.dir)?;
    writeln!(out, "accepted: what this log had from message {end} on is lost")?;
    writeln!(out, "the next start takes messages, and gives those ids to new ones")?;
    writeln!(out, "a secondary with more stays refused, and keeps it until `acklog log reset`")?;
    Ok(())
}
