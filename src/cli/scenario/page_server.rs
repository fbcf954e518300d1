//! The server of the page on which a run is watched: the page's files, and the stream of the run.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use acklog_api::view::MISSED_EVENT;
use acklog_api::{MissedEvents, Problem, ProblemCode, headers, paths};
use acklog_client::Endpoint;
use anyhow::anyhow;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::page_feed::Entered;
use super::past_items::ToldItem;
use super::run_stream::RunStream;
use crate::contract::sse;
use crate::page;
use crate::server::accepting::Accepting;
use crate::server::patience::{self, UnreadLimit};

/// Most connections. Fewer: a few browsers that show the page keep others out. More: a program that
/// opens connections uses up this program's descriptors.
const CONNECTIONS_MAX: usize = 64;

/// Longest wait for the head of a request. Shorter: a slow client is cut off. Longer: one that
/// sends nothing keeps its place.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Silence after which a comment is sent. Shorter: more bytes for nothing. Longer: it is noticed
/// later that a page is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// Pieces that wait for one page, beside those of the feed. Fewer: a page is served in more turns.
/// More: memory for one that takes nothing.
const PIECES_MAX: usize = 16;

/// Items from before a page came that are sent to it at once. Fewer: more turns. More: memory for
/// one that takes nothing.
const PAST_AT_ONCE: usize = 128;

/// Longest wait for pages to take the end of the stream. Shorter: a slow one misses it. Longer: one
/// that takes nothing holds up the end of the program.
const ENDING: Duration = Duration::from_secs(2);

/// The server of the page.
pub(super) struct PageServer {
    address: SocketAddr,
    /// Whether a page of this run reads the stream.
    is_seen: watch::Receiver<bool>,
    listening: AbortHandle,
    connections: TaskTracker,
    closing: CancellationToken,
}

impl PageServer {
    /// Begins to serve a stream at an address.
    ///
    /// # Errors
    /// When the address cannot be used.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(super) async fn start(address: SocketAddr, stream: RunStream) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let advice = "name another address with --watch=ADDR";
            anyhow!("cannot serve the page at {address}: {error}; {advice}")
        })?;
        let address = listener.local_addr()?;
        let (seen, is_seen) = watch::channel(false);
        let (connections, closing) = (TaskTracker::new(), CancellationToken::new());
        let served = Arc::new(Served { stream, is_loaded: AtomicBool::new(false), seen });
        let listening = listen(listener, served, connections.clone(), closing.clone());
        let listening = tokio::spawn(listening).abort_handle();
        Ok(Self { address, is_seen, listening, connections, closing })
    }

    /// Returns the URL of the page.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits until a page reads the stream that was loaded from here. One of an earlier run at this
    /// address, which connects again by itself, does not count: perhaps nobody looks at it. Cancel
    /// safe.
    pub(super) async fn seen(&self) {
        let mut is_seen = self.is_seen.clone();
        // The sender lives as long as the task that accepts.
        let _ = is_seen.wait_for(|is_seen| *is_seen).await;
    }

    /// Waits until all pages have what was told, and ends. To be called when the stream has ended.
    /// Cancel safe: dropped, it leaves pages that have not got everything to the runtime's end.
    pub(super) async fn end(self) {
        self.listening.abort();
        self.closing.cancel();
        self.connections.close();
        let _ = timeout(ENDING, self.connections.wait()).await;
    }
}

/// What connections are served with.
struct Served {
    stream: RunStream,
    /// Whether the page was loaded.
    is_loaded: AtomicBool,
    seen: watch::Sender<bool>,
}

