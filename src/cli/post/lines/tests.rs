//! `acklog post -` against stand-ins for nodes.

use std::sync::Mutex;
use std::sync::mpsc as blocking;

use acklog_types::MESSAGE_BYTES_LIMIT;
use serde_json::Value;

use super::*;
use crate::cli::NodeUrl;
use crate::cli::post::tests::parsed;
use crate::cli::test_node::{AppendsNode, LineReply, LocalNode};

/// A node that refuses each message `bad` and stores the others.
async fn node() -> AppendsNode {
    let next = Mutex::new(0);
    AppendsNode::start(move |_, number, line| {
        let answer = match line["message"] == "bad" {
            true => LineReply::refused(number, "too-large", false),
            false => {
                let mut next = next.lock().unwrap();
                *next += 1;
                LineReply::stored(number, *next - 1)
            }
        };
        LineReply::Answers(vec![answer])
    })
    .await
}

struct Posted {
    out: String,
    notes: String,
    done: anyhow::Result<()>,
}

async fn posted(url: NodeUrl, flags: &[&str], stdin: impl Into<Vec<u8>>) -> Posted {
    let url = url.to_string();
    let args = parsed(&[&["post", "--url", &url], flags].concat());
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let done = post_lines(&args, io::Cursor::new(stdin.into()), &mut out, &mut notes).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Posted { out: text(out), notes: text(notes), done }
}

#[tokio::test]
async fn each_line_is_a_message_and_flags_go_into_each() {
    let node = node().await;
    let args = ["--write-concern", "3", "--timeout", "1.5s", "a", "-", "z"];
    let Posted { out, notes, done } = posted(node.url(), &args, "b\r\n\nd").await;
    done.unwrap();
    let lines = node.lines().concat();
    let texts: Vec<&Value> = lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(texts, ["a", "b", "", "d", "z"]);
    for line in &lines {
        assert_eq!(line["writeConcern"], 3);
        assert!((1..=1500).contains(&line["timeoutMs"].as_u64().unwrap()), "{line}");
    }
    let expected: String = (0..5).map(|id| format!("id {id}, acked by master\n")).collect();
    assert_eq!((out, notes.as_str()), (expected, ""));
}

#[tokio::test]
async fn a_refused_line_is_told_with_its_number_and_the_rest_goes_on() {
    let node = node().await;
    let stdin = [b"a\nbad\n", &b"\xff\n"[..], &vec![b'x'; MESSAGE_BYTES_LIMIT + 9], b"\nb\n"];
    let Posted { out, notes, done } = posted(node.url(), &["-", "bad"], stdin.concat()).await;
    assert_eq!(out, "id 0, acked by master\nid 1, acked by master\n");
    let notes: Vec<&str> = notes.lines().collect();
    assert_eq!(notes[0], "acklog: line 2 of standard input: d");
    assert!(notes[1].starts_with("acklog: line 3 of standard input: no UTF-8"), "{notes:?}");
    assert!(notes[2].starts_with("acklog: line 4 of standard input: longer than"), "{notes:?}");
    assert_eq!(notes[3..], ["acklog: TEXT 2: d"]);
    assert_eq!(done.unwrap_err().to_string(), "4 of 6 messages were refused");
}

#[tokio::test]
async fn json_shows_answers_and_problems_in_the_order_of_the_lines() {
    let node = node().await;
    let Posted { out, done, .. } = posted(node.url(), &["--json", "-"], "a\nbad\nb\n").await;
    assert!(done.is_err());
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["id"], &lines[2]["id"]), (&0.into(), &1.into()));
    assert_eq!((&lines[1]["code"], &lines[1]["status"]), (&"too-large".into(), &503.into()));
}

#[tokio::test]
async fn many_lines_are_answered_in_order() {
    let node = node().await;
    let lines: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    let Posted { out, done, .. } = posted(node.url(), &["-"], lines).await;
    done.unwrap();
    let expected: String = (0..20_000).map(|id| format!("id {id}, acked by master\n")).collect();
    assert_eq!(out, expected);
}

/// Standard input of a user who types the next line when the one before is answered.
struct Typed {
    lines: blocking::Receiver<&'static str>,
}

impl Read for Typed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Ok(line) = self.lines.recv() else { return Ok(0) };
        bytes[..line.len()].copy_from_slice(line.as_bytes());
        Ok(line.len())
    }
}

/// An output that has the next line typed when one is flushed.
struct Shown {
    typist: Option<blocking::Sender<&'static str>>,
    seen: Vec<u8>,
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.seen.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let lines = self.seen.iter().filter(|byte| **byte == b'\n').count();
        if let Some(typist) = self.typist.take_if(|_| lines == 1) {
            typist.send("two\n").unwrap();
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_line_that_is_typed_is_answered_at_once() {
    let node = node().await;
    let (typist, lines) = blocking::channel();
    typist.send("one\n").unwrap();
    let args = parsed(&["post", "--url", &node.url().to_string(), "-"]);
    let mut out = Shown { typist: Some(typist), seen: Vec::new() };
    post_lines(&args, Typed { lines }, &mut out, &mut Vec::new()).await.unwrap();
    assert_eq!(out.seen, b"id 0, acked by master\nid 1, acked by master\n");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_at_once_and_no_input_is_no_error() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = NodeUrl::local(nobody.port());
    let Posted { done, .. } = posted(url.clone(), &["-"], "a\n").await;
    assert!(done.unwrap_err().to_string().starts_with("cannot reach "));
    posted(url, &["-"], "").await.done.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lines_without_a_node_end_the_command_after_a_while() {
    let node = AppendsNode::start(|_, _, _| LineReply::Cut).await;
    let Posted { done, .. } = posted(node.url(), &["-"], "a\nb\n").await;
    let error = done.unwrap_err().to_string();
    assert!(error.starts_with("line 1 of standard input: "), "{error}");
    assert!(error.contains("it may be in the log, and some of what comes behind it"), "{error}");
}
