//! `/metrics` of real nodes.

mod documented;
mod scrape;

use std::net::SocketAddr;

use self::documented::documented;
use self::scrape::Scrape;
use crate::support::*;

const QUICK: [&str; 2] = ["--heartbeat-interval", "100ms"];

/// Starts a master and two secondaries, each with a log on disk in a folder of its own.
fn cluster_on_disk(folder: &std::path::Path, args: &[&str]) -> (Node, Vec<Node>) {
    let dir = |name: &str| folder.join(name).display().to_string();
    let (own, quorum) = (dir("master"), ["--quorum", "majority", "--data-dir"]);
    let (master, comm) = master(&[&QUICK[..], &quorum, &[own.as_str()], args].concat());
    let start = |name: &str| secondary(name, comm, &["--data-dir", &dir(name)]);
    let nodes = ["bonnie", "clyde"].map(start);
    nodes.iter().for_each(wait_ready);
    (master, nodes.into())
}

#[test]
fn a_node_shows_what_the_page_of_metrics_lists_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (master, nodes) = cluster_on_disk(folder.path(), &[]);
    append(master.http, "Msg1", "3");
    let (in_memory, _) = crate::support::master(&[]);
    append(in_memory.http, "Msg1", "1");
    for (http, role, on_disk) in [
        (master.http, "master", true),
        (in_memory.http, "master", false),
        (nodes[0].http, "secondary", true),
    ] {
        // It counts requests that were answered before.
        get(http, "/health");
        let scrape = Scrape::of(http);
        let wanted = documented(role, on_disk);
        let names = |metrics: &[documented::Metric]| -> Vec<String> {
            metrics.iter().map(|metric| metric.name.clone()).collect()
        };
        let found = scrape.metrics();
        assert_eq!(names(&found), names(&wanted), "{role}, on disk: {on_disk}");
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found.kind, wanted.kind, "{}", wanted.name);
            // Those of which the node knows no number have no sample, and so no label.
            let is_known = !scrape.samples(&wanted.name).is_empty();
            assert!(!is_known || found.labels == wanted.labels, "{found:?}, {wanted:?}");
        }
        let known = scrape.metrics();
        let unknown = known.iter().filter(|metric| scrape.samples(&metric.name).is_empty());
        let unknown: Vec<&str> = unknown.map(|metric| metric.name.as_str()).collect();
        let wanted: &[&str] = match (role, on_disk) {
            ("master", false) => &[
                "acklog_quorum_healthy",
                "acklog_quorum_required",
                "acklog_secondary_lag_bytes",
                "acklog_secondary_lag_messages",
                "acklog_secondary_last_seen_seconds",
                "acklog_secondary_ready",
                "acklog_secondary_retries_total",
                "acklog_secondary_rtt_seconds",
                "acklog_secondary_up",
            ],
            _ => &[],
        };
        assert_eq!(unknown, wanted, "{role}, on disk: {on_disk}");
    }
}

