//! Injected faults and the quorum, over HTTP and on real sockets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::*;

const ALLOWED: [&str; 3] = ["--allow-faults", "--heartbeat-interval", "100ms"];

fn put(node: &Node, faults: &Value) -> Answer {
    request(node.http, "PUT", "/faults", &faults.to_string())
}

fn set(node: &Node, faults: &Value) -> Value {
    let answer = put(node, faults);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn clear(node: &Node) -> Value {
    request(node.http, "DELETE", "/faults", "").json()
}

/// Starts a master and secondaries that allow faults, and waits until they are ready.
fn faulty_cluster(args: &[&str], names: &[&str]) -> (Node, Vec<Node>) {
    let (master, comm) = master(&[&ALLOWED, args].concat());
    let start = |name: &&str| secondary(name, comm, &["--allow-faults"]);
    let nodes: Vec<Node> = names.iter().map(start).collect();
    nodes.iter().for_each(wait_ready);
    (master, nodes)
}

fn none() -> Value {
    json!({"sendDelayMs": null, "storeDelayMs": null, "errorRate": 0.0, "dropRate": 0.0,
        "duplicateRate": 0.0, "paused": false, "seed": null})
}

#[test]
fn without_the_flag_every_route_about_faults_is_forbidden() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    for http in [master.http, nodes[0].http] {
        for (method, path) in [
            ("GET", "/faults"),
            ("PUT", "/faults"),
            ("DELETE", "/faults"),
            ("POST", "/faults/disconnect"),
        ] {
            let answer = request(http, method, path, "{}");
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.body.contains("--allow-faults"), "{answer:?}");
        }
    }
}

#[test]
fn faults_are_shown_replaced_as_a_whole_and_cleared_and_a_bad_one_changes_nothing() {
    let (master, comm) = master(&[&ALLOWED[..], &["--send-delay", "1ms..2ms"]].concat());
    let bonnie = secondary("bonnie", comm, &["--allow-faults", "--store-delay", "3ms"]);
    let mut given = none();
    given["storeDelayMs"] = json!([3, 3]);
    assert_eq!(get(bonnie.http, "/faults").json(), given, "from the command line");
    given["storeDelayMs"] = Value::Null;
    given["sendDelayMs"] = json!([1, 2]);
    assert_eq!(get(master.http, "/faults").json(), given);
    let mut wanted = none();
    wanted["errorRate"] = json!(0.25);
    wanted["seed"] = json!(7);
    assert_eq!(set(&master, &json!({"errorRate": 0.25, "seed": 7})), wanted);
    for bad in
        [json!({"errorRate": 1.5}), json!({"paused": "yes"}), json!({"pausd": true}), json!([])]
    {
        let answer = put(&master, &bad);
        assert_eq!((answer.status, get(master.http, "/faults").json()), (400, wanted.clone()));
    }
    assert_eq!(request(master.http, "PUT", "/faults", "").status, 400);
    assert_eq!(clear(&master), none());
    assert_eq!(get(master.http, "/faults").json(), none());
    master.process.log.wait_for("faults changed");
}

#[test]
fn an_error_after_storing_acks_nothing_and_doubles_nothing() {
    let (master, nodes) = faulty_cluster(&[], &["bonnie"]);
    set(&nodes[0], &json!({"errorRate": 1}));
    let waiting = begin_append(master.http, "Msg1", "2");
    wait_until("stored at bonnie", || texts(nodes[0].http) == ["Msg1"]);
    wait_until("sent again", || row(master.http, "bonnie")["retries"].as_u64() >= Some(3));
    assert_eq!(row(master.http, "bonnie")["ackedEnd"], 0);
    assert_eq!(health(master.http)["waitingSenders"], 1);
    clear(&nodes[0]);
    assert_eq!(created(&waiting.answer()).1, ["master", "bonnie"]);
    assert_eq!(texts(nodes[0].http), ["Msg1"]);
    nodes[0].process.log.wait_for("already present");
}

#[test]
fn dropped_and_doubled_frames_cost_time_and_nothing_else() {
    let args = ["--request-timeout", "50ms"];
    let (master, nodes) = faulty_cluster(&args, &["bonnie", "clyde"]);
    for (n, node) in nodes.iter().chain([&master]).enumerate() {
        set(node, &json!({"dropRate": 0.3, "duplicateRate": 0.3, "seed": n}));
    }
    let sent: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    for text in &sent {
        append(master.http, text, "1");
        for node in &nodes {
            let shown = texts(node.http);
            assert_eq!(shown[..], sent[..shown.len()]);
        }
    }
    append(master.http, "last", "3");
    let all = texts(master.http);
    assert!(nodes.iter().all(|node| texts(node.http) == all) && all.len() == 41);
    master.process.log.wait_for("a fault: the frame is dropped");
    master.process.log.wait_for("a fault: the frame is written twice");
}

