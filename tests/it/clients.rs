//! Clients that send again: by a key of their own, or by a message's id.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::*;

fn keyed(http: SocketAddr, text: &str, write_concern: &str, key: &str) -> Pending {
    let key = format!("Idempotency-Key: {key}");
    begin_with(http, "POST", "/messages", &[&key], &append_body(text, write_concern))
}

#[test]
fn a_message_that_is_sent_again_under_its_key_keeps_its_id_and_is_stored_once() {
    let (master, _, _nodes) = cluster(&[], &["bonnie"]);
    let first = keyed(master.http, "Msg1", "2", "order-17").answer();
    assert_eq!((created(&first).0, first.is_replayed()), (0, false));
    let again = keyed(master.http, "Msg1", "2", "order-17").answer();
    assert_eq!(created(&again), (0, vec!["master".to_owned(), "bonnie".to_owned()]));
    assert!(again.is_replayed(), "{again:?}");
    assert_eq!(again.header("location"), Some("/messages/0"));
    let other = keyed(master.http, "Msg2", "1", "order-17").answer();
    assert_eq!((other.status, other.json().get("id")), (422, None), "{other:?}");
    assert_eq!(other.header("content-type"), Some("application/problem+json"));
    assert_eq!(other.header("retry-after"), None);
    let (id, _) = created(&keyed(master.http, "Msg1", "1", "order-18").answer());
    assert_eq!(id, 1, "another key is another message");
    assert_eq!(append(master.http, "Msg1", "1").0, 2);
    assert_eq!(texts(master.http), ["Msg1", "Msg1", "Msg1"]);
}

#[test]
fn a_sender_that_gave_up_asks_again_under_its_key_with_another_write_concern() {
    let (master, comm) = master(&["--max-waiting", "1"]);
    let body = r#"{"message":"Msg1","writeConcern":2,"timeoutMs":50}"#;
    let key = ["Idempotency-Key: a"];
    let post = || begin_with(master.http, "POST", "/newMessage", &key, body).answer();
    let (first, again) = (post(), post());
    for (answer, replayed) in [(&first, false), (&again, true)] {
        assert_eq!((answer.status, &answer.json()["id"]), (504, &json!(0)), "{answer:?}");
        assert_eq!(answer.is_replayed(), replayed);
    }
    assert_eq!(created(&keyed(master.http, "Msg1", "1", "a").answer()).0, 0);
    let waiting = keyed(master.http, "Msg1", "2", "a");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    let crowded = keyed(master.http, "Msg1", "2", "a").answer();
    let problem = crowded.json();
    assert_eq!((crowded.status, &problem["id"]), (503, &json!(0)), "{crowded:?}");
    assert_eq!(problem["outcome"], "stored");
    assert!(crowded.is_replayed() && crowded.header("retry-after").is_none());
    let _bonnie = secondary("bonnie", comm, &[]);
    let answer = waiting.answer();
    assert_eq!(created(&answer), (0, vec!["master".to_owned(), "bonnie".to_owned()]));
    assert!(answer.is_replayed());
    assert_eq!(texts(master.http), ["Msg1"]);
}

