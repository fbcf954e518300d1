//! `acklog check` against real nodes: it passes a healthy cluster and finds a node that lies. An
//! HTTP proxy in front of a node tells the lies.

mod basic;
mod following;
mod lies;
mod proxy;
mod runs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use self::proxy::{lying, lying_also_in_streams, pass_on, pass_on_changed};
use crate::support::*;

/// Creates a run of `acklog` with these nodes.
fn acklog(urls: &[SocketAddr], args: &[&str]) -> Command {
    let urls: Vec<_> = urls.iter().map(|url| format!("http://{url}")).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    command.args(args).env_clear().env("ACKLOG_URL", urls.join(","));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn check(urls: [SocketAddr; 2], flags: &[&str]) -> Output {
    // So many messages, without a timeout: each machine has enough responses for a verdict.
    let args = ["check", "--duration", "100s", "--senders", "4", "--messages", "600"];
    acklog(&urls, &[&args, flags].concat()).output().unwrap()
}

/// Checks a cluster of which one node lies. The lie must be found, as this kind of violation.
#[track_caller]
fn finds(urls: [SocketAddr; 2], kind: &str, id: Option<u64>) {
    finds_among(urls, "600", kind, id);
}

/// As [`finds`], with so many messages.
#[track_caller]
fn finds_among(urls: [SocketAddr; 2], messages: &str, kind: &str, id: Option<u64>) {
    let output = check(urls, &["--json", "--converge", "500ms", "--messages", messages]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations = found["firstViolations"].as_array().unwrap();
    let is_it = |found: &Value| found["kind"] == kind && id.is_none_or(|id| found["id"] == id);
    assert!(violations.iter().any(is_it), "{violations:#?}");
}

/// Changes the lists of a secondary.
#[track_caller]
fn finds_in_lists(
    lie: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
    kind: &str,
    id: Option<u64>,
) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let proxy = lying(nodes[0].http, move |_, _, answer| {
        if let Some(rows) = answer.as_array_mut() {
            lie(rows);
        }
    });
    // Before the first of the long texts, which take some time.
    finds_among([master.http, proxy], "190", kind, id);
}

/// Changes the responses of the master to clients.
#[track_caller]
fn finds_in_answers(lie: impl Fn(&mut Value) + Send + Sync + 'static, kind: &str, id: Option<u64>) {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let proxy = lying(master.http, move |line, status, answer| {
        if line.starts_with("POST") && *status == 201 {
            lie(answer);
        }
    });
    finds([proxy, nodes[0].http], kind, id);
}

/// Returns the place of a message in a list.
fn at(rows: &[Value], id: u64) -> Option<usize> {
    rows.iter().position(|row| row["id"] == id)
}

#[test]
fn a_healthy_cluster_passes_whatever_was_in_its_log_before() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    append(master.http, "before", "2");
    // Through a proxy that tells the truth: it is not the proxy that is found.
    let urls = [lying(nodes[0].http, |_, _, _| {}), master.http];
    for _ in 0..2 {
        let output = check(urls, &[]);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text.contains("\nno violation\n") && text.contains("\nconverged in "), "{text}");
        assert!(text.contains("\nmajority ") && text.contains("\nbonnie "), "{text}");
    }
    assert!(texts(nodes[0].http).len() > 3);
}

#[test]
fn a_changed_text_is_found() {
    let lie = |rows: &mut Vec<Value>| {
        if let Some(at) = at(rows, 5) {
            rows[at]["message"] = "changed".into();
        }
    };
    finds_in_lists(lie, "content", Some(5));
}

#[test]
fn a_hidden_message_is_found() {
    finds_in_lists(|rows| rows.retain(|row| row["id"] != 5), "order", Some(5));
}

#[test]
fn two_swapped_messages_are_found() {
    let lie = |rows: &mut Vec<Value>| {
        if let (Some(a), Some(b)) = (at(rows, 5), at(rows, 6)) {
            rows.swap(a, b);
        }
    };
    finds_in_lists(lie, "order", Some(5));
}

#[test]
fn a_doubled_message_is_found() {
    let lie = |rows: &mut Vec<Value>| {
        if let Some(at) = at(rows, 5) {
            rows.insert(at, rows[at].clone());
        }
    };
    finds_in_lists(lie, "order", Some(6));
}

#[test]
fn a_list_that_shrinks_is_found() {
    let was_shown = AtomicBool::new(false);
    let lie = move |rows: &mut Vec<Value>| {
        if was_shown.load(Ordering::SeqCst) {
            rows.retain(|row| row["id"].as_u64().unwrap() < 5);
        } else if at(rows, 5).is_some() {
            was_shown.store(true, Ordering::SeqCst);
        }
    };
    finds_in_lists(lie, "shrunk", None);
}

#[test]
fn an_answer_with_another_id_is_found() {
    // One response, whichever comes first: the client of a given message may have given up waiting.
    let has_lied = AtomicBool::new(false);
    let lie = move |answer: &mut Value| {
        if !has_lied.swap(true, Ordering::SeqCst) {
            answer["id"] = 1_000_000.into();
        }
    };
    finds_in_answers(lie, "answer-id", Some(1_000_000));
}

#[test]
fn too_few_acks_are_found() {
    let lie = |answer: &mut Value| {
        if answer["writeConcern"] == 2 {
            answer["ackedBy"].as_array_mut().unwrap().truncate(1);
        }
    };
    finds_in_answers(lie, "write-concern", None);
}

