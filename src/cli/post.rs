//! `acklog post`: appends messages, one request after the other or as one batch, and tells who acked each.

mod input;

use std::io::{BufRead, Write};
use std::slice;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use self::input::{Texts, one_batch};
use super::Target;
use super::client::{Answer, Unreachable};
use super::clients::Clients;
use crate::telemetry::escaped;
use crate::types::{IdempotencyKey, WriteConcern, parse_duration_with_unit};

/// What the network may take on top of `--timeout` before the node counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before saying so. Shorter: a line for answers that come anyway. Longer: the user
/// wonders and presses Ctrl-C, not knowing what that does.
const QUIET: Duration = Duration::from_secs(1);

/// Flags of `acklog post`.
#[derive(Clone, Debug, Args)]
pub(super) struct PostArgs {
    /// Messages; a - reads messages from standard input, one a line
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,

    /// How many nodes must have each message: a number, majority or all [default: the node's]
    #[arg(long, short, env = "ACKLOG_WRITE_CONCERN", value_name = "W")]
    write_concern: Option<WriteConcern>,

    /// How long to wait for these nodes, as 250ms or 1.5s [default: as long as it takes]
    #[arg(long, env = "ACKLOG_TIMEOUT", value_name = "DURATION", value_parser = parse_duration_with_unit)]
    timeout: Option<Duration>,

    /// Append all messages as one batch: with consecutive ids, together or not at all
    // No variable: ACKLOG_BATCH is the number of `acklog bench`.
    #[arg(long)]
    batch: bool,

    /// Key of the message or batch, 1 to 128 visible ASCII characters: sent again, it is stored once [default: none]
    #[arg(long, env = "ACKLOG_KEY", value_name = "KEY")]
    key: Option<IdempotencyKey>,

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
    let (mut stdin, mut notes) = (std::io::stdin().lock(), std::io::stderr());
    run_with(args, &mut stdin, out, &mut notes).await
}

impl PostArgs {
    /// What is wrong with the flags as a whole.
    pub(super) fn unusable(&self) -> Option<String> {
        let one = matches!(self.texts.as_slice(), [text] if text != "-");
        (self.key.is_some() && !one && !self.batch).then(|| {
            "--key names one message: give it with one TEXT, which is not -, or with --batch"
                .to_owned()
        })
    }

    /// What one request holds.
    fn noun(&self) -> &'static str {
        if self.batch { "batch" } else { "message" }
    }
}

async fn run_with(
    args: &PostArgs,
    stdin: &mut impl BufRead,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> anyhow::Result<()> {
    let mut poster = Poster { args, clients: Clients::new(&args.target.urls), notes: Some(notes) };
    let texts = Texts::new(&args.texts, stdin);
    if args.batch {
        return poster.post(&one_batch(texts)?, out).await;
    }
    for text in texts {
        poster.post(slice::from_ref(&text?), out).await?;
    }
    Ok(())
}

/// Posts one request after the other.
struct Poster<'a, N> {
    args: &'a PostArgs,
    clients: Clients,
    /// Where to say that an answer is waited for; none once that was said.
    notes: Option<&'a mut N>,
}

