//! A stand-in for a node in tests: an HTTP server on a free port that answers from a function.
//!
//! Only with the feature `test-node`.

mod appends;
mod scripted;

pub use appends::{AppendsNode, LineReply};
pub use scripted::{Script, ScriptedNode};

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use acklog_api::headers;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::endpoint::Endpoint;

const UNPOISONED: &str = "no holder of this lock panics";

/// From the request's line (`GET /health`) and its body to status and body.
type Answer = dyn Fn(&str, &str) -> (u16, String) + Send + Sync;

/// A node that answers from a function.
#[derive(Debug)]
pub struct TestNode {
    port: u16,
    connections: Arc<AtomicUsize>,
    keys: Keys,
    headers: AddedHeaders,
}

/// Headers that are added to each answer.
type AddedHeaders = Arc<Mutex<Vec<(&'static str, String)>>>;

/// The idempotency keys of requests, in their order.
type Keys = Arc<Mutex<Vec<String>>>;

impl TestNode {
    /// Starts a node that keeps its connections.
    ///
    /// # Panics
    /// Here and in the other two: when there is no free port.
    pub async fn start(
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answer), true).await
    }

    /// Starts a node that always answers the same; returns it, and the requests that it got, as
    /// line and body.
    pub async fn recording(status: u16, answer: &'static str) -> (Self, Arc<Mutex<Vec<String>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let node = Self::start(move |line, body| {
            seen.lock().expect(UNPOISONED).push(format!("{line} {body}"));
            (status, answer.to_owned())
        });
        (node.await, requests)
    }

    /// Starts a node that closes each connection after one answer.
    pub async fn start_closing(
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answer), false).await
    }

    /// Adds a header to each answer from now on.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn add_header(&self, name: &'static str, value: impl ToString) {
        self.headers.lock().expect(UNPOISONED).push((name, value.to_string()));
    }

    /// Returns where it is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::local(self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many connections it took.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the idempotency keys of the requests that had one, in their order.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().expect(UNPOISONED).clone()
    }

    async fn serve(answer: Arc<Answer>, keep_alive: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let keys = Keys::default();
        let seen = Arc::clone(&keys);
        let headers = AddedHeaders::default();
        let added = Arc::clone(&headers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let added = Arc::clone(&added);
                let service = service_fn(move |request| {
                    note_key(&request, &seen);
                    respond(Arc::clone(&answer), Arc::clone(&added), request)
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { port, connections, keys, headers }
    }
}

fn note_key(request: &Request<Incoming>, keys: &Keys) {
    if let Some(key) = request.headers().get(headers::IDEMPOTENCY_KEY) {
        let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
        keys.lock().expect(UNPOISONED).push(key);
    }
}

async fn respond(
    answer: Arc<Answer>,
    added: AddedHeaders,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect().await.expect("a whole body").to_bytes();
    let (status, body) = answer(&line, str::from_utf8(&body).expect("a body of text"));
    let mut response = Response::builder().status(status);
    for (name, value) in added.lock().expect(UNPOISONED).iter() {
        response = response.header(*name, value);
    }
    let response = response.body(Full::new(body.into()));
    Ok(response.expect("a status that exists"))
}
