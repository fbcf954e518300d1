//! Codes, statuses, headers and bodies of error answers.

use acklog_api::follow::EventId;
use acklog_protocol::Receipt;
use acklog_types::{IdempotencyKeyError, LogId, MessageId, NodeName};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use serde_json::{Value, json};

use super::*;
use crate::server::http::accepted::{RequestKind, receipt_of_two};
use acklog_api::ProblemCode;

/// The kinds of request, and where `retry` of each stands in [`ROWS`].
const KINDS: [RequestKind; 3] = [
    RequestKind::Idempotent,
    RequestKind::Append { keyed: false },
    RequestKind::Append { keyed: true },
];

fn accepted(stored: bool) -> Accepted {
    let receipt = Receipt { write_concern: 3, stored, ..receipt_of_two(MessageId::new(3)) };
    Accepted { receipt, count: None }
}

fn fault() -> DiskFault {
    DiskFault::Failed { detail: "no space".to_owned() }
}

fn body(problem: &RequestProblem, kind: RequestKind) -> Value {
    serde_json::from_slice(&problem.body(kind)).unwrap()
}

fn text() -> String {
    "a".to_owned()
}

/// A problem, its status and code, `retry` for each of [`KINDS`], and the outcome of an append.
type Row = (RequestProblem, u16, &'static str, [bool; 3], &'static str);

fn rows() -> Vec<Row> {
    let retry = |status| [matches!(status, 408 | 416); 3];
    let refused = |(problem, status, code)| (problem, status, code, retry(status), "refused");
    clients_faults().into_iter().map(refused).chain(nodes_faults()).collect()
}

/// Only a 408 and a 416 may be retried as they are, and nothing was stored.
fn clients_faults() -> Vec<(RequestProblem, u16, &'static str)> {
    let bonnie: NodeName = "bonnie".parse().unwrap();
    let (name, address) = (Some("m1".to_owned()), "10.0.0.1:6000".to_owned());
    let master = KnownMaster { name, address, url: None };
    let not_here = RequestProblem::NotMastersWait(master.clone());
    let foreign_read = RequestProblem::NotMastersRead { nodes: 2, size: 5, master: master.clone() };
    let not_its_path = RequestProblem::NotAMastersPath(master.clone());
    let not_passed_on = RequestProblem::NotPassedOn(master.clone());
    let not_master = RequestProblem::NotMaster { allow: "GET", master };
    let too_many = Refusal::WriteConcern { asked: 9, reachable: 3 };
    let (end, first) = (LogEnd::new(3), MessageId::new(3));
    let beyond_end = RequestProblem::BeyondEnd { from: LogEnd::new(4), end };
    let given = EventId { log: 1, epoch: 2, id: 3 };
    let log = LogId::new(7);
    let other_log = RequestProblem::OtherLog { given, log };
    let log_changed = RequestProblem::LogChanged { began: LogId::new(6), log };
    vec![
        (foreign_read, 400, "bad-request"),
        (RequestProblem::ReadConcern { nodes: 4, size: 3 }, 400, "unsatisfiable-read-concern"),
        (other_log, 409, "other-log"),
        (log_changed, 409, "other-log"),
        (beyond_end, 416, "beyond-end"),
        (RequestProblem::Query(text()), 400, "bad-request"),
        (RequestProblem::NoNumber, 400, "bad-request"),
        (RequestProblem::Name(text()), 400, "bad-request"),
        (RequestProblem::Body(text()), 400, "bad-request"),
        (RequestProblem::Faults(text()), 400, "bad-request"),
        (RequestProblem::Key(text()), 400, "bad-request"),
        (RequestProblem::LineKey(IdempotencyKeyError::Character), 400, "bad-request"),
        (RequestProblem::StreamKey, 400, "bad-request"),
        (RequestProblem::BodyBroken, 400, "bad-request"),
        (RequestProblem::NoRequest, 400, "bad-request"),
        (RequestProblem::NoTarget, 400, "bad-request"),
        (RequestProblem::ChunkedTwice, 400, "bad-request"),
        (RequestProblem::TransferEncoding(text()), 501, "unsupported-transfer-encoding"),
        (RequestProblem::TargetTooLong, 414, "target-too-long"),
        (RequestProblem::HeadTooLong, 431, "head-too-long"),
        (RequestProblem::BadHost("b"), 400, "bad-request"),
        (not_here, 400, "bad-request"),
        (too_many.into(), 400, "unsatisfiable-write-concern"),
        (RequestProblem::FaultsOff, 403, "faults-off"),
        (RequestProblem::WrongOrigin(text()), 403, "wrong-origin"),
        (RequestProblem::NoPath, 404, "not-found"),
        (not_its_path, 404, "not-found"),
        (not_passed_on, 404, "not-found"),
        (RequestProblem::NoMessage { end }, 404, "no-such-message"),
        (Refusal::NoMessage { end }.into(), 404, "no-such-message"),
        (ForgetError::Unknown(bonnie.clone()).into(), 404, "unknown-secondary"),
        (RequestProblem::NoSuchNode(bonnie.clone()), 404, "unknown-secondary"),
        (RequestProblem::Method { allow: "GET" }, 405, "method-not-allowed"),
        (not_master, 405, "not-the-master"),
        (RequestProblem::BodyIdle { seconds: 1 }, 408, "body-too-slow"),
        (ForgetError::Live(bonnie).into(), 409, "not-unhealthy"),
        (Refusal::EndMoved { expected: end, end: LogEnd::new(9) }.into(), 412, "end-moved"),
        (RequestProblem::LengthTooLong, 413, "too-large"),
        (RequestProblem::BodyTooLong { limit: 1 }, 413, "too-large"),
        (RequestProblem::MessageTooLong { length: 2, limit: 1 }, 413, "too-large"),
        (RequestProblem::BatchTooLong { length: 2 }, 413, "too-large"),
        (RequestProblem::ContentEncoding(text()), 415, "unsupported-encoding"),
        (RequestProblem::WrongHost { host: text(), name: text() }, 421, "wrong-host"),
        (Refusal::KeyReused { first }.into(), 422, "key-reused"),
    ]
}

