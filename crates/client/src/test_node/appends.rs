//! A stand-in for a node that takes streams of appends, and answers each line from a function.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::UNPOISONED;
use crate::endpoint::Endpoint;
use crate::lines::{LineTooLong, Lines};

/// What a node does when a line of a stream came.
#[derive(Clone, Debug)]
pub enum LineReply {
    /// It answers this line, and others.
    Answers(Vec<Value>),
    /// It breaks the connection.
    Cut,
    /// It ends the answer, and reads no further.
    End,
}

/// From the number of the connection, that of the line and the line to what happens.
type Reply = dyn Fn(usize, u64, &Value) -> LineReply + Send + Sync;

/// A node that takes streams of appends.
#[derive(Debug)]
pub struct AppendsNode {
    port: u16,
    lines: LinesByConnection,
}

/// The lines of each connection.
type LinesByConnection = Arc<Mutex<Vec<Vec<Value>>>>;

/// A part of an answer, or the end of the connection.
type Part = Result<Bytes, io::Error>;

/// The body of an answer.
struct AnswerBody(mpsc::UnboundedReceiver<Part>);

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

impl LineReply {
    /// Returns the answer to a line whose message was stored.
    pub fn stored(line: u64, id: u64) -> Value {
        serde_json::json!({"line": line, "id": id, "writeConcern": 1, "ackedBy": ["master"]})
    }

    /// Returns the answer to a line that was refused, `retry`: for now.
    pub fn refused(line: u64, code: &str, retry: bool) -> Value {
        serde_json::json!({
            "line": line, "status": 503, "title": "t", "detail": "d", "code": code, "retry": retry,
            "outcome": "refused",
        })
    }
}

impl AppendsNode {
    /// Starts a node.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(
        reply: impl Fn(usize, u64, &Value) -> LineReply + Send + Sync + 'static,
    ) -> Self {
        Self::with(false, reply).await
    }

    /// Starts a node behind a proxy that holds all answers back until the request ends.
    ///
    /// # Panics
    /// As [`AppendsNode::start`].
    pub async fn holding(
        reply: impl Fn(usize, u64, &Value) -> LineReply + Send + Sync + 'static,
    ) -> Self {
        Self::with(true, reply).await
    }

    async fn with(
        is_held: bool,
        reply: impl Fn(usize, u64, &Value) -> LineReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let lines = LinesByConnection::default();
        let (seen, reply): (_, Arc<Reply>) = (Arc::clone(&lines), Arc::new(reply));
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                seen.lock().expect(UNPOISONED).push(Vec::new());
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, parts) = mpsc::unbounded_channel();
                    let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                    tokio::spawn(async move {
                        let (hold, mut held) = mpsc::unbounded_channel();
                        let parts = if is_held { &hold } else { &sender };
                        take(request.into_body(), number, &seen, &*reply, parts).await;
                        while let Ok(part) = held.try_recv() {
                            // The client may have gone away.
                            let _ = sender.send(part);
                        }
                    });
                    async { Ok::<_, Infallible>(Response::new(AnswerBody(parts))) }
                });
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { port, lines }
    }

    /// Returns where it is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::local(self.port)
    }

    /// Returns the lines of each connection.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn lines(&self) -> Vec<Vec<Value>> {
        self.lines.lock().expect(UNPOISONED).clone()
    }
}

async fn take(
    mut body: Incoming,
    connection: usize,
    seen: &Mutex<Vec<Vec<Value>>>,
    reply: &Reply,
    parts: &mpsc::UnboundedSender<Part>,
) {
    let (mut lines, mut number) = (Lines::default(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(piece) = frame.into_data() else { continue };
        let mut end = None;
        let added = lines.add(&piece, |line| {
            if end.is_some() {
                return Ok::<_, LineTooLong>(());
            }
            let line: Value = serde_json::from_slice(line).expect("a line of JSON");
            let mut seen = seen.lock().expect(UNPOISONED);
            seen.get_mut(connection).expect("it is counted").push(line.clone());
            match reply(connection, number, &line) {
                LineReply::Answers(answers) => {
                    let text: String = answers.iter().map(|answer| format!("{answer}\n")).collect();
                    // The client may have gone away.
                    let _ = parts.send(Ok(text.into()));
                }
                last => end = Some(last),
            }
            number += 1;
            Ok(())
        });
        added.expect("lines that are not too long");
        match end {
            Some(LineReply::Cut) => {
                let _ = parts.send(Err(io::ErrorKind::ConnectionReset.into()));
                return;
            }
            Some(_) => return,
            None => {}
        }
    }
}
