//! A stand-in for a node whose streams follow a script, one for each connection.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::UNPOISONED;
use crate::endpoint::Endpoint;

/// What a node does on one connection, once it has the head of the request.
#[derive(Clone, Debug)]
pub struct Script {
    /// The status, and the content type.
    head: (u16, &'static str),
    /// The pieces of the body, each sent by itself.
    pieces: Vec<Vec<u8>>,
    end: ScriptEnd,
}

#[derive(Clone, Copy, Debug)]
enum ScriptEnd {
    Whole,
    Cut,
    Hold,
}

/// A node with a script for each connection; from the last one on all follow that one.
#[derive(Debug)]
pub struct ScriptedNode {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    written: Arc<AtomicUsize>,
}

impl Script {
    fn new(head: (u16, &'static str), pieces: &[&str], end: ScriptEnd) -> Self {
        let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        Self { head, pieces, end }
    }

    /// Sends these events and ends the stream.
    pub fn events(pieces: &[&str]) -> Self {
        Self::new((200, "text/event-stream"), pieces, ScriptEnd::Whole)
    }

    /// Sends another answer.
    pub fn answer(status: u16, content_type: &'static str, body: &str) -> Self {
        Self::new((status, content_type), &[body], ScriptEnd::Whole)
    }

    /// Cuts the text at these places, in bytes, and sends the pieces one by one.
    #[must_use]
    pub fn cut_at(mut self, places: &[usize]) -> Self {
        let mut rest = self.pieces.concat();
        self.pieces.clear();
        for place in places.iter().rev() {
            self.pieces.insert(0, rest.split_off(*place));
        }
        self.pieces.insert(0, rest);
        self
    }

    /// Breaks the connection in the middle of the answer.
    #[must_use]
    pub fn then_cut(self) -> Self {
        Self { end: ScriptEnd::Cut, ..self }
    }

    /// Keeps the connection open without a word.
    #[must_use]
    pub fn then_silent(self) -> Self {
        Self { end: ScriptEnd::Hold, ..self }
    }
}

impl ScriptedNode {
    /// Starts a node with these scripts.
    ///
    /// # Panics
    /// When there is none, or no free port.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let scripts: Vec<Script> = scripts.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let node = Self { port, heads: Arc::default(), written: Arc::default() };
        let (heads, written) = (Arc::clone(&node.heads), Arc::clone(&node.written));
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let script = scripts.get(number).or(scripts.last()).expect("a script").clone();
                let (heads, written) = (Arc::clone(&heads), Arc::clone(&written));
                // A client that goes away is no fault of the node.
                tokio::spawn(async move { play(stream, script, &heads, &written).await });
            }
        });
        node
    }

    /// Returns where it is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::local(self.port)
    }

    /// Returns the heads of the requests, in their order.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect(UNPOISONED).clone()
    }

    /// Returns the target of each request and its `Last-Event-ID`.
    ///
    /// # Panics
    /// As [`ScriptedNode::heads`].
    pub fn requests(&self) -> Vec<(String, Option<String>)> {
        let request = |head: &String| {
            let target = head.split(' ').nth(1).expect("a request line").to_owned();
            let id = head.lines().find_map(|line| line.strip_prefix("last-event-id: "));
            (target, id.map(str::to_owned))
        };
        self.heads().iter().map(request).collect()
    }

    /// Returns how many bytes of bodies were sent.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }
}

async fn play(
    stream: TcpStream,
    script: Script,
    heads: &Mutex<Vec<String>>,
    written: &AtomicUsize,
) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    heads.lock().expect(UNPOISONED).push(head);
    let (status, content_type) = script.head;
    let head = format!(
        "HTTP/1.1 {status} As Written\r\ncontent-type: {content_type}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    for piece in script.pieces.iter().filter(|piece| !piece.is_empty()) {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        stream.write_all(piece).await?;
        stream.write_all(b"\r\n").await?;
        written.fetch_add(piece.len(), Ordering::SeqCst);
    }
    match script.end {
        ScriptEnd::Whole => stream.write_all(b"0\r\n\r\n").await?,
        ScriptEnd::Cut => return Ok(()),
        ScriptEnd::Hold => {}
    }
    // Until the client goes away.
    stream.read_to_end(&mut Vec::new()).await.map(|_| ())
}
