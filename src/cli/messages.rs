//! `acklog messages`: prints a node's messages in constant memory, or follows them.
//!
//! It reads the log page by page, one message a line, and holds one message at a time.

mod following;

use std::io::Write;

use acklog_api::{Message, headers, paths, query};
use acklog_client::{FollowFrom, Lines};
use acklog_types::WriteConcern;
use anyhow::{Context, bail};
use clap::Args;
use hyper::StatusCode;

use super::TargetArgs;
use super::client::ToolClients;
use super::message_selection::{MessageSelection, whole_number};

/// Messages per page. Fewer: a request for little. More: a slow reader keeps a stream of the node
/// open for longer.
const PAGE_MESSAGES: u64 = 1000;

/// Flags of `acklog messages`.
#[derive(Clone, Debug, Args)]
pub(super) struct MessagesArgs {
    /// Go on with what comes later, across lost connections and restarts of nodes
    #[arg(long, short, env = "ACKLOG_FOLLOW")]
    follow: bool,

    /// Begin so many messages before the end, instead of --from
    #[arg(long, env = "ACKLOG_LAST", value_name = "N", value_parser = whole_number)]
    last: Option<u64>,

    /// Begin with what was accepted at this time or later, as 2026-11-28T10:00:00Z
    #[arg(long, env = "ACKLOG_SINCE", value_name = "TIME")]
    since: Option<String>,

    /// End before this id
    #[arg(long, env = "ACKLOG_UNTIL", value_name = "ID", value_parser = whole_number)]
    until: Option<u64>,

    /// How many nodes must have a message before it is shown: a number, majority or all [default:
    /// the node's]
    #[arg(long, env = "ACKLOG_READ_CONCERN", value_name = "R", value_parser = read_concern)]
    read_concern: Option<WriteConcern>,

    #[command(flatten)]
    selection: MessageSelection,

    #[command(flatten)]
    target: TargetArgs,
}

fn read_concern(text: &str) -> Result<WriteConcern, String> {
    text.parse().map_err(|_| "it must be a whole number, majority or all".to_owned())
}

impl MessagesArgs {
    /// Returns why the flags are unusable together; `None` if they are usable.
    pub(super) fn unusable(&self) -> Option<String> {
        let begins = [self.selection.from.is_some(), self.last.is_some(), self.since.is_some()];
        let is_ambiguous = begins.into_iter().filter(|is_given| *is_given).count() > 1;
        is_ambiguous.then(|| {
            "--from, --last and --since each say where to begin: give one of them".to_owned()
        })
    }

    /// Returns where to begin.
    fn begin(&self) -> FollowFrom {
        match (self.selection.from, self.last, &self.since) {
            (Some(id), ..) => FollowFrom::Id(id),
            (_, Some(count), _) => FollowFrom::Last(count),
            (_, _, Some(time)) => FollowFrom::Since(time.clone()),
            _ => FollowFrom::Start,
        }
    }

    /// Returns the path of the first message to print.
    fn first_path(&self) -> String {
        let path = format!("{}?", paths::MESSAGES);
        let query_start = path.len();
        let mut path = form_urlencoded::Serializer::for_suffix(path, query_start);
        if let Some((name, value)) = self.begin().parameter() {
            path.append_pair(name, &value);
        }
        if let Some(until) = self.until {
            path.append_pair(query::UNTIL, &until.to_string());
        }
        if let Some(concern) = self.read_concern {
            path.append_pair(query::READ_CONCERN, &concern.to_string());
        }
        path.append_pair(query::LIMIT, "1");
        path.finish()
    }
}

