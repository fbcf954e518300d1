//! `acklog log dump`: prints the messages of a log as lines, from its files.

use std::borrow::Cow;
use std::io::Write;

use clap::Args;

use super::DataDir;
use crate::cli::lines::{Message, Selection};
use crate::log::inspect::inspect;
use crate::types::{IdRange, LogEnd};

/// Flags of `acklog log dump`.
#[derive(Clone, Debug, Args)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    data: DataDir,

    #[command(flatten)]
    selection: Selection,
}

/// Prints the messages.
///
/// # Errors
/// When something is damaged, or the directory cannot be read; what stands before the damage is printed.
pub(super) fn run(args: &DumpArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let (from, until) = (args.selection.from, args.selection.until(u64::MAX));
    let range = IdRange::new(LogEnd::new(from), LogEnd::new(until));
    let mut printed = Ok(());
    let findings = inspect(&args.data.dir, range, &mut |record| {
        if printed.is_ok() {
            let message = Message { id: record.id.get(), message: Cow::Borrowed(record.text) };
            printed = args.selection.print(&message, out);
        }
    })?;
    printed?;
    match findings.damage {
        // What lies behind it was not asked for.
        Some(damage) if findings.end < range.end() => Err(damage.into()),
        _ => Ok(()),
    }
}
