//! The echo pair of iteration 0, as real processes on a free port.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[allow(dead_code, reason = "included so that its own tests run, which examples' do not")]
#[path = "../examples/echo_log/mod.rs"]
mod echo_log;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Returns the path of an example's executable: `cargo test` builds them next to the tests' own
/// folder.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples").join(name)
}

struct Server {
    process: Child,
    lines: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(example("echo_server"))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let (time, said) = first.trim_end().split_once(" - SERVER - INFO - ").unwrap();
        let digits_as_nines: String =
            time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(digits_as_nines, "9999-99-99 99:99:99,999");
        let address = said.strip_prefix("Echo server listening on ").unwrap().to_owned();
        Self { process, lines, address }
    }

    /// Returns the next line.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().split_once(" - SERVER - INFO - ").unwrap().1.to_owned()
    }

    fn client(&self, messages: &[&str]) -> Vec<String> {
        let output = Command::new(example("echo_client"))
            .arg(&self.address)
            .args(messages)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = |line: &str| line.split_once(" - CLIENT - INFO - ").unwrap().1.to_owned();
        String::from_utf8(output.stdout).unwrap().lines().map(said).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_default_messages_come_back_as_in_the_exercise() {
    let mut server = Server::start();
    let said = server.client(&[]);
    let messages = ["Test Message 1 from client", "Another Message from client"];
    let expected: Vec<_> = messages
        .iter()
        .flat_map(|text| [format!("Sending: '{text}'"), format!("Received echo: '{text}'")])
        .collect();
    assert_eq!(said, expected);
    // Each connection has a thread of its own, so lines of two of them may alternate.
    let lines: Vec<_> = (0..8).map(|_| server.line()).collect();
    let peers: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("Connected by ")).collect();
    assert_eq!(peers.len(), messages.len(), "{lines:#?}");
    for (message, peer) in messages.iter().zip(peers) {
        assert!(peer.starts_with("('127.0.0.1', ") && peer.ends_with(')'), "{peer}");
        let of_peer: Vec<_> = lines.iter().filter(|line| line.contains(peer)).cloned().collect();
        let expected = [
            format!("Connected by {peer}"),
            format!("Received from {peer}: {message}"),
            format!("Echoed to {peer}: {message}"),
            format!("Connection closed by {peer}"),
        ];
        assert_eq!(of_peer, expected, "{lines:#?}");
    }
}

#[test]
fn a_message_of_several_lines_stays_in_one_log_line() {
    let mut server = Server::start();
    assert_eq!(server.client(&["a\nb"]), ["Sending: 'a\\nb'", "Received echo: 'a\\nb'"]);
    let connected = server.line();
    let peer = connected.strip_prefix("Connected by ").unwrap();
    assert_eq!(server.line(), format!("Received from {peer}: a\\nb"));
}

#[test]
fn long_and_unreadable_input_comes_back_byte_for_byte() {
    let mut server = Server::start();
    let sent: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = sent.as_slice();
    let mut received = Vec::new();
    let Server { process, lines, address } = &mut server;
    let stream = TcpStream::connect(&*address).unwrap();
    let (mut reader, mut writer) = (&stream, &stream);
    std::thread::scope(|scope| {
        // The log is read too, or the server would wait for space in its pipe.
        scope.spawn(|| std::io::copy(lines, &mut std::io::sink()));
        scope.spawn(move || {
            writer.write_all(sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        reader.read_to_end(&mut received).unwrap();
        // Ends the log, and with it the thread that reads it.
        process.kill().unwrap();
    });
    assert!(received == sent, "{} bytes came back", received.len());
}
