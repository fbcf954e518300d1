//! Streams of appends against stand-ins for nodes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::endpoint::Endpoint;
use crate::test_node::{AppendsNode, LineReply, Script, ScriptedNode};

/// Far beyond what any of these tests needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn stream_with(targets: Vec<Endpoint>, options: AppendStreamOptions) -> AppendStream {
    AppendStream::new(targets, options)
}

fn stream(nodes: &[&AppendsNode]) -> AppendStream {
    let targets = nodes.iter().map(|node| node.endpoint()).collect();
    let options = AppendStreamOptions {
        timeout: Some(PATIENCE),
        patience: PATIENCE,
        ..AppendStreamOptions::default()
    };
    stream_with(targets, options)
}

fn text_of(line: &Value) -> &str {
    line["message"].as_str().expect("a message")
}

/// A log that stores a message once under its key, as nodes do.
#[derive(Default)]
struct TestLog(Mutex<BTreeMap<String, u64>>);

impl TestLog {
    fn id(&self, line: &Value) -> u64 {
        let key = line["key"].as_str().expect("a key").to_owned();
        let mut log = self.0.lock().unwrap();
        let next = log.len() as u64;
        *log.entry(key).or_insert(next)
    }

    fn stored(&self, number: u64, line: &Value) -> LineReply {
        LineReply::Answers(vec![LineReply::stored(number, self.id(line))])
    }
}

async fn send(stream: &AppendStream, text: &str) -> PendingAppend {
    stream.send(text, &AppendOptions::default()).await.unwrap()
}

