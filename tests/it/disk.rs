//! Nodes with data directories: what a restart keeps, and what a damaged file does to a running
//! node.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

fn directory() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    (directory, path)
}

fn keyed(http: SocketAddr, text: &str, key: &str) -> Answer {
    let key = format!("Idempotency-Key: {key}");
    begin_with(http, "POST", "/messages", &[&key], &append_body(text, "1")).answer()
}

/// Stops a node as an operator does.
fn stop(mut node: Node) {
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.wait(), Some(0));
}

/// Changes one byte of a text in the log's files.
pub fn damage(directory: &Path, text: &str) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        if let Some(at) = found {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            return file.write_all_at(b"!", at as u64).unwrap();
        }
    }
    panic!("no file has {text:?}");
}

/// Returns everything that a node sends for a `GET` with this `Accept`, as it comes.
fn raw(http: SocketAddr, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_restarted_master_keeps_its_messages_ids_keys_and_secondaries() {
    let (_kept, data) = directory();
    let (_hers, hers) = directory();
    let (first, comm) = master(&["--data-dir", &data]);
    let bonnie = secondary("bonnie", comm, &["--data-dir", &hers]);
    wait_ready(&bonnie);
    assert_eq!(created(&keyed(first.http, "Msg1", "order-17")).0, 0);
    append(first.http, "Msg2", "2");
    stop(bonnie);
    stop(first);

    let (again, comm) = master(&["--data-dir", &data]);
    assert_eq!(texts(again.http), ["Msg1", "Msg2"]);
    let shown = health(again.http);
    assert_eq!(shown["disk"], json!({"state": "ok", "detail": null}));
    assert_eq!(shown["clusterSize"], 2, "{shown}");
    let row = |member: &str| row(again.http, "bonnie")[member].clone();
    assert_eq!(
        (row("status"), row("ackedEnd"), row("lag")),
        (json!("unhealthy"), Value::Null, Value::Null)
    );
    let replayed = keyed(again.http, "Msg1", "order-17");
    assert_eq!(created(&replayed).0, 0);
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(keyed(again.http, "Other", "order-17").status, 422);
    let bonnie = secondary("bonnie", comm, &["--data-dir", &hers]);
    assert_eq!(
        append(again.http, "Msg3", "2"),
        (2, vec!["master".to_owned(), "bonnie".to_owned()])
    );
    wait_ready(&bonnie);
    assert_eq!(row("ackedEnd"), 3);
    assert_eq!(texts(bonnie.http), ["Msg1", "Msg2", "Msg3"]);
}

#[test]
fn a_new_secondary_is_served_from_files() {
    let (_kept, data) = directory();
    let (first, _) = master(&["--data-dir", &data]);
    let long = "x".repeat(100_000);
    let sent: Vec<String> = (0..30).map(|n| format!("{n} {long}")).collect();
    sent.iter().for_each(|text| drop(append(first.http, text, "1")));
    stop(first);
    let (again, comm) = master(&["--data-dir", &data]);
    let bonnie = secondary("bonnie", comm, &[]);
    wait_ready(&bonnie);
    assert!(texts(bonnie.http) == sent);
    assert_eq!(append(again.http, "more", "2").0, 30);
}

#[test]
fn readers_that_do_not_read_cost_some_pages_each_and_hold_up_nobody() {
    let (_kept, data) = directory();
    let (master, _) = master(&["--data-dir", &data, "--fsync", "never"]);
    let long = "x".repeat(100_000);
    // The older half is read from files.
    (0..250).for_each(|_| drop(append(master.http, &long, "1")));
    let before = master.process.rss_kib();
    let slow: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(master.http).unwrap();
            stream.write_all(b"GET /messages HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.read_exact(&mut [0; 12]).unwrap();
            stream
        })
        .collect();
    // Readers take turns: the thread serves this one while the slow ones read nothing.
    assert!(get(master.http, "/messages").body.len() > 250 * long.len());
    let grown = master.process.rss_kib().saturating_sub(before);
    assert!(grown < 50_000, "{} readers cost {grown} KiB", slow.len());
}