#[test]
fn an_append_a_line_and_a_refusal_count_one_each_by_their_outcome() {
    let (master, _, _nodes) = cluster(&["--cluster-size", "2"], &["bonnie"]);
    append(master.http, "Msg1", "1");
    append(master.http, "Msg2", "2");
    let batch = r#"{"messages":["a","b","c"],"w":2}"#;
    created(&begin(master.http, "POST", "/messages", batch).answer());
    assert_eq!(request(master.http, "POST", "/messages", r#"{"message":7}"#).status, 400);
    assert_eq!(request(master.http, "POST", "/messages", r#"{"message":"x","w":3}"#).status, 400);
    let lines = "{\"message\":\"d\",\"w\":1}\n\n{\"message\":\"e\",\"w\":2}\n{\"message\":1}\n";
    let ndjson = ["Content-Type: application/x-ndjson"];
    let streamed = begin_with(master.http, "POST", "/messages", &ndjson, lines).answer();
    assert_eq!((streamed.status, streamed.body.lines().count()), (200, 3), "{streamed:?}");
    // Bytes that are no request, but begin as an append.
    let bytes = "POST /messages HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n";
    assert_eq!(begin_raw(master.http, bytes).answer().status, 400);
    let scrape = Scrape::of(master.http);
    let appends = |outcome| scrape.value("acklog_appends_total", &[("outcome", outcome)]);
    assert_eq!(["acked", "refused", "stored", "unknown"].map(appends), [5.0, 4.0, 0.0, 0.0]);
    let timed = |w| scrape.value("acklog_append_seconds_count", &[("w", w)]);
    assert_eq!(["1", "2"].map(timed), [2.0, 3.0]);
    let requests = |route, status| {
        let labels = [("route", route), ("status", status)];
        scrape.value("acklog_http_requests_total", &labels)
    };
    assert_eq!(requests("/newMessage", "201"), 2.0);
    assert_eq!(["200", "201", "400"].map(|status| requests("/messages", status)), [1.0, 1.0, 2.0]);
    assert_eq!(requests("other", "400"), 1.0, "of which no path is known");
    assert_eq!(scrape.value("acklog_log_end", &[]), 7.0);
}

#[test]
fn the_numbers_follow_a_secondary_that_dies_and_is_forgotten() {
    let (master, _, mut nodes) = cluster(&QUICK, &["bonnie", "clyde"]);
    append(master.http, "Msg1", "3");
    let of = |name: &str, label: &str| {
        Scrape::of(master.http).find(name, &[("secondary", label)]).map(|sample| sample.value)
    };
    assert_eq!(of("acklog_secondary_up", "bonnie"), Some(1.0));
    assert_eq!(of("acklog_secondary_lag_messages", "bonnie"), Some(0.0));
    nodes[0].process.kill();
    wait_until("down", || of("acklog_secondary_up", "bonnie") == Some(0.0));
    assert_eq!(of("acklog_secondary_ready", "bonnie"), Some(0.0));
    append(master.http, "Msg2", "2");
    assert_eq!(of("acklog_secondary_lag_messages", "bonnie"), Some(1.0));
    // A record has 25 bytes beside its text.
    assert_eq!(of("acklog_secondary_lag_bytes", "bonnie"), Some(29.0));
    let waiting = begin_append(master.http, "Msg3", "3");
    let number = |name: &str| Scrape::of(master.http).value(name, &[]);
    wait_until("one waits", || number("acklog_senders_waiting") == 1.0);
    let before = number("acklog_oldest_wait_seconds");
    wait_until("its wait to grow", || number("acklog_oldest_wait_seconds") > before);
    drop(waiting);
    wait_until("it is gone", || number("acklog_senders_waiting") == 0.0);
    assert_eq!(number("acklog_oldest_wait_seconds"), 0.0);
    assert_eq!(request(master.http, "DELETE", "/secondaries/bonnie", "").status, 200);
    let scrape = Scrape::of(master.http);
    let left = scrape.label_values("secondary");
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["clyde"]);
    assert_eq!(scrape.value("acklog_cluster_size", &[]), 2.0);
}

#[test]
fn faults_a_lost_quorum_and_a_paused_master_are_seen() {
    let args = ["--allow-faults", "--quorum", "2"];
    let (master, _, mut nodes) = cluster(&[&QUICK[..], &args].concat(), &["bonnie"]);
    let number = |name: &str| Scrape::of(master.http).value(name, &[]);
    assert_eq!((number("acklog_faults_active"), number("acklog_read_only")), (0.0, 0.0));
    let faults = r#"{"dropRate":0.001,"sendDelayMs":[1,2],"seed":7}"#;
    assert_eq!(request(master.http, "PUT", "/faults", faults).status, 200);
    assert_eq!(number("acklog_faults_active"), 2.0);
    assert_eq!(request(master.http, "PUT", "/faults", r#"{"paused":true}"#).status, 200);
    assert_eq!(number("acklog_faults_active"), 1.0);
    assert_eq!(request(master.http, "DELETE", "/faults", "").status, 200);
    nodes[0].process.kill();
    wait_until("read-only", || number("acklog_read_only") == 1.0);
    let quorum = ["required", "healthy"].map(|kind| number(&format!("acklog_quorum_{kind}")));
    assert_eq!((quorum, number("acklog_ready")), ([2.0, 1.0], 0.0));
}

#[test]
fn a_prober_of_random_paths_makes_one_series() {
    let (master, _) = master(&[]);
    let series = || Scrape::of(master.http).samples("acklog_http_requests_total").len();
    get(master.http, "/none");
    // The scrape before is counted by now.
    series();
    let before = series();
    for n in 0..50 {
        let path = format!("/{n}/{}", "x".repeat(n));
        assert_eq!(get(master.http, &path).status, 404);
        assert_eq!(get(master.http, &format!("/messages/{}", 100 + n)).status, 404);
        assert_eq!(request(master.http, "DELETE", &format!("/secondaries/n{n}"), "").status, 404);
    }
    let scrape = Scrape::of(master.http);
    assert_eq!(series(), before + 2, "of the messages, and of the secondaries");
    let other = [("route", "other"), ("status", "404")];
    assert_eq!(scrape.value("acklog_http_requests_total", &other), 51.0);
}

/// Appends until told to stop, one after the other.
fn append_until(http: SocketAddr, over: &std::sync::atomic::AtomicBool) {
    let mut n = 0;
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        append(http, "x", ["1", "2"][n % 2]);
        n += 1;
    }
}

#[test]
fn under_load_no_counter_falls_and_each_scrape_is_consistent() {
    let folder = tempfile::tempdir().unwrap();
    let (master, nodes) = cluster_on_disk(folder.path(), &[]);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| append_until(master.http, &over));
        }
        for http in [master.http, nodes[0].http] {
            let mut before = Scrape::of(http);
            for _ in 0..50 {
                let scrape = Scrape::of(http);
                scrape.assert_not_below(&before);
                before = scrape;
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let scrape = Scrape::of(master.http);
    assert!(scrape.value("acklog_sync_seconds_count", &[]) > 0.0);
    let acked = scrape.value("acklog_appends_total", &[("outcome", "acked")]);
    let timed = ["1", "2"].map(|w| scrape.value("acklog_append_seconds_count", &[("w", w)]));
    assert_eq!(timed.iter().sum::<f64>(), acked, "all are answered by now");
}

#[test]
fn the_older_format_has_the_same_samples() {
    let (master, _, _nodes) = cluster(&QUICK, &["bonnie"]);
    append(master.http, "Msg1", "2");
    let ask = |accept: &str| {
        let answer = begin_with(master.http, "GET", "/metrics", &[accept], "").answer();
        let content_type = answer.header("content-type").unwrap().to_owned();
        (content_type, answer.body)
    };
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for accept in ["Accept: */*", "X-None: 1", prometheus, "Accept: application/json"] {
        let (content_type, text) = ask(accept);
        assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }
    let (content_type, plain) = ask("Accept: text/plain");
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    // The formats differ in the order of labels, and in how they write the bounds of buckets.
    let samples = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let names = samples.filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(samples(&plain), samples(&ask("Accept: */*").1));
    assert!(plain.contains("# TYPE acklog_appends_total counter\n"), "{plain}");
}

#[test]
fn the_path_takes_the_methods_of_a_path_to_read() {
    let (_master, _, nodes) = cluster(&QUICK, &["bonnie"]);
    for http in [_master.http, nodes[0].http] {
        let head = begin(http, "HEAD", "/metrics", "").answer();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let options = request(http, "OPTIONS", "/metrics", "");
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
        assert_eq!(request(http, "POST", "/metrics", "").status, 405);
        assert_eq!(get(http, "/metrics?name=x").status, 400);
        assert_eq!(get(http, "/metrics/").status, 404);
    }
}
