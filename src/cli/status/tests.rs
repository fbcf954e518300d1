//! The tables that `status` prints.

use super::*;
use crate::cli::test_node::{LocalNode, TestNode};

const MASTER: &str = r#"{"name": "master", "role": "master", "mode": "read-write",
    "logEnd": 42, "committedEnd": 40, "clusterSize": 3, "quorum": null, "waitingSenders": 1,
    "secondaries": [
    {"name": "bonnie", "status": "healthy", "phase": "ready", "ackedEnd": 42, "lag": 0,
     "inFlight": 0, "retries": 0, "rttMs": 0.42, "lastSeenMs": 40, "address": "x"},
    {"name": "clyde", "status": "unhealthy", "phase": "disconnected", "ackedEnd": 7,
     "lag": 35, "inFlight": 0, "retries": 12, "rttMs": null, "lastSeenMs": 61500,
     "address": null}], "disk": null}"#;

fn shown(health: &str, colour: bool) -> String {
    rendered(&serde_json::from_str(health).unwrap(), colour)
}

#[test]
fn a_master_shows_itself_and_a_row_for_each_secondary() {
    let expected = "\
master (master): read-write, log end 42, committed end 40, cluster size 3, waiting senders 1

NAME    STATUS     PHASE         ACKED  LAG  IN-FLIGHT  RETRIES     RTT   LAST SEEN
bonnie  healthy    ready            42    0          0        0  0.4 ms   40 ms ago
clyde   unhealthy  disconnected      7   35          0       12       -  61.5 s ago
";
    assert_eq!(shown(MASTER, false), expected);
}

#[test]
fn one_that_does_not_answer_on_its_connection_is_not_shown_as_ready() {
    let cut_off = MASTER.replace("disconnected", "ready");
    assert!(shown(&cut_off, false).contains("clyde   unhealthy  silent "));
}

#[test]
fn colour_marks_the_status_and_moves_no_column() {
    let plain = shown(MASTER, false);
    let coloured = shown(MASTER, true);
    assert!(coloured.contains("\u{1b}[32mhealthy  \u{1b}[0m  ready"), "{coloured}");
    let stripped = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m"]
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

#[test]
fn a_secondary_shows_its_own_facts_and_its_master() {
    let health = r#"{"name": "bonnie", "role": "secondary", "phase": "catching-up",
        "logEnd": 3, "committedEnd": 2, "buffered": 2, "master": {"address": "127.0.0.1:6000",
        "connected": true, "name": "master", "logEnd": 9}, "disk": null}"#;
    assert_eq!(
        shown(health, false),
        "bonnie (secondary): catching-up, log end 3, committed end 2, buffered 2\n\
         its master: master at 127.0.0.1:6000, connected, log end 9\n"
    );
}

#[test]
fn what_is_not_known_is_a_dash_and_trouble_is_told() {
    let health = r#"{"name": "m", "role": "master", "quorum": {"required": 2, "healthy": 1},
        "disk": {"state": "failed", "detail": "no\nspace"}}"#;
    assert_eq!(
        shown(health, false),
        "m (master): -, log end -, committed end -, cluster size -, waiting senders -\n\
         quorum: 1 healthy of 2 required\n\
         disk failed: no\\nspace\n\
         no secondaries: one is listed from when it is ready until it is forgotten\n"
    );
}

