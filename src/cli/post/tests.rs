//! `acklog post` against stand-ins for nodes.

use std::io;
use std::sync::Arc;

use acklog_types::{BATCH_BYTES_MAX, MESSAGE_BYTES_LIMIT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::cli::test_node::{LocalNode, TestNode};
use crate::server::net::silent;

/// Parses a command line, the subcommand first.
pub(super) fn parsed(args: &[&str]) -> PostArgs {
    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        args: PostArgs,
    }
    crate::config::parse::<Wrapped>(args.iter().copied()).unwrap().args
}

async fn posted(
    args: &[&str],
    stdin: &str,
    status: u16,
    answer: &'static str,
) -> (Vec<String>, String, anyhow::Result<()>) {
    let (node, requests) = TestNode::recording(status, answer).await;
    let url = node.url().to_string();
    let args = [&["post", "--url", &url], args].concat();
    let args = parsed(&args);
    let mut out = Vec::new();
    let mut notes = Vec::new();
    let stdin = io::Cursor::new(stdin.to_owned());
    let done = run_with(&args, stdin, &mut out, &mut notes).await;
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
    // Longer than any node takes: nothing is sent.
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
        target: TargetArgs { urls },
    }
}

/// The output for the user, and a signal after each write.
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
    let appended = Arc::new(Notify::new());
    let mut notes = Told(Vec::new(), Arc::clone(&appended));
    let node = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            assert!(AsyncReadExt::read_buf(&mut stream, &mut request).await.unwrap() > 0);
        }
        appended.notified().await;
        let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", CREATED.len());
        stream.write_all((head + CREATED).as_bytes()).await.unwrap();
    });
    let (args, mut out) = (args(vec![url], None), Vec::new());
    run_with(&args, io::empty(), &mut out, &mut notes).await.unwrap();
    node.await.unwrap();
    let notes = String::from_utf8(notes.0).unwrap();
    assert!(notes.starts_with("acklog: waiting until 3 nodes have the message; Ctrl-C"));
    assert_eq!(notes.lines().count(), 1, "{notes}");
    assert_eq!(out, b"id 3, acked by master, bonnie\n");
}

#[test]
fn one_node_has_a_message_and_several_have_it() {
    for (write_concern, nodes) in [
        (Some(WriteConcern::Nodes(1)), "the master has"),
        (Some(WriteConcern::Nodes(2)), "2 nodes have"),
        (Some(WriteConcern::Majority), "a majority of the nodes has"),
        (None, "as many nodes as the default asks for have"),
    ] {
        let args = PostArgs { write_concern, ..args(Vec::new(), None) };
        let note = waiting_line(&args);
        assert!(note.starts_with(&format!("waiting until {nodes} the message; ")), "{note}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_explained_and_sent_to_no_other_node() {
    for (key, advice) in [(None, "with --key trying again is safe"), (Some("k"), "same --key")] {
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
        let done = run_with(&args, io::empty(), &mut out, &mut notes).await;
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

#[tokio::test]
async fn a_user_is_not_told_to_wait_for_nodes_before_one_has_the_request() {
    let (silent, _socket, _queued) = silent().await;
    tokio::time::pause();
    let args = args(vec![super::super::NodeUrl::local(silent.port())], None);
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let done = run_with(&args, io::empty(), &mut out, &mut notes).await;
    let error = done.unwrap_err().to_string();
    assert!(error.ends_with("no connection within 5s"), "{error}");
    assert_eq!(String::from_utf8(notes).unwrap(), "");
}