#[test]
fn a_paused_secondary_looks_hung_keeps_its_connection_and_is_served_when_it_goes_on() {
    let (master, nodes) = faulty_cluster(&[], &["bonnie", "clyde"]);
    let address = row(master.http, "bonnie")["address"].clone();
    set(&nodes[0], &json!({"paused": true}));
    let waiting = begin_append(master.http, "Msg1", "3");
    wait_until("Msg1 to wait", || health(master.http)["waitingSenders"] == 1);
    append(master.http, "Msg2", "2");
    for status in ["suspected", "unhealthy"] {
        wait_until(status, || row(master.http, "bonnie")["status"] == status);
    }
    assert_eq!(texts(nodes[0].http), Vec::<String>::new(), "HTTP still works");
    assert_eq!(health(nodes[0].http)["master"]["connected"], true);
    let begun = Instant::now();
    clear(&nodes[0]);
    assert_eq!(created(&waiting.answer()).1.len(), 3);
    assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
    assert_eq!(row(master.http, "bonnie")["address"], address, "the same connection");
    assert_eq!(texts(nodes[0].http), ["Msg1", "Msg2"]);
}

#[test]
fn a_paused_master_takes_messages_and_sends_nothing_until_it_goes_on() {
    let (master, nodes) = faulty_cluster(&[], &["bonnie"]);
    set(&master, &json!({"paused": true}));
    append(master.http, "Msg1", "1");
    let body = r#"{"message":"Msg2","w":2,"timeoutMs":100}"#;
    assert_eq!(request(master.http, "POST", "/messages", body).status, 504);
    let waiting = begin_append(master.http, "Msg3", "2");
    nodes[0].process.log.wait_for("nothing was heard from the master for too long");
    assert_eq!(texts(nodes[0].http), Vec::<String>::new());
    clear(&master);
    assert_eq!(created(&waiting.answer()).1, ["master", "bonnie"]);
    assert_eq!(texts(nodes[0].http), ["Msg1", "Msg2", "Msg3"]);
}

#[test]
fn a_master_under_load_survives_every_change_of_its_faults() {
    let (master, nodes) = faulty_cluster(&[], &["bonnie"]);
    let (http, stop) = (master.http, AtomicBool::new(false));
    let sent = std::thread::scope(|scope| {
        let send = || {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = begin_append(http, "Msg", "1").answer();
                assert_eq!(answer.status, 201, "{answer:?}");
                sent += 1;
            }
            sent
        };
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        for _ in 0..100 {
            let paused = put(&master, &json!({"paused": true})).status;
            let cleared = request(http, "DELETE", "/faults", "").status;
            if (paused, cleared) != (200, 200) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).sum::<usize>()
    });
    append(http, "last", "2");
    assert_eq!(texts(nodes[0].http).len(), sent + 1);
}

#[test]
fn dropped_connections_are_made_again_and_nothing_is_lost() {
    let (master, nodes) = faulty_cluster(&[], &["bonnie", "clyde"]);
    for (n, node) in [&master, &nodes[0], &nodes[1]].into_iter().enumerate() {
        let answer = request(node.http, "POST", "/faults/disconnect", "");
        let connections = if n == 0 { 2 } else { 1 };
        assert_eq!(answer.json(), json!({"disconnected": connections}), "{answer:?}");
        append(master.http, &format!("m{n}"), "3");
        nodes.iter().for_each(wait_ready);
    }
    assert_eq!(texts(nodes[1].http), ["m0", "m1", "m2"]);
    master.process.log.wait_for("dropping all connections, as asked for");
}

#[test]
fn without_a_quorum_the_master_is_read_only_until_enough_nodes_are_back() {
    let args = ["--quorum", "majority", "--cluster-size", "3"];
    let (master, mut nodes) = faulty_cluster(&args, &["bonnie"]);
    assert_eq!(health(master.http)["quorum"], json!({"required": 2, "healthy": 2}));
    let waiting = begin_append(master.http, "Msg1", "3");
    wait_until("Msg1 at bonnie", || texts(nodes[0].http) == ["Msg1"]);
    nodes[0].process.kill();
    wait_until("read-only", || health(master.http)["mode"] == "read-only");
    assert_eq!(get(master.http, "/ready").status, 503);
    let refused = begin_append(master.http, "Refused", "1").answer();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("1 of 3 nodes is healthy, 2 needed"), "{refused:?}");
    assert!(refused.header("Retry-After").is_some() && refused.json().get("id").is_none());
    assert_eq!(texts(master.http), ["Msg1"], "reads go on");
    assert_eq!(health(master.http)["waitingSenders"], 1, "who waits goes on waiting");
    master.process.log.wait_for("read-only: too few nodes are healthy");
    let comm = comm_address(&master);
    let back: Vec<Node> = ["bonnie", "clyde"].map(|name| secondary(name, comm, &[])).into();
    assert_eq!(created(&waiting.answer()).1.len(), 3);
    wait_until("read-write", || get(master.http, "/ready").status == 200);
    append(master.http, "Msg2", "3");
    assert_eq!(texts(back[1].http), ["Msg1", "Msg2"]);
    master.process.log.wait_for("read-write: enough nodes are healthy");
}