#[test]
fn a_secondary_that_was_acked_for_and_hides_the_message_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let lie = |_: &str, _: &mut u16, answer: &mut Value| {
        if let Some(rows) = answer.as_array_mut() {
            rows.truncate(1);
        }
    };
    let hidden = |event: String| match following::message(&event) {
        Some(_) => String::new(),
        None => event,
    };
    let proxy = lying_also_in_streams(nodes[0].http, lie, hidden);
    finds_among([master.http, proxy], "190", "ack", None);
}

#[test]
fn a_batch_that_is_shown_in_part_is_found() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    // Lists end behind the first message of the batch that was answered last.
    let batch = Mutex::new(None);
    let proxy = lying(master.http, move |line, _, answer| {
        let mut batch = batch.lock().unwrap();
        if line.starts_with("POST") && answer["count"].as_u64() > Some(1) {
            *batch = answer["id"].as_u64();
        } else if let (Some(rows), Some(first)) = (answer.as_array_mut(), *batch) {
            rows.retain(|row| row["id"].as_u64() <= Some(first));
        }
    });
    finds_among([proxy, nodes[0].http], "190", "batch", None);
}

#[test]
fn an_answer_with_another_count_is_found() {
    let lie = |answer: &mut Value| {
        if answer["count"].is_u64() {
            answer["count"] = 1.into();
        }
    };
    finds_in_answers(lie, "malformed", None);
}

#[test]
fn a_cluster_passes_with_all_faults_on_and_has_none_afterwards() {
    let (master, comm) = master(&["--allow-faults"]);
    let secondary = |name| secondary(name, comm, &["--allow-faults"]);
    let nodes = [master, secondary("bonnie"), secondary("clyde")];
    nodes.iter().for_each(wait_ready);
    let urls: Vec<_> = nodes.iter().map(|node| node.http).collect();
    let faults =
        "faults set --error-rate 0.3 --drop-rate 0.1 --duplicate-rate 0.3 --send-delay 0ms..20ms";
    let set = acklog(&urls, &faults.split(' ').collect::<Vec<_>>()).output().unwrap();
    let lines = String::from_utf8(set.stdout).unwrap();
    assert_eq!((set.status.code(), lines.lines().count()), (Some(0), 12), "{lines}");
    let flags = "check --json --duration 100s --messages 1000 --rate 500 --disconnect-every 300ms";
    let checked = acklog(&urls, &flags.split(' ').collect::<Vec<_>>()).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&found["faultsCleared"], &found["violations"]), (&3.into(), &0.into()));
    assert!(found["disconnects"].as_u64().unwrap() > 0, "{found}");
    let shown = acklog(&urls[1..], &["faults"]).output().unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap().matches(": no faults\n").count(), 2);
}

#[test]
fn a_node_that_acks_nothing_because_of_its_faults_is_not_accused_while_they_stay() {
    let (master, comm) = master(&[]);
    let bonnie = secondary("bonnie", comm, &["--allow-faults"]);
    wait_ready(&bonnie);
    assert_eq!(request(bonnie.http, "PUT", "/faults", r#"{"errorRate":1}"#).status, 200);
    // After a run that is never acked the next one follows in up to a second.
    let output = check(
        [master.http, bonnie.http],
        // So many that some of them wait for two nodes without a timeout.
        &["--keep-faults", "--converge", "3s", "--duration", "3s", "--senders", "64"],
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("senders still waited at the end\n"), "{text}");
}

#[test]
fn who_interrupts_a_check_gets_its_report_and_nodes_without_faults() {
    let (master, _, nodes) = cluster(&["--allow-faults"], &["bonnie"]);
    assert_eq!(request(master.http, "PUT", "/faults", r#"{"duplicateRate":1}"#).status, 200);
    let mut command = acklog(&[master.http, nodes[0].http], &["check", "--duration", "1000s"]);
    let checking = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Enough for a verdict, whatever part of it comes in batches.
    wait_until("a load", || health(master.http)["logEnd"].as_u64() > Some(5000));
    kill_process(Pid::from_child(&checking), Signal::INT).unwrap();
    let output = checking.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("after the faults of 1 node were cleared\nno violation\n"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("the load ends early"));
}

#[test]
fn a_node_that_goes_away_meanwhile_is_a_failed_convergence() {
    let (master, _, mut nodes) = cluster(&[], &["bonnie"]);
    let flags = "check --json --messages 1000 --duration 10s --converge 1s --senders 4";
    let urls = [master.http, nodes[0].http];
    let child = acklog(&urls, &flags.split(' ').collect::<Vec<_>>()).spawn().unwrap();
    wait_until("the load to run", || health(master.http)["logEnd"].as_u64().unwrap() > 100);
    nodes[0].process.kill();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &found["firstViolations"][0];
    assert_eq!((&first["kind"], &first["node"]), (&"not-converged".into(), &"bonnie".into()));
    assert!(found["nodes"][1]["failedReads"].as_u64().unwrap() > 0, "{found}");
}

#[test]
fn a_node_that_does_not_clear_its_faults_is_told_of() {
    let (master, _, nodes) = cluster(&[], &["bonnie"]);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = proxy.local_addr().unwrap();
    let bonnie = nodes[0].http;
    std::thread::spawn(move || {
        for client in proxy.incoming().map_while(Result::ok) {
            let mut first = [0; 6];
            if client.peek(&mut first).is_ok() && first != *b"DELETE" {
                std::thread::spawn(
                    move || while pass_on(&client, bonnie, &|_, _, _| {}).is_some() {},
                );
            }
        }
    });
    let output = check([master.http, url], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("\n1 node did not clear its faults"), "{text}");
}

#[test]
fn without_a_master_there_is_nothing_to_check() {
    let (_master, _, nodes) = cluster(&[], &["bonnie"]);
    let output = acklog(&[nodes[0].http], &["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("none of the URLs is a master"));
}