fn nodes_faults() -> Vec<Row> {
    let (always, keyed) = ([true; 3], [true, false, true]);
    let no_quorum = Refusal::NoQuorum { healthy: 1, cluster_size: 3, required: 2 };
    let behind = Refusal::Behind { end: LogEnd::new(1), seen: LogEnd::new(3) };
    let key_unreadable = Refusal::KeyUnreadable { first: MessageId::new(3), detail: text() };
    let too_many = Refusal::TooManyWaiting { limit: 9 };
    let given = EventId { log: 1, epoch: 2, id: 3 };
    let (name, address) = (None, "10.0.0.1:6000".to_owned());
    let master = KnownMaster { name, address, url: None };
    let size_unknown = RequestProblem::ClusterSizeUnknown { nodes: 2, master };
    let name: NodeName = "bonnie".parse().unwrap();
    let unreachable = RequestProblem::NodeUnreachable { name, detail: text() };
    let too_many_followers = RequestProblem::TooManyFollowers { max: 9 };
    vec![
        (size_unknown, 400, "bad-request", always, "refused"),
        (too_many_followers, 503, "too-many-followers", always, "refused"),
        (RequestProblem::UnknownEpoch { given }, 503, "unknown-epoch", always, "refused"),
        (RequestProblem::Unreadable(text()), 500, "unreadable", keyed, "unknown"),
        (key_unreadable.into(), 500, "unreadable", keyed, "unknown"),
        (RequestProblem::AppendLost, 500, "answer-lost", keyed, "unknown"),
        (unreachable, 502, "node-unreachable", always, "refused"),
        (no_quorum.into(), 503, "no-quorum", always, "refused"),
        (behind.into(), 503, "behind", always, "refused"),
        (too_many.into(), 503, "too-many-waiting", always, "refused"),
        (RequestProblem::TooManyWaiting(accepted(true)), 503, "too-many-waiting", keyed, "stored"),
        (RequestProblem::TooManyBodies, 503, "too-busy", always, "refused"),
        (Refusal::DiskBehind { bytes: 1 }.into(), 503, "too-busy", always, "refused"),
        (Refusal::DiskFault(fault()).into(), 503, "disk-failed", always, "refused"),
        (ForgetError::DiskFault(fault()).into(), 503, "disk-failed", always, "refused"),
        (RequestProblem::NotReadNow(text()), 503, "disk-failed", always, "refused"),
        (
            RequestProblem::DiskFailed(accepted(false), fault()),
            503,
            "disk-failed",
            keyed,
            "unknown",
        ),
        (Refusal::ShuttingDown.into(), 503, "stopping", always, "refused"),
        (RequestProblem::Stopped, 503, "stopping", always, "refused"),
        (RequestProblem::Stopping(accepted(true)), 503, "stopping", keyed, "stored"),
        (RequestProblem::Stopping(accepted(false)), 503, "stopping", keyed, "unknown"),
        (RequestProblem::TimedOut(accepted(true)), 504, "timed-out", keyed, "stored"),
        (RequestProblem::TimedOut(accepted(false)), 504, "timed-out", keyed, "unknown"),
    ]
}

