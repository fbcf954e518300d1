//! The tool `acklog` against real nodes.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

fn acklog(node: &Node, args: &[&str]) -> Output {
    let url = format!("http://{}", node.http);
    let tool = env!("CARGO_BIN_EXE_acklog");
    Command::new(tool).args(args).env_clear().env("ACKLOG_URL", url).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn post_messages_and_status_speak_with_real_nodes() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let posted = acklog(&master, &["post", "Msg1", "two words", "--write-concern", "2"]);
    assert_eq!(
        text(&posted.stdout),
        "id 0, acked by master, bonnie\nid 1, acked by master, bonnie\n"
    );
    assert_eq!(posted.status.code(), Some(0));
    let messages = acklog(&nodes[0], &["messages"]);
    assert_eq!(text(&messages.stdout), "0\tMsg1\n1\ttwo words\n");
    assert_eq!(text(&acklog(&nodes[0], &["messages", "-n", "1"]).stdout), "0\tMsg1\n");
    let status = acklog(&master, &["status"]);
    let table = text(&status.stdout);
    assert!(table.contains("bonnie") && table.contains("healthy"), "{table}");
    let late = acklog(&master, &["post", "Msg3", "--write-concern", "3", "--timeout", "100ms"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(text(&late.stderr).contains("3 nodes"), "{late:?}");
    // The first of several that takes the request.
    let both = format!("{},http://{}/newMessage", nodes[0].http, master.http);
    let posted = acklog(&master, &["post", "Msg4", "-w", "1", "--url", &both, "--key", "k"]);
    assert!(text(&posted.stdout).starts_with("id 3, acked by master"), "{posted:?}");
    let again = acklog(&master, &["post", "Msg4", "--url", &both, "--key", "k"]);
    assert!(text(&again.stdout).starts_with("id 3, acked by master"), "{again:?}");
    let status = acklog(&master, &["status", "--url", &both]);
    assert!(text(&status.stdout).contains("bonnie  secondary"), "{status:?}");
    let refused = acklog(&nodes[0], &["post", "Msg4"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("master"), "{refused:?}");
}

#[test]
fn bench_sends_what_is_due_alone_or_in_batches_and_tells_what_it_measured() {
    let (master, _) = master(&["--log", "info", "--cluster-size", "1"]);
    let flags = "bench --clients 4 --rate 150 --duration 1s --warm-up 0s --size 10 --json";
    let done = acklog(&master, &flags.split(' ').collect::<Vec<_>>());
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""));
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    let count = |name: &str| found[name].as_u64().unwrap();
    // A slow machine may leave some of them unsent.
    assert_eq!(count("answered") + count("unsent"), 150, "{found}");
    assert_eq!((count("failed"), count("unanswered")), (0, 0), "{found}");
    assert!(found["latencyUs"]["p50"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(health(master.http)["logEnd"], found["answered"]);
    let flags = "bench --batch 20 --rate 200 --duration 950ms --warm-up 0s --size 10 --json";
    let batches = acklog(&master, &flags.split(' ').collect::<Vec<_>>());
    let batches: Value = serde_json::from_slice(&batches.stdout).unwrap();
    let end = count("answered") + 20 * batches["answered"].as_u64().unwrap();
    assert_eq!(batches["answered"].as_u64().unwrap() + batches["unsent"].as_u64().unwrap(), 10);
    assert_eq!(health(master.http)["logEnd"], end);
    assert!(texts(master.http).iter().all(|text| text == "mmmmmmmmmm"));
    // Nothing succeeds, so this ends long before its time.
    let flags = "bench --clients 4 --rate 100 --duration 3600s --warm-up 0s --write-concern 2";
    let refused = acklog(&master, &flags.split(' ').collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).contains("  400 Bad Request: "), "{refused:?}");
    assert!(text(&refused.stderr).starts_with("acklog: no request succeeded: "), "{refused:?}");
}

#[test]
fn bench_measures_append_streams_and_counts_lines_that_are_refused() {
    let (master, _) = master(&["--log", "info", "--cluster-size", "1"]);
    let flags = "bench --stream --clients 2 --window 50 --duration 300ms --warm-up 0s --size 10";
    let flags: Vec<_> = flags.split(' ').chain(["--json"]).collect();
    let done = acklog(&master, &flags);
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""));
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&found["failed"], &found["unanswered"]), (&json!(0), &json!(0)), "{found}");
    assert!(found["latencyUs"]["p50"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(health(master.http)["logEnd"], found["answered"]);
    let refused = acklog(&master, &[&flags[..], &["--write-concern", "2"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).starts_with("acklog: no request succeeded: "), "{refused:?}");
}

#[test]
fn bench_that_is_interrupted_tells_what_it_measured_by_then() {
    let (master, _) = master(&["--log", "info"]);
    let flags = "bench --clients 1 --rate 200 --duration 600s --warm-up 0s";
    let bench = Command::new(env!("CARGO_BIN_EXE_acklog"))
        .args(flags.split(' '))
        .env_clear()
        .env("ACKLOG_URL", format!("http://{}", master.http))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("a message to arrive", || health(master.http)["logEnd"] != 0);
    kill_process(Pid::from_child(&bench), Signal::INT).unwrap();
    let done = bench.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    let table = text(&done.stdout);
    assert!(table.contains("due/s                200") && table.contains("latency"), "{table}");
}

#[test]
fn a_check_of_too_little_does_not_say_that_all_is_well() {
    let (master, _) = master(&["--cluster-size", "1"]);
    let checked = acklog(&master, &["check", "--messages", "20", "--senders", "2"]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let told = text(&checked.stdout);
    assert!(told.ends_with("\nno violation, but too few answers to judge by\n"), "{told}");
}

#[test]
fn a_port_in_use_ends_a_node_with_1_and_one_line() {
    let (_master, comm) = master(&[]);
    let port = comm.port().to_string();
    let args = ["--http-port", "0", "--comm-port", &port, "--log", "off"];
    let second = Command::new(env!("CARGO_BIN_EXE_master-node")).args(args).env_clear().output();
    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let errors = text(&second.stderr);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(&format!("127.0.0.1:{port}")), "{errors}");
}

/// Starts `acklog up` on free ports with these flags, and waits until the master and two
/// secondaries are ready.
fn up(flags: &[&str]) -> (Process, Vec<std::net::SocketAddr>) {
    let args = [&["up", "--http-port", "0", "--comm-port", "0"], flags].concat();
    let up = Process::start(env!("CARGO_BIN_EXE_acklog"), &args);
    let address = |name: &str| {
        up.log.find(name, |line| {
            let rest = line.contains("serving HTTP").then_some(line)?;
            let rest = rest.trim_start().starts_with(name).then_some(rest)?;
            rest.split_once("address=")?.1.split_whitespace().next()?.parse().ok()
        })
    };
    let nodes: Vec<std::net::SocketAddr> = ["master", "bonnie", "clyde"].map(address).to_vec();
    wait_until("all to be ready", || nodes.iter().all(|&http| get(http, "/ready").status == 200));
    (up, nodes)
}

#[test]
fn up_starts_a_cluster_and_leaves_no_child() {
    let (mut up, nodes) = up(&["--", "--log", "info"]);
    assert_eq!(append(nodes[0], "Msg1", "\"all\"").1.len(), 3);
    up.signal(Signal::TERM);
    assert_eq!(up.wait(), Some(0));
    for http in nodes {
        assert!(std::net::TcpStream::connect(http).is_err(), "a child outlived up");
    }
}

#[test]
fn up_shows_the_life_of_a_message_on_each_node() {
    let (up, nodes) = up(&[]);
    append(nodes[0], "Msg1", "\"all\"");
    for (name, event) in [
        ("master", "accepted a message id=0"),
        ("bonnie", "stored id=0"),
        ("clyde", "stored id=0"),
        ("master", "acked peer=bonnie id=0"),
    ] {
        up.log.find(event, |line| {
            let (node, rest) = line.split_once('|')?;
            (node.trim_end() == name && rest.contains(event)).then_some(())
        });
    }
    // The time since `up` began, the level, the event: the name comes before the line.
    let ready = up.log.find("ready", |line| line.contains("ready end=0").then(|| line.to_owned()));
    let words: Vec<_> = ready.split_whitespace().collect();
    assert!(words[2].parse::<f64>().unwrap() < 60.0 && words[3] == "INFO", "{ready}");
}

#[test]
fn faults_can_be_typed_into_up_and_nodes_flags_need_no_dashes() {
    let (mut up, nodes) = up(&["--allow-faults", "--heartbeat-interval", "100ms"]);
    up.type_line("slow clyde 1ms");
    wait_until("clyde to be slow", || {
        get(nodes[2], "/faults").json()["storeDelayMs"] == serde_json::json!([1, 1])
    });
    up.type_line("pause clyde");
    let faults = || get(nodes[2], "/faults").json();
    wait_until("clyde to be paused", || faults()["paused"] == true);
    assert_eq!(faults()["storeDelayMs"], serde_json::json!([1, 1]));
    up.type_line("cut bonnie");
    wait_until("bonnie to be cut off", || row(nodes[0], "bonnie")["phase"] == "disconnected");
    assert_eq!(get(nodes[1], "/faults").json()["dropRate"], 1.0);
    up.type_line("heal");
    wait_until("all to be ready", || {
        ["bonnie", "clyde"].iter().all(|name| row(nodes[0], name)["phase"] == "ready")
    });
    for (typed, answer) in [
        ("slow bonnie 2", "write 2s for seconds"),
        ("slow master 1s", "only a secondary"),
        ("slow nobody 1s", "Nodes: master, bonnie, clyde"),
        ("kill clyde", "clyde ended"),
        ("pause clyde", "up: clyde is not running"),
    ] {
        up.type_line(typed);
        up.log.wait_for(answer);
    }
}

#[test]
fn who_types_a_fault_where_they_are_off_is_told_how_to_turn_them_on() {
    let (mut up, _) = up(&[]);
    up.type_line("pause clyde");
    up.log.wait_for("up: faults are off: start with `acklog up --allow-faults`");
}

#[test]
fn a_cluster_that_up_starts_again_in_its_directory_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("logs").to_str().unwrap().to_owned();
    let (mut first, nodes) = up(&["--data-dir", &data_dir]);
    append(nodes[0], "Msg1", "\"all\"");
    first.signal(Signal::TERM);
    assert_eq!(first.wait(), Some(0));
    let (second, nodes) = up(&["--data-dir", &data_dir]);
    for &http in &nodes {
        assert_eq!(texts(http), ["Msg1"]);
    }
    assert_eq!(append(nodes[0], "Msg2", "\"all\"").0, 1);
    let begins = |up: &Process| up.log.all().join("\n").matches("begins here").count();
    assert_eq!((begins(&first), begins(&second)), (3, 0));
    drop(second);
    let bonnies = format!("{data_dir}/bonnie");
    let tool = Command::new(env!("CARGO_BIN_EXE_acklog")).args(["log", "dump", &bonnies]).output();
    assert_eq!(text(&tool.unwrap().stdout), "0\tMsg1\n1\tMsg2\n");
}

#[test]
fn a_node_that_cannot_start_ends_also_where_standard_error_takes_nothing() {
    let (_unread, mut full) = std::io::pipe().unwrap();
    fcntl_setfl(&full, OFlags::NONBLOCK).unwrap();
    while full.write(&[0; 4096]).is_ok() {}
    // From here on every writer waits.
    fcntl_setfl(&full, OFlags::empty()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_master-node"));
    let child = RefCell::new(command.arg("--nope").env_clear().stderr(full).spawn().unwrap());
    wait_until("the process to end", || child.borrow_mut().try_wait().unwrap().is_some());
    assert_eq!(child.into_inner().wait().unwrap().code(), Some(2));
}

#[test]
fn what_was_done_and_cannot_be_told_is_done() {
    let kept = TempDir::new().unwrap();
    let (dir, target) = (kept.path().join("log"), kept.path().join("copy"));
    let (master, _) = master(&["--data-dir", dir.to_str().unwrap()]);
    append(master.http, "Msg0", "1");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    let backup = command.args(["log", "backup"]).args([&dir, &target]).stdout(full).env_clear();
    let done = backup.output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert!(text(&done.stderr).contains("done, but the output cannot be written"));
    assert!(target.join("manifest").exists());
}
