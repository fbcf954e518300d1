//! `acklog messages`: prints a node's messages in constant memory.
//!
//! It reads the log page by page, one message a line, and holds one message at a time.

use std::io::Write;

use acklog_api::{Health, Message, paths};
use acklog_client::Lines;
use anyhow::{Context, bail};
use clap::Args;
use hyper::StatusCode;

use super::TargetArgs;
use super::client::ToolClients;
use super::message_selection::MessageSelection;

/// Messages per page. Fewer: a request for little. More: a slow reader keeps a stream of the node
/// open for longer.
const PAGE_MESSAGES: u64 = 1000;

/// Flags of `acklog messages`.
#[derive(Clone, Debug, Args)]
pub(super) struct MessagesArgs {
    #[command(flatten)]
    selection: MessageSelection,

    #[command(flatten)]
    target: TargetArgs,
}

/// Prints the messages.
///
/// # Errors
/// When the node refuses, cannot be reached or breaks off; what came before is printed.
pub(super) async fn run(args: &MessagesArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mut clients = ToolClients::new(&args.target.urls);
    // The end is fixed now, so that printing ends even if the log grows faster.
    let end = log_end(&mut clients).await?;
    let client = clients.current().context("no node to ask")?;
    let end = args.selection.until(end);
    let mut next = args.selection.from;
    while next < end {
        let limit = PAGE_MESSAGES.min(end - next);
        let mut body = client.list(next, limit).await?;
        let mut lines = Lines::default();
        let first = next;
        while let Some(piece) = client.next_piece(&mut body).await? {
            lines.add(&piece, |line| {
                let message: Message<'_> =
                    serde_json::from_slice(line).context("the answer is no list of messages")?;
                args.selection.print(&message, out)?;
                next = message.id.saturating_add(1);
                anyhow::Ok(())
            })?;
        }
        // Flushed after each page, so that a reader waits for no more than that.
        out.flush()?;
        if next == first {
            bail!("{} shows no message {first} although its log is longer", client.target());
        }
    }
    Ok(())
}

async fn log_end(clients: &mut ToolClients) -> anyhow::Result<u64> {
    let answer = clients.get(paths::HEALTH).await?;
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    let health = answer.parsed::<Health>().ok();
    health.and_then(|health| health.log_end()).context("the node does not tell its log's end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::{LocalNode, TestNode};

    /// Starts a node with these messages that answers like a real one.
    async fn node(messages: Vec<String>) -> TestNode {
        TestNode::start(move |line, _| {
            let Some(query) = line.strip_prefix("GET /messages?from=") else {
                return (200, format!(r#"{{"role": "master", "logEnd": {}}}"#, messages.len()));
            };
            let (from, limit) = query.split_once("&limit=").unwrap();
            let (from, limit): (usize, usize) = (from.parse().unwrap(), limit.parse().unwrap());
            let row = |id: usize| serde_json::json!({ "id": id, "message": messages[id] });
            let rows = (from..(from + limit).min(messages.len())).map(row);
            (200, rows.map(|row| format!("{row}\n")).collect())
        })
        .await
    }

    async fn printed(messages: Vec<String>, flags: &[&str]) -> String {
        let node = node(messages).await;
        let url = node.url().to_string();
        #[derive(clap::Parser)]
        struct Wrapped {
            #[command(flatten)]
            args: MessagesArgs,
        }
        let args = [&["messages", "--url", &url], flags].concat();
        let wrapped = crate::config::parse::<Wrapped>(args).unwrap();
        let mut out = Vec::new();
        run(&wrapped.args, &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn one_message_is_one_line_whatever_it_holds() {
        let messages = vec!["Msg1".to_owned(), "a\n1\tforged \"}\\".to_owned(), String::new()];
        assert_eq!(printed(messages.clone(), &[]).await, "0\tMsg1\n1\ta\\n1\\tforged \"}\\\n2\t\n");
        assert_eq!(
            printed(messages, &["--from", "1", "--limit", "1", "--json"]).await,
            "{\"id\":1,\"message\":\"a\\n1\\tforged \\\"}\\\\\"}\n"
        );
    }

    #[tokio::test]
    async fn a_long_log_is_printed_page_by_page() {
        let messages = (0..2500).map(|n| format!("m{n}")).collect();
        let lines = printed(messages, &["--from", "100"]).await;
        let expected: String = (100..2500).map(|n| format!("{n}\tm{n}\n")).collect();
        assert_eq!(lines, expected);
    }

    #[tokio::test]
    async fn behind_the_end_there_is_nothing() {
        assert_eq!(printed(vec!["a".to_owned()], &["--from", "7"]).await, "");
        assert_eq!(printed(vec![], &[]).await, "");
    }
}