#[test]
fn each_problem_has_its_status_code_retry_and_outcome() {
    for (problem, status, code, retry, outcome) in rows() {
        let has_id = problem.accepted().is_some();
        for (kind, retry) in KINDS.into_iter().zip(retry) {
            let body = body(&problem, kind);
            let told = (&body["status"], &body["code"], &body["retry"]);
            assert_eq!(told, (&json!(status), &json!(code), &json!(retry)), "{problem} {kind:?}");
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.starts_with(&problem.to_string()), "{detail}");
            // The text agrees with the members.
            let again = detail.contains("do not send it again") || detail.contains("before you");
            assert!(!(again && retry), "{detail}");
            assert_eq!(
                has_id && kind == RequestKind::Idempotent,
                detail.ends_with("ask again"),
                "{detail}"
            );
            assert_eq!(body["title"], problem.status().canonical_reason().unwrap());
            let is_told = kind != RequestKind::Idempotent || has_id;
            assert_eq!(body.get("outcome"), is_told.then_some(&json!(outcome)), "{problem}");
            assert_eq!(body.get("id").is_some(), has_id, "{problem}");
            let tells_end = matches!(status, 412 | 416);
            assert_eq!(body.get("end").is_some(), tells_end, "{problem}");
        }
    }
}

#[test]
fn an_append_is_sent_again_where_the_log_may_still_reach_the_end_that_it_expects() {
    for (expected, retry) in [(2, false), (4, true)] {
        let (expected, end) = (LogEnd::new(expected), LogEnd::new(3));
        let problem = Refusal::EndMoved { expected, end }.into();
        for keyed in [false, true] {
            let body = body(&problem, RequestKind::Append { keyed });
            let told = (&body["retry"], &body["end"], &body["outcome"], body.get("id"));
            assert_eq!(told, (&json!(retry), &json!(3), &json!("refused"), None));
        }
    }
}

#[test]
fn each_problem_has_its_headers() {
    for (problem, status, ..) in rows() {
        let (has_id, text) = (problem.accepted().is_some(), problem.to_string());
        let named =
            matches!(problem, RequestProblem::Method { .. } | RequestProblem::NotMaster { .. });
        let encoded = matches!(problem, RequestProblem::ContentEncoding(_));
        let closes = problem.closes();
        let response = problem.answer_to(RequestKind::Append { keyed: false });
        let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(header(CONTENT_TYPE), Some(&b"application/problem+json"[..]));
        assert_eq!(header(CACHE_CONTROL), Some(&b"no-store"[..]));
        assert_eq!(header(RETRY_AFTER), (status == 503 && !has_id).then_some(&b"1"[..]), "{text}");
        assert_eq!(header(ALLOW), named.then_some(&b"GET"[..]), "{text}");
        assert_eq!(header(ACCEPT_ENCODING), encoded.then_some(&b"identity"[..]), "{text}");
        assert_eq!(header(CONNECTION), closes.then_some(&b"close"[..]), "{text}");
    }
}

