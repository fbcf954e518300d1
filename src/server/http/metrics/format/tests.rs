//! The text of scrapes, and the choice of its format.

use std::time::{Duration, SystemTime};

use acklog_log::LogMeasures;
use acklog_protocol::{DiskHealth, MasterHealth, MemberHealth, MemberPhase, QuorumHealth, Status};
use acklog_types::{DiskFault, DurationRecorder, Faults, LogEnd, NodeName};

use super::*;
use crate::contract::health_of_test;
use crate::server::http::metrics::HttpNumbers;
use crate::server::http::metrics::process::ProcessNumbers;
use crate::server::http::tally::{TallySums, WriteConcernLabel};
use crate::server::node::{MasterMeasures, SecondaryMeasures};

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn member(text: &str) -> MemberHealth {
    MemberHealth {
        name: name(text),
        status: Status::Suspected,
        phase: MemberPhase::CatchingUp,
        acked_end: Some(LogEnd::new(7)),
        lag: Some(1),
        in_flight: 2,
        retries: 3,
        rtt: Some(Duration::from_micros(250)),
        last_seen: Some(Duration::from_millis(1500)),
        address: None,
    }
}

fn snapshot(node: NodeMeasures) -> Snapshot {
    Snapshot {
        node,
        log: LogMeasures { syncs: None, cut_messages: 2 },
        free_bytes: None,
        http: HttpNumbers { sums: TallySums::default(), followers: 4, connections: 5 },
        process: ProcessNumbers::read(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
    }
}

fn of_master() -> Snapshot {
    let unknown = MemberHealth {
        status: Status::Unhealthy,
        phase: MemberPhase::Disconnected,
        acked_end: None,
        lag: None,
        rtt: None,
        last_seen: None,
        ..member("clyde")
    };
    let health = MasterHealth {
        read_only: true,
        committed_end: None,
        cluster_size: 3,
        quorum: Some(QuorumHealth { required: 2, healthy: 1 }),
        waiting_senders: 9,
        secondaries: vec![member("bonnie"), unknown],
        ..health_of_test::master()
    };
    let faults = Faults { paused: true, seed: Some(1), ..Faults::default() };
    let (oldest_wait, lag_bytes) = (Duration::from_millis(1250), vec![Some(100), None]);
    snapshot(NodeMeasures::Master(MasterMeasures { health, faults, oldest_wait, lag_bytes }))
}

fn of_secondary() -> Snapshot {
    let health = health_of_test::secondary();
    snapshot(NodeMeasures::Secondary(SecondaryMeasures { health, faults: Faults::default() }))
}

/// Returns the samples of metrics whose name begins like this.
fn samples(snapshot: &Snapshot, begin: &str) -> Vec<String> {
    let text = render(snapshot.clone(), MetricsFormat::OpenMetrics);
    text.lines().filter(|line| line.starts_with(begin)).map(str::to_owned).collect()
}

#[test]
fn a_masters_numbers_are_samples_and_what_it_does_not_know_has_none() {
    let all = of_master();
    assert_eq!(samples(&all, "acklog_log"), ["acklog_log_start 0", "acklog_log_end 8"]);
    assert_eq!(
        samples(&all, "acklog_secondary"),
        [
            "acklog_secondary_up{secondary=\"bonnie\"} 1",
            "acklog_secondary_up{secondary=\"clyde\"} 0",
            "acklog_secondary_ready{secondary=\"bonnie\"} 0",
            "acklog_secondary_ready{secondary=\"clyde\"} 0",
            "acklog_secondary_lag_messages{secondary=\"bonnie\"} 1",
            "acklog_secondary_lag_bytes{secondary=\"bonnie\"} 100",
            "acklog_secondary_rtt_seconds{secondary=\"bonnie\"} 0.00025",
            "acklog_secondary_last_seen_seconds{secondary=\"bonnie\"} 1.5",
            "acklog_secondary_retries_total{secondary=\"bonnie\"} 3",
            "acklog_secondary_retries_total{secondary=\"clyde\"} 3",
        ]
    );
    for (name, sample) in [
        ("acklog_read_only", "acklog_read_only 1"),
        ("acklog_ready", "acklog_ready 0"),
        ("acklog_senders", "acklog_senders_waiting 9"),
        ("acklog_oldest", "acklog_oldest_wait_seconds 1.25"),
        ("acklog_quorum_h", "acklog_quorum_healthy 1"),
        ("acklog_cut", "acklog_cut_messages_total 2"),
        ("acklog_faults", "acklog_faults_active 1"),
        ("acklog_followers", "acklog_followers 4"),
        ("acklog_http_c", "acklog_http_connections 5"),
        ("acklog_node", "acklog_node_info{node=\"master\",role=\"master\"} 1"),
        ("process_start", "process_start_time_seconds 1.5"),
    ] {
        assert_eq!(samples(&all, name), [sample]);
    }
    assert_eq!(samples(&all, "acklog_buffered"), [""; 0]);
    assert_eq!(samples(&all, "acklog_disk"), [""; 0], "it is in memory");
}

#[test]
fn a_secondary_has_numbers_of_its_own_and_none_of_a_masters() {
    let all = of_secondary();
    assert_eq!(
        [samples(&all, "acklog_master"), samples(&all, "acklog_buffered")].concat(),
        ["acklog_master_connected 1", "acklog_master_log_end 9", "acklog_buffered_messages 2"]
    );
    assert_eq!(samples(&all, "acklog_log_committed"), ["acklog_log_committed_end 4"]);
    for begin in ["acklog_secondary", "acklog_appends", "acklog_read_only"] {
        assert_eq!(samples(&all, begin), [""; 0]);
    }
}

#[test]
fn a_disk_has_one_state_and_only_one_that_failed_for_good_is_told_as_failed() {
    let mut all = of_secondary();
    let recorder = DurationRecorder::default();
    recorder.record(Duration::from_millis(3), 2);
    all.log.syncs = Some(recorder.reader().counts());
    for (disk, state, has_failed) in [
        (DiskHealth::Ok, "ok", 0),
        (DiskHealth::Faulty(DiskFault::Full { detail: String::new() }), "full", 0),
        (DiskHealth::Faulty(DiskFault::Failed { detail: String::new() }), "failed", 1),
    ] {
        let NodeMeasures::Secondary(node) = &mut all.node else { unreachable!() };
        node.health.disk = Some(disk);
        let states = samples(&all, "acklog_disk_state");
        let current: Vec<&String> = states.iter().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!((states.len(), current.len()), (5, 1));
        assert!(current[0].contains(&format!("\"{state}\"")), "{current:?}");
        let failed = samples(&all, "acklog_disk_failed");
        assert_eq!(failed, [format!("acklog_disk_failed {has_failed}")]);
    }
    assert_eq!(samples(&all, "acklog_disk_free"), [""; 0], "it did not tell");
    all.free_bytes = Some(1 << 40);
    assert_eq!(samples(&all, "acklog_disk_free"), ["acklog_disk_free_bytes 1099511627776"]);
    let syncs = samples(&all, "acklog_sync_seconds");
    assert_eq!(syncs[..2], ["acklog_sync_seconds_sum 0.006", "acklog_sync_seconds_count 2"]);
    let buckets = [
        "acklog_sync_seconds_bucket{le=\"0.0025\"} 0",
        "acklog_sync_seconds_bucket{le=\"0.005\"} 2",
    ];
    assert_eq!(syncs[6..8], buckets);
    assert_eq!(syncs.last().unwrap(), "acklog_sync_seconds_bucket{le=\"+Inf\"} 2");
}

#[test]
fn appends_and_requests_have_a_series_for_each_label_that_was_used() {
    let mut all = of_master();
    let recorder = DurationRecorder::default();
    recorder.record(Duration::from_millis(3), 2);
    let counts = recorder.reader().counts();
    let labels = [WriteConcernLabel::Nodes(2), WriteConcernLabel::More];
    all.http.sums.append_times = labels.map(|label| (label, counts)).into();
    all.http.sums.appends = [4, 3, 2, 1];
    all.http.sums.requests = [(("/messages/{id}", 200), 7), (("other", 404), 8)].into();
    let counted = ["acked 4", "refused 3", "stored 2", "unknown 1"].map(|pair| {
        let (outcome, count) = pair.split_once(' ').unwrap();
        format!("acklog_appends_total{{outcome=\"{outcome}\"}} {count}")
    });
    assert_eq!(samples(&all, "acklog_appends"), counted);
    assert_eq!(
        samples(&all, "acklog_append_seconds_count"),
        ["acklog_append_seconds_count{w=\"2\"} 2", "acklog_append_seconds_count{w=\"more\"} 2"]
    );
    assert_eq!(
        samples(&all, "acklog_http_requests"),
        [
            "acklog_http_requests_total{route=\"/messages/{id}\",status=\"200\"} 7",
            "acklog_http_requests_total{route=\"other\",status=\"404\"} 8",
        ]
    );
}

#[test]
fn plain_text_is_for_those_who_prefer_it() {
    use MetricsFormat::{OpenMetrics, PrometheusText};
    for (accept, wanted) in [
        ("", OpenMetrics),
        ("*/*", OpenMetrics),
        ("text/html, */*;q=0.8", OpenMetrics),
        ("application/json", OpenMetrics),
        ("application/openmetrics-text;version=1.0.0;q=0.5, text/plain;q=0.4", OpenMetrics),
        ("text/plain", PrometheusText),
        ("text/plain;version=0.0.4;q=1, */*;q=0.1", PrometheusText),
        ("text/*", PrometheusText),
    ] {
        let header = HeaderValue::from_static(accept);
        assert_eq!(MetricsFormat::by([&header]), wanted, "{accept}");
    }
    assert_eq!(MetricsFormat::by([]), OpenMetrics);
    let text = render(of_master(), PrometheusText);
    assert!(text.contains("# TYPE acklog_node_info gauge\n") && !text.contains("# EOF"), "{text}");
    assert!(render(of_master(), OpenMetrics).ends_with("\n# EOF\n"));
}
