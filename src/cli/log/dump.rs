//! `acklog log dump`: prints the messages of a log as lines, from its files.

use std::borrow::Cow;
use std::io::Write;
use std::ops::ControlFlow;

use acklog_api::Message;
use acklog_log::inspect::inspect;
use acklog_types::{IdRange, LogEnd, Record};
use clap::Args;

use super::DataDir;
use crate::cli::message_selection::MessageSelection;

/// Flags of `acklog log dump`.
#[derive(Clone, Debug, Args)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    data: DataDir,

    #[command(flatten)]
    selection: MessageSelection,
}

/// Prints the messages, also those after a damaged place.
///
/// # Errors
/// When a selected message is damaged, when the directory cannot be read, or when the output is
/// closed: then reading ends.
pub(super) fn run(args: &DumpArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let from = args.selection.from.unwrap_or_default();
    let until = args.selection.until(from, u64::MAX);
    let range = IdRange::new(LogEnd::new(from), LogEnd::new(until));
    let mut printed = Ok(());
    let mut print = |record: &Record<'_>| {
        let message = Message { id: record.id.get(), message: Cow::Borrowed(record.text) };
        printed = args.selection.print(&message, out);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let findings = inspect(&args.data.dir, range, &mut print, &mut |_, _| {})?;
    printed?;
    match (findings.damage, findings.refusal) {
        (Some(damage), None) => Err(super::unserved(&damage)),
        (Some(damage), Some(_)) | (None, Some(damage)) => Err(damage.into()),
        (None, None) => Ok(()),
    }
}