/// Returns the codes and statuses of a table's rows, which are like "| 400 | `bad-request` | … |".
fn documented(page: &str) -> Vec<(u16, String)> {
    let row = |line: &str| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let status = cells.next()?.parse().ok()?;
        let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((status, code.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// Codes of the contract that no node answers with yet: no log is trimmed.
const RESERVED: [ProblemCode; 1] = [ProblemCode::Trimmed];

#[test]
fn every_code_is_reached_and_documented() {
    let rows = rows();
    for code in ProblemCode::ALL.iter().filter(|code| !RESERVED.contains(code)) {
        assert!(rows.iter().any(|(problem, ..)| problem.code() == *code), "{code:?}");
    }
    let page = include_str!("../../../../docs/reference/http.md");
    let codes: Vec<_> =
        ProblemCode::ALL.iter().map(|code| (code.status().unwrap(), code.to_string())).collect();
    assert_eq!(documented(page), codes);
}

#[test]
fn an_answer_without_the_write_concern_still_tells_the_id() {
    let body =
        body(&RequestProblem::TimedOut(accepted(true)), RequestKind::Append { keyed: false });
    assert!(body["detail"].as_str().unwrap().contains("message 3"));
    assert_eq!(body["id"], 3);
    assert_eq!(body["writeConcern"], 3);
    assert_eq!(body["ackedBy"], json!(["master", "bonnie"]));
}

#[test]
fn the_members_of_a_problem_stand_in_the_order_of_the_contract() {
    let written = |problem: RequestProblem, kind| String::from_utf8(problem.body(kind)).unwrap();
    let batch = Accepted { count: Some(2), ..accepted(true) };
    let late = written(RequestProblem::TimedOut(batch), RequestKind::Append { keyed: true });
    let (head, rest) = late.split_once("\"detail\":\"").unwrap();
    assert_eq!(head, r#"{"title":"Gateway Timeout","status":504,"#);
    let tail = concat!(
        r#"","code":"timed-out","retry":true,"id":3,"count":2,"writeConcern":3,"#,
        r#""ackedBy":["master","bonnie"],"outcome":"stored"}"#,
        "\n"
    );
    assert!(rest.ends_with(tail), "{rest}");
    let detail =
        r#""this node has no such path; GET /health and GET /messages are good places to start""#;
    let not_found = format!(
        "{{\"title\":\"Not Found\",\"status\":404,\"detail\":{detail},\"code\":\"not-found\",\
         \"retry\":false}}\n"
    );
    assert_eq!(written(RequestProblem::NoPath, RequestKind::Idempotent), not_found);
}

#[test]
fn a_problem_is_one_line() {
    for (problem, ..) in rows() {
        let body = String::from_utf8(problem.body(RequestKind::Idempotent)).unwrap();
        assert!(body.ends_with("}\n") && body.lines().count() == 1, "{body}");
    }
}

#[test]
fn a_lost_quorum_is_told_in_numbers() {
    let detail = |healthy, cluster_size| {
        Refusal::NoQuorum { healthy, cluster_size, required: 2 }.to_string()
    };
    assert!(detail(1, 3).starts_with("1 of 3 nodes is healthy, 2 needed; "));
    assert!(detail(2, 5).starts_with("2 of 5 nodes are healthy, 2 needed; "));
    assert!(detail(1, 1).starts_with("1 of 1 node is healthy, 2 needed; "));
}

#[test]
fn a_clients_text_is_repeated_in_part_and_cannot_break_the_body() {
    let hostile = format!("\"}}\n\u{0}{}", "x".repeat(100_000));
    let problem = RequestProblem::Query(format!("unknown: {}", clip(&hostile)));
    let detail = body(&problem, RequestKind::Idempotent)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("unknown: \"}\n\0xxx") && detail.ends_with('…'));
    assert!(detail.chars().count() < 100);
}

#[test]
fn a_secondary_names_its_master() {
    let problem = |name: Option<&str>, url: Option<&str>| {
        let (name, url) = (name.map(str::to_owned), url.map(str::to_owned));
        let master = KnownMaster { name, address: "[::1]:6000".to_owned(), url };
        RequestProblem::NotMaster { allow: "GET, HEAD", master }.to_string()
    };
    let named = problem(Some("master"), None);
    assert!(named.contains("the HTTP port of its master \"master\". "), "{named}");
    assert!(named.ends_with("port for secondaries: [::1]:6000"), "{named}");
    assert!(problem(None, None).contains("the HTTP port of its master. "));
    let named = problem(Some("master"), Some("http://[::1]:8000"));
    assert!(
        named.ends_with("the HTTP port of its master \"master\": http://[::1]:8000"),
        "{named}"
    );
}
