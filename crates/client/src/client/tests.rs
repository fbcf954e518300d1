//! Retries, keys, deadlines and several nodes, against stand-ins for nodes.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::test_node::TestNode;

const APPENDED: &str = r#"{"id":3,"writeConcern":2,"ackedBy":["master","bonnie"]}"#;

/// Far beyond what any of these tests needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn problem(status: u16, code: &str, retry: bool, more: &str) -> (u16, String) {
    let problem = format!(
        r#"{{"title":"t","status":{status},"detail":"d","code":"{code}","retry":{retry}{more}}}"#
    );
    (status, problem)
}

fn client(nodes: &[&TestNode]) -> Client {
    let targets = nodes.iter().map(|node| node.endpoint()).collect();
    Client::of(targets).with_deadline(PATIENCE)
}

/// A node that refuses so often before it takes a message.
async fn refusing(times: usize, refusal: (u16, String)) -> TestNode {
    let count = AtomicUsize::new(0);
    TestNode::start(move |_, _| match count.fetch_add(1, Ordering::SeqCst) < times {
        true => refusal.clone(),
        false => (201, APPENDED.to_owned()),
    })
    .await
}

#[tokio::test]
async fn an_append_is_sent_again_under_the_same_key_while_the_answer_says_that_it_may_be() {
    for refusal in [
        problem(503, "no-quorum", true, r#","outcome":"refused""#),
        problem(504, "timed-out", true, r#","outcome":"stored","id":3"#),
        (502, "<html>".to_owned()),
    ] {
        let node = refusing(2, refusal).await;
        let appended = client(&[&node]).append("a", &AppendOptions::default()).await.unwrap();
        assert_eq!((appended.id, appended.write_concern), (3, 2));
        let keys = node.keys();
        assert_eq!(keys.len(), 3);
        assert!(keys[0].len() >= 16 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn each_append_has_a_key_of_its_own_unless_one_is_given() {
    let node = refusing(0, (500, String::new())).await;
    let mut client = client(&[&node]);
    let given = AppendOptions { key: "order-17".parse().ok(), ..AppendOptions::default() };
    for options in [AppendOptions::default(), AppendOptions::default(), given] {
        client.append_batch(&["a".to_owned()], &options).await.unwrap();
    }
    let keys = node.keys();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[2], "order-17");
}

#[tokio::test]
async fn a_final_refusal_is_told_at_once() {
    let node = refusing(9, problem(400, "bad-request", false, r#","outcome":"refused""#)).await;
    let error = client(&[&node]).append("a", &AppendOptions::default()).await.unwrap_err();
    assert_eq!((error.outcome.clone(), error.to_string()), (Outcome::Refused, "d".to_owned()));
    assert_eq!(node.keys().len(), 1);
}

#[tokio::test]
async fn the_deadline_ends_it_and_the_error_tells_what_became_of_the_message() {
    for (more, outcome, id) in [
        (r#","outcome":"refused""#, Outcome::Refused, None),
        (r#","outcome":"unknown","id":3"#, Outcome::Unknown, Some(3)),
        (r#","outcome":"stored","id":3"#, Outcome::Stored, Some(3)),
    ] {
        let node = refusing(usize::MAX, problem(503, "stopping", true, more)).await;
        let mut client = client(&[&node]).with_deadline(Duration::from_millis(100));
        let error = client.append("a", &AppendOptions::default()).await.unwrap_err();
        assert_eq!((error.id(), error.outcome), (id, outcome));
        assert!(node.keys().len() > 1);
    }
}

#[tokio::test]
async fn a_lost_answer_is_made_up_for_by_the_next_node() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        // Reads nothing, and so resets the connection under the request.
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    // Neither says which of them is the master.
    let master = refusing(0, (500, String::new())).await;
    let targets = vec![Endpoint::local(port), master.endpoint()];
    let mut client = Client::of(targets).with_deadline(PATIENCE);
    assert_eq!(client.append("a", &AppendOptions::default()).await.unwrap().id, 3);
}

#[tokio::test]
async fn a_node_that_is_silent_may_have_stored_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Endpoint::local(listener.local_addr().unwrap().port());
    let mut client = Client::of(vec![silent]).with_deadline(Duration::from_millis(100));
    let error = client.append("a", &AppendOptions::default()).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Unknown);
}

#[tokio::test]
async fn a_node_that_hangs_does_not_hold_up_an_append_to_the_master() {
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = Endpoint::local(hanging.local_addr().unwrap().port());
    let master = TestNode::start(|line, _| match line {
        "GET /health" => (200, r#"{"role":"master"}"#.to_owned()),
        _ => (201, APPENDED.to_owned()),
    })
    .await;
    let mut client = Client::of(vec![hanging, master.endpoint()]).with_deadline(PATIENCE);
    for _ in 0..2 {
        assert_eq!(client.append("a", &AppendOptions::default()).await.unwrap().id, 3);
    }
    assert_eq!(master.keys().len(), 2);
}

#[tokio::test]
async fn the_master_is_found_for_a_wait() {
    let secondary = TestNode::recording(200, r#"{"role":"secondary"}"#).await.0;
    let master = TestNode::start(|line, _| match line {
        "GET /health" => (200, r#"{"role":"master","logEnd":4}"#.to_owned()),
        _ if line.starts_with("GET /messages/3?writeConcern=all&timeoutMs=") => {
            let body = r#"{"id":3,"message":"a\"b","writeConcern":2,"ackedBy":["master","b"]}"#;
            (200, body.to_owned())
        }
        _ => problem(404, "no-such-message", false, ""),
    })
    .await;
    let mut client = client(&[&secondary, &master]);
    let acked = client.wait(3, WriteConcern::All).await.unwrap();
    assert_eq!((acked.message.as_ref(), acked.acked_by.len()), ("a\"b", 2));
    assert!(client.wait(4, WriteConcern::All).await.is_err());
    assert_eq!(client.health().await.unwrap().log_end(), Some(4));
}

/// A node that shows so many messages, and fails at first.
async fn readable(messages: usize, failures: usize) -> TestNode {
    let count = AtomicUsize::new(0);
    TestNode::start(move |line, _| {
        let (from, limit) = line
            .strip_prefix("GET /messages?from=")
            .and_then(|query| query.split_once("&limit="))
            .expect("a page is asked for");
        if count.fetch_add(1, Ordering::SeqCst) < failures {
            return problem(503, "disk-failed", true, "");
        }
        let (from, limit): (usize, usize) = (from.parse().unwrap(), limit.parse().unwrap());
        let rows = from..messages.min(from + limit);
        (200, rows.map(|id| format!("{{\"id\":{id},\"message\":\"m{id}\\n\"}}\n")).collect())
    })
    .await
}

#[tokio::test]
async fn a_long_log_is_read_page_by_page_and_a_node_that_fails_is_left() {
    let (failing, node) = (readable(0, usize::MAX).await, readable(2500, 1).await);
    let mut client = client(&[&failing, &node]);
    let mut messages = client.read(100);
    for id in 100..2500 {
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!((message.id, message.message.as_ref()), (id, format!("m{id}\n").as_str()));
    }
    for _ in 0..2 {
        assert_eq!(messages.next().await.unwrap(), None);
    }
}