async fn ready(status: u16, body: &'static str) -> Result<String, String> {
    let node = TestNode::start(move |line, _| match line {
        "GET /ready" => (status, body.to_owned()),
        _ => (404, "{}".to_owned()),
    });
    let target = TargetArgs { urls: vec![node.await.url()] };
    let mut out = Vec::new();
    let done = run(&StatusArgs { json: false, ready: true, target }, &mut out).await;
    let out = String::from_utf8(out).unwrap();
    done.map(|()| out.clone()).map_err(|error| format!("{out}{error:#}"))
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_in_one_line_what_it_lacks() {
    let head = "master (master): read-write, log end 42";
    assert!(ready(200, MASTER).await.unwrap().starts_with(head));
    let read_only = r#"{"name": "m", "role": "master", "mode": "read-only", "logEnd": 3,
        "clusterSize": 3, "waitingSenders": 0, "quorum": {"required": 2, "healthy": 1},
        "secondaries": [{"name": "bonnie"}]}"#;
    let expected = "not ready: m (master): read-only, log end 3, committed end -, \
        cluster size 3, waiting senders 0; quorum: 1 healthy of 2 required";
    assert_eq!(ready(503, read_only).await.unwrap_err(), expected);
    let cut_off = r#"{"name": "bonnie", "role": "secondary", "phase": "ready", "logEnd": 3,
        "buffered": 0, "master": {"name": "m", "address": "a:1", "connected": false}}"#;
    let expected = "not ready: bonnie (secondary): ready, log end 3, committed end -, buffered 0; \
        its master: m at a:1, not connected, log end -";
    assert_eq!(ready(503, cut_off).await.unwrap_err(), expected);
    assert_eq!(ready(503, r#"{"detail": "stopping"}"#).await.unwrap_err(), "stopping");
}

const BONNIE: &str = r#"{"name": "bonnie", "role": "secondary", "phase": "ready", "logEnd": 42,
    "buffered": 0, "master": {"address": "127.0.0.1:6000", "connected": true}}"#;

#[tokio::test]
async fn several_nodes_are_rows_of_one_table_and_one_that_is_gone_is_named() {
    let master = TestNode::recording(200, MASTER).await.0.url();
    let bonnie = TestNode::recording(200, BONNIE).await.0.url();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone: NodeUrl = gone.to_string().parse().unwrap();
    let target = TargetArgs { urls: vec![master, bonnie, gone.clone()] };
    let mut out = Vec::new();
    let done = run(&StatusArgs { json: false, ready: false, target }, &mut out).await;
    let error = done.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot reach {gone}: ")), "{error}");
    let out = String::from_utf8(out).unwrap();
    let rows: Vec<_> = out.lines().map(|line| line.split("  http").next().unwrap()).collect();
    assert_eq!(
        rows[..4],
        [
            "NAME    ROLE       STATE       LOG END  URL",
            "master  master     read-write       42",
            "bonnie  secondary  ready            42",
            "-       -          -                 -",
        ]
    );
    assert!(out.contains("clyde   unhealthy"), "{out}");
}

#[test]
fn a_refused_secondary_and_a_failed_attempt_are_told() {
    let master = r#"{"name": "m", "role": "master", "mode": "read-write", "logEnd": 1,
        "clusterSize": 1, "waitingSenders": 0, "refused": [
        {"name": "bonnie", "code": "other-log", "logEnd": 5, "lastSeenMs": 1200}]}"#;
    assert_eq!(
        shown(master, false),
        "m (master): read-write, log end 1, committed end -, cluster size 1, waiting senders 0\n\
         refused bonnie: other-log, log end 5, 1.2 s ago\n\
         no secondaries: one is listed from when it is ready until it is forgotten\n"
    );
    let behind = r#"{"name": "m", "role": "master", "mode": "read-only", "refused": [
        {"name": null, "code": "longer-log", "logEnd": 5, "lastSeenMs": null}]}"#;
    let behind = shown(behind, false);
    assert!(behind.contains("refused -: longer-log, log end 5, before this start\n"), "{behind}");
    assert!(behind.contains("put back from an older copy?"), "{behind}");
    let secondary = r#"{"name": "b", "role": "secondary", "phase": "connecting", "logEnd": 0,
        "buffered": 0, "master": {"address": "a:1", "connected": false, "lastError": "x\ny"}}"#;
    assert!(shown(secondary, false).contains("; the last attempt failed: x\\ny\n"));
}