#[test]
fn readers_of_long_messages_that_do_not_read_hold_up_no_small_listing() {
    let (_kept, data) = directory();
    let args = ["--data-dir", &data, "--max-listing-bytes", "4MiB"];
    let (master, _) = master(&args);
    let long = "x".repeat(1_000_000);
    // The oldest ones are in files only.
    (0..22).for_each(|_| drop(append(master.http, &long, "1")));
    append(master.http, "small", "1");
    let ask = |id: u32| {
        let mut stream = TcpStream::connect(master.http).unwrap();
        let head = format!("GET /messages?from={id}&limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut slow = ask(0);
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.read_exact(&mut [0; 12]).unwrap();
    // There is space for two of them at most.
    let _waiting: Vec<_> = (0..40).map(|n| ask(n % 4)).collect();
    // More than once, so that some of these come behind some of those.
    for _ in 0..40 {
        let shown = get(master.http, "/messages?from=22");
        assert_eq!(shown.json(), json!([{"id": 22, "message": "small"}]));
    }
}

#[test]
fn a_damaged_message_is_never_served_and_the_node_says_so() {
    let (kept, data) = directory();
    let (first, _) = master(&["--data-dir", &data]);
    for name in ["first", "second", "third"] {
        // Longer than one read.
        append(first.http, &format!("{name} {}", "x".repeat(300_000)), "1");
    }
    stop(first);
    let (again, comm) = master(&["--data-dir", &data]);
    assert_eq!(get(again.http, "/messages/2").status, 200);
    damage(kept.path(), "third x");
    let refused = get(again.http, "/messages/2");
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.json()["detail"].as_str().unwrap().contains("00000000000000000000.log"));
    assert_eq!(get(again.http, "/messages?from=2").status, 500);
    for accept in ["application/json", "application/x-ndjson"] {
        let part = raw(again.http, "/messages", accept);
        assert!(part.starts_with("HTTP/1.1 200 ") && part.contains("first x"), "{part:.100}");
        assert!(!part.contains("third") && !part.ends_with("\r\n0\r\n\r\n"), "cut off");
        // The end of an HTTP/1.0 listing is that of the connection, which must not be a clean one.
        let mut stream = TcpStream::connect(again.http).unwrap();
        let request =
            format!("GET /messages HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let read = stream.read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert_eq!(get(again.http, "/messages?limit=2").json().as_array().unwrap().len(), 2);

    wait_until("the node to say so", || health(again.http)["disk"]["state"] == "damaged");
    assert_eq!(get(again.http, "/ready").status, 503);
    assert_eq!(health(again.http)["mode"], "read-only");
    let refused = request(again.http, "POST", "/messages", &append_body("more", "1"));
    assert_eq!((refused.status, refused.json().get("id")), (503, None));
    assert!(refused.header("retry-after").is_some());
    assert!(refused.json()["detail"].as_str().unwrap().contains("restart this node"));
    // A new secondary cannot get all messages, and so never counts.
    let bonnie = secondary("bonnie", comm, &[]);
    bonnie.process.log.wait_for("the request failed at the master");
    assert_eq!(health(again.http)["clusterSize"], 1);
}

#[test]
fn a_secondary_is_told_that_its_master_cannot_read_what_it_asks_for() {
    let (kept, data) = directory();
    let (first, comm) = master(&["--data-dir", &data]);
    wait_ready(&secondary("bonnie", comm, &[]));
    let long = "x".repeat(200_000);
    for name in ["first", "second", "third"] {
        append(first.http, &format!("{name} {long}"), "1");
    }
    stop(first);
    let (again, comm) = master(&["--data-dir", &data]);
    damage(kept.path(), "second x");
    let bonnie = secondary("bonnie", comm, &[]);
    // The lines of both nodes name the place.
    for node in [&bonnie, &again] {
        node.process.log.wait_for("the checksum of message 1 is wrong");
    }
    assert_eq!(texts(bonnie.http).len(), 1, "what stands before the damage is there");
    assert_eq!(get(bonnie.http, "/ready").status, 503);
}

fn acklog(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_acklog")).args(args).env_clear().output().unwrap()
}

#[test]
fn a_damaged_message_is_taken_from_a_running_node_where_its_checksum_proves_it() {
    let (_kept, hers) = directory();
    let (master, comm) = master(&["--cluster-size", "2"]);
    let flags = ["--data-dir", &hers];
    let bonnie = secondary("bonnie", comm, &flags);
    wait_ready(&bonnie);
    keyed(master.http, "first", "order-1");
    keyed(master.http, "next \u{0} \u{2028}", "order-2");
    append(master.http, "third", "2");
    append(master.http, "the fourth", "2");
    stop(bonnie);
    let file = Path::new(&hers).join("00000000000000000000.log");
    let whole = fs::read(&file).unwrap();
    let url = format!("http://{}", master.http);
    let repair = || acklog(&["log", "repair", &hers, "--from", &url]);
    // Its id is gone, so that its time could be another's.
    let mut headless = whole.clone();
    let third = headless.windows(5).position(|bytes| bytes == b"third").unwrap();
    headless[third - 17] ^= 8;
    fs::write(&file, &headless).unwrap();
    let refused = repair();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("of messages 2 the times and keys are damaged"), "{said}");
    // Its time is another one.
    headless = whole.clone();
    headless[third - 9] ^= 8;
    fs::write(&file, &headless).unwrap();
    let said = String::from_utf8(repair().stderr).unwrap();
    assert!(said.contains("no checksum in this directory proves"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), headless, "nothing was changed");
    fs::write(&file, &whole).unwrap();
    damage(Path::new(&hers), "next");
    damage(Path::new(&hers), "the fourth");
    let repaired = repair();
    let said = String::from_utf8([repaired.stdout, repaired.stderr].concat()).unwrap();
    assert!(said.contains("took 2 messages, checked against the checksums"), "{said}");
    let bonnie = secondary("bonnie", comm, &flags);
    wait_ready(&bonnie);
    assert_eq!(texts(bonnie.http), texts(master.http));
}

/// Returns the files of a directory and their bytes, without the lock and indexes.
fn files(directory: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let kept = named.filter(|(name, _)| name != "lock" && !name.ends_with(".index"));
    kept.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

#[test]
fn a_repair_that_finds_no_room_for_all_of_it_changes_nothing() {
    let (_kept, whole) = directory();
    let (_copied, copy) = directory();
    let (node, _) = master(&["--data-dir", &whole, "--segment-bytes", "4096"]);
    for (n, length) in [1500, 1500, 1500, 40_000, 10].into_iter().enumerate() {
        append(node.http, &format!("Msg{n} {}", "x".repeat(length)), "1");
    }
    stop(node);
    for (name, bytes) in files(&whole) {
        fs::write(Path::new(&copy).join(name), bytes).unwrap();
    }
    // There is space for the first of them.
    damage(Path::new(&copy), "Msg0 x");
    damage(Path::new(&copy), "Msg3 x");
    let before = files(&copy);
    let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let repair = ["log", "repair", &copy, "--from", &whole];
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_acklog")]).args(repair);
    let refused = command.env_clear().output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(files(&copy).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(files(&copy) == before, "nothing was changed");
    assert!(acklog(&repair).status.success());
    assert!(acklog(&["log", "verify", &copy]).status.success());
}

/// A path that leads to one directory and then to another, in which the new node is started before
/// the old one ends.
#[test]
fn a_node_stays_in_the_directory_that_it_locked_wherever_its_path_leads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let current = at("current");
    fs::create_dir(at("blue")).unwrap();
    fs::create_dir(at("green")).unwrap();
    let lead_to = |name: &str| {
        let _ = fs::remove_file(&current);
        symlink(at(name), &current).unwrap();
    };
    let node = |data: &str| master(&["--data-dir", data, "--segment-bytes", "4096"]).0;
    lead_to("blue");
    let old = node(&current);
    append(old.http, "of blue", "1");
    lead_to("green");
    let mut new = node(&current);
    append(new.http, "of green", "1");
    // It begins segments and writes indexes and manifests.
    let long = "x".repeat(3000);
    (0..4).for_each(|_| drop(append(old.http, &long, "1")));
    stop(old);
    new.process.kill();
    let new = node(&current);
    assert_eq!(texts(new.http), ["of green"]);
    stop(new);
    let old = node(&at("blue"));
    assert_eq!(texts(old.http).len(), 5);
    stop(old);
}

#[test]
fn a_node_that_requires_a_log_begins_none_where_there_is_none() {
    let (_kept, data) = directory();
    for program in [env!("CARGO_BIN_EXE_master-node"), env!("CARGO_BIN_EXE_secondary-node")] {
        let args = ["--http-port", "0", "--data-dir", &data, "--require-log"];
        let mut refused = Process::start(program, &args);
        refused.log.wait_for(&format!("the data directory {data} holds no log, and --require-log"));
        assert_eq!(refused.wait(), Some(1));
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was put there");
    }
    stop(master_at("0", &["--data-dir", &data]).0);
    stop(master_at("0", &["--data-dir", &data, "--require-log"]).0);
}
