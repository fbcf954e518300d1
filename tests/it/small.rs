//! Nodes with segments so small that files begin, are sealed, get indexes and are read again all
//! the time.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::support::*;

/// Returns the names of the files with this ending, in order.
fn files(directory: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// Appends messages until the log has so many files.
fn fill(http: SocketAddr, directory: &Path, count: usize) {
    for n in 0.. {
        if files(directory, ".log").len() >= count {
            return;
        }
        append(http, &format!("Msg{n} {}", "x".repeat(1500)), "1");
    }
}

/// Starts a master with small segments on a data directory.
fn small_master(data: &Path) -> Node {
    master(&["--data-dir", data.to_str().unwrap(), "--segment-bytes", "4096"]).0
}

/// Kills a master that has five sealed segments with an index each. Returns its data directory.
fn killed_with_indexes() -> TempDir {
    let kept = tempfile::tempdir().unwrap();
    let mut master = small_master(kept.path());
    fill(master.http, kept.path(), 6);
    wait_until("an index of each sealed segment", || files(kept.path(), ".index").len() >= 5);
    master.process.kill();
    kept
}

#[test]
fn each_sealed_segment_gets_an_index_and_a_lost_one_is_made_again() {
    let kept = killed_with_indexes();
    let indexes = || files(kept.path(), ".index");
    let lost = indexes()[2].clone();
    fs::remove_file(kept.path().join(&lost)).unwrap();
    let again = small_master(kept.path());
    wait_until("the index that was lost", || indexes().contains(&lost));
    assert_eq!(get(again.http, "/ready").status, 200);
}

#[test]
fn damage_that_nobody_reads_is_found_by_the_node_itself() {
    let kept = killed_with_indexes();
    let oldest = kept.path().join(&files(kept.path(), ".log")[0]);
    let mut bytes = fs::read(&oldest).unwrap();
    let at = bytes.windows(5).position(|window| window == b"Msg1 ").unwrap();
    bytes[at] = b'!';
    fs::write(&oldest, bytes).unwrap();
    // Its index is whole, so the start does not read the segment, and no client reads the message.
    let again = small_master(kept.path());
    wait_until("the damage to be found", || health(again.http)["disk"]["state"] == "damaged");
    assert_eq!(get(again.http, "/ready").status, 503);
    assert_eq!(get(again.http, "/messages/0").status, 200, "what is whole is served");
}

/// Limits of a running process can be changed on Linux only.
#[cfg(target_os = "linux")]
pub mod descriptors {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;

    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    use serde_json::Value;

    use super::*;

    /// A connection that is kept open.
    pub struct Kept(BufReader<TcpStream>);

    impl Kept {
        pub fn new(http: SocketAddr) -> Self {
            let stream = TcpStream::connect(http).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Self(BufReader::new(stream))
        }

        pub fn send(&mut self, method: &str, path: &str, body: &str) {
            let length = body.len();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
            let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
            self.0.get_mut().write_all(request.as_bytes()).unwrap();
        }

        /// Reads a response: its status and its JSON.
        pub fn answer(&mut self) -> (u16, Value) {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                self.0.read_line(&mut head).unwrap();
            }
            for line in head.lines() {
                if let Some((name, value)) = line.split_once(": ")
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, serde_json::from_slice(&body).unwrap())
        }
    }

    /// Takes all but `count` of the descriptors that a node has free.
    pub fn leave_free(node: &Node, count: usize) {
        let open = files(Path::new(&format!("/proc/{}/fd", node.process.id())), "");
        let is_free = |number: &u64| !open.contains(&number.to_string());
        limit(node, (0..).filter(is_free).nth(count).unwrap());
    }

    /// Limits a node to descriptors with numbers below `end`. Returns the limit that it had.
    fn limit(node: &Node, end: u64) -> Rlimit {
        let limit = Rlimit { current: Some(end), ..getrlimit(Resource::Nofile) };
        let process = Pid::from_raw(i32::try_from(node.process.id()).unwrap());
        prlimit(process, Resource::Nofile, limit).unwrap()
    }

    #[test]
    fn a_log_has_descriptors_in_reserve_for_its_next_segment() {
        let kept = tempfile::tempdir().unwrap();
        let flags = ["--data-dir", kept.path().to_str().unwrap(), "--segment-bytes", "4096"];
        let (node, _) = master(&flags);
        let mut sender = Kept::new(node.http);
        let body = append_body(&"x".repeat(1500), "1");
        for n in 0..6 {
            sender.send("POST", "/messages", &body);
            assert_eq!(sender.answer().0, 201, "message {n}");
            if n == 0 {
                leave_free(&node, 0);
            }
        }
        assert_eq!(files(kept.path(), ".log").len(), 2);
        let lines = node.process.log.all();
        assert!(!lines.iter().any(|line| line.contains("nothing can be written")), "{lines:#?}");
    }

    #[test]
    fn a_segment_that_cannot_begin_for_want_of_descriptors_begins_later() {
        let kept = tempfile::tempdir().unwrap();
        let flags = ["--data-dir", kept.path().to_str().unwrap(), "--segment-bytes", "4096"];
        let (node, _) = master(&flags);
        let (mut sender, mut watcher) = (Kept::new(node.http), Kept::new(node.http));
        let mut state = || {
            watcher.send("GET", "/health", "");
            watcher.answer().1["disk"]["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(state(), "ok");
        let body = append_body(&"x".repeat(1500), "1");
        sender.send("POST", "/messages", &body);
        assert_eq!(sender.answer().0, 201);
        // From here on the process gets no descriptor at all, whatever it has in reserve.
        let before = limit(&node, 3);
        // Two more fill the segment. The next one needs another: it waits for the disk, and its
        // client for the response.
        for _ in 0..2 {
            sender.send("POST", "/messages", &body);
            assert_eq!(sender.answer().0, 201);
        }
        sender.send("POST", "/messages", &body);
        while state() == "ok" {
            pause();
        }
        assert_eq!(state(), "stalled");
        limit(&node, before.current.unwrap_or(u64::MAX));
        assert_eq!(sender.answer().0, 201, "there are descriptors again");
        while state() != "ok" {
            pause();
        }
        assert_eq!(texts(node.http).len(), 4);
        assert_eq!(files(kept.path(), ".log").len(), 2);
    }
}
