//! Messages that a disk damages while a node runs are fetched from another node and written back,
//! and only their readers notice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::disk::damage;
use crate::support::*;

/// Messages of a cluster, most of them in old segments.
const MESSAGES: usize = 60;

/// Creates a text; one of them does not fit into a frame of a secondary that carries no messages.
fn text(n: usize) -> String {
    format!("Msg{n} {}", "x".repeat(if n == 20 { 100_000 } else { 300 }))
}

/// A cluster of three nodes on disks with small segments: the folder of its folders, and the nodes,
/// the master first.
struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
}

impl Cluster {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let flags = |name: &str| flags(&folder.path().join(name));
        let (first, comm) = master(&flags("master").each_ref().map(String::as_str));
        let mut nodes = vec![first];
        for name in ["bonnie", "clyde"] {
            let node = secondary(name, comm, &flags(name).each_ref().map(String::as_str));
            wait_ready(&node);
            nodes.push(node);
        }
        for n in 0..MESSAGES {
            append(nodes[0].http, &text(n), "3");
        }
        Self { folder, nodes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stops all nodes; every directory must be whole then.
    fn stop_and_verify(self) {
        for mut node in self.nodes {
            node.process.signal(Signal::TERM);
            assert_eq!(node.process.wait(), Some(0));
        }
        for name in ["master", "bonnie", "clyde"] {
            verify(&self.folder.path().join(name));
        }
    }
}

/// Returns the flags of a node with its log in a folder.
fn flags(folder: &Path) -> [String; 4] {
    let data = folder.to_str().unwrap();
    ["--data-dir", data, "--segment-bytes", "4096"].map(str::to_owned)
}

fn verify(directory: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    let verified = command.args(["log", "verify"]).arg(directory).env_clear().output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

/// Reads a message that was damaged: it fails visibly, and soon it is there again.
fn read_until_repaired(cluster: &Cluster, at: usize, n: usize) {
    let http = cluster.nodes[at].http;
    let path = format!("/messages/{n}");
    assert_eq!(get(http, &path).status, 500);
    wait_until("the message to be repaired", || get(http, &path).status == 200);
    assert_eq!(get(http, &path).json()["message"], text(n));
    wait_until("the disk to be well", || {
        health(http)["disk"] == json!({"state": "ok", "detail": null})
    });
    assert_eq!(get(http, "/ready").status, 200);
    cluster.nodes[at].process.log.wait_for("repaired a damaged file");
    cluster.nodes[at].process.log.wait_for("the log is whole again");
}

#[test]
fn a_running_secondary_repairs_what_is_damaged_from_its_master() {
    let cluster = Cluster::new();
    damage(&cluster.path("bonnie"), "Msg3 x");
    read_until_repaired(&cluster, 1, 3);
    let (_, acked_by) = append(cluster.nodes[0].http, "more", "3");
    assert_eq!(acked_by, ["master", "bonnie", "clyde"]);
    cluster.stop_and_verify();
}

#[test]
fn a_running_master_repairs_what_is_damaged_from_a_secondary_and_takes_messages_meanwhile() {
    let cluster = Cluster::new();
    let http = cluster.nodes[0].http;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let appends = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                // Fails unless the response is 201.
                append(http, "meanwhile", "3");
                count += 1;
            }
            count
        });
        for n in [3, 20, 4] {
            damage(&cluster.path("master"), &format!("Msg{n} x"));
            read_until_repaired(&cluster, 0, n);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(appends.join().unwrap() > 0);
    });
    assert_eq!(texts(http)[..MESSAGES], (0..MESSAGES).map(text).collect::<Vec<_>>());
    cluster.stop_and_verify();
}

#[test]
fn a_master_that_knew_of_damage_when_it_stopped_repairs_it_when_a_secondary_is_there() {
    let mut cluster = Cluster::new();
    for at in (0..3).rev() {
        let node = &mut cluster.nodes[at].process;
        node.signal(Signal::TERM);
        assert_eq!(node.wait(), Some(0));
    }
    damage(&cluster.path("master"), "Msg3 x");
    let of_master = flags(&cluster.path("master"));
    let (again, comm) = master(&of_master.each_ref().map(String::as_str));
    assert_eq!(get(again.http, "/messages/3").status, 500);
    wait_until("the node to say so", || health(again.http)["disk"]["state"] == "damaged");
    let refused = request(again.http, "POST", "/messages", &append_body("more", "1"));
    assert_eq!(refused.status, 503, "nobody else has it: {refused:?}");
    let of_bonnie = flags(&cluster.path("bonnie"));
    let bonnie = secondary("bonnie", comm, &of_bonnie.each_ref().map(String::as_str));
    wait_until("the message to be repaired", || get(again.http, "/messages/3").status == 200);
    wait_until("the master to be ready", || get(again.http, "/ready").status == 200);
    append(again.http, "more", "2");
    cluster.nodes = vec![again, bonnie];
    cluster.stop_and_verify();
}
