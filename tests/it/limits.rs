//! Nodes at the limits that the system sets them.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use crate::support::*;

/// Sets a limit of a running node.
fn limit(node: &Node, resource: Resource, current: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(node.process.id()).unwrap());
    let limit = Rlimit { current, maximum: getrlimit(resource).maximum };
    prlimit(pid, resource, limit).unwrap();
}

/// Takes a limit of a running node away, as far as that can be done.
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
    assert_eq!((refused.status, refused.json()["outcome"].as_str()), (503, Some("refused")));
    // A signal comes with each such write; it ends nothing.
    master.process.log.wait_for("signal=SIGXFSZ");
    unlimit(&master, Resource::Fsize);
    assert_eq!(waiting.answer().status, 201);
    wait_until("the log to be well", || health(master.http)["disk"]["state"] == "ok");
    assert_eq!(append(master.http, "third", "1").0, 2);
}

#[test]
fn without_descriptors_each_port_says_so_once_and_goes_on_when_there_are_some() {
    let (master, comm) = master(&[]);
    limit(&master, Resource::Nofile, Some(3));
    let [waiting, _other] = [master.http, comm].map(|at| std::net::TcpStream::connect(at).unwrap());
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
