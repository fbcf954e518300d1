//! Batches of messages: one run of ids, one response, and all or nothing on every node.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::*;

/// Number and length of single messages: many times the size of a run or page, and the most that
/// one request body may have.
const LONG: (usize, usize) = (60, 100_000);

fn post(http: SocketAddr, body: &Value) -> Answer {
    request(http, "POST", "/messages", &body.to_string())
}

fn keyed(http: SocketAddr, body: &Value) -> Answer {
    begin_with(http, "POST", "/newMessage", &["Idempotency-Key: k"], &body.to_string()).answer()
}

/// Creates so many messages of such a length; each contains its place.
fn long_batch((messages, bytes): (usize, usize)) -> Vec<String> {
    (0..messages).map(|n| format!("{n} {}", "x".repeat(bytes))).collect()
}

#[test]
fn a_batch_has_one_answer_and_every_node_shows_all_of_it() {
    let (master, _, nodes) = cluster(&[], &["bonnie", "clyde"]);
    for (n, path) in ["/messages", "/newMessage"].into_iter().enumerate() {
        let body = json!({"messages": ["a", "", "c"], "writeConcern": 3}).to_string();
        let answer = request(master.http, "POST", path, &body);
        let (id, mut names) = created(&answer);
        names.sort_unstable();
        assert_eq!(
            (id, &*names),
            (3 * n as u64, &["bonnie", "clyde", "master"].map(str::to_owned)[..])
        );
        assert_eq!(
            (&answer.json()["count"], &answer.json()["writeConcern"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(answer.header("location"), Some(&*format!("/messages/{id}")));
    }
    for http in [master.http, nodes[0].http, nodes[1].http] {
        assert_eq!(texts(http), ["a", "", "c", "a", "", "c"]);
        assert_eq!(get(http, "/messages/4").body, "{\"id\":4,\"message\":\"\"}\n");
        let part = get(http, "/messages?from=1&limit=3").json();
        assert_eq!(part.as_array().unwrap().len(), 3);
    }
    let one = post(master.http, &json!({"messages": ["d"], "w": 1}));
    assert_eq!((created(&one).0, &one.json()["count"]), (6, &json!(1)));
    assert_eq!(append(master.http, "e", "1").0, 7);
}

#[test]
fn a_key_stands_for_the_whole_batch() {
    let (master, _, _nodes) = cluster(&[], &["bonnie"]);
    let batch = json!({"messages": ["a", "b", "c"], "w": 2});
    let first = keyed(master.http, &batch);
    let again = keyed(master.http, &batch);
    for (answer, is_replayed) in [(&first, false), (&again, true)] {
        assert_eq!((created(answer).0, &answer.json()["count"]), (0, &json!(3)));
        assert_eq!(answer.is_replayed(), is_replayed);
    }
    for other in [
        json!({"messages": ["a", "b"], "w": 1}),
        json!({"messages": ["a", "b", "c", "d"], "w": 1}),
        json!({"messages": ["a", "b", "x"], "w": 1}),
        json!({"messages": ["a"], "w": 1}),
        json!({"message": "a", "w": 1}),
    ] {
        let answer = keyed(master.http, &other);
        assert_eq!((answer.status, answer.json().get("id")), (422, None), "{other}: {answer:?}");
    }
    assert_eq!(texts(master.http), ["a", "b", "c"]);
}

#[test]
fn a_batch_that_is_none_is_refused_and_nothing_of_it_is_stored() {
    let (master, _) = master(&["--cluster-size", "3", "--max-message-bytes", "100000"]);
    for body in [
        json!({"messages": []}),
        json!({"messages": "a"}),
        json!({"messages": null}),
        json!({"messages": ["a", 1]}),
        json!({"messages": ["a", null]}),
        json!({"messages": ["a", ["b"]]}),
        json!({"messages": ["a"], "message": "b"}),
        json!({"messages": ["a", "b"], "w": 4}),
        json!({"messages": ["a", "b"], "count": 2}),
    ] {
        let answer = post(master.http, &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    for batch in [vec!["a".to_owned(), "x".repeat(100_001)], vec!["x".repeat(99_999); 7]] {
        let answer = post(master.http, &json!({"messages": batch}));
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    assert_eq!(health(master.http)["logEnd"], 0);
    assert_eq!(created(&post(master.http, &json!({"messages": ["a", "b"], "w": 1}))).0, 0);
}

#[test]
fn more_messages_than_a_frame_takes_are_refused_with_what_to_do() {
    let (master, _) = master(&[]);
    let answer = post(master.http, &json!({"messages": vec![""; 650_000]}));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().unwrap().contains("several batches"), "{answer:?}");
    assert_eq!(health(master.http)["logEnd"], 0);
}

/// Sends a batch of the size of many runs to a secondary that is there, and to one that comes
/// later.
fn a_long_batch_arrives(args: &[&str], later: impl FnOnce(Node) -> Node) {
    let (master, comm) = master(args);
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    let sent = long_batch(LONG);
    append(master.http, "before", "2");
    let answer = post(master.http, &json!({"messages": sent, "w": 2}));
    assert_eq!((created(&answer).0, &answer.json()["count"]), (1, &json!(sent.len())));
    append(master.http, "behind", "2");
    let (event, whole) = ("AddMessage received", format!(" id=1..={}", sent.len()));
    let is_it = |line: &str| (line.contains(event) && line.ends_with(&whole)).then_some(());
    bonnie.process.log.find("the batch as one run", is_it);
    let master = later(master);
    let clyde = secondary("clyde", comm_address(&master), &[]);
    wait_ready(&clyde);
    clyde.process.log.wait_for("a page of messages id=");
    for http in [master.http, bonnie.http, clyde.http] {
        let shown = texts(http);
        assert!(shown[0] == "before" && shown[1..=sent.len()] == sent && shown[61] == "behind");
    }
}

#[test]
fn a_batch_longer_than_a_run_arrives_as_a_whole() {
    a_long_batch_arrives(&[], |master| master);
}

#[test]
fn a_batch_longer_than_a_run_is_fetched_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap().to_owned();
    a_long_batch_arrives(&["--data-dir", &data], |mut first| {
        first.process.signal(rustix::process::Signal::TERM);
        assert_eq!(first.process.wait(), Some(0));
        master(&["--data-dir", &data]).0
    });
}

#[test]
fn a_sender_of_a_batch_whose_time_is_up_is_told_its_ids_and_waits_again_by_any_of_them() {
    let (master, comm) = master(&[]);
    let answer =
        post(master.http, &json!({"messages": ["a", "b", "c"], "writeConcern": 2, "timeoutMs": 0}));
    let problem = answer.json();
    assert_eq!((answer.status, &problem["id"]), (504, &json!(0)), "{answer:?}");
    assert_eq!((&problem["count"], &problem["outcome"]), (&json!(3), &json!("stored")));
    assert!(problem["detail"].as_str().unwrap().contains("messages 0 to 2"), "{problem}");
    assert_eq!(texts(master.http), ["a", "b", "c"]);
    let waiting = begin(master.http, "GET", "/messages/1?writeConcern=2", "");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    let bonnie = secondary("bonnie", comm, &[]);
    assert_eq!(waiting.answer().json()["ackedBy"], json!(["master", "bonnie"]));
    assert_eq!(texts(bonnie.http), ["a", "b", "c"]);
}

#[test]
fn a_batch_that_cannot_be_waited_for_is_refused_as_a_whole() {
    let (master, _) = master(&["--max-waiting", "1"]);
    let waiting = begin_append(master.http, "waits", "2");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    let refused = post(master.http, &json!({"messages": ["a", "b"], "w": 2}));
    assert_eq!((refused.status, refused.json().get("count")), (503, None), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    drop(waiting);
    assert_eq!(texts(master.http), ["waits"]);
}
