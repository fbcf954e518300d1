//! Nodes at limits of the system.

use std::net::TcpStream;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use crate::small::descriptors::{Kept, leave_free};
use crate::support::*;

/// Sets a limit of a running node.
fn limit(node: &Node, resource: Resource, current: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(node.process.id()).unwrap());
    let limit = Rlimit { current, maximum: getrlimit(resource).maximum };
    prlimit(pid, resource, limit).unwrap();
}

/// Removes a limit of a running node, as far as the system allows.
fn unlimit(node: &Node, resource: Resource) {
    limit(node, resource, getrlimit(resource).maximum);
}

#[test]
fn at_the_limit_of_file_sizes_a_message_waits_and_is_stored_once_it_is_raised() {
    let kept = TempDir::new().unwrap();
    let (master, _) = master(&["--data-dir", kept.path().to_str().unwrap()]);
    append(master.http, "first", "1");
    limit(&master, Resource::Fsize, Some(0));
    let waiting = begin_append(master.http, "second", "1");
    wait_until("the log to be full", || health(master.http)["disk"]["state"] == "full");
    let refused = request(master.http, "POST", "/messages", &append_body("third", "1"));
    let says = refused.json();
    assert_eq!((refused.status, says["outcome"].as_str()), (503, Some("refused")));
    assert_eq!((says["code"].as_str(), says["retry"].as_bool()), (Some("disk-failed"), Some(true)));
    assert_eq!(health(master.http)["mode"], "read-only");
    assert_eq!(get(master.http, "/ready").status, 503);
    assert_eq!(texts(master.http), ["first"]);
    // A signal comes with each such write; it ends nothing.
    master.process.log.wait_for("signal=SIGXFSZ");
    unlimit(&master, Resource::Fsize);
    assert_eq!(waiting.answer().status, 201);
    wait_until("the log to be well", || health(master.http)["disk"]["state"] == "ok");
    assert_eq!(append(master.http, "third", "1").0, 2);
    assert_eq!(get(master.http, "/ready").status, 200);
}

#[test]
fn a_client_that_finds_no_descriptor_gets_that_of_a_connection_that_falls_idle_later() {
    let (master, _) = master(&[]);
    let mut sender = Kept::new(master.http);
    sender.send("POST", "/messages", r#"{"message":"x","writeConcern":2,"timeoutMs":1500}"#);
    master.process.log.wait_for("a sender waits for its write concern");
    leave_free(&master, 0);
    let late = begin(master.http, "GET", "/ready", "");
    let fails = "connections cannot be accepted";
    master.process.log.wait_for(fails);
    // Nothing but this frees space.
    assert_eq!(sender.answer().0, 504);
    assert_eq!(late.answer().status, 200);
    // It was tried again all the time.
    let lines = master.process.log.all();
    assert_eq!(lines.iter().filter(|line| line.contains(fails)).count(), 1, "{lines:#?}");
}

#[test]
fn the_last_descriptor_is_not_taken_back_from_its_client_for_nobody() {
    let (master, _) = master(&[]);
    leave_free(&master, 1);
    let mut kept = Kept::new(master.http);
    // Long enough to be checked many times while it is idle.
    for _ in 0..1000 {
        kept.send("GET", "/ready", "");
        assert_eq!(kept.answer().0, 200);
    }
}

/// Starts a master with 64 descriptors and small segments.
fn master_with_few_descriptors(kept: &TempDir) -> Node {
    let (program, data) = (env!("CARGO_BIN_EXE_master-node"), kept.path().to_str().unwrap());
    let few = ["-c", "ulimit -n 64; exec \"$0\" \"$@\"", program];
    let flags =
        ["--http-port", "0", "--comm-port", "0", "--data-dir", data, "--segment-bytes", "4096"];
    let process = Process::start("sh", &[&few[..], &flags].concat());
    let http = http_address(&process);
    Node { process, http }
}

#[test]
fn silent_connections_of_strangers_leave_the_log_the_descriptors_that_it_needs() {
    let kept = TempDir::new().unwrap();
    let master = master_with_few_descriptors(&kept);
    let mut client = Kept::new(master.http);
    let comm = comm_address(&master);
    let _silent: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(comm).ok()).collect();
    master.process.log.wait_for("too many connections without a handshake");
    for _ in 0..12 {
        client.send("POST", "/messages", &append_body(&"x".repeat(1500), "1"));
        assert_eq!(client.answer().0, 201);
    }
    let lines = master.process.log.all();
    assert!(!lines.iter().any(|line| line.contains("nothing can be written")), "{lines:#?}");
}

#[test]
fn clients_with_many_connections_leave_log_and_secondaries_the_descriptors_that_they_need() {
    let kept = TempDir::new().unwrap();
    let master = master_with_few_descriptors(&kept);
    let http = master.http;
    let _idle: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(http).ok()).collect();
    // When this one has its response, all connections before it got the descriptors that were left
    // for them, and keep them.
    let mut last = Kept::new(http);
    last.send("GET", "/health", "");
    assert_eq!(last.answer().0, 200);
    let bonnie = secondary("bonnie", comm_address(&master), &[]);
    bonnie.process.log.wait_for("ready end=0");
    for _ in 0..6 {
        let (_, acked_by) = append(http, &"x".repeat(1500), "2");
        assert_eq!(acked_by, ["master", "bonnie"]);
    }
    let lines = master.process.log.all();
    assert!(!lines.iter().any(|line| line.contains("nothing can be written")), "{lines:#?}");
}

#[test]
fn without_descriptors_each_port_says_so_once_and_goes_on_when_there_are_some() {
    let (master, comm) = master(&[]);
    limit(&master, Resource::Nofile, Some(3));
    let [waiting, _other] = [master.http, comm].map(|at| TcpStream::connect(at).unwrap());
    let about = |port: &str, text: &str| {
        let port = format!("port={port}");
        let lines = master.process.log.all();
        lines.iter().filter(|line| line.contains(text) && line.contains(&port)).count()
    };
    let (fails, works) = ("cannot be accepted", "accepted again");
    for port in ["HTTP", "secondaries"] {
        wait_until("both ports to fail", || about(port, fails) == 1);
    }
    unlimit(&master, Resource::Nofile);
    for port in ["HTTP", "secondaries"] {
        wait_until("both ports to work", || about(port, works) == 1);
        assert_eq!(about(port, fails), 1, "it lasted");
    }
    drop(waiting);
    assert_eq!(append(master.http, "after", "1").0, 0);
}