#[test]
fn a_key_that_is_none_is_refused_and_other_requests_do_not_look_at_it() {
    let (master, _) = master(&["--cluster-size", "2"]);
    let post = |headers: &[&str]| {
        begin_with(master.http, "POST", "/messages", headers, &append_body("a", "1")).answer()
    };
    let long = format!("Idempotency-Key: {}", "k".repeat(129));
    for headers in [
        &["Idempotency-Key:"][..],
        &["Idempotency-Key: a b"],
        &["Idempotency-Key: \u{e9}"],
        &[&long],
        &["Idempotency-Key: a", "idempotency-key: a"],
    ] {
        let answer = post(headers);
        assert_eq!(answer.status, 400, "{headers:?}: {answer:?}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains("1 to 128 visible ASCII"), "{detail}");
    }
    assert_eq!(health(master.http)["logEnd"], 0);
    let longest = format!("Idempotency-Key: {}", "k".repeat(128));
    assert_eq!(created(&post(&[&longest])).0, 0);
    let get = begin_with(master.http, "GET", "/messages", &["Idempotency-Key: a b"], "").answer();
    assert_eq!(get.status, 200);
    // A write concern beyond the cluster is refused also if the message is stored.
    let beyond = begin_with(master.http, "POST", "/messages", &[&longest], &append_body("a", "3"));
    assert_eq!(beyond.answer().status, 400);
}

#[test]
fn a_message_is_sent_again_under_its_key_also_while_the_master_is_read_only() {
    let (master, _, mut nodes) =
        cluster(&["--quorum", "2", "--heartbeat-interval", "100ms"], &["bonnie"]);
    created(&keyed(master.http, "Msg1", "1", "a").answer());
    nodes[0].process.kill();
    wait_until("read-only", || health(master.http)["mode"] == "read-only");
    assert_eq!(keyed(master.http, "Msg2", "1", "b").answer().status, 503);
    let again = keyed(master.http, "Msg1", "1", "a").answer();
    assert_eq!((created(&again).0, again.is_replayed()), (0, true));
}

#[test]
fn a_message_can_be_waited_for_by_its_id() {
    let (master, comm) = master(&["--cluster-size", "3"]);
    append(master.http, "Msg \"1\"", "1");
    let read = get(master.http, "/messages/0?writeConcern=1");
    let shown = r#"{"id":0,"message":"Msg \"1\"","writeConcern":1,"ackedBy":["master"]}"#;
    assert_eq!((read.status, read.body.trim_end()), (200, shown));
    let head = request(master.http, "HEAD", "/messages/0?writeConcern=1", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let late = get(master.http, "/messages/0?w=majority&timeoutMs=20");
    let problem = late.json();
    assert_eq!((late.status, &problem["outcome"]), (504, &json!("stored")), "{late:?}");
    assert_eq!((&problem["id"], &problem["writeConcern"]), (&json!(0), &json!(2)));
    assert_eq!(problem["ackedBy"], json!(["master"]));
    assert_eq!(late.header("idempotent-replayed"), None);
    for (path, status) in [
        ("/messages/1?w=1", 404),
        ("/messages/99999999999999999999?w=1", 404),
        ("/messages/0?w=4", 400),
        ("/messages/0?timeoutMs=5", 400),
        ("/messages/0?w=1&writeConcern=2", 400),
        ("/messages/0?limit=1", 400),
    ] {
        assert_eq!(get(master.http, path).status, status, "{path}");
    }
    let waiting = begin(master.http, "GET", "/messages/0?writeConcern=all", "");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    let nodes = ["bonnie", "clyde"].map(|name| secondary(name, comm, &[]));
    let answer = waiting.answer();
    assert_eq!((answer.status, &answer.json()["writeConcern"]), (200, &json!(3)), "{answer:?}");
    nodes.iter().for_each(wait_ready);
    let refused = get(nodes[0].http, "/messages/0?writeConcern=2");
    assert_eq!(refused.status, 400);
    let place = format!("the HTTP port of its master \"master\": http://{}", master.http);
    assert!(refused.json()["detail"].as_str().unwrap().ends_with(&place), "{refused:?}");
    assert_eq!(get(nodes[0].http, "/messages/0").status, 200);
}

#[test]
fn waits_by_id_are_bounded_and_one_that_hangs_up_is_forgotten() {
    let (master, _) = master(&["--max-waiting", "1"]);
    append(master.http, "Msg1", "1");
    let waiting = |count: u64| health(master.http)["waitingSenders"] == count;
    let first = begin(master.http, "GET", "/messages/0?w=2", "");
    wait_until("it waits", || waiting(1));
    let crowded = get(master.http, "/messages/0?w=2");
    assert_eq!((crowded.status, &crowded.json()["id"]), (503, &json!(0)), "{crowded:?}");
    assert_eq!(crowded.header("retry-after"), None);
    drop(first);
    wait_until("it is forgotten", || waiting(0));
}
