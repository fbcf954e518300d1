//! `acklog log accept-loss`: lets a master that was restored from an older copy take messages
//! again.

use std::io::Write;

use acklog_log::accept_loss;
use clap::Args;

use super::DataDir;

/// Flags of `acklog log accept-loss`.
#[derive(Clone, Debug, Args)]
pub(super) struct AcceptLossArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Accepts the loss and reports what that means.
///
/// # Errors
/// When the directory is no master's or in use, or there is no loss to accept.
pub(super) fn run(args: &AcceptLossArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let end = accept_loss(&args.data.dir)?;
    writeln!(
        out,
        "accepted: what other nodes have below id {end} and this master does not is given up"
    )?;
    writeln!(
        out,
        "when this master is started again, it takes messages and gives those ids to them; \
         secondaries that have more stay refused and keep their messages until `acklog log reset` \
         is run on their directories"
    )?;
    Ok(())
}
