//! `acklog receipt`: prints which nodes have a message, as a table.

use std::io::Write;

use acklog_api::{MessageCopy, MessageReceipt, Storage, paths};
use anyhow::{Context, bail};
use clap::Args;
use hyper::StatusCode;

use super::TargetArgs;
use super::client::{ToolClients, master_of};
use super::table::{UNKNOWN, align_columns, number, word};

/// The heads of the columns; the first three hold words, aligned left, the others numbers.
const COLUMNS: [&str; 5] = ["NODE", "HELD", "STORAGE", "AFTER", "SENT"];

/// Flags of `acklog receipt`.
#[derive(Clone, Debug, Args)]
pub(super) struct ReceiptArgs {
    /// Id of the message; any id of a batch shows the whole batch
    #[arg(value_parser = super::message_selection::whole_number)]
    id: u64,

    /// Print the master's answer as JSON
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    #[command(flatten)]
    target: TargetArgs,
}

/// Asks the master for the receipt and prints it.
///
/// # Errors
/// When the master has no such message, refuses or cannot be reached.
pub(super) async fn run(args: &ReceiptArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let all = &args.target.urls;
    // If none can be reached, the request fails with the reason for each.
    let urls = master_of(all).await.map_or_else(|_| all.clone(), |url| vec![url]);
    let answer = ToolClients::new(&urls).get(&paths::receipt(args.id)).await?;
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    if args.json {
        writeln!(out, "{}", answer.json_line()?)?;
    } else {
        let receipt: MessageReceipt =
            answer.parsed().context("the answer is no receipt: is this a node?")?;
        out.write_all(rendered(&receipt).as_bytes())?;
    }
    Ok(out.flush()?)
}

fn rendered(receipt: &MessageReceipt) -> String {
    let MessageReceipt { id, count, epoch, accepted_at, held_by, copies } = receipt;
    let which = match count {
        1 => format!("message {id}"),
        _ => format!("messages {id} to {}", id.saturating_add(count.saturating_sub(1))),
    };
    let (accepted, nodes) = (word(Some(accepted_at)), copies.len());
    let heads = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(copies.iter().map(row)).collect();
    format!("{which}: accepted {accepted}, epoch {epoch}, held by {held_by} of {nodes}\n\n")
        + &align_columns(&rows, |column| column < 3, |_, _| None)
}

fn row(copy: &MessageCopy) -> [String; 5] {
    let held = if copy.held { "yes" } else { "no" };
    let after = copy.after_ms.map_or(UNKNOWN.to_owned(), |ms| format!("{ms:.2} ms"));
    let storage = word(copy.storage.as_ref().map(Storage::as_str));
    [word(Some(&copy.node)), held.to_owned(), storage, after, number(copy.attempts)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_a_line_and_a_row_for_each_node() {
        let copy = MessageCopy {
            node: "master".to_owned(),
            held: true,
            storage: Some(Storage::Disk),
            after_ms: Some(0.412),
            attempts: Some(1),
        };
        let (node, after_ms, attempts) = ("bonnie\n".to_owned(), None, Some(12));
        let late = MessageCopy { node, held: false, storage: None, after_ms, attempts };
        let receipt = MessageReceipt {
            id: 3,
            count: 2,
            epoch: 1,
            accepted_at: "2026-11-28T17:04:05.678Z".to_owned(),
            held_by: 1,
            copies: vec![copy, late],
        };
        let expected = "\
            messages 3 to 4: accepted 2026-11-28T17:04:05.678Z, epoch 1, held by 1 of 2\n\n\
            NODE      HELD  STORAGE    AFTER  SENT\n\
            master    yes   disk     0.41 ms     1\n\
            bonnie\\n  no    -              -    12\n";
        assert_eq!(rendered(&receipt), expected);
        let single = MessageReceipt { count: 1, ..receipt };
        assert!(rendered(&single).starts_with("message 3: accepted"), "{}", rendered(&single));
    }
}
