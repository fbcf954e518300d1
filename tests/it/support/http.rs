//! Requests to nodes: byte for byte, or by the project's own client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use acklog_client::{Client, Endpoint, NodeClient};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::PATIENCE;

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Returns whether the body has the announced length.
    pub fn is_whole(&self) -> bool {
        let length = self.header("content-length").and_then(|length| length.parse().ok());
        self.status != 0 && length == Some(self.body.len())
    }

    /// Returns whether the message had been stored before under the same key.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Parses the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the value of a header; `None` if it is missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.head.lines().filter_map(|line| line.split_once(": "));
        named.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A request in flight, byte for byte as a test wants it; its answer is read later. Dropping it
/// closes the connection. Requests that only need their answer go through the project's own client.
pub struct Pending(TcpStream);

impl Pending {
    /// Waits for the answer.
    pub fn answer(self) -> Answer {
        self.try_answer().unwrap()
    }

    /// Waits for the answer of a node that may die meanwhile: see [`Answer::is_whole`].
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

/// Begins a request.
pub fn begin(http: SocketAddr, method: &str, path: &str, body: &str) -> Pending {
    begin_with(http, method, path, &[], body)
}

/// Begins a request with further header lines.
pub fn begin_with(
    http: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Pending {
    try_begin(http, method, path, headers, body).unwrap()
}

/// Begins a request that is sent as it is; the node must close the connection behind its answer.
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

/// Sends a request by the project's own client and waits for its answer.
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

/// Sends a GET and waits for its answer.
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

/// Appends 2,001 messages on one connection, more in a second than are told of one by one.
#[track_caller]
pub fn append_many(http: SocketAddr) {
    let body = append_body("Msg", "1");
    let head =
        format!("POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}", body.len());
    let many = format!("{head}\r\n\r\n{body}").repeat(2000);
    let last = format!("{head}\r\nConnection: close\r\n\r\n{body}");
    assert_eq!(begin_raw(http, &format!("{many}{last}")).answer().status, 201);
}

/// Appends and expects 201; returns the id and who acked.
pub fn append(http: SocketAddr, text: &str, write_concern: &str) -> (u64, Vec<String>) {
    created(&begin_append(http, text, write_concern).answer())
}

/// Expects 201; returns the id and who acked.
pub fn created(answer: &Answer) -> (u64, Vec<String>) {
    assert_eq!(answer.status, 201, "{answer:?}");
    let json = answer.json();
    let names = json["ackedBy"].as_array().unwrap();
    let names = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    (json["id"].as_u64().unwrap(), names)
}

/// Returns the messages that a node shows; their ids must be dense.
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

/// Returns the health of a node.
pub fn health(http: SocketAddr) -> Value {
    get(http, "/health").json()
}

/// Returns the master's row of a secondary; null if there is none.
pub fn row(http: SocketAddr, name: &str) -> Value {
    let health = health(http);
    let rows = health["secondaries"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).cloned().unwrap_or(Value::Null)
}