async fn listen(
    listener: TcpListener,
    served: Arc<Served>,
    connections: TaskTracker,
    closing: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut accepting = Accepting::new(listener, "page");
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, _) = accepting.next(|| false).await;
        let (served, closing) = (Arc::clone(&served), closing.clone());
        connections.spawn(async move {
            serve(stream, &served, closing).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, served: &Served, closing: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = service_fn(async |request| Ok::<_, Infallible>(served.answer(&request)));
    // A failure shows when it is used.
    let _ = patience::set_up(&stream);
    let stream = TokioIo::new(UnreadLimit::new(stream));
    let mut connection = pin!(http.serve_connection(stream, service));
    // The end of a connection needs no report.
    let _ = tokio::select! {
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        ended = connection.as_mut() => ended,
    };
}

/// The body of an answer.
type PageBody = Either<Full<Bytes>, Channel<Bytes>>;

impl Served {
    fn answer(&self, request: &Request<Incoming>) -> Response<PageBody> {
        let (method, path) = (request.method(), request.uri().path());
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !names_no_foreign_host(request.headers()) {
            let detail = "open the page at the address that `acklog scenario run` printed";
            return refusal(ProblemCode::WrongHost, detail);
        }
        match page::at(path) {
            _ if path == paths::EVENTS && *method == Method::GET => self.stream(request.headers()),
            Some(file) if is_read => {
                if path == paths::PAGE && *method == Method::GET {
                    self.is_loaded.store(true, Ordering::Relaxed);
                }
                file.answer(request.headers()).map(Full::new).map(Either::Left)
            }
            _ if is_read => {
                let detail = "this page shows a scenario, and has nothing here; ask its nodes";
                refusal(ProblemCode::NotFound, detail)
            }
            _ => {
                let detail = "this page only shows a scenario: its steps append messages and set \
                              faults, and nobody else";
                let mut refusal = refusal(ProblemCode::MethodNotAllowed, detail);
                refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                refusal
            }
        }
    }

    /// Returns the answer with the stream of the run.
    fn stream(&self, headers: &HeaderMap) -> Response<PageBody> {
        let Some(entered) = self.stream.enter(sse::last_id(headers)) else {
            return refusal(ProblemCode::Stopping, "the scenario has ended; run it again");
        };
        if self.is_loaded.load(Ordering::Relaxed) {
            self.seen.send_replace(true);
        }
        let (sender, pieces) = Channel::new(PIECES_MAX);
        tokio::spawn(pump(entered, sender));
        let mut response = Response::new(Either::Right(pieces));
        response.headers_mut().insert(CONTENT_TYPE, sse::TEXT_EVENT_STREAM);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Returns whether a request names `localhost` or any IP address as its host. A page of a foreign
/// name that leads to this machine is refused: it would read the stream.
fn names_no_foreign_host(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| format!("http://{host}").parse::<Endpoint>().ok());
    host.is_some_and(|host| {
        let host = host.host();
        host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
    })
}

/// Passes the stream on to one page until either ends.
async fn pump(Entered { past, mut news }: Entered, mut sender: Sender<Bytes>) {
    let mut first = Vec::new();
    sse::write_opening(&mut first, "a scenario");
    let mut next = Bytes::from(first);
    let mut past = past.chunks(PAST_AT_ONCE);
    while sender.send_data(next).await.is_ok() {
        next = match past.next() {
            Some(items) => past_piece(items),
            None => match timeout(SILENCE, news.recv()).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(RecvError::Lagged(count))) => {
                    sse::event(MISSED_EVENT, &MissedEvents { count, node: None })
                }
                Ok(Err(RecvError::Closed)) => return,
                Err(_) => sse::comment(),
            },
        };
    }
}

/// Returns items that came before now.
fn past_piece(items: &[Arc<ToldItem>]) -> Bytes {
    let (mut out, now) = (Vec::new(), Instant::now());
    items.iter().for_each(|item| item.write(&mut out, now));
    out.into()
}

/// Returns an answer that refuses a request, in the form of a node's.
fn refusal(code: ProblemCode, detail: &str) -> Response<PageBody> {
    let status = code.status().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let title = status.canonical_reason().unwrap_or_default().to_owned();
    let problem = Problem::new(title, status.as_u16(), code, detail.to_owned());
    let body = serde_json::to_vec(&problem).expect("a problem is JSON");
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(headers::PROBLEM_JSON);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use acklog_api::RecordedItem;
    use acklog_api::recording::STEP_EVENT;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;
    use crate::cli::scenario::page_feed::PageFeed;

    async fn ask(server: &PageServer, path: &str) -> TcpStream {
        let client = TcpSocket::new_v4().unwrap();
        // So that little fits into it.
        client.set_recv_buffer_size(4096).unwrap();
        let mut client = client.connect(server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        // The head of the answer: it is served.
        client.read_exact(&mut [0; 12]).await.unwrap();
        client
    }

    async fn begin() -> (PageServer, RunStream) {
        let stream = RunStream::new(None, Some(PageFeed::default()));
        let address = "127.0.0.1:0".parse().unwrap();
        (PageServer::start(address, stream.clone()).await.unwrap(), stream)
    }

    #[tokio::test]
    async fn only_a_page_that_was_loaded_from_here_begins_the_run() {
        let (server, _stream) = begin().await;
        let _old_page = ask(&server, paths::EVENTS).await;
        assert!(!*server.is_seen.borrow());
        let _page = ask(&server, paths::PAGE).await;
        assert!(!*server.is_seen.borrow(), "nothing of the run would be shown yet");
        let _stream = ask(&server, paths::EVENTS).await;
        server.seen().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_takes_nothing_gives_its_place_back() {
        let (server, stream) = begin().await;
        let _client = ask(&server, paths::EVENTS).await;
        assert_eq!(server.connections.len(), 1);
        // More than the system keeps for a reader.
        for _ in 0..80 {
            let data = serde_json::Value::String("long ".repeat(50_000));
            stream.add(vec![RecordedItem { at: 0, event: STEP_EVENT.to_owned(), data }]);
        }
        server.connections.close();
        timeout(HEAD_TIMEOUT * 4, server.connections.wait()).await.expect("a free place");
    }
}
