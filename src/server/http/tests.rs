//! The server over real sockets, with an answer of its own in the node's place.

mod limits;
mod presence;
mod refused;

use std::net::SocketAddr;
use std::time::Duration;

use acklog_log::LogReader;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::accepted::RequestKind;
use super::body::BodyLimits;
use super::connection::{self, Handler};
use super::connections::Connections;
use super::listing::ListingRoom;
use super::problem::RequestProblem;
use super::read::{self, ListingSelection};
use super::response::ResponseBody;
use super::server::Server;

/// Longest that a test waits for what must happen, in time; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest that a server may take to stop in a test where it must end its requests first.
const GRACE: Duration = Duration::from_secs(60);

/// Stands in for the node.
#[derive(Clone)]
struct Fake {
    limits: BodyLimits,
    room: ListingRoom,
    log: LogReader,
    /// Told of each handler that begins to wait, and of each that ends.
    events: mpsc::UnboundedSender<&'static str>,
    /// Ends the waiting handlers.
    release: watch::Receiver<bool>,
}

/// Tells that a handler ended, whichever way.
struct Ended(mpsc::UnboundedSender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send("ended");
    }
}

impl Handler for Fake {
    fn discarded_bytes(&self) -> usize {
        self.limits.discarded_bytes()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/messages" => {
                read::messages((&self.log, &self.room), ListingSelection::ALL, &head.headers)
                    .await
                    .unwrap()
            }
            "/thread" => {
                let thread = std::thread::current().name().unwrap().to_owned();
                Response::new(ResponseBody::full(thread.into_bytes()))
            }
            path => match self.limits.collect(body).await {
                Err(problem) => problem.answer_to(RequestKind::Idempotent),
                Ok(body) => {
                    if path == "/wait" {
                        let _ended = Ended(self.events.clone());
                        self.events.send("waits").unwrap();
                        let _ = self.release.clone().wait_for(|released| *released).await;
                    }
                    let length = body.bytes.len().to_string();
                    Response::new(ResponseBody::full(length.into_bytes()))
                }
            },
        }
    }
}

struct Running {
    server: Server,
    events: mpsc::UnboundedReceiver<&'static str>,
    release: watch::Sender<bool>,
}

const MESSAGE_BYTES: usize = 1024;

fn fake(messages: usize) -> (Fake, mpsc::UnboundedReceiver<&'static str>, watch::Sender<bool>) {
    let (mut writer, log) = acklog_log::in_memory();
    for n in 0..messages {
        writer.append(0, None, &format!("message {n} \"\n\u{1}").as_str().into());
    }
    writer.flush();
    let (sender, events) = mpsc::unbounded_channel();
    let (release, released) = watch::channel(false);
    let limits = BodyLimits::new(MESSAGE_BYTES);
    let room = ListingRoom::default();
    (Fake { limits, room, log, events: sender, release: released }, events, release)
}

fn run(workers: usize, messages: usize) -> Running {
    run_with(workers, messages, 1000)
}

fn run_with(workers: usize, messages: usize, max_connections: usize) -> Running {
    let (fake, events, release) = fake(messages);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server =
        Server::start_with(workers, Connections::new(max_connections), listener, move || {
            fake.clone()
        })
        .unwrap();
    Running { server, events, release }
}

