//! Whose name counts, and what a master refuses to start with.

use tempfile::TempDir;

use crate::support::*;

/// A new data directory.
fn directory() -> (TempDir, String) {
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("data").to_str().unwrap().to_owned();
    (kept, path)
}

/// Runs a master that must not start, and returns its one line and its exit status.
fn refused_start(args: &[&str]) -> (String, Option<i32>) {
    let mut all = vec!["--http-port", "0", "--comm-port", "0", "--log", "off"];
    all.extend(args);
    let mut process = Process::start(env!("CARGO_BIN_EXE_master-node"), &all);
    let status = process.wait();
    process.log.wait_for("master-node: ");
    let lines = process.log.all();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (lines[0].clone(), status)
}

#[test]
fn a_master_does_not_start_against_the_secondaries_that_its_log_knows() {
    let (_kept, data) = directory();
    let (mut first, comm) = master(&["--data-dir", &data]);
    let nodes = ["bonnie", "clyde"].map(|name| secondary(name, comm, &[]));
    nodes.iter().for_each(wait_ready);
    first.process.kill();
    let (line, status) = refused_start(&["--data-dir", &data, "--cluster-size", "2"]);
    assert_eq!(status, Some(2), "{line}");
    assert!(line.contains("2 are registered: bonnie, clyde") && line.contains("acklog forget"));
    let (line, status) = refused_start(&["--data-dir", &data, "--name", "bonnie"]);
    assert_eq!(status, Some(2), "{line}");
    assert!(line.contains("acklog forget bonnie"), "{line}");
    // What the line advises works.
    let (mut larger, _) = master(&["--data-dir", &data, "--cluster-size", "3"]);
    let forgotten = request(larger.http, "DELETE", "/secondaries/bonnie", "");
    assert_eq!(forgotten.status, 200, "{forgotten:?}");
    // Answered only when it is on disk: a kill brings nothing back.
    larger.process.kill();
    let (again, _) = master(&["--data-dir", &data, "--cluster-size", "2"]);
    assert_eq!(health(again.http)["secondaries"].as_array().unwrap().len(), 1);
}

#[test]
fn only_listed_secondaries_are_let_in() {
    let (master, comm) = master(&["--secondaries", "bonnie,dora"]);
    let bonnie = secondary("bonnie", comm, &[]);
    let clyde = secondary("clyde", comm, &[]);
    wait_ready(&bonnie);
    clyde.process.log.wait_for("add it to the master's --secondaries");
    assert_eq!(health(clyde.http)["phase"], "refused");
    assert_eq!(health(master.http)["clusterSize"], 2);
}