impl<N: Write> Poster<'_, N> {
    async fn post(&mut self, texts: &[String], out: &mut impl Write) -> anyhow::Result<()> {
        let answer = self.answer(texts).await?;
        let created = answer.status == StatusCode::CREATED;
        if self.args.json {
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

    /// The node's answer; says on the way that it is waited for.
    async fn answer(&mut self, texts: &[String]) -> anyhow::Result<Answer> {
        let args = self.args;
        let patience = args.timeout.map(|timeout| timeout + PATIENCE);
        let body = request_body(args, texts).to_string().into();
        let key = args.key.as_ref().map(IdempotencyKey::as_str);
        let call = self.clients.call(Method::POST, "/messages", key, body, patience);
        tokio::pin!(call);
        let answer = tokio::select! {
            answer = &mut call => answer,
            () = sleep(QUIET), if self.notes.is_some() => {
                if let Some(notes) = self.notes.take() {
                    // A reader that is gone is no reason to fail.
                    let _ = writeln!(notes, "acklog: {}", waiting_line(args));
                }
                call.await
            }
        };
        answer.map_err(|error| match error.is::<Unreachable>() {
            true => error,
            false => anyhow!("{error:#}; {}", lost_answer(args)),
        })
    }
}

fn waiting_line(args: &PostArgs) -> String {
    let nodes = match args.write_concern {
        Some(WriteConcern::Nodes(0 | 1)) => "the master".to_owned(),
        Some(WriteConcern::Nodes(nodes)) => format!("{nodes} nodes"),
        Some(WriteConcern::Majority) => "a majority of the nodes".to_owned(),
        Some(WriteConcern::All) => "all nodes".to_owned(),
        None => "as many nodes as the default asks for".to_owned(),
    };
    format!(
        "waiting until {nodes} have the {noun}; Ctrl-C ends the waiting only: \
         the {noun} stays in the log",
        noun = args.noun()
    )
}

/// What to do where the answer to a request is lost.
fn lost_answer(args: &PostArgs) -> String {
    let noun = args.noun();
    let advice = match args.key {
        Some(_) => "send it again with the same --key, then it is stored once",
        None => {
            "look with `acklog messages` before sending it again; with --key trying again is safe"
        }
    };
    format!("the {noun} may be in the log: {advice}")
}

fn request_body(args: &PostArgs, texts: &[String]) -> Value {
    // Rounded up: 0 would mean not to wait at all.
    let millis = |timeout: Duration| timeout.as_nanos().div_ceil(1_000_000);
    let millis = args.timeout.map(|timeout| u64::try_from(millis(timeout)).unwrap_or(u64::MAX));
    let mut body = Map::new();
    match texts {
        [text] if !args.batch => body.insert("message".to_owned(), text.as_str().into()),
        texts => body.insert("messages".to_owned(), texts.into()),
    };
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
    let ids = match answer.get("count").and_then(Value::as_u64) {
        Some(count) if count > 1 => format!("ids {id} to {}", id.saturating_add(count - 1)),
        _ => format!("id {id}"),
    };
    Ok(format!("{ids}, acked by {}", escaped(&nodes.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;
    use crate::cli::test_node::TestNode;
    use crate::types::{BATCH_BYTES_MAX, MESSAGE_BYTES_LIMIT};

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
        let mut notes = Vec::new();
        let done = run_with(&wrapped.args, &mut stdin.as_bytes(), &mut out, &mut notes).await;
        assert_eq!(String::from_utf8(notes).unwrap(), "");
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
    async fn a_batch_is_one_request_and_one_line() {
        let created = r#"{"id":3,"count":4,"writeConcern":2,"ackedBy":["master","bonnie"]}"#;
        let args = ["--batch", "-w", "2", "a", "-", "z"];
        let (requests, out, done) = posted(&args, "b\n\n", 201, created).await;
        done.unwrap();
        assert_eq!(requests, [r#"POST /messages {"messages":["a","b","","z"],"writeConcern":2}"#]);
        assert_eq!(out, "ids 3 to 6, acked by master, bonnie\n");
        let created = r#"{"id":3,"count":1,"writeConcern":1,"ackedBy":["master"]}"#;
        let (requests, out, done) = posted(&["--batch", "a"], "", 201, created).await;
        done.unwrap();
        assert_eq!(requests, [r#"POST /messages {"messages":["a"]}"#]);
        assert_eq!(out, "id 3, acked by master\n");
        // More than any node takes: nothing is sent.
        let line = "x".repeat(MESSAGE_BYTES_LIMIT) + "\n";
        let lines = line.repeat(BATCH_BYTES_MAX / MESSAGE_BYTES_LIMIT + 1);
        let (requests, _, done) = posted(&["--batch", "-"], &lines, 201, "").await;
        assert_eq!(requests.len(), 0);
        assert!(done.unwrap_err().to_string().contains("more than any node takes"));
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

    fn args(urls: Vec<super::super::NodeUrl>, key: Option<&str>) -> PostArgs {
        PostArgs {
            texts: vec!["a".to_owned()],
            batch: false,
            write_concern: Some(WriteConcern::Nodes(3)),
            timeout: None,
            key: key.map(|key| key.parse().unwrap()),
            json: false,
            target: Target { urls },
        }
    }

    /// What the user is told, and word of it.
    struct Told(Vec<u8>, Arc<Notify>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.notify_one();
            Write::write(&mut self.0, bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_user_who_waits_is_told_what_ctrl_c_does() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = super::super::NodeUrl::local(listener.local_addr().unwrap().port());
        let told = Arc::new(Notify::new());
        let mut notes = Told(Vec::new(), Arc::clone(&told));
        let node = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert!(AsyncReadExt::read_buf(&mut stream, &mut request).await.unwrap() > 0);
            }
            told.notified().await;
            let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", CREATED.len());
            stream.write_all((head + CREATED).as_bytes()).await.unwrap();
        });
        let (args, mut out) = (args(vec![url], None), Vec::new());
        run_with(&args, &mut &b""[..], &mut out, &mut notes).await.unwrap();
        node.await.unwrap();
        let notes = String::from_utf8(notes.0).unwrap();
        assert!(notes.starts_with("acklog: waiting until 3 nodes have the message; Ctrl-C"));
        assert_eq!(notes.lines().count(), 1, "{notes}");
        assert_eq!(out, b"id 3, acked by master, bonnie\n");
    }

    #[tokio::test]
    async fn a_lost_answer_is_explained_and_sent_to_no_other_node() {
        for (key, advice) in [(None, "with --key trying again is safe"), (Some("k"), "same --key")]
        {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = super::super::NodeUrl::local(listener.local_addr().unwrap().port());
            let (other, requests) = TestNode::recording(201, CREATED).await;
            let hangs_up = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let count = AsyncReadExt::read(&mut stream, &mut head).await.unwrap();
                String::from_utf8(head[..count].to_vec()).unwrap()
            });
            let args = args(vec![url, other.url()], key);
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            let done = run_with(&args, &mut &b""[..], &mut out, &mut notes).await;
            let error = done.unwrap_err().to_string();
            assert!(error.contains("may be in the log") && error.contains(advice), "{error}");
            assert_eq!(requests.lock().unwrap().len(), 0);
            let head = hangs_up.await.unwrap();
            assert_eq!(head.contains("idempotency-key: k"), key.is_some(), "{head}");
        }
    }

    #[test]
    fn a_key_is_for_one_message_or_batch() {
        let mut args = args(vec![], Some("k"));
        assert_eq!(args.unusable(), None);
        args.texts.push("b".to_owned());
        assert!(args.unusable().is_some());
        args.texts = vec!["-".to_owned()];
        assert!(args.unusable().is_some());
        args.batch = true;
        assert_eq!(args.unusable(), None);
    }
}
