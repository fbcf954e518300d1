//! `acklog log`: inspects and repairs a node's data directory. It needs no running node; `verify`,
//! `dump` and `backup` change nothing in the directory.

mod accept_loss;
mod backup;
mod dump;
mod repair;
mod reset;
mod verify;

use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use acklog_log::disk::OpenError;
use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::config;

/// Flags of `acklog log`.
#[derive(Clone, Debug, Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    action: LogAction,
}

#[derive(Clone, Debug, Subcommand)]
enum LogAction {
    /// Read every byte of a log and print what is there; status 1 and the place where something is
    /// damaged
    Verify(verify::VerifyArgs),
    /// Print messages of a log as lines, as `acklog messages` does
    Dump(dump::DumpArgs),
    /// Let a master that was put back from an older copy take messages again, without those that it
    /// lacks
    AcceptLoss(accept_loss::AcceptLossArgs),
    /// Move a secondary's log aside, so that the node fetches everything anew; deletes nothing
    Reset(reset::ResetArgs),
    /// Copy a log into a new directory, also while its node runs; old segments become hard links
    /// where they can
    Backup(backup::BackupArgs),
    /// Repair a stopped node's directory: make its manifest again, take damaged messages from
    /// another directory or node
    Repair(repair::RepairArgs),
}

/// The directory with a node's log.
#[derive(Clone, Debug, Args)]
struct DataDir {
    /// The node's data directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the subcommand and returns the exit status: 0 when it is done and the log is whole.
pub(super) fn run(args: &LogArgs) -> ExitCode {
    // Buffered: a long log is many short lines.
    let mut out = BufWriter::new(std::io::stdout());
    let done = args.act(&mut out);
    // The findings are printed before the error.
    let flushed = out.flush();
    if let (Ok(()), Err(error)) = (&done, &flushed)
        && args.changes()
        && error.kind() != ErrorKind::BrokenPipe
    {
        config::last_line(format!("acklog: done, but the output cannot be written: {error}"));
        return ExitCode::SUCCESS;
    }
    super::finish(super::seen_enough(done.and(flushed.map_err(anyhow::Error::from))))
}

/// Returns the error for damage with which a node starts all the same.
fn unserved(damage: &OpenError) -> anyhow::Error {
    match damage {
        OpenError::Damaged { path, detail, .. } => anyhow!(
            "{detail}; a node starts with it all the same, does not serve it, and repairs it when \
             a node that has it is connected; or stop the node and take what is damaged from \
             another directory with `acklog log repair {path} --from DIR2`"
        ),
        other => anyhow!("{other}"),
    }
}

impl LogArgs {
    /// Returns whether the subcommand changes anything, so that the exit status must say whether it
    /// did.
    const fn changes(&self) -> bool {
        !matches!(self.action, LogAction::Verify(_) | LogAction::Dump(_))
    }

    fn act(&self, out: &mut impl Write) -> anyhow::Result<()> {
        match &self.action {
            LogAction::Verify(args) => verify::run(args, out),
            LogAction::Dump(args) => dump::run(args, out),
            LogAction::Reset(args) => reset::run(args, out),
            LogAction::Backup(args) => backup::run(args, out),
            LogAction::Repair(args) => repair::run(args, out),
            LogAction::AcceptLoss(args) => accept_loss::run(args, out),
        }
    }
}

#[cfg(test)]
mod copies_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod repair_tests;
#[cfg(test)]
mod tests;
