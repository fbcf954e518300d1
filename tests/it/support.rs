//! Nodes as child processes, requests to them, and waits for conditions.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use acklog_client::{Client, Endpoint, NodeClient};
use hyper::header::{HeaderName, HeaderValue};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for a condition; a good run needs a small part of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Lines of a process, as they come.
#[derive(Default)]
pub struct Lines {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Lines {
    /// Waits for a line in which `finds` finds something, and returns that.
    pub fn find<T>(&self, what: &str, finds: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(found) = lines.iter().find_map(|line| finds(line)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {what} in:\n{}", lines.join("\n"));
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line that contains the text.
    pub fn wait_for(&self, text: &str) {
        self.find(text, |line| line.contains(text).then_some(()));
    }

    pub fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// A child process that is killed with its test.
pub struct Process {
    child: Child,
    pub log: Arc<Lines>,
}

impl Process {
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Lines::default());
        let (kept, errors) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                kept.lines.lock().unwrap().push(line);
                kept.more.notify_all();
            }
        });
        Self { child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Types a line into the process.
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the end and returns the exit status.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn rss_kib(&self) -> u64 {
        self.status("VmRSS")
    }

    /// Returns the memory that belongs to no file, in KiB.
    pub fn anonymous_kib(&self) -> u64 {
        self.status("RssAnon")
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node, with the ports that it got.
pub struct Node {
    pub process: Process,
    pub http: SocketAddr,
}

/// Returns the address that a line names behind `key`.
fn address(log: &Lines, event: &str) -> SocketAddr {
    log.find(event, |line| {
        let (_, rest) = line.split_once(event)?;
        let (_, rest) = rest.split_once("address=")?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

/// Returns the HTTP address of a process.
pub fn http_address(process: &Process) -> SocketAddr {
    address(&process.log, "serving HTTP")
}

/// Starts a master on free ports; returns it with the address that secondaries dial.
pub fn master(args: &[&str]) -> (Node, SocketAddr) {
    master_at("0", args)
}

pub fn master_at(comm_port: &str, args: &[&str]) -> (Node, SocketAddr) {
    let mut all = vec!["--http-port", "0", "--comm-port", comm_port, "--log", "debug"];
    all.extend(args);
    let process = Process::start(env!("CARGO_BIN_EXE_master-node"), &all);
    let http = address(&process.log, "serving HTTP");
    let node = Node { process, http };
    let comm = comm_address(&node);
    (node, comm)
}

/// Returns the address at which secondaries dial a master.
pub fn comm_address(master: &Node) -> SocketAddr {
    address(&master.process.log, "listening for secondaries")
}

pub fn secondary(name: &str, comm: SocketAddr, args: &[&str]) -> Node {
    let port = comm.port().to_string();
    let mut all = vec!["--name", name, "--http-port", "0", "--master-comm-port", &port];
    all.extend(["--log", "debug", "--reconnect-delay", "200ms"]);
    all.extend(args);
    let process = Process::start(env!("CARGO_BIN_EXE_secondary-node"), &all);
    let http = address(&process.log, "serving HTTP");
    Node { process, http }
}

/// A response over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Returns whether the response is complete, as far as its length was announced.
    pub fn is_whole(&self) -> bool {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        self.status != 0 && length == Some(self.body.len())
    }

    /// Returns whether the message had been stored before under the same key.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.head.lines().filter_map(|line| line.split_once(": "));
        named.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A request that was sent, byte for byte as a test wants it; its response is read later. Dropping
/// it hangs up. Requests that only need their response go through the project's own client.
pub struct Pending(TcpStream);

impl Pending {
    pub fn answer(self) -> Answer {
        self.try_answer().unwrap()
    }

    /// Reads the response of a node that may die meanwhile: see [`Answer::is_whole`].
    pub fn try_answer(mut self) -> io::Result<Answer> {
        self.0.set_read_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Ok(Answer { status, head: head.to_owned(), body })
    }
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    body
}

pub fn begin(http: SocketAddr, method: &str, path: &str, body: &str) -> Pending {
    begin_with(http, method, path, &[], body)
}

/// Begins a request with these header lines besides the usual ones.
pub fn begin_with(
    http: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Pending {
    try_begin(http, method, path, headers, body).unwrap()
}

/// Begins a request that is sent as it is; the node must close the connection after its response.
pub fn begin_raw(http: SocketAddr, request: &str) -> Pending {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Pending(stream)
}

/// Begins a request to a node that may be gone.
pub fn try_begin(
    http: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> io::Result<Pending> {
    let mut stream = TcpStream::connect(http)?;
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    Ok(Pending(stream))
}

/// Sends a request by the project's own client and waits for its response.
pub fn request(http: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let method = method.parse().unwrap();
    let mut node = NodeClient::new(endpoint(http));
    let call = node.call(method, path, None, body.to_owned(), Some(PATIENCE));
    let answer = block_on(call).unwrap_or_else(|error| panic!("{http}{path}: {error}"));
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}\r\n", value.to_str().unwrap())
    };
    let head = answer.headers.iter().map(header).collect();
    let body = String::from_utf8(answer.body.into()).unwrap();
    Answer { status: answer.status.as_u16(), head, body }
}

fn endpoint(http: SocketAddr) -> Endpoint {
    http.to_string().parse().unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub fn get(http: SocketAddr, path: &str) -> Answer {
    request(http, "GET", path, "")
}

/// Returns the body of an append; the write concern is JSON.
pub fn append_body(text: &str, write_concern: &str) -> String {
    format!(r#"{{"message":{},"writeConcern":{write_concern}}}"#, Value::from(text))
}

/// Begins an append; the write concern is JSON.
pub fn begin_append(http: SocketAddr, text: &str, write_concern: &str) -> Pending {
    begin(http, "POST", "/newMessage", &append_body(text, write_concern))
}

/// Appends and expects 201; returns the id and the nodes that acked.
pub fn append(http: SocketAddr, text: &str, write_concern: &str) -> (u64, Vec<String>) {
    created(&begin_append(http, text, write_concern).answer())
}

pub fn created(answer: &Answer) -> (u64, Vec<String>) {
    assert_eq!(answer.status, 201, "{answer:?}");
    let json = answer.json();
    let names = json["ackedBy"].as_array().unwrap();
    let names = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    (json["id"].as_u64().unwrap(), names)
}

/// Returns the texts that a node shows; ids must be dense.
pub fn texts(http: SocketAddr) -> Vec<String> {
    let mut client = Client::of(vec![endpoint(http)]).with_deadline(PATIENCE);
    block_on(async {
        let (mut messages, mut texts) = (client.read(0), Vec::new());
        while let Some(message) = messages.next().await.unwrap() {
            assert_eq!(message.id, texts.len() as u64);
            texts.push(message.message.into_owned());
        }
        texts
    })
}

pub fn health(http: SocketAddr) -> Value {
    get(http, "/health").json()
}

/// Returns the master's row of a secondary; null if there is none.
pub fn row(http: SocketAddr, name: &str) -> Value {
    let health = health(http);
    let rows = health["secondaries"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).cloned().unwrap_or(Value::Null)
}

/// Polls until the condition holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        pause();
    }
}

/// Yields to other threads before the next poll.
pub fn pause() {
    std::thread::park_timeout(Duration::from_millis(10));
}

pub fn wait_ready(node: &Node) {
    wait_until("a node to be ready", || get(node.http, "/ready").status == 200);
}

/// Starts a master and secondaries, and waits until they are ready.
pub fn cluster(args: &[&str], names: &[&str]) -> (Node, SocketAddr, Vec<Node>) {
    let (master, comm) = master(args);
    let nodes: Vec<Node> = names.iter().map(|name| secondary(name, comm, &[])).collect();
    nodes.iter().for_each(wait_ready);
    (master, comm, nodes)
}
