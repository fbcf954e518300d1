//! The server over real sockets, with a handler of its own in the node's place.

mod bodies;
mod limits;
mod presence;
mod refused;
mod silence;
mod stopping;

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
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::accepted::RequestKind;
use super::body::BodyLimits;
use super::connection::Handler;
use super::connections::Connections;
use super::listing::ListingRoom;
use super::read::LogView;
use super::read_request::ReadRequest;
use super::response::ResponseBody;
use super::server::Server;

/// Longest that a test waits for what must happen; never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Stands in for the node.
#[derive(Clone)]
struct Fake {
    limits: BodyLimits,
    room: ListingRoom,
    log: LogReader,
    /// Receives an event for each handler that begins to wait, and for each that ends.
    events: mpsc::UnboundedSender<&'static str>,
    /// Ends the waiting handlers.
    release: watch::Receiver<bool>,
}

/// Sends an event when a handler ends, whichever way.
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
                let view = LogView::of_one_node(self.log.clone(), self.room.clone());
                view.messages(ReadRequest::ALL, false, &head.headers).await.unwrap()
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

impl Running {
    /// Sends a request whose handler waits, and returns once it does.
    async fn start_waiting(
        &mut self,
        body: &'static str,
    ) -> JoinHandle<hyper::Result<Response<Incoming>>> {
        let mut sender = client::<Full<Bytes>>(self.server.address()).await;
        let request = Request::post("/wait").body(Full::from(body)).unwrap();
        let waiting = tokio::spawn(async move { sender.send_request(request).await });
        assert_eq!(patiently(self.events.recv()).await, Some("waits"));
        waiting
    }
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
