//! Readers that wait for messages and follow the log, on real nodes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::*;

fn append_batch(http: SocketAddr, texts: &[&str]) -> u64 {
    let body = json!({"messages": texts, "w": 1}).to_string();
    created(&request(http, "POST", "/messages", &body)).0
}

#[test]
fn both_nodes_are_followed_in_both_forms() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    append(master.http, "there", "2");
    let follow = |http| {
        let mut lines = Follower::lines(http, 0);
        assert!(lines.head.contains("\r\ncontent-type: application/x-ndjson\r\n"));
        lines.expect(&[r#"{"id":0,"message":"there"}"#]);
        let (mut events, open) = Follower::events(http, "", None);
        assert!(events.head.contains("\r\ncontent-type: text/event-stream\r\n"), "{}", events.head);
        for header in ["cache-control: no-store", "x-accel-buffering: no", "acklog-epoch: 1"] {
            assert!(events.head.contains(&format!("\r\n{header}\r\n")), "{}", events.head);
        }
        let log = open["log"].clone();
        let expected = json!({
            "log": log, "epoch": 1, "start": 0, "end": 1, "next": 0, "readConcern": 1
        });
        assert_eq!(open, expected);
        let log = log_of(&open);
        events.expect(&event(&log, 0, "there"));
        events.expect(&["event: caughtup", r#"data: {"end":1}"#, ""]);
        (lines, events, log)
    };
    let readers = [master.http, nodes[0].http].map(follow);
    // What separates lines for some readers is escaped, and so stays in its line.
    append(master.http, "a\u{2028}b\u{2029}c\u{85}d\n", "2");
    let escaped = r#"{"id":1,"message":"a\u2028b\u2029c\u0085d\n"}"#;
    for (mut lines, mut events, log) in readers {
        lines.expect(&[escaped]);
        events.expect(&[&format!("id: {log}.1.1"), &format!("data: {escaped}"), ""]);
    }
}

#[test]
fn a_reader_goes_on_behind_its_last_event_after_the_node_was_killed_or_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--data-dir", directory.path().to_str().unwrap()];
    let (mut node, _) = master(&flags);
    append(node.http, "Msg0", "1");
    let (mut reader, open) = Follower::events(node.http, "?from=0", None);
    let log = log_of(&open);
    reader.expect(&event(&log, 0, "Msg0"));
    reader.expect(&["event: caughtup", r#"data: {"end":1}"#, ""]);
    for round in 0..4 {
        let last = format!("{log}.1.{round}");
        if round % 2 == 0 {
            node.process.kill();
        } else {
            node.process.signal(Signal::TERM);
            assert_eq!(reader.rest(), "", "a stopped node ends its streams cleanly");
            assert_eq!(node.process.wait(), Some(0));
        }
        (node, _) = master(&flags);
        let text = format!("Msg{}", round + 1);
        append(node.http, &text, "1");
        let open;
        (reader, open) = Follower::events(node.http, "?from=0", Some(&last));
        assert_eq!((log_of(&open), &open["next"]), (log.clone(), &json!(round + 1)));
        reader.expect(&event(&log, round + 1, &text));
        let end = round + 2;
        reader.expect(&["event: caughtup", &format!("data: {{\"end\":{end}}}"), ""]);
    }
    // The query is for clients that cannot set the header, which comes first.
    let last = format!("?lastEventId={log}.1.3");
    assert_eq!(Follower::events(node.http, &last, None).1["next"], 4);
    let header = format!("{log}.1.1");
    assert_eq!(Follower::events(node.http, &last, Some(&header)).1["next"], 2);
}

#[test]
fn a_batch_that_was_cut_off_comes_again_as_a_whole() {
    let (master, _) = master(&[]);
    append(master.http, "alone", "1");
    assert_eq!(append_batch(master.http, &["a", "b", "c"]), 1);
    let (mut reader, open) = Follower::events(master.http, "", None);
    let log = log_of(&open);
    reader.expect(&event(&log, 0, "alone"));
    // The connection is lost in the middle of the batch: no member had an id.
    reader.expect(&[r#"data: {"id":1,"message":"a","batch":1}"#, ""]);
    let (mut again, _) = Follower::events(master.http, "", Some(&format!("{log}.1.0")));
    let batch = [
        r#"data: {"id":1,"message":"a","batch":1}"#,
        "",
        r#"data: {"id":2,"message":"b","batch":1}"#,
        "",
        &format!("id: {log}.1.3"),
        r#"data: {"id":3,"message":"c","batch":1}"#,
        "",
    ];
    again.expect(&batch);
    // A reader that begins inside knows the batch, too.
    let (mut inside, _) = Follower::events(master.http, "?from=2", None);
    inside.expect(&batch[2..]);
    // A batch alone is no batch.
    append_batch(master.http, &["single"]);
    again.expect(&["event: caughtup", r#"data: {"end":4}"#, ""]);
    again.expect(&event(&log, 4, "single"));
}

#[test]
fn an_event_of_another_log_is_told_in_each_form() {
    let (master, _) = master(&[]);
    append(master.http, "Msg", "1");
    let other = "00000000.1.0";
    let last = format!("Last-Event-ID: {other}");
    let events = Follower::ask(master.http, "", &[EVENTS, &last]).rest();
    let begin = ": acklog\nretry: 1000\n\nevent: error\ndata: ";
    let data = events.strip_prefix(begin).unwrap().strip_suffix("\n\n").unwrap();
    let problem: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&problem["code"], &problem["retry"]), (&json!("other-log"), &json!(false)));
    let lines = Follower::ask(master.http, &format!("?follow=true&lastEventId={other}"), &[]);
    let problem: Value = serde_json::from_str(&lines.rest()).unwrap();
    assert_eq!(problem["code"], "other-log");
    // What is no event's id is refused, and never read as the beginning of the log.
    for header in ["Last-Event-ID: 17", "Last-Event-ID:"] {
        let refused = Follower::ask(master.http, "", &[EVENTS, header]);
        assert!(refused.head.contains(" 400 "), "{header:?}: {}", refused.head);
    }
    let plain = get(master.http, &format!("/messages?lastEventId={other}"));
    assert_eq!((plain.status, plain.json()["code"].as_str()), (409, Some("other-log")));
    let log = get(master.http, "/messages").header("acklog-log").unwrap()[..8].to_owned();
    let later = get(master.http, &format!("/messages?lastEventId={log}.2.0"));
    assert_eq!((later.status, later.json()["code"].as_str()), (503, Some("unknown-epoch")));
    let bad = get(master.http, "/messages?lastEventId=18");
    assert_eq!(bad.status, 400, "{bad:?}");
}

#[test]
fn readers_of_an_empty_secondary_are_told_when_its_master_comes_back_with_another_log() {
    let quick = ["--heartbeat-interval", "100ms"];
    let (mut first, comm) = master(&quick);
    // With one thread a request has begun when a later one is answered.
    let bonnie = secondary("bonnie", comm, &["--http-workers", "1"]);
    wait_ready(&bonnie);
    let http = bonnie.http;
    let (mut events, open) = Follower::events(http, "", None);
    assert!(open["log"].is_string(), "{open}");
    events.expect(&["event: caughtup", r#"data: {"end":0}"#, ""]);
    let lines = Follower::lines(http, 0);
    let waiting = begin(http, "GET", "/messages?timeoutMs=60000", "");
    let head = request(http, "HEAD", "/messages", "");
    assert_eq!(head.header("acklog-log"), open["log"].as_str());
    first.process.kill();
    let (second, _) = master_at(&comm.port().to_string(), &quick);
    append(second.http, "Msg", "2");
    for told in [events.rest(), lines.rest()] {
        let json = told.trim_start_matches("event: error\ndata: ");
        let problem: Value = serde_json::from_str(json).unwrap();
        assert_eq!((&problem["code"], &problem["retry"]), (&json!("other-log"), &json!(false)));
    }
    let answer = waiting.answer();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("other-log")));
    assert_ne!(answer.header("acklog-log"), open["log"].as_str());
    assert_eq!(texts(http), ["Msg"]);
}

#[test]
fn reads_that_are_refused_have_the_headers_that_the_document_declares() {
    let (master, _) = master(&["--max-followers", "1"]);
    let document = get(master.http, "/openapi.json").json();
    let declared = |status: u16| {
        let answers = &document["paths"]["/messages"]["get"]["responses"];
        let name = answers[status.to_string()]["$ref"].as_str().unwrap().rsplit('/').next();
        let headers = &document["components"]["responses"][name.unwrap()]["headers"];
        let names = headers.as_object().into_iter().flat_map(|headers| headers.keys());
        names.map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let _follower = Follower::lines(master.http, 0);
    let cases = [
        ("lastEventId=00000000.1.0", 409),
        ("from=9&timeoutMs=1", 416),
        ("timeoutMs=1", 503),
        ("readConcern=9", 400),
        ("from=x", 400),
    ];
    for (query, status) in cases {
        let answer = get(master.http, &format!("/messages?{query}"));
        assert_eq!(answer.status, status, "{query}");
        let declared = declared(status);
        for name in ["acklog-log", "acklog-epoch", "acklog-start", "acklog-end"] {
            let is_declared = declared.iter().any(|declared| declared == name);
            assert_eq!(answer.header(name).is_some(), is_declared, "{query}: {name}");
        }
    }
}

#[test]
fn a_reader_waits_at_the_end_and_is_refused_beyond_it() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    append(master.http, "Msg0", "2");
    for http in [master.http, nodes[0].http] {
        let empty = get(http, "/messages?from=1&timeoutMs=1");
        assert_eq!((empty.status, empty.body.as_str()), (200, "[]\n"));
        assert_eq!(empty.header("acklog-next"), Some("1"));
        for query in ["from=2&timeoutMs=1", "from=2&follow=true", "from=9&timeoutMs=0"] {
            let refused = get(http, &format!("/messages?{query}"));
            let problem = refused.json();
            assert_eq!((refused.status, &problem["code"]), (416, &json!("beyond-end")));
            assert_eq!((&problem["end"], &problem["retry"]), (&json!(1), &json!(true)));
            assert_eq!(refused.header("acklog-end"), Some("1"), "{query}");
        }
        assert_eq!(get(http, "/messages?from=2").body, "[]\n", "a listing does not wait");
        let head = request(http, "HEAD", "/messages?from=9&timeoutMs=60000", "");
        assert_eq!((head.status, head.header("acklog-end")), (200, Some("1")));
    }
    let waiting = begin(nodes[0].http, "GET", "/messages?from=1&timeoutMs=60000", "");
    append(master.http, "Msg1", "2");
    assert_eq!(waiting.answer().body, "[{\"id\":1,\"message\":\"Msg1\"}]\n");
}

#[test]
fn reads_begin_where_they_are_asked_to() {
    let (master, _) = master(&[]);
    for n in 0..5 {
        append(master.http, &format!("Msg{n}"), "1");
    }
    let ids = |query: &str| -> Vec<u64> {
        let answer = get(master.http, &format!("/messages?{query}"));
        let rows = answer.json();
        rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids("last=2"), [3, 4]);
    assert_eq!(ids("last=9&limit=1"), [0]);
    assert_eq!(ids("last=3&until=4"), [2, 3]);
    assert_eq!(ids("from=1&until=9&limit=2"), [1, 2]);
    assert_eq!(ids("since=2026-01-01T00:00:00%2B01:00&limit=1"), [0]);
    assert_eq!(ids("since=9999-12-31T23:59:59Z"), [0; 0]);
    let next = |query: &str| {
        let answer = get(master.http, &format!("/messages?{query}"));
        answer.header("acklog-next").unwrap().to_owned()
    };
    assert_eq!([next("limit=2"), next("until=3"), next(""), next("from=9")], ["2", "3", "5", "9"]);
    // A stream that ends by itself.
    let some = Follower::ask(master.http, "?follow=true&last=2&limit=1", &[]);
    assert!(some.head.contains("\r\nacklog-next: 4\r\n"), "{}", some.head);
    assert_eq!(some.rest(), "{\"id\":3,\"message\":\"Msg3\"}\n");
    let (until, _) = Follower::events(master.http, "?from=4&until=5", None);
    assert!(until.head.contains("\r\nacklog-next: 5\r\n"), "{}", until.head);
    assert!(until.rest().contains("\"id\":4"));
    let endless = Follower::lines(master.http, 0);
    assert!(!endless.head.contains("acklog-next"), "{}", endless.head);
    for query in [
        "from=1&last=1",
        "since=2026-01-01T00:00:00",
        "since=yesterday",
        "timeoutMs=60001",
        "timeoutMs=1&follow=true",
        "follow=1",
        "readConcern=most",
        "until=-1",
    ] {
        assert_eq!(get(master.http, &format!("/messages?{query}")).status, 400, "{query}");
    }
    let array = ["Accept: application/json"];
    let refused = begin_with(master.http, "GET", "/messages?follow=true", &array, "").answer();
    assert_eq!(refused.status, 400, "an array cannot go on");
}

#[test]
fn readers_that_follow_are_bounded_and_one_that_hung_up_makes_room() {
    let (master, _) = master(&["--max-followers", "1"]);
    let mut first = Follower::lines(master.http, 0);
    append(master.http, "Msg0", "1");
    first.expect(&[r#"{"id":0,"message":"Msg0"}"#]);
    for query in ["from=1&timeoutMs=60000", "follow=true"] {
        let refused = get(master.http, &format!("/messages?{query}"));
        let code = refused.json()["code"].clone();
        assert_eq!((refused.status, code), (503, json!("too-many-followers")));
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(get(master.http, "/messages?timeoutMs=60000").status, 200, "it need not wait");
    // One that only ended its half still reads.
    first.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    append(master.http, "Msg1", "1");
    // Behind a blank, perhaps, which asks whether it is there.
    assert_eq!(first.line().trim_start(), r#"{"id":1,"message":"Msg1"}"#);
    // On a log where nothing happens, whichever way the reader followed.
    drop(first);
    wait_until("the first to be noticed", || {
        get(master.http, "/messages?from=1&follow=true&limit=1").status == 200
    });
    let events = "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let as_events = "GET /messages HTTP/1.0\r\naccept: text/event-stream\r\n\r\n";
    for request in [events, as_events] {
        let mut stream = TcpStream::connect(master.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        drop(stream);
        wait_until("that one to be noticed", || {
            get(master.http, "/messages?from=1&follow=true&limit=1").status == 200
        });
    }
}

#[test]
fn a_stopped_node_ends_its_streams_and_waits_as_whole_answers() {
    // With one thread each a request has begun when a later one is answered.
    let one_thread = ["--http-workers", "1"];
    let (mut master, comm) = master(&one_thread);
    let mut nodes = [secondary("bonnie", comm, &one_thread)];
    wait_ready(&nodes[0]);
    let stream = begin(master.http, "GET", "/messages?follow=true", "");
    let waiting = begin(nodes[0].http, "GET", "/messages?timeoutMs=60000", "");
    let mut events = Follower::events(nodes[0].http, "", None).0;
    events.expect(&["event: caughtup", r#"data: {"end":0}"#, ""]);
    append(master.http, "Msg0", "2");
    assert_eq!(waiting.answer().status, 200);
    let waiting = begin(nodes[0].http, "GET", "/messages?from=1&timeoutMs=60000", "");
    let mut lines = Follower::lines(nodes[0].http, 0);
    lines.expect(&[r#"{"id":0,"message":"Msg0"}"#]);
    for node in [&mut master, &mut nodes[0]] {
        node.process.signal(Signal::TERM);
    }
    assert_eq!(stream.answer().body, "{\"id\":0,\"message\":\"Msg0\"}\n");
    let answer = waiting.answer();
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("stopping")));
    assert_eq!(lines.rest(), "");
    assert!(events.rest().contains("\"message\":\"Msg0\""));
    assert_eq!((master.process.wait(), nodes[0].process.wait()), (Some(0), Some(0)));
}
