//! Admission and the cluster size.

use serde_json::Value;

use crate::support::*;

const QUICK: [&str; 2] = ["--heartbeat-interval", "100ms"];

fn phase(node: &Node) -> Value {
    health(node.http)["phase"].clone()
}

#[test]
fn a_taken_name_is_refused_until_its_holder_is_gone() {
    let (master, comm, mut nodes) = cluster(&QUICK, &["bonnie"]);
    let other = secondary("bonnie", comm, &[]);
    wait_until("refused", || phase(&other) == "refused");
    assert_eq!(get(other.http, "/ready").status, 503);
    append(master.http, "Msg1", "2");
    nodes[0].process.kill();
    wait_until("the other takes the name", || phase(&other) == "ready");
    wait_until("it has all", || texts(other.http) == ["Msg1"]);
    assert_eq!(health(master.http)["clusterSize"], 2);
}

#[test]
fn the_masters_name_and_a_full_cluster_are_refused() {
    let (master, comm, _nodes) = cluster(&["--cluster-size", "2", "--name", "boss"], &["bonnie"]);
    let namesake = secondary("boss", comm, &[]);
    let further = secondary("clyde", comm, &[]);
    wait_until("refused", || phase(&namesake) == "refused" && phase(&further) == "refused");
    namesake.process.log.wait_for("boss is the master's own name");
    further.process.log.wait_for("the cluster has its 1 secondaries already");
    assert_eq!(health(master.http)["secondaries"].as_array().unwrap().len(), 1);
}

#[test]
fn messages_of_another_log_are_kept_and_never_acked() {
    let (mut first, comm, nodes) = cluster(&QUICK, &["bonnie"]);
    append(first.http, "Old", "2");
    first.process.kill();
    let port = comm.port().to_string();
    let (second, _) = master_at(&port, &QUICK);
    let waiting = begin_append(second.http, "New", "2");
    wait_until("diverged", || phase(&nodes[0]) == "diverged");
    assert_eq!(texts(nodes[0].http), ["Old"]);
    assert_eq!(get(nodes[0].http, "/ready").status, 503);
    assert_eq!(health(second.http)["waitingSenders"], 1, "never an ack by id alone");
    nodes[0].process.log.wait_for("messages of another log");
    let _fresh = secondary("clyde", comm, &[]);
    assert_eq!(created(&waiting.answer()).1, ["master", "clyde"]);
}

#[test]
fn only_an_unhealthy_secondary_can_be_forgotten() {
    let (master, _, mut nodes) = cluster(&QUICK, &["bonnie"]);
    let forget = |name: &str| request(master.http, "DELETE", &format!("/secondaries/{name}"), "");
    assert_eq!(forget("bonnie").status, 409);
    assert_eq!(forget("nobody").status, 404);
    nodes[0].process.kill();
    wait_until("unhealthy", || row(master.http, "bonnie")["status"] == "unhealthy");
    let left = forget("bonnie");
    assert_eq!(left.status, 200, "{left:?}");
    assert_eq!(left.json()["clusterSize"], 1);
    assert_eq!(forget("bonnie").status, 404);
}
