//! Membership, starts that a master refuses, and a master that is older than its secondaries.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::*;

/// Creates a data directory.
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
    // The advice of the line works.
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

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Runs `acklog log accept-loss`, and returns its exit status and its error message.
fn accept_loss(dir: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    let output = command.args(["log", "accept-loss", dir]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_master_put_back_from_an_older_copy_takes_nothing_until_its_loss_is_accepted() {
    let (kept, data) = directory();
    let (dir, old) = (kept.path().join("data"), kept.path().join("old"));
    let (mut first, comm) = master(&["--data-dir", &data]);
    let port = comm.port().to_string();
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    append(first.http, "one", "2");
    copy(&dir, &old);
    append(first.http, "two", "2");
    assert_eq!(accept_loss(&data).0, Some(1), "in use");
    first.process.kill();
    copy(&old, &dir);
    let (status, told) = accept_loss(&data);
    assert!(
        status == Some(1) && told.contains("has met no secondary with more of its log"),
        "{told}"
    );
    let (mut behind, _) = master_at(&port, &["--data-dir", &data]);
    wait_until("bonnie to come", || health(behind.http)["mode"] == "read-only");
    let refused = request(behind.http, "POST", "/messages", &append_body("other", "1"));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("behind")));
    assert_eq!(refused.json()["outcome"], "refused");
    assert_eq!(get(behind.http, "/ready").status, 503);
    let row = health(behind.http)["refused"][0].clone();
    assert_eq!((&row["name"], &row["code"]), (&"bonnie".into(), &"longer-log".into()));
    assert_eq!(row["logEnd"], 2);
    let manifest = || std::fs::read_to_string(dir.join("manifest")).unwrap();
    wait_until("the loss to be on the disk", || manifest().contains("\"seen\":2"));
    behind.process.kill();
    // After a restart it knows without bonnie.
    let (mut again, _) = master(&["--data-dir", &data]);
    assert_eq!(health(again.http)["mode"], "read-only");
    again.process.log.wait_for("this master is behind its own secondary");
    again.process.kill();
    assert_eq!(accept_loss(&data).0, Some(0));
    let (status, told) = accept_loss(&data);
    assert!(status == Some(1) && told.contains("below id 2") && told.contains("given up before"));
    let (accepted, _) = master_at(&port, &["--data-dir", &data]);
    wait_until("bonnie to be refused", || health(accepted.http)["refused"][0]["name"] == "bonnie");
    assert_eq!(append(accepted.http, "other", "1").0, 1);
    assert_eq!(get(accepted.http, "/ready").status, 200);
    assert_eq!(texts(bonnie.http), ["one", "two"], "nobody takes what is left of it");
}

#[test]
fn a_master_with_a_new_log_is_not_ready_while_it_refuses_secondaries_with_messages() {
    let (mut first, comm) = master(&[]);
    let port = comm.port().to_string();
    let mut bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    append(first.http, "one", "2");
    first.process.kill();
    let (second, comm) = master_at(&port, &[]);
    wait_until("bonnie to be refused", || get(second.http, "/ready").status == 503);
    assert_eq!(health(second.http)["refused"][0]["code"], "other-log");
    assert_eq!(health(second.http)["mode"], "read-write");
    bonnie.process.kill();
    let again = secondary("bonnie", comm, &[]);
    wait_ready(&again);
    wait_ready(&second);
}
