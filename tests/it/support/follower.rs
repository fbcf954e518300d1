//! Readers that follow, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::PATIENCE;

/// The header of a reader that takes events.
pub const EVENTS: &str = "Accept: text/event-stream";

/// A reader that follows. It asks by HTTP/1.0, so that its lines come without chunks and its answer
/// ends with the connection.
pub struct Follower {
    pub stream: BufReader<TcpStream>,
    /// The head of the answer.
    pub head: String,
}

impl Follower {
    /// Asks, and reads the head of the answer.
    pub fn ask(http: SocketAddr, query: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(stream, "GET /messages{query} HTTP/1.0\r\n{headers}\r\n").unwrap();
        let mut follower = Self { stream: BufReader::new(stream), head: String::new() };
        while !follower.head.ends_with("\r\n\r\n") {
            let read = follower.stream.read_line(&mut follower.head).unwrap();
            assert!(read > 0, "{}", follower.head);
        }
        follower
    }

    /// Follows in lines from an id on.
    pub fn lines(http: SocketAddr, from: u64) -> Self {
        Self::ask(http, &format!("?follow=true&from={from}"), &[])
    }

    /// Follows as events, behind a last event where one is given. Returns also the first event.
    pub fn events(http: SocketAddr, query: &str, last: Option<&str>) -> (Self, Value) {
        let last = last.map(|id| format!("Last-Event-ID: {id}"));
        let headers: Vec<&str> = [EVENTS].into_iter().chain(last.as_deref()).collect();
        let mut follower = Self::ask(http, query, &headers);
        follower.expect(&[": acklog", "retry: 1000", "", "event: open"]);
        let open = follower.line();
        assert_eq!(follower.line(), "");
        (follower, serde_json::from_str(open.strip_prefix("data: ").unwrap()).unwrap())
    }

    /// Returns the next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix('\n').expect("a line that ends").to_owned()
    }

    /// Reads these lines.
    #[track_caller]
    pub fn expect<L: AsRef<str>>(&mut self, lines: &[L]) {
        for line in lines {
            assert_eq!(self.line(), line.as_ref());
        }
    }

    /// Reads to the end of the answer.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Returns the lines of the event of a message.
pub fn event(log: &str, id: u64, text: &str) -> [String; 3] {
    let data = json!({"id": id, "message": text});
    [format!("id: {log}.1.{id}"), format!("data: {data}"), String::new()]
}

/// Returns the first digits of a log's identity.
pub fn log_of(open: &Value) -> String {
    open["log"].as_str().unwrap()[..8].to_owned()
}
