//! `acklog post`: appends messages, one request after the other, and tells who acked each.

use std::io::{BufRead, Read, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Target;
use super::client::{Answer, Client};
use crate::telemetry::escaped;
use crate::types::{MESSAGE_BYTES_LIMIT, WriteConcern, parse_duration};

/// What the network may take on top of `--timeout` before the node counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Flags of `acklog post`.
#[derive(Clone, Debug, Args)]
pub(super) struct PostArgs {
    /// Messages; a - reads messages from standard input, one a line
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,

    /// How many nodes must have each message: a number, majority or all [default: the node's]
    #[arg(long, env = "ACKLOG_WRITE_CONCERN", value_name = "W")]
    write_concern: Option<WriteConcern>,

    /// How long to wait for these nodes, as 250ms or 1.5s [default: as long as it takes]
    #[arg(long, env = "ACKLOG_TIMEOUT", value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Print the node's answers as JSON, one a line
    #[arg(long, env = "ACKLOG_JSON")]
    json: bool,

    #[command(flatten)]
    target: Target,
}

/// Posts all messages.
///
/// # Errors
/// The first thing that goes wrong; the messages behind it are not sent.
pub(super) async fn run(args: &PostArgs, out: &mut impl Write) -> anyhow::Result<()> {
    run_with(args, &mut std::io::stdin().lock(), out).await
}

async fn run_with(
    args: &PostArgs,
    stdin: &mut impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut client = Client::new(args.target.url.clone());
    for text in &args.texts {
        if text != "-" {
            post(args, &mut client, text, out).await?;
            continue;
        }
        let mut number = 0_u64;
        while let Some(line) = {
            number += 1;
            next_line(stdin).with_context(|| format!("line {number} of standard input"))?
        } {
            post(args, &mut client, &line, out).await?;
        }
    }
    Ok(())
}

async fn post(
    args: &PostArgs,
    client: &mut Client,
    text: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let patience = args.timeout.map(|timeout| timeout + PATIENCE);
    let body = request_body(args, text).to_string();
    let answer = client.call(Method::POST, "/messages", body, patience).await?;
    let created = answer.status == StatusCode::CREATED;
    if args.json {
        // Refusals too: a 504 carries the id of a message that is in the log.
        writeln!(out, "{}", answer.json_line()?)?;
    } else if created {
        writeln!(out, "{}", acked_line(&answer)?)?;
    }
    // Each line when it is true, also where standard output is a pipe.
    out.flush()?;
    if !created {
        bail!(answer.detail());
    }
    Ok(())
}

fn request_body(args: &PostArgs, text: &str) -> Value {
    // Rounded up: 0 would mean not to wait at all.
    let millis = |timeout: Duration| timeout.as_nanos().div_ceil(1_000_000);
    let millis = args.timeout.map(|timeout| u64::try_from(millis(timeout)).unwrap_or(u64::MAX));
    let mut body = Map::new();
    body.insert("message".to_owned(), text.into());
    let concern = args.write_concern.map(concern_value);
    body.extend(concern.map(|concern| ("writeConcern".to_owned(), concern)));
    body.extend(millis.map(|millis| ("timeoutMs".to_owned(), millis.into())));
    body.into()
}

/// A write concern as it stands in a body.
pub(super) fn concern_value(concern: WriteConcern) -> Value {
    match concern {
        WriteConcern::Nodes(nodes) => json!(nodes),
        word => json!(word.to_string()),
    }
}

fn acked_line(answer: &Answer) -> anyhow::Result<String> {
    let answer = answer.json()?;
    let id = answer.get("id").and_then(Value::as_u64).context("the answer names no id")?;
    let nodes = answer.get("ackedBy").and_then(Value::as_array);
    let nodes: Vec<_> = nodes.into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(format!("id {id}, acked by {}", escaped(&nodes.join(", "))))
}

/// The next line without its end, `None` at the end of input.
///
/// # Errors
/// When it is longer than any node takes or is no UTF-8.
fn next_line(input: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    // Room for the longest message and its line end; input without line ends must not fill the
    // memory.
    let limit = MESSAGE_BYTES_LIMIT as u64 + 2;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > MESSAGE_BYTES_LIMIT {
        bail!("longer than {MESSAGE_BYTES_LIMIT} bytes, more than any node takes");
    }
    String::from_utf8(line).map(Some).context("no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test_node::TestNode;

    async fn posted(
        args: &[&str],
        stdin: &str,
        status: u16,
        answer: &'static str,
    ) -> (Vec<String>, String, anyhow::Result<()>) {
        let (node, requests) = TestNode::recording(status, answer).await;
        let url = node.url().to_string();
        let args = [&["post", "--url", &url], args].concat();
        #[derive(clap::Parser)]
        struct Wrapped {
            #[command(flatten)]
            args: PostArgs,
        }
        let wrapped = crate::config::parse::<Wrapped>(args).unwrap();
        let mut out = Vec::new();
        let done = run_with(&wrapped.args, &mut stdin.as_bytes(), &mut out).await;
        let requests = requests.lock().unwrap().clone();
        (requests, String::from_utf8(out).unwrap(), done)
    }

    const CREATED: &str = r#"{"id": 3, "writeConcern": 2, "ackedBy": ["master", "bonnie"]}"#;

    #[tokio::test]
    async fn each_message_is_one_request_and_one_line() {
        let (requests, out, done) = posted(&["Msg1", "Msg2"], "", 201, CREATED).await;
        done.unwrap();
        assert_eq!(
            requests,
            [r#"POST /messages {"message":"Msg1"}"#, r#"POST /messages {"message":"Msg2"}"#]
        );
        assert_eq!(out, "id 3, acked by master, bonnie\n".repeat(2));
    }

    #[tokio::test]
    async fn a_dash_reads_lines_and_flags_go_into_each_request() {
        let args = ["--write-concern", "3", "--timeout", "1.5s", "a", "-", "z", "--json"];
        let (requests, out, done) = posted(&args, "b\r\n\nd", 201, CREATED).await;
        done.unwrap();
        let rest = r#","timeoutMs":1500,"writeConcern":3}"#;
        let expected = ["a", "b", "", "d", "z"]
            .map(|text| format!(r#"POST /messages {{"message":"{text}"{rest}"#));
        assert_eq!(requests, expected);
        let line = format!("{CREATED}\n");
        assert_eq!(out, line.repeat(5));
    }

    #[tokio::test]
    async fn the_first_refusal_ends_the_command_with_the_node_s_detail() {
        let answer = r#"{"title": "t", "status": 504, "detail": "stored, w=3 not yet", "id": 4}"#;
        let args = ["--write-concern", "all", "a", "b"];
        let (requests, out, done) = posted(&args, "", 504, answer).await;
        assert_eq!(requests, [r#"POST /messages {"message":"a","writeConcern":"all"}"#]);
        assert_eq!(out, "");
        assert_eq!(done.unwrap_err().to_string(), "stored, w=3 not yet");
    }

    #[test]
    fn input_that_no_node_would_take_is_refused() {
        assert!(next_line(&mut &b"\xff\n"[..]).is_err());
        let long = vec![b'x'; MESSAGE_BYTES_LIMIT + 1];
        assert!(next_line(&mut &long[..]).is_err());
        assert!(next_line(&mut &long[1..]).unwrap().is_some());
        assert!(next_line(&mut &b""[..]).unwrap().is_none());
    }
}
