//! The HTTP contract against real nodes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::support::*;

#[test]
fn both_roles_serve_the_document_of_the_contract() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let written = include_str!("../../docs/openapi.json");
    for http in [master.http, nodes[0].http] {
        let answer = get(http, "/openapi.json");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.body == written, "{}", answer.body);
        assert_eq!(
            request(http, "POST", "/openapi.json", "").header("allow"),
            Some("GET, HEAD, OPTIONS")
        );
    }
}

#[test]
fn both_roles_serve_the_page_and_its_files() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    for http in [master.http, nodes[0].http] {
        for path in ["/", "/page/index.html"] {
            let page = get(http, path);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
            assert!(page.is_whole() && page.body.starts_with("<!doctype html>"), "{page:?}");
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            assert_eq!(page.header("cache-control"), Some("no-cache"));
            let has_it = format!("If-None-Match: {}", page.header("etag").unwrap());
            let same = begin_with(http, "GET", path, &[&has_it], "").answer();
            assert_eq!((same.status, same.body.as_str()), (304, ""));
            let head = request(http, "HEAD", path, "");
            assert_eq!((head.status, head.header("etag")), (200, page.header("etag")));
            assert_eq!(head.header("content-length"), page.header("content-length"));
        }
        assert_eq!(request(http, "OPTIONS", "/", "").header("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!((get(http, "/page/none.js").status, get(http, "/page").status), (404, 404));
    }
}

#[test]
fn every_bad_append_is_refused_with_its_status_and_stores_nothing() {
    let (master, _) = master(&["--cluster-size", "3", "--max-message-bytes", "100"]);
    let post = |body: &str| request(master.http, "POST", "/messages", body);
    for body in [
        "",
        "no json",
        "[\"Msg1\"]",
        "{}",
        r#"{"message":1}"#,
        r#"{"message":"a","writeConcern":"most"}"#,
        r#"{"message":"a","writeConcern":-1}"#,
        r#"{"message":"a","writeConcern":1.5}"#,
        r#"{"message":"a","writeConcern":4}"#,
        r#"{"message":"a","timeoutMs":"1"}"#,
        r#"{"message":"a","writeconcern":3}"#,
        r#"{"message":"a","w":1,"writeConcern":2}"#,
        r#"{"message":"a"} x"#,
        r#"{"message":"\ud800"}"#,
    ] {
        let answer = post(body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["status"], 400);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    }
    assert_eq!(post(&format!(r#"{{"message":"{}"}}"#, "x".repeat(101))).status, 413);
    assert_eq!(post(&format!(r#"{{"message":"{}"}}"#, "x".repeat(9000))).status, 413);
    assert_eq!(health(master.http)["logEnd"], 0);
    let exact = post(&format!(r#"{{"message":"{}","w":1,"writeConcern":1}}"#, "x".repeat(100)));
    assert_eq!(exact.status, 201);
    assert_eq!(exact.header("location"), Some("/messages/0"));
}

#[test]
fn a_sender_whose_time_is_up_is_told_the_id() {
    let (master, _) = master(&[]);
    let body = r#"{"message":"Msg1","writeConcern":2,"timeoutMs":0}"#;
    let answer = request(master.http, "POST", "/newMessage", body);
    assert_eq!(answer.status, 504, "{answer:?}");
    let problem = answer.json();
    assert_eq!((&problem["id"], &problem["outcome"]), (&0.into(), &"stored".into()));
    assert_eq!(problem["ackedBy"], serde_json::json!(["master"]));
    assert_eq!(texts(master.http), ["Msg1"]);
    let body = r#"{"message":"Msg2","writeConcern":0,"timeoutMs":0}"#;
    assert_eq!(request(master.http, "POST", "/newMessage", body).status, 201);
}

/// Starts a master and a secondary that show five messages: the text with 0 to 4 behind it.
fn nodes_with_five(text: &str) -> (Node, Vec<Node>) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    for n in 0..5 {
        append(master.http, &format!("{text}{n}"), "2");
    }
    (master, nodes)
}

#[test]
fn reads_select_and_paths_and_methods_are_told_apart() {
    let (master, nodes) = nodes_with_five("m");
    for http in [master.http, nodes[0].http] {
        let list = get(http, "/messages?from=1&limit=2");
        assert_eq!(list.body, "[{\"id\":1,\"message\":\"m1\"},{\"id\":2,\"message\":\"m2\"}]\n");
        assert_eq!(get(http, "/messages?from=9").body, "[]\n");
        assert_eq!(get(http, "/messages/4").body, "{\"id\":4,\"message\":\"m4\"}\n");
        let statuses = [
            ("GET", "/messages/5", 404),
            ("GET", "/messages/x", 400),
            ("GET", "/messages?form=1", 400),
            ("GET", "/messages?from=x", 400),
            ("GET", "/nothing", 404),
            ("PUT", "/messages", 405),
            ("GET", "/faults", 403),
            ("GET", "/ready", 200),
        ];
        for (method, path, status) in statuses {
            assert_eq!(request(http, method, path, "").status, status, "{method} {path}");
        }
        let head = request(http, "HEAD", "/messages", "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    let refused = request(nodes[0].http, "POST", "/messages", "{}");
    assert_eq!(refused.status, 405);
    assert!(refused.json()["detail"].as_str().unwrap().contains("master"), "{refused:?}");
    // Probes come every few seconds, from several sides.
    nodes[0].process.log.wait_for("path=/messages http_status=405");
    let lines = nodes[0].process.log.all();
    let probes = |line: &&String| line.contains("path=/health") || line.contains("path=/ready");
    assert_eq!(lines.iter().find(probes), None);
}

#[test]
fn whoever_prefers_lines_gets_one_object_a_line_from_either_node() {
    let (master, nodes) = nodes_with_five("line\n");
    for http in [master.http, nodes[0].http] {
        let list =
            |method, path, accept: &[&str]| begin_with(http, method, path, accept, "").answer();
        let lines = "Accept: text/html;q=0.5, Application/X-NDJSON";
        let answer = list("GET", "/messages?from=3", &[lines]);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(answer.header("vary"), Some("accept"));
        let (third, fourth) =
            (r#"{"id":3,"message":"line\n3"}"#, r#"{"id":4,"message":"line\n4"}"#);
        assert_eq!(answer.body, format!("{third}\n{fourth}\n"));
        assert_eq!(list("GET", "/messages?limit=1&from=3", &[lines]).body, format!("{third}\n"));
        let empty = list("GET", "/messages?from=9", &[lines]);
        assert_eq!((empty.status, empty.header("content-length")), (200, Some("0")));
        let head = list("HEAD", "/messages", &[lines]);
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
        let both = ["Accept: application/json;q=0.1", "Accept: application/x-ndjson;q=0.2"];
        assert!(list("GET", "/messages", &both).body.starts_with("{\"id\":0,"));
        for other in ["Accept: */*", "Accept: text/html", "Accept: application/x-ndjson;q=0"] {
            let answer = list("GET", "/messages?from=4", &[other]);
            assert_eq!(answer.header("content-type"), Some("application/json"), "{other}");
            assert_eq!(answer.body, format!("[{fourth}]\n"));
        }
    }
}

#[test]
fn text_that_would_forge_log_lines_or_json_is_one_line_and_comes_back_as_it_was() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let text = "a\nINFO forged\r\t\"quoted\" \u{1b}[31m \\ \u{2028} 😀 \u{0}";
    append(master.http, text, "2");
    assert_eq!(texts(nodes[0].http), [text]);
    master.process.log.wait_for("accepted a message");
    for line in master.process.log.all() {
        let time = line.split(' ').next().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "a forged line: {line:?}");
    }
}

#[test]
fn waiting_senders_are_bounded_and_one_that_hangs_up_is_forgotten() {
    let (master, _) = master(&["--max-waiting", "2"]);
    let waiting = |count: u64| health(master.http)["waitingSenders"] == count;
    let first = begin_append(master.http, "a", "2");
    wait_until("one to wait", || waiting(1));
    let _second = begin_append(master.http, "b", "2");
    wait_until("two to wait", || waiting(2));
    let refused = begin_append(master.http, "c", "2").answer();
    assert_eq!((refused.status, refused.json().get("id")), (503, None));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(append(master.http, "d", "1").0, 2, "one that needs no secondary does not count");
    drop(first);
    wait_until("the first to be forgotten", || waiting(1));
    assert_eq!(texts(master.http), ["a", "b", "d"]);
}

#[test]
fn a_stopping_master_answers_waiting_senders_and_exits_with_0() {
    let (mut master, _, mut nodes) = cluster(&[], &["bonnie"]);
    let waiting = begin_append(master.http, "Msg1", "3");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    master.process.signal(Signal::TERM);
    let answer = waiting.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    let problem = answer.json();
    assert_eq!((&problem["id"], &problem["outcome"]), (&0.into(), &"stored".into()));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(master.process.wait(), Some(0));
    nodes[0].process.signal(Signal::INT);
    assert_eq!(nodes[0].process.wait(), Some(0));
}

#[test]
fn senders_that_hang_up_at_once_leave_no_waiter() {
    let (master, _) = master(&[]);
    for round in 0..20 {
        let senders: Vec<_> =
            (0..100).map(|n| begin_append(master.http, &format!("{round}.{n}"), "2")).collect();
        drop(senders);
    }
    // All messages that were read are in the log before a later one is.
    append(master.http, "last", "1");
    wait_until("nobody to wait", || health(master.http)["waitingSenders"] == 0);
}

#[test]
fn a_listing_that_only_the_end_of_the_connection_ends_is_reset_where_its_node_is_killed() {
    let (mut master, _) = master(&[]);
    for _ in 0..20 {
        append(master.http, &"x".repeat(1_000_000), "1");
    }
    let mut client = TcpStream::connect(master.http).unwrap();
    client.write_all(b"GET /messages HTTP/1.0\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 2000]).unwrap();
    master.process.kill();
    let end = std::io::copy(&mut client, &mut std::io::sink()).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    // A complete one ends in peace.
    let (master, _) = crate::support::master(&[]);
    append(master.http, "Msg", "1");
    let mut client = TcpStream::connect(master.http).unwrap();
    client.write_all(b"GET /messages HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("[{\"id\":0,\"message\":\"Msg\"}]\n"), "{answer}");
}
