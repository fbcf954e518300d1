//! `acklog messages --follow` against stand-ins for nodes.

use super::*;
use crate::cli::messages::tests::parsed;
use crate::cli::test_node::{LocalNode, Script, ScriptedNode};

const OPEN: &str = concat!(
    "event: open\ndata: {\"log\":\"1f2e3d4c000000000000000000000000\",\"epoch\":1,\"start\":0,",
    "\"end\":9,\"next\":0,\"readConcern\":1}\n\n"
);

fn message(id: u64) -> String {
    format!("id: 1f2e3d4c.1.{id}\ndata: {{\"id\":{id},\"message\":\"a\\tb\"}}\n\n")
}

/// Follows until so many messages are printed; returns the output and the notes.
async fn followed(scripts: Vec<Script>, flags: &[&str]) -> (String, String, anyhow::Result<()>) {
    let node = ScriptedNode::start(scripts).await;
    let args = parsed(node.url().to_string(), flags);
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let done = run_until(&args, &mut out, &mut notes, pending()).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out), text(notes), done)
}

#[tokio::test]
async fn messages_are_printed_across_connections_and_gaps_are_told() {
    let gap = "event: gap\ndata: {\"from\":2,\"to\":5,\"why\":\"trimmed\"}\n\n";
    let scripts = vec![
        Script::events(&[OPEN, &message(0)]).then_cut(),
        Script::events(&[OPEN, &message(1), gap, &message(5), &message(6)]).then_silent(),
    ];
    let (out, notes, done) = followed(scripts, &["--follow", "--limit", "3"]).await;
    done.unwrap();
    assert_eq!(out, "0\ta\\tb\n1\ta\\tb\n5\ta\\tb\n");
    let notes: Vec<&str> = notes.lines().collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].ends_with("; connecting again"), "{notes:?}");
    assert!(notes[1].starts_with("acklog: following http://127.0.0.1:"), "{notes:?}");
    assert_eq!(notes[2], "acklog: messages 2 to 4 are gone (trimmed): going on with 5");
}

#[tokio::test]
async fn following_ends_before_an_id() {
    let script = Script::events(&[OPEN, &message(0), &message(1), &message(2)]).then_silent();
    let flags = ["-f", "--until", "2", "--json"];
    let (out, notes, done) = followed(vec![script], &flags).await;
    done.unwrap();
    let line = |id| format!("{{\"id\":{id},\"message\":\"a\\tb\"}}\n");
    assert_eq!((out, notes.as_str()), (line(0) + &line(1), ""));
}

#[tokio::test]
async fn following_from_behind_its_end_ends_at_once() {
    let open = OPEN.replace("\"next\":0", "\"next\":28");
    let script = Script::events(&[&open]).then_silent();
    let (out, notes, done) = followed(vec![script], &["-f", "--last", "0", "--until", "3"]).await;
    done.unwrap();
    assert_eq!((out.as_str(), notes.as_str()), ("", ""));
}

#[tokio::test]
async fn what_is_final_ends_the_command() {
    let problem = r#"{"title":"t","status":409,"detail":"d","code":"other-log","retry":false}"#;
    let scripts = vec![
        Script::events(&[OPEN, &message(0)]),
        Script::answer(409, "application/problem+json", problem),
    ];
    let (out, _, done) = followed(scripts, &["--follow"]).await;
    assert_eq!((out.as_str(), done.unwrap_err().to_string().as_str()), ("0\ta\\tb\n", "d"));
}

#[tokio::test]
async fn what_was_printed_is_flushed_and_stopping_is_no_error() {
    let node = ScriptedNode::start([Script::events(&[OPEN, &message(0)]).then_silent()]).await;
    let args = parsed(node.url().to_string(), &["--follow"]);
    let (seen, is_seen) = tokio::sync::oneshot::channel();
    let mut out = std::io::BufWriter::new(UntilFlushed(Some(seen)));
    let stop = async {
        is_seen.await.unwrap();
    };
    run_until(&args, &mut out, &mut Vec::new(), stop).await.unwrap();
}

/// An output that tells of its first message.
struct UntilFlushed(Option<tokio::sync::oneshot::Sender<()>>);

impl Write for UntilFlushed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        assert_eq!(bytes, b"0\ta\\tb\n");
        self.0.take().unwrap().send(()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