#[tokio::test]
async fn each_append_gets_its_own_answer_over_one_connection() {
    let log = TestLog::default();
    let node = AppendsNode::start(move |_, number, line| log.stored(number, line)).await;
    let stream = stream(&[&node]);
    let mut answers = Vec::new();
    for number in 0..1000 {
        answers.push(send(&stream, &format!("m{number}")).await);
    }
    for (id, answer) in (0..).zip(answers) {
        assert_eq!(answer.await.unwrap().id, id);
    }
    // One that comes when all others are answered is sent at once.
    assert_eq!(send(&stream, "later").await.await.unwrap().id, 1000);
    stream.finish().await;
    let lines = node.lines();
    assert_eq!((lines.len(), lines[0].len()), (1, 1001));
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let waiting = Mutex::new(Vec::new());
    let node = AppendsNode::start(move |_, number, _| {
        let mut waiting = waiting.lock().unwrap();
        waiting.insert(0, LineReply::stored(number, number));
        LineReply::Answers(if number == 9 { waiting.split_off(0) } else { Vec::new() })
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(send(&stream, "a").await);
    }
    for (id, answer) in (0..).zip(answers) {
        assert_eq!(answer.await.unwrap().id, id);
    }
}

#[tokio::test]
async fn what_was_not_answered_is_sent_again_in_order_and_under_its_key() {
    let log = TestLog::default();
    // Every connection breaks in the middle, and what came last is stored, but not answered.
    let node = AppendsNode::start(move |_, number, line| {
        let id = log.id(line);
        match number {
            0..20 => LineReply::Answers(vec![LineReply::stored(number, id)]),
            20..30 => LineReply::Answers(Vec::new()),
            _ if id % 2 == 0 => LineReply::Cut,
            _ => LineReply::End,
        }
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let mut answers = Vec::new();
    for number in 0..400 {
        answers.push(send(&stream, &format!("m{number}")).await);
    }
    // The rest of a connection that is not cut.
    for (id, answer) in (0..380).zip(&mut answers) {
        assert_eq!(answer.await.unwrap().id, id);
    }
    assert!(node.lines().len() >= 15);
}

#[tokio::test]
async fn a_refusal_is_told_and_the_rest_goes_on() {
    let log = TestLog::default();
    let node = AppendsNode::start(move |_, number, line| match text_of(line) {
        "bad" => LineReply::Answers(vec![LineReply::refused(number, "too-large", false)]),
        _ => log.stored(number, line),
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let answers = [send(&stream, "a").await, send(&stream, "bad").await, send(&stream, "b").await];
    let [first, bad, last] = answers;
    assert_eq!((first.await.unwrap().id, last.await.unwrap().id), (0, 1));
    let error = bad.await.unwrap_err();
    assert_eq!((error.outcome.clone(), error.to_string()), (Outcome::Refused, "d".to_owned()));
    stream.finish().await;
}

/// A node that refuses each message for now, the first time.
async fn refusing_once(code: &'static str) -> AppendsNode {
    let (log, refused) = (TestLog::default(), Mutex::new(BTreeMap::new()));
    AppendsNode::start(move |_, number, line| {
        match refused.lock().unwrap().insert(text_of(line).to_owned(), ()) {
            None => LineReply::Answers(vec![LineReply::refused(number, code, true)]),
            Some(()) => log.stored(number, line),
        }
    })
    .await
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_if_that_is_wanted() {
    let no_retries = AppendStreamOptions { retries: false, ..AppendStreamOptions::default() };
    let node = refusing_once("no-quorum").await;
    assert_eq!(send(&stream(&[&node]), "a").await.await.unwrap().id, 0);
    let plain = stream_with(vec![node.endpoint()], no_retries);
    let error = send(&plain, "b").await.await.unwrap_err();
    assert!(error.problem().unwrap().retry);
    // A node that stops is left like one that was killed.
    let node = refusing_once("stopping").await;
    let plain = stream_with(vec![node.endpoint()], no_retries);
    assert_eq!(send(&plain, "a").await.await.unwrap().id, 0);
}

/// The answer of a secondary to a stream.
fn secondarys_refusal() -> Script {
    let problem = r#"{"title":"t","status":405,"detail":"no","code":"c","retry":false}"#;
    Script::answer(405, "application/problem+json", problem)
}

#[tokio::test]
async fn the_node_that_takes_the_stream_is_found() {
    let log = TestLog::default();
    let secondary = ScriptedNode::start([secondarys_refusal()]).await;
    let master = AppendsNode::start(move |_, number, line| log.stored(number, line)).await;
    let targets = vec![nobody(), secondary.endpoint(), master.endpoint()];
    let stream = stream_with(targets, AppendStreamOptions::default());
    assert_eq!(send(&stream, "a").await.await.unwrap().id, 0);
    // Where all refuse it for good, that is told at once.
    let targets = vec![secondary.endpoint(), secondary.endpoint()];
    let stream = stream_with(targets, AppendStreamOptions::default());
    for _ in 0..2 {
        let asked = secondary.heads().len();
        let error = send(&stream, "a").await.await.unwrap_err();
        assert_eq!(error.problem().unwrap().detail, "no");
        assert_eq!(error.outcome, Outcome::Refused);
        assert_eq!(secondary.heads().len(), asked + 2);
    }
}

#[tokio::test]
async fn a_secondary_says_nothing_while_the_master_starts_again() {
    let log = TestLog::default();
    // Each of the first connections breaks, in the middle or before the first answer.
    let master = AppendsNode::start(move |connection, number, line| match (connection, number) {
        (0, 2) | (1, 0) => LineReply::Cut,
        _ => log.stored(number, line),
    });
    let master = master.await;
    let secondary = ScriptedNode::start([secondarys_refusal()]).await;
    for targets in [
        vec![master.endpoint(), secondary.endpoint()],
        vec![secondary.endpoint(), master.endpoint()],
    ] {
        let stream = stream_with(targets, AppendStreamOptions::default());
        let answers =
            [send(&stream, "a").await, send(&stream, "b").await, send(&stream, "c").await];
        for answer in answers {
            answer.await.unwrap();
        }
    }
    // A master that is not there yet is waited for, too.
    let port = nobody();
    let targets = vec![port.clone(), secondary.endpoint()];
    let patience = Duration::from_millis(200);
    let options = AppendStreamOptions { patience, ..AppendStreamOptions::default() };
    let stream = stream_with(targets, options);
    let asked = secondary.heads().len();
    let error = send(&stream, "a").await.await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Refused);
    assert!(secondary.heads().len() > asked + 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_time_without_a_node_counts() {
    // The first connection holds for longer than the patience, and breaks without any answer.
    let begin = Instant::now();
    let node = AppendsNode::start(move |connection, number, _| match connection {
        0 if begin.elapsed() < 2 * PATIENCE => LineReply::Answers(Vec::new()),
        0 => LineReply::Cut,
        _ => LineReply::Answers(vec![LineReply::stored(number, number)]),
    });
    let node = node.await;
    let options =
        AppendStreamOptions { timeout: None, patience: PATIENCE, ..AppendStreamOptions::default() };
    let stream = stream_with(vec![node.endpoint()], options);
    let first = send(&stream, "a").await;
    // The clock moves on only when nothing else can happen.
    tokio::time::sleep(2 * PATIENCE).await;
    let last = send(&stream, "b").await;
    assert_eq!((first.await.unwrap().id, last.await.unwrap().id), (0, 1));
    assert_eq!(node.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_always_breaks_off_is_as_good_as_none() {
    let node = AppendsNode::start(|_, _, _| LineReply::Cut).await;
    let options =
        AppendStreamOptions { timeout: None, patience: PATIENCE, ..AppendStreamOptions::default() };
    let stream = stream_with(vec![node.endpoint()], options);
    let error = send(&stream, "a").await.await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Unknown);
    assert!(error.to_string().contains("broke off"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn all_that_waits_fails_together() {
    let options =
        AppendStreamOptions { timeout: None, patience: PATIENCE, ..AppendStreamOptions::default() };
    let stream = stream_with(vec![nobody()], options);
    let begin = Instant::now();
    let answers = [send(&stream, "a").await, send(&stream, "b").await, send(&stream, "c").await];
    for answer in answers {
        assert_eq!(answer.await.unwrap_err().outcome, Outcome::Refused);
    }
    assert!(begin.elapsed() < 2 * PATIENCE, "{:?}", begin.elapsed());
}

fn nobody() -> Endpoint {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Endpoint::local(listener.local_addr().unwrap().port())
}

#[tokio::test]
async fn what_waits_fails_when_no_node_is_there_for_too_long() {
    let options =
        AppendStreamOptions { patience: Duration::ZERO, ..AppendStreamOptions::default() };
    let stream = stream_with(vec![nobody(), nobody()], options);
    let error = send(&stream, "a").await.await.unwrap_err();
    assert_eq!(error.to_string().matches("cannot reach").count(), 2, "{error}");
    assert_eq!(error.outcome, Outcome::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_left_and_the_deadline_is_told() {
    let node = AppendsNode::start(|_, _, _| LineReply::Answers(Vec::new())).await;
    let stream = stream(&[&node]);
    let options = AppendOptions { key: "mine".parse().ok(), ..AppendOptions::default() };
    let answer = stream.send("a", &options).await.unwrap();
    let error = answer.await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Unknown);
    assert!(error.to_string().contains("does not answer"), "{error}");
    let lines = node.lines().concat();
    assert_eq!(lines[0]["key"], "mine");
    assert!(lines[0]["timeoutMs"].as_u64().unwrap() > 40_000, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_at_the_node_is_told_with_its_id() {
    // The node has the message, but not enough nodes do, in nine tenths of the time.
    let node = AppendsNode::start(|connection, number, _| {
        let mut answer = LineReply::refused(number, "write-concern-timeout", true);
        answer["outcome"] = "stored".into();
        answer["id"] = 7.into();
        LineReply::Answers(if connection == 0 && number == 0 { vec![answer] } else { Vec::new() })
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let error = send(&stream, "a").await.await.unwrap_err();
    assert_eq!((error.outcome.clone(), error.id()), (Outcome::Stored, Some(7)));
    assert_eq!(error.to_string(), "d");
    assert!(node.lines().concat().len() >= 2);
}

#[tokio::test(start_paused = true)]
async fn one_overdue_line_breaks_no_connection() {
    // The node owes the answer to one line, and answers the others late.
    let node = AppendsNode::start(|_, number, line| match text_of(line) {
        "never" => LineReply::Answers(Vec::new()),
        _ => LineReply::Answers(vec![LineReply::stored(number, number)]),
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let never = send(&stream, "never").await;
    let error = never.await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Unknown);
    assert_eq!(send(&stream, "a").await.await.unwrap().id, 1);
    assert_eq!(node.lines().len(), 1);
    // What is long overdue says that the node hangs.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(send(&stream, "b").await.await.unwrap().id, 0);
    assert_eq!(node.lines().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn too_much_that_waits_holds_up_the_sender() {
    let node = AppendsNode::start(|_, _, _| LineReply::Answers(Vec::new())).await;
    let stream = stream(&[&node]);
    let mut answers = Vec::new();
    let fill = async {
        loop {
            answers.push(send(&stream, "a").await);
        }
    };
    // The clock moves on only when nothing else can happen.
    let _ = tokio::time::timeout(Duration::from_secs(1), fill).await;
    let most = (WINDOW_BYTES / APPEND_BYTES) as usize;
    assert!((most / 2..most).contains(&answers.len()), "{}", answers.len());
}

#[tokio::test]
async fn a_stream_that_is_dropped_leaves_its_messages_unknown() {
    let node = AppendsNode::start(|_, _, _| LineReply::Answers(Vec::new())).await;
    let stream = stream(&[&node]);
    let answer = send(&stream, "a").await;
    drop(stream);
    assert_eq!(answer.await.unwrap_err().outcome, Outcome::Unknown);
}

#[tokio::test]
async fn without_repetitions_the_request_ends_before_the_last_answers() {
    // A proxy that passes answers on when it has all of them.
    let node = AppendsNode::holding(|_, number, _| {
        LineReply::Answers(vec![LineReply::stored(number, number)])
    });
    let node = node.await;
    let options = AppendStreamOptions {
        timeout: Some(PATIENCE),
        retries: false,
        ..AppendStreamOptions::default()
    };
    let stream = stream_with(vec![node.endpoint()], options);
    let answers = [send(&stream, "a").await, send(&stream, "b").await];
    stream.finish().await;
    for (id, answer) in (0..).zip(answers) {
        assert_eq!(answer.await.unwrap().id, id);
    }
    assert_eq!(node.lines().len(), 1);
}

#[tokio::test]
async fn a_batch_is_one_line() {
    let node = AppendsNode::start(|_, number, line| {
        assert_eq!(line["messages"], serde_json::json!(["a", "b"]));
        let mut answer = LineReply::stored(number, 7);
        answer["count"] = 2.into();
        LineReply::Answers(vec![answer])
    });
    let node = node.await;
    let stream = stream(&[&node]);
    let texts = ["a".to_owned(), "b".to_owned()];
    let answer = stream.send_batch(&texts, &AppendOptions::default()).await.unwrap();
    assert_eq!(answer.await.unwrap().count, Some(2));
}
