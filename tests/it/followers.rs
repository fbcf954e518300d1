//! The client's followers and streams of appends, and the tool on top of them, on nodes that are
//! killed and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use acklog_client::{AppendOptions, AppendStreamOptions, Client, FollowOptions, Followed};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::*;

/// A node on disk that is started again on the same ports.
struct OnDisk {
    program: &'static str,
    args: Vec<String>,
    node: Option<Node>,
}

impl OnDisk {
    /// Starts a node with this directory; `more` has no ports that are its own.
    fn start(program: &'static str, dir: &Path, more: &[&str]) -> Self {
        let mut args = vec!["--data-dir".to_owned(), dir.display().to_string()];
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let mut node = Self { program, args, node: None };
        node.begin();
        let http = node.http();
        node.args.extend(["--http-port".to_owned(), http.port().to_string()]);
        node
    }

    fn master(dir: &Path) -> (Self, SocketAddr) {
        let mut node = Self::start(env!("CARGO_BIN_EXE_master-node"), dir, &["--comm-port", "0"]);
        let comm = comm_address(node.node.as_ref().unwrap());
        node.args.extend(["--comm-port".to_owned(), comm.port().to_string()]);
        (node, comm)
    }

    fn secondary(dir: &Path, comm: SocketAddr) -> Self {
        let port = comm.port().to_string();
        let args = ["--name", "bonnie", "--master-comm-port", &port, "--reconnect-delay", "200ms"];
        Self::start(env!("CARGO_BIN_EXE_secondary-node"), dir, &args)
    }

    fn begin(&mut self) {
        // A flag that is given again wins.
        let mut args = vec!["--http-port", "0"];
        args.extend(self.args.iter().map(String::as_str));
        let process = Process::start(self.program, &args);
        let http = http_address(&process);
        self.node = Some(Node { process, http });
    }

    fn http(&self) -> SocketAddr {
        self.node.as_ref().unwrap().http
    }

    fn url(&self) -> String {
        format!("http://{}", self.http())
    }

    /// Kills the node and starts it again.
    fn kill(&mut self) {
        self.node.as_ref().unwrap().process.signal(Signal::KILL);
        // Dropped: it has ended, and its port is free.
        self.node = None;
        self.begin();
    }
}

/// A cluster of two nodes on disk.
fn two_on_disk(dir: &TempDir) -> (OnDisk, OnDisk) {
    let (master, comm) = OnDisk::master(&dir.path().join("master"));
    let bonnie = OnDisk::secondary(&dir.path().join("bonnie"), comm);
    wait_ready(bonnie.node.as_ref().unwrap());
    (master, bonnie)
}

/// Runs a future on a thread of its own.
fn alone<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(work)
    })
}

/// Appends numbered messages until it is told to stop, and returns how many there are.
async fn write(url: String, stop: &AtomicBool) -> u64 {
    let options = AppendStreamOptions { timeout: None, patience: PATIENCE, ..Default::default() };
    let stream = Client::new(&url).unwrap().append_stream(options);
    let mut answers = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let text = format!("m{}", answers.len());
        answers.push(stream.send(&text, &AppendOptions::default()).await.unwrap());
        // Others have work, too.
        tokio::task::yield_now().await;
    }
    let count = answers.len() as u64;
    for (id, answer) in (0..).zip(answers) {
        assert_eq!(answer.await.unwrap().id, id);
    }
    stream.finish().await;
    count
}

#[test]
fn a_follower_loses_and_repeats_nothing_and_a_stream_stores_once_while_nodes_are_killed() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let dir = TempDir::new().unwrap();
    let (mut master, mut bonnie) = two_on_disk(&dir);
    // Bonnie refuses the stream, also while the master is not there.
    let urls = format!("{},{}", master.url(), bonnie.url());
    let writer = alone(write(urls, &STOP));
    let (url, (progress, seen)) = (bonnie.url(), mpsc::channel());
    let follower = alone(async move {
        let mut follow = Client::new(&url).unwrap().follow(FollowOptions::default());
        for next in 0.. {
            match follow.next().await.unwrap().unwrap() {
                Followed::Message { text, .. } if text == "end" => return next,
                Followed::Message { id, text, .. } => {
                    assert_eq!((id, text), (next, format!("m{next}")));
                }
                gap => panic!("{gap:?}"),
            }
            // Nobody may look at it any more.
            let _ = progress.send(());
        }
        unreachable!("there are not so many messages")
    });
    for round in 0..6 {
        // The follower goes on before the next one is killed.
        (0..200).for_each(|_| seen.recv_timeout(PATIENCE).unwrap());
        if round % 2 == 0 { bonnie.kill() } else { master.kill() }
    }
    STOP.store(true, Ordering::SeqCst);
    let count = writer.join().unwrap();
    append(master.http(), "end", "1");
    assert_eq!(follower.join().unwrap(), count);
}