async fn client<B>(address: SocketAddr) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> (u16, Bytes) {
    let request = Request::builder().uri(path).header("host", "a").body(Empty::new()).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn patiently<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

/// Sends the bytes as they are and returns all that comes back until the server closes.
async fn raw(address: SocketAddr, sent: Vec<u8>) -> String {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    // Like a client that sends its whole body before it looks for the answer.
    writer.write_all(&sent).await.unwrap();
    let mut answer = Vec::new();
    patiently(reader.read_to_end(&mut answer)).await.expect("no reset before the answer");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_that_is_too_long_is_answered_and_not_reset() {
    let running = run(1, 0);
    let address = running.server.address();
    let megabyte = 1024 * 1024;
    let mut announced =
        format!("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: {megabyte}\r\n\r\n")
            .into_bytes();
    announced.resize(announced.len() + megabyte, b'x');
    let mut chunked = format!(
        "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{megabyte:x}\r\n"
    )
    .into_bytes();
    chunked.resize(chunked.len() + megabyte, b'x');
    let mut unexpected =
        b"POST /thread HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n".to_vec();
    unexpected.resize(unexpected.len() + 9_000_000, b'x');
    let answer = raw(address, unexpected).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for sent in [announced, chunked] {
        let answer = raw(address, sent).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.ends_with("}\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let running = run(1, 0);
    let mut stream = TcpStream::connect(running.server.address()).await.unwrap();
    let head = "POST /upload HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
                content-length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    patiently(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_waiting_handler() {
    let mut running = run(2, 0);
    let mut sender = client::<Full<Bytes>>(running.server.address()).await;
    let request = Request::post("/wait").body(Full::from("{}")).unwrap();
    let waiting = tokio::spawn(async move { sender.send_request(request).await });
    assert_eq!(patiently(running.events.recv()).await, Some("waits"));
    waiting.abort();
    assert_eq!(patiently(running.events.recv()).await, Some("ended"));
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_closes_idle_connections() {
    let mut running = run(2, 0);
    let address = running.server.address();
    let mut idle = client::<Empty<Bytes>>(address).await;
    assert_eq!(get(&mut idle, "/thread").await.0, 200);
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut sender = client::<Full<Bytes>>(address).await;
    let request = Request::post("/wait").body(Full::from("four")).unwrap();
    let waiting = tokio::spawn(async move { sender.send_request(request).await });
    assert_eq!(patiently(running.events.recv()).await, Some("waits"));
    let stopping = tokio::spawn(running.server.stop(GRACE));
    // The idle one is closed while the other one still waits.
    let closed = async {
        while !idle.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    patiently(closed).await;
    running.release.send(true).unwrap();
    let response = patiently(waiting).await.unwrap().unwrap();
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "4");
    patiently(stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_drops_what_does_not_end_within_the_grace() {
    let mut running = run(1, 0);
    let mut sender = client::<Full<Bytes>>(running.server.address()).await;
    let request = Request::post("/wait").body(Full::from("{}")).unwrap();
    let waiting = tokio::spawn(async move { sender.send_request(request).await });
    assert_eq!(patiently(running.events.recv()).await, Some("waits"));
    patiently(running.server.stop(Duration::ZERO)).await;
    assert_eq!(running.events.recv().await, Some("ended"));
    assert!(patiently(waiting).await.unwrap().is_err());
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let mut running = run(1, 0);
    let mut sender = client::<Full<Bytes>>(running.server.address()).await;
    let request = Request::post("/wait").body(Full::from("{}")).unwrap();
    let waiting = tokio::spawn(async move { sender.send_request(request).await });
    assert_eq!(patiently(running.events.recv()).await, Some("waits"));
    drop(running.server);
    assert_eq!(patiently(running.events.recv()).await, Some("ended"));
    assert!(patiently(waiting).await.unwrap().is_err());
}

#[tokio::test]
async fn connections_are_dealt_to_the_threads_in_turn() {
    let running = run(3, 0);
    let mut threads = Vec::new();
    for _ in 0..6 {
        let mut sender = client::<Empty<Bytes>>(running.server.address()).await;
        threads.push(String::from_utf8(get(&mut sender, "/thread").await.1.to_vec()).unwrap());
    }
    assert_eq!(threads, ["http-0", "http-1", "http-2", "http-0", "http-1", "http-2"]);
}

#[tokio::test]
async fn a_long_log_arrives_whole_and_head_leaves_the_connection_usable() {
    let running = run(1, 50_000);
    let mut sender = client::<Empty<Bytes>>(running.server.address()).await;
    let head = Request::head("/messages").body(Empty::new()).unwrap();
    let response = patiently(sender.send_request(head)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    patiently(sender.ready()).await.unwrap();
    let (_, body) = get(&mut sender, "/messages").await;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!(rows.len(), 50_000);
    assert_eq!(
        rows[49_999],
        serde_json::json!({"id": 49_999, "message": "message 49999 \"\n\u{1}"})
    );
    patiently(sender.ready()).await.unwrap();
    assert_eq!(get(&mut sender, "/thread").await.1, "http-0");
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_a_reason() {
    let running = run(1, 0);
    let mut sent = b"GET /thread HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    sent.resize(200_000, b'x');
    let line = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(60_000));
    let length = |value: &str| {
        let head = format!("POST /upload HTTP/1.1\r\nhost: a\r\nContent-length: {value}\r\n\r\n");
        head.into_bytes()
    };
    let cases = [
        // 2^64 and more, and the last two numbers below it, which no counter of bytes has.
        (length("18446744073709551614"), "413", "too-large"),
        (length("18446744073709551615"), "413", "too-large"),
        (length("0018446744073709551616"), "413", "too-large"),
        (length(&"9".repeat(1000)), "413", "too-large"),
        (length("18446744073709551613"), "413", "too-large"),
        (length("+5"), "400", "bad-request"),
        (length("-1"), "400", "bad-request"),
        (length("5, 6"), "400", "bad-request"),
        (length("0x10"), "400", "bad-request"),
        (length(""), "400", "bad-request"),
        (length("99999999999999999999x"), "400", "bad-request"),
        (sent, "431", "head-too-long"),
        (line.into_bytes(), "414", "target-too-long"),
        (b"GET /thread HTTP/1.1\r\nhost : a\r\n\r\n".to_vec(), "400", "bad-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "400", "bad-request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "400", "bad-request"),
    ];
    for (sent, status, code) in cases {
        let answer = raw(running.server.address(), sent).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/problem+json"), "{answer}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["code"], &problem["retry"]), (&code.into(), &false.into()));
    }
    for (line, outcome) in [
        ("POST /messages?x HTTP/1.1", Some("refused")),
        ("POST /newMessage HTTP/1.1", Some("refused")),
        ("POST /messages/3 HTTP/1.1", None),
        ("GET /messages HTTP/1.1", None),
    ] {
        let sent = format!("{line}\r\nhost: a\r\ncontent-length: x\r\n\r\n").into_bytes();
        let answer = raw(running.server.address(), sent).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((problem["status"].as_u64(), problem["outcome"].as_str()), (Some(400), outcome));
    }
}

#[tokio::test(start_paused = true)]
async fn silent_clients_are_given_up_but_never_one_that_waits() {
    let (fake, mut events, release) = fake(50_000);
    let http = connection::http_builder();
    let serve = |stream| {
        let closing = tokio_util::sync::CancellationToken::new();
        let activity = Connections::new(1).enter().unwrap().activity.clone();
        connection::serve(&http, std::rc::Rc::new(fake.clone()), stream, activity, closing)
    };
    // Not a whole head, even a byte at a time; not a whole body.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /upload HTTP/1.1\r\nx: ").await.unwrap();
    let drip = async {
        while near.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
    };
    tokio::join!(serve(far), drip);
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /upload HTTP/1.1\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    serve(far).await;
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let problem = RequestProblem::BodyIdle { seconds: 30 }.to_string();
    assert!(answer.contains(&problem), "{answer}");
    // A day is no time for a sender that waits for its write concern.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"POST /wait HTTP/1.1\r\ncontent-length: 1\r\n\r\n1").await.unwrap();
    let connection = serve(far);
    let day = tokio::time::Instant::now() + Duration::from_secs(24 * 3600);
    let client = async {
        assert_eq!(events.recv().await, Some("waits"));
        tokio::time::sleep_until(day).await;
        release.send(true).unwrap();
        let mut status = [0; 12];
        near.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        drop(near);
    };
    tokio::join!(connection, client);
    // Nor for one that takes its time with a long listing, as long as it takes something.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET /messages HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let connection = serve(far);
    let client = async {
        let mut listing = Vec::new();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_secs(59)).await;
            near.read_buf(&mut listing).await.unwrap();
        }
        near.read_to_end(&mut listing).await.unwrap();
        assert!(listing.ends_with(b"]\n\r\n0\r\n\r\n"));
    };
    tokio::join!(connection, client);
    // But for one that takes nothing.
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(b"GET /messages HTTP/1.1\r\n\r\n").await.unwrap();
    let begun = tokio::time::Instant::now();
    serve(far).await;
    let taken = begun.elapsed().as_secs();
    assert!((60..62).contains(&taken), "given up after {taken} s");
    let mut listing = Vec::new();
    near.read_to_end(&mut listing).await.unwrap();
    assert_eq!(listing.len(), 1024);
}
