//! A stand-in for a node in tests: an HTTP server on a free port that answers from a function.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::NodeUrl;

/// From the request's line (`GET /health`) and its body to status and body.
type Answer = dyn Fn(&str, &str) -> (u16, String) + Send + Sync;

pub(super) struct TestNode {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl TestNode {
    pub(super) async fn start(
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answer), true).await
    }

    /// A node that always answers the same; and the requests that it got, as line and body.
    pub(super) async fn recording(
        status: u16,
        answer: &'static str,
    ) -> (Self, Arc<Mutex<Vec<String>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let node = Self::start(move |line, body| {
            seen.lock().unwrap().push(format!("{line} {body}"));
            (status, answer.to_owned())
        });
        (node.await, requests)
    }

    /// A node that closes each connection after one answer.
    pub(super) async fn start_closing(
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(answer), false).await
    }

    pub(super) fn url(&self) -> NodeUrl {
        NodeUrl::local(self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn serve(answer: Arc<Answer>, keep_alive: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                let service = service_fn(move |request| respond(Arc::clone(&answer), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { port, connections }
    }
}

async fn respond(
    answer: Arc<Answer>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, body) = answer(&line, str::from_utf8(&body).unwrap());
    let response = Response::builder().status(status).body(Full::new(body.into()));
    Ok(response.unwrap())
}