/// The tool with these arguments.
fn tool(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_acklog"));
    command.args(args).env_clear().env("ACKLOG_URL", url);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A child that is killed when the test ends early.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the tool, and reads its output line by line.
fn start(url: &str, args: &[&str]) -> (Tool, mpsc::Receiver<String>) {
    let mut child = tool(url, args).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = out.lines().map_while(Result::ok);
        lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
    });
    (Tool(child), lines)
}

/// Returns the standard error of the tool, which has ended.
fn notes(tool: &mut Tool) -> String {
    let mut text = String::new();
    tool.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn messages_are_followed_over_a_restart_and_ctrl_c_is_no_error() {
    let dir = TempDir::new().unwrap();
    let (master, mut bonnie) = two_on_disk(&dir);
    append(master.http(), "before", "2");
    let (mut tool, lines) = start(&bonnie.url(), &["messages", "--follow"]);
    let next = || lines.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), "0\tbefore");
    bonnie.kill();
    append(master.http(), "after", "2");
    assert_eq!(next(), "1\tafter");
    kill_process(Pid::from_child(&tool.0), Signal::INT).unwrap();
    assert_eq!(tool.0.wait().unwrap().code(), Some(0));
    let notes = notes(&mut tool);
    let notes: Vec<&str> = notes.lines().collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].ends_with("; connecting again"), "{notes:?}");
    assert!(notes[1].ends_with(" again") && notes[1].contains("following"), "{notes:?}");
}

#[test]
fn following_ends_when_nobody_reads_the_output_any_more() {
    let (master, _) = master(&["--cluster-size", "1"]);
    append(master.http, "a", "1");
    let url = format!("http://{}", master.http);
    let mut child = Tool(tool(&url, &["messages", "--follow"]).spawn().unwrap());
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "0\ta\n");
    drop(out);
    // No other message comes, whose writing would tell.
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn ten_thousand_lines_are_posted_behind_one_that_is_refused() {
    let (master, _, nodes) = cluster(&["--max-message-bytes", "1000"], &["bonnie"]);
    let url = format!("http://{}", master.http);
    let mut child = tool(&url, &["post", "-", "--write-concern", "2"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for number in 1..=10_000 {
            let bad = if number == 5_000 { "x".repeat(1000) } else { String::new() };
            writeln!(stdin, "line {number}{bad}").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let out = String::from_utf8(output.stdout).unwrap();
    for (id, line) in out.lines().enumerate() {
        assert_eq!(line, format!("id {id}, acked by master, bonnie"));
    }
    assert_eq!(out.lines().count(), 9_999);
    let notes = String::from_utf8(output.stderr).unwrap();
    let refused = notes.lines().filter(|line| line.contains("line 5000 of standard input: "));
    assert_eq!(refused.count(), 1, "{notes}");
    assert!(notes.ends_with("acklog: 1 of 10000 messages were refused\n"), "{notes}");
    let texts = texts(nodes[0].http);
    assert_eq!((texts[4_998].as_str(), texts[4_999].as_str()), ("line 4999", "line 5001"));
}

#[test]
fn a_line_that_is_typed_is_answered_before_the_next_one_is() {
    let (master, _) = master(&["--cluster-size", "1"]);
    let (mut tool, lines) = start(&format!("http://{}", master.http), &["post", "-"]);
    let mut stdin = tool.0.stdin.take().unwrap();
    for id in 0..3 {
        writeln!(stdin, "typed").unwrap();
        let answer = lines.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer, format!("id {id}, acked by master"));
    }
    drop(stdin);
    assert_eq!(tool.0.wait().unwrap().code(), Some(0));
}
