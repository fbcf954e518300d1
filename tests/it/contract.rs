//! The tables of `docs/reference/http.md` against real nodes: codes, `retry`, outcomes, headers,
//! hosts.

use serde_json::{Value, json};

use crate::support::*;

/// Compares the members of a problem; an outcome of null must be missing.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str, retry: bool, outcome: Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.body.ends_with("}\n"), "{answer:?}");
    let problem = answer.json();
    let told = (&problem["status"], &problem["code"], &problem["retry"]);
    assert_eq!(told, (&json!(status), &json!(code), &json!(retry)), "{answer:?}");
    assert_eq!(problem.get("outcome"), Some(&outcome).filter(|outcome| !outcome.is_null()));
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    let has_retry_after = status == 503 && problem.get("id").is_none();
    assert_eq!(answer.header("retry-after").is_some(), has_retry_after, "{answer:?}");
}

#[test]
fn each_refused_append_has_its_code_and_is_told_as_refused() {
    let flags = ["--cluster-size", "2", "--max-message-bytes", "100"];
    let (master, _, nodes) = cluster(&flags, &["bonnie"]);
    let key = "Idempotency-Key: k";
    let first = begin_with(master.http, "POST", "/messages", &[key], r#"{"message":"a"}"#);
    assert_eq!(first.answer().status, 201);
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(101));
    let chunks = "f\r\n{\"message\":\"a\"}\r\n0\r\n\r\n";
    let rows: &[(&str, &[&str], &str, u16, &str)] = &[
        ("/newMessage", &[], "[]", 400, "bad-request"),
        ("/messages", &[], "", 400, "bad-request"),
        ("/messages", &[], r#"{"message":1}"#, 400, "bad-request"),
        ("/messages", &[], r#"{"message":"a","w":"most"}"#, 400, "bad-request"),
        ("/messages", &[], r#"{"message":"a","timeoutMs":-1}"#, 400, "bad-request"),
        ("/messages", &[], r#"{"message":"a","W":1}"#, 400, "bad-request"),
        ("/messages?w=1", &[], r#"{"message":"a"}"#, 400, "bad-request"),
        ("/messages", &["Idempotency-Key: a b"], r#"{"message":"a"}"#, 400, "bad-request"),
        ("/messages", &[], r#"{"message":"a","w":3}"#, 400, "unsatisfiable-write-concern"),
        ("/messages", &["Origin: http://evil.example"], "{}", 403, "wrong-origin"),
        ("/messages", &[], &long, 413, "too-large"),
        ("/messages", &["Content-Encoding: gzip"], "\x1f", 415, "unsupported-encoding"),
        (
            "/messages",
            &["Transfer-Encoding: gzip, chunked"],
            chunks,
            501,
            "unsupported-transfer-encoding",
        ),
        ("/messages", &["Transfer-Encoding: chunked, chunked"], chunks, 400, "bad-request"),
        ("/messages", &[key], r#"{"message":"b"}"#, 422, "key-reused"),
    ];
    for &(path, headers, body, status, code) in rows {
        let answer = begin_with(master.http, "POST", path, headers, body).answer();
        assert_problem(&answer, status, code, false, json!("refused"));
    }
    for path in ["/newMessage", "/messages"] {
        let answer = request(nodes[0].http, "POST", path, r#"{"message":"a"}"#);
        assert_problem(&answer, 405, "not-the-master", false, json!("refused"));
        let allow = if path == "/messages" { "GET, HEAD, OPTIONS" } else { "OPTIONS" };
        assert_eq!(answer.header("allow"), Some(allow));
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(r#"its master \"master\""#), "{detail}");
    }
    assert_eq!(health(master.http)["logEnd"], 1);
}

#[test]
fn each_other_refusal_has_its_code_and_no_outcome() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let bonnie = nodes[0].http;
    for (http, method, path, status, code) in [
        (master.http, "GET", "/messages?form=1", 400, "bad-request"),
        (master.http, "GET", "/messages?from=x", 400, "bad-request"),
        (master.http, "GET", "/messages/x", 400, "bad-request"),
        (bonnie, "GET", "/messages/0?w=1", 400, "bad-request"),
        (master.http, "DELETE", "/secondaries/a%20b", 400, "bad-request"),
        (master.http, "GET", "/faults", 403, "faults-off"),
        (bonnie, "PUT", "/faults?x=1", 403, "faults-off"),
        (master.http, "GET", "/page/nothing", 404, "not-found"),
        (bonnie, "GET", "/nothing", 404, "not-found"),
        (master.http, "POST", "/nothing", 404, "not-found"),
        (bonnie, "DELETE", "/secondaries/bonnie", 404, "not-found"),
        (master.http, "GET", "/messages/0", 404, "no-such-message"),
        (bonnie, "GET", "/messages/0", 404, "no-such-message"),
        (master.http, "GET", "/messages/0?w=1", 404, "no-such-message"),
        (master.http, "DELETE", "/secondaries/nobody", 404, "unknown-secondary"),
        (master.http, "PATCH", "/messages", 405, "method-not-allowed"),
        (bonnie, "POST", "/health", 405, "method-not-allowed"),
        (master.http, "DELETE", "/secondaries/bonnie", 409, "not-unhealthy"),
    ] {
        assert_problem(&request(http, method, path, ""), status, code, false, Value::Null);
    }
}

#[test]
fn an_error_with_an_id_may_be_retried_only_under_a_key() {
    let (master, _) = master(&["--max-waiting", "1"]);
    let send = |headers: &[&str], text: &str, timeout: &str| {
        let body = format!(r#"{{"message":"{text}","w":2{timeout}}}"#);
        begin_with(master.http, "POST", "/messages", headers, &body)
    };
    let key = ["Idempotency-Key: k"];
    let at_once = r#","timeoutMs":0"#;
    assert_problem(&send(&[], "a", at_once).answer(), 504, "timed-out", false, json!("stored"));
    assert_problem(&send(&key, "b", at_once).answer(), 504, "timed-out", true, json!("stored"));
    let waited = get(master.http, "/messages/0?w=2&timeoutMs=1");
    assert_problem(&waited, 504, "timed-out", true, json!("stored"));

    let waiting = send(&[], "c", "");
    wait_until("it waits", || health(master.http)["waitingSenders"] == 1);
    let crowded = send(&[], "d", "").answer();
    assert_problem(&crowded, 503, "too-many-waiting", true, json!("refused"));
    let repeated = send(&key, "b", "").answer();
    assert_problem(&repeated, 503, "too-many-waiting", true, json!("stored"));

    master.process.signal(rustix::process::Signal::TERM);
    assert_problem(&waiting.answer(), 503, "stopping", false, json!("stored"));
}

#[test]
fn without_a_quorum_an_append_is_refused_and_may_be_retried() {
    let (master, _) = master(&["--quorum", "2", "--cluster-size", "3"]);
    let refused = begin_append(master.http, "a", "1").answer();
    assert_problem(&refused, 503, "no-quorum", true, json!("refused"));
}

#[test]
fn a_damaged_message_is_unreadable_and_the_disk_takes_no_more() {
    let (again, _directory) = damaged_master(&[&"x".repeat(300_000)]);
    let refused = get(again.http, "/messages/0");
    assert_problem(&refused, 500, "unreadable", true, Value::Null);
    wait_until("it takes no more", || health(again.http)["mode"] == "read-only");
    let refused = begin_append(again.http, "a", "1").answer();
    assert_problem(&refused, 503, "disk-failed", true, json!("refused"));
}

#[test]
fn each_json_answer_ends_with_a_line_feed_and_is_not_stored() {
    let (master, _, nodes) = cluster(&["--allow-faults"], &["bonnie"]);
    let appended = begin_append(master.http, "a", "2").answer();
    let mut answers = vec![appended];
    for path in ["/messages", "/messages/0", "/messages/0?w=1", "/health", "/ready", "/faults"] {
        answers.push(get(master.http, path));
    }
    for path in ["/messages", "/messages/0", "/health", "/ready"] {
        answers.push(get(nodes[0].http, path));
    }
    answers.push(request(master.http, "PUT", "/faults", "{}"));
    answers.push(request(master.http, "DELETE", "/faults", ""));
    answers.push(request(master.http, "POST", "/faults/disconnect", ""));
    for answer in answers {
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(answer.is_whole() && answer.body.lines().count() == 1, "{answer:?}");
        assert!(answer.body.ends_with("}\n") || answer.body.ends_with("]\n"), "{answer:?}");
    }
}

#[test]
fn only_a_master_whose_ids_are_stable_lets_a_message_be_cached() {
    let directory = tempfile::tempdir().unwrap();
    let of = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (always, never, hers) = (of("always"), of("never"), of("hers"));
    let (master, comm) = master(&["--data-dir", &always]);
    let bonnie = secondary("bonnie", comm, &["--data-dir", &hers]);
    wait_ready(&bonnie);
    append(master.http, "a", "2");
    let cached = |http, method: &str, path: &str| {
        let answer = request(http, method, path, "");
        answer.header("cache-control").unwrap().to_owned()
    };
    let for_ever = "public, max-age=31536000, immutable";
    for method in ["GET", "HEAD"] {
        assert_eq!(cached(master.http, method, "/messages/0"), for_ever);
        for path in ["/messages/1", "/messages/0?w=2", "/messages", "/health", "/nothing"] {
            assert_eq!(cached(master.http, method, path), "no-store", "{path}");
        }
        assert_eq!(cached(bonnie.http, method, "/messages/0"), "no-store");
    }
    let (loose, _) = crate::support::master(&["--data-dir", &never, "--fsync", "never"]);
    append(loose.http, "a", "1");
    assert_eq!(cached(loose.http, "GET", "/messages/0"), "no-store");
}

#[test]
fn options_tells_the_methods_of_each_path_and_of_the_node() {
    let (master, _) = master(&[]);
    let options = |target: &str, rest: &str| {
        begin_raw(master.http, &format!("OPTIONS {target} HTTP/1.{rest}\r\n\r\n")).answer()
    };
    let rest = "1\r\nHost: localhost\r\nConnection: close";
    let all = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
    for (target, allow) in [
        ("*", all),
        ("/", "GET, HEAD, OPTIONS"),
        ("/messages", "GET, HEAD, POST, OPTIONS"),
        ("/messages/3", "GET, HEAD, OPTIONS"),
        ("/newMessage", "POST, OPTIONS"),
        ("/secondaries/bonnie", "DELETE, OPTIONS"),
    ] {
        let answer = options(target, rest);
        let told = (answer.status, answer.header("allow"), answer.body.as_str());
        assert_eq!(told, (204, Some(allow), ""), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(options("/nothing", rest).status, 404);
    // HAProxy's bare `option httpchk` sends this.
    assert_eq!(options("/", "0").status, 204);
}

#[test]
fn only_the_nodes_own_host_names_are_answered() {
    let (master, _) = master(&["--name", "m1", "--allowed-hosts", "log.example.org,Proxy"]);
    let ask = |target: &str, headers: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        begin_raw(master.http, &head).answer()
    };
    for host in ["m1", "M1:80", "localhost:1", "10.0.0.1", "[::1]:8000", "proxy", "log.example.org"]
    {
        assert_eq!(ask("/health", &format!("Host: {host}\r\n")).status, 200, "{host}");
    }
    let refused = ask("/health", "Host: evil.example\r\n");
    assert_problem(&refused, 421, "wrong-host", false, Value::Null);
    assert!(refused.body.contains("--allowed-hosts"), "{refused:?}");
    for headers in ["", "Host: m1\r\nHost: m1\r\n", "Host: a b/c@d\r\n", "Host: m1:x\r\n"] {
        let answer = ask("/health", headers);
        assert_problem(&answer, 400, "bad-request", false, Value::Null);
    }
    assert_eq!(ask("http://m1/health", "Host: evil.example\r\n").status, 200);
    assert_eq!(ask("http://evil.example/health", "Host: m1\r\n").status, 421);
    let old = begin_raw(master.http, "GET /health HTTP/1.0\r\n\r\n").answer();
    assert_eq!(old.status, 200, "{old:?}");
    let line = "POST /messages HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n";
    let append = format!("{line}Content-Length: 15\r\n\r\n{{\"message\":\"a\"}}");
    let refused = begin_raw(master.http, &append).answer();
    assert_problem(&refused, 421, "wrong-host", false, json!("refused"));
    assert_eq!(health(master.http)["logEnd"], 0);
}

#[test]
fn a_target_that_is_no_path_is_malformed() {
    let (master, _) = master(&[]);
    let told = |line: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        begin_raw(master.http, &head).answer()
    };
    for line in ["GET health", "GET localhost", "POST localhost:80"] {
        let answer = told(line);
        assert_problem(&answer, 400, "bad-request", false, Value::Null);
        assert!(answer.json()["detail"].as_str().unwrap().contains("no path"), "{line}");
    }
    assert_eq!(told("GET http://localhost/health").status, 200);
    assert_eq!(told("OPTIONS *").status, 204);
    assert_eq!(told("CONNECT localhost:80").status, 404);
}

#[test]
fn a_web_page_of_another_origin_may_only_read() {
    let (master, _) = master(&["--allow-faults"]);
    let send = |method: &str, path: &str, origin: &str, body: &str| {
        begin_with(master.http, method, path, &[&format!("Origin: {origin}")], body).answer()
    };
    for origin in ["http://evil.example", "http://localhost:3000", "null"] {
        let refused = send("POST", "/faults/disconnect", origin, "");
        assert_problem(&refused, 403, "wrong-origin", false, Value::Null);
        assert_eq!(send("POST", "/newMessage", origin, r#"{"message":"a","w":1}"#).status, 403);
        assert_eq!(send("GET", "/messages", origin, "").status, 200);
    }
    let own = send("POST", "/newMessage", "http://localhost", r#"{"message":"a","w":1}"#);
    assert_eq!(own.status, 201, "{own:?}");
}

#[test]
fn a_byte_order_mark_is_skipped_and_whole_numbers_may_have_a_point() {
    let (master, _) = master(&["--allow-faults"]);
    let body = "\u{feff}{\"message\":\"a\",\"w\":1.0,\"timeoutMs\":2e3}";
    let answer = request(master.http, "POST", "/newMessage", body);
    assert_eq!((answer.status, &answer.json()["writeConcern"]), (201, &json!(1)), "{answer:?}");
    let faults = request(master.http, "PUT", "/faults", "\u{feff}{\"seed\":7.0}");
    assert_eq!((faults.status, &faults.json()["seed"]), (200, &json!(7)), "{faults:?}");
    let long = format!("{{\"seed\":7{}}}", " ".repeat(5000));
    let refused = request(master.http, "PUT", "/faults", &long);
    assert_problem(&refused, 413, "too-large", false, Value::Null);
    let packed = begin_with(master.http, "PUT", "/faults", &["Content-Encoding: br"], "x").answer();
    assert_problem(&packed, 415, "unsupported-encoding", false, Value::Null);
    assert_eq!(packed.header("accept-encoding"), Some("identity"));
}