/// Prints the messages.
///
/// # Errors
/// When the node refuses, cannot be reached or breaks off; what came before is printed.
pub(super) async fn run(args: &MessagesArgs, out: &mut impl Write) -> anyhow::Result<()> {
    if args.follow {
        return following::run(args, out).await;
    }
    let mut clients = ToolClients::new(&args.target.urls);
    // The end is fixed now, so that printing ends even if the log grows faster.
    let Some((mut next, end)) = bounds(args, &mut clients).await? else { return Ok(()) };
    let client = clients.current().context("no node to ask")?;
    let end = args.selection.until(next, args.until.map_or(end, |until| until.min(end)));
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

/// Returns the id of the first message to print, and the end of what the node shows; `None` where
/// there is nothing to print.
async fn bounds(
    args: &MessagesArgs,
    clients: &mut ToolClients,
) -> anyhow::Result<Option<(u64, u64)>> {
    let answer = clients.get(&args.first_path()).await?;
    if answer.status != StatusCode::OK {
        bail!(answer.detail());
    }
    let first: Vec<Message<'_>> =
        serde_json::from_slice(&answer.body).context("the answer is no list of messages")?;
    let Some(first) = first.first() else { return Ok(None) };
    let end = answer.header(headers::ACKLOG_END).and_then(|end| end.parse().ok());
    Ok(Some((first.id, end.context("the node does not tell its log's end")?)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::cli::test_node::{LocalNode, TestNode};

    /// Returns the value of a parameter.
    fn parameter(line: &str, name: &str) -> Option<usize> {
        let query = line.split_once('?')?.1;
        let found = form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name)?;
        found.1.parse().ok()
    }

    /// Starts a node with these messages that answers like a real one.
    async fn node(messages: Vec<String>) -> TestNode {
        let (end, is_first) = (messages.len(), AtomicBool::new(true));
        let node = TestNode::start(move |line, _| {
            let from = parameter(line, "from").unwrap_or_default();
            let from = parameter(line, "last").map_or(from, |last| end.saturating_sub(last));
            let until = parameter(line, "until").unwrap_or(end).min(end);
            let limit = parameter(line, "limit").unwrap();
            let row = |id: usize| serde_json::json!({ "id": id, "message": messages[id] });
            let rows = (from..(from + limit).min(until)).map(row);
            match is_first.swap(false, Ordering::SeqCst) {
                true => (200, serde_json::Value::from_iter(rows).to_string()),
                false => (200, rows.map(|row| format!("{row}\n")).collect()),
            }
        })
        .await;
        node.add_header(headers::ACKLOG_END, end);
        node
    }

    pub(super) fn parsed(url: String, flags: &[&str]) -> MessagesArgs {
        #[derive(clap::Parser)]
        struct Wrapped {
            #[command(flatten)]
            args: MessagesArgs,
        }
        let args = [&["messages", "--url", &url], flags].concat();
        crate::config::parse::<Wrapped>(args).unwrap().args
    }

    async fn printed(messages: Vec<String>, flags: &[&str]) -> String {
        let node = node(messages).await;
        let mut out = Vec::new();
        run(&parsed(node.url().to_string(), flags), &mut out).await.unwrap();
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
        let messages: Vec<String> = (0..2500).map(|n| format!("m{n}")).collect();
        let lines = |range: std::ops::Range<u64>| -> String {
            range.map(|n| format!("{n}\tm{n}\n")).collect()
        };
        for (flags, range) in [
            (&["--from", "100"][..], 100..2500),
            (&["--last", "1500"], 1000..2500),
            (&["--last", "1500", "-n", "1200"], 1000..2200),
            (&["--until", "1200"], 0..1200),
            (&["--until", "3000", "--limit", "2"], 0..2),
        ] {
            assert_eq!(printed(messages.clone(), flags).await, lines(range), "{flags:?}");
        }
    }

    #[tokio::test]
    async fn behind_the_end_there_is_nothing() {
        assert_eq!(printed(vec!["a".to_owned()], &["--from", "7"]).await, "");
        assert_eq!(printed(vec![], &[]).await, "");
    }

    #[test]
    fn the_request_says_where_to_begin_and_only_one_flag_may() {
        let args = |flags: &[&str]| parsed("http://localhost:1".to_owned(), flags);
        let flags = ["--since", "2026-11-28T10:00:00+01:00", "--read-concern", "all"];
        let path = "/messages?since=2026-11-28T10%3A00%3A00%2B01%3A00&readConcern=all&limit=1";
        assert_eq!((args(&flags).first_path(), args(&flags).unusable()), (path.to_owned(), None));
        for flags in [["--from", "1", "--last", "1"], ["--since", "x", "--last", "1"]] {
            assert!(args(&flags).unusable().is_some());
        }
    }
}
