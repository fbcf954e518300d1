//! Append streams, byte for byte.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use super::{PATIENCE, pause};

/// An append stream, byte for byte: chunks go in, lines come out.
pub struct Stream {
    pub to_node: TcpStream,
    pub from_node: BufReader<TcpStream>,
    /// The rest of the chunks that came.
    body: Vec<u8>,
}

impl Stream {
    /// Begins a stream, whose answer begins before a line is sent.
    pub fn begin(http: SocketAddr) -> Self {
        let mut stream = Self::open(http, "");
        let head = stream.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        for header in ["content-type: application/x-ndjson", "x-accel-buffering: no"] {
            assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
        }
        stream
    }

    /// Sends the head of a stream, with these further header lines.
    pub fn open(http: SocketAddr, further: &str) -> Self {
        let mut to_node = TcpStream::connect(http).unwrap();
        to_node.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n{further}\r\n"
        );
        to_node.write_all(head.as_bytes()).unwrap();
        let from_node = BufReader::new(to_node.try_clone().unwrap());
        Self { to_node, from_node, body: Vec::new() }
    }

    /// Reads the head of an answer.
    pub fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.from_node.read_line(&mut head).unwrap() > 0, "{head}");
        }
        head
    }

    /// Sends bytes as one chunk.
    pub fn send(&mut self, bytes: &str) {
        let chunk = format!("{:x}\r\n{bytes}\r\n", bytes.len());
        self.to_node.write_all(chunk.as_bytes()).unwrap();
    }

    /// Ends the request.
    pub fn end(&mut self) {
        self.to_node.write_all(b"0\r\n\r\n").unwrap();
    }

    /// Reads the next answer; none at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.body.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let mut size = String::new();
            self.from_node.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            if size == 0 {
                assert!(self.body.is_empty(), "{:?}", self.body);
                return None;
            }
            let mut chunk = vec![0; size + 2];
            self.from_node.read_exact(&mut chunk).unwrap();
            self.body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads the next so many answers, in the order of their lines.
    pub fn answers(&mut self, count: usize) -> Vec<Value> {
        let mut answers: Vec<_> = (0..count).map(|_| self.next().expect("an answer")).collect();
        answers.sort_by_key(|answer| answer["line"].as_u64().unwrap());
        answers
    }

    /// Sends a line over and over again, until the node has read no further for a while.
    ///
    /// # Panics
    /// If the node is not full in time.
    pub fn fill(&mut self, line: &str, is_full: impl Fn() -> bool) {
        let lines = line.repeat(1000);
        let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
        let (mut rest, mut was_full) = (chunk.as_bytes(), false);
        self.to_node.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "the node is not full yet");
            match self.to_node.write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
                Err(_) if was_full => break,
                Err(_) => {
                    was_full = is_full();
                    pause();
                }
            }
            if rest.is_empty() {
                rest = chunk.as_bytes();
            }
        }
        self.to_node.set_nonblocking(false).unwrap();
    }
}

/// Returns a line that appends a message.
pub fn line(text: &str, write_concern: u64) -> String {
    format!("{{\"message\":\"{text}\",\"w\":{write_concern}}}\n")
}
