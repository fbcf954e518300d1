//! NATS JetStream: a message is published with our own inbox as its reply address, and the stream's
//! leader sends the ack there once a majority of its three replicas has the message. The protocol
//! is lines.
//!
//! Clients may share connections: what they publish at the same time is then written together. The
//! last word of an ack's subject names its client.

use std::str::from_utf8;
use std::sync::{Arc, Mutex, PoisonError};

use acklog::cli::bench::engine::{LoadConnection, LoadTarget, RequestFailure};
use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::pool::{ConnectionPool, SharedConnection};
use crate::wire::{Wire, refused};

/// Without `verbose` the server itself does not answer a publish; with `no_responders` it reports
/// at once that there is no stream.
const CONNECT: &str =
    "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n";

/// Most requests that are written together.
const TOGETHER_MAX: usize = 64;

/// The ack of one message, or why there is none.
type Ack = Result<(), RequestFailure>;

/// A server of the cluster: best the leader of the stream.
pub(crate) struct Nats {
    address: String,
    message: String,
    batch: usize,
    pool: ConnectionPool<NatsConnection>,
}

impl Nats {
    pub(crate) fn new(address: String, message: String, batch: usize, shared_by: usize) -> Self {
        Self { address, message, batch, pool: ConnectionPool::new(shared_by) }
    }

    async fn open(&self) -> Result<NatsConnection, RequestFailure> {
        let mut wire = Wire::connect(&self.address).await?;
        let inbox = format!("_INBOX.{}.{}", std::process::id(), wire.own_port()?);
        wire.write(format!("{CONNECT}SUB {inbox}.* 1\r\n").as_bytes()).await?;
        while wire.line().await? != b"PONG" {}
        let (write, written) = unbounded_channel();
        let connection = NatsConnection { inbox: inbox.into(), write, clients: Arc::default() };
        let clients = Arc::clone(&connection.clients);
        tokio::spawn(async move {
            let ended = serve(wire, written, &clients).await;
            for client in clients.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                // A client that has gone needs no error.
                let _ = client.send(ended.clone());
            }
        });
        Ok(connection)
    }
}

impl LoadTarget for Nats {
    type Connection = NatsClient;

    async fn connect(&self) -> Result<NatsClient, RequestFailure> {
        let connection = self.pool.get(self.open()).await?;
        let (client, acks) = unbounded_channel();
        let mut clients = connection.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let (inbox, number, bytes) = (&connection.inbox, clients.len(), self.message.len());
        clients.push(client);
        let publish = format!("PUB log {inbox}.{number} {bytes}\r\n{}\r\n", self.message);
        let (request, write) = (publish.repeat(self.batch).into(), connection.write.clone());
        Ok(NatsClient { request, write, acks, batch: self.batch })
    }
}

/// A connection that clients share.
#[derive(Clone)]
struct NatsConnection {
    inbox: Arc<str>,
    write: UnboundedSender<Bytes>,
    clients: Arc<Mutex<Vec<UnboundedSender<Ack>>>>,
}

impl SharedConnection for NatsConnection {
    fn is_open(&self) -> bool {
        !self.write.is_closed()
    }
}

/// Writes requests and forwards acks to their clients, until the connection or the last client is
/// gone.
async fn serve(
    mut wire: Wire,
    mut requests: UnboundedReceiver<Bytes>,
    clients: &Mutex<Vec<UnboundedSender<Ack>>>,
) -> Ack {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    loop {
        tokio::select! {
            taken = requests.recv_many(&mut together, TOGETHER_MAX) => match taken {
                0 => return Ok(()),
                _ => {
                    wire.write(&together.concat()).await?;
                    together.clear();
                }
            },
            filled = wire.fill() => {
                filled?;
                while let Some((length, said)) = next(wire.unread())? {
                    match said {
                        Said::Ack { client, ack } => {
                            let clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
                            // An ack for a client that has gone needs no reader.
                            let _ = clients.get(client).map(|client| client.send(ack));
                        }
                        Said::News => {}
                        Said::Ping => wire.write(b"PONG\r\n").await?,
                    }
                    wire.taken(length);
                }
            }
        }
    }
}

/// A message from the server.
enum Said {
    Ack {
        client: usize,
        ack: Ack,
    },
    Ping,
    /// The servers that the cluster has now.
    News,
}

/// Parses the first message in the bytes and returns its length; `None` until it is complete.
fn next(bytes: &[u8]) -> Result<Option<(usize, Said)>, RequestFailure> {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(None) };
    let (line, rest) = bytes.split_at(end + 1);
    let line = line.trim_ascii_end();
    if line == b"PING" {
        return Ok(Some((end + 1, Said::Ping)));
    }
    if line.starts_with(b"INFO ") {
        return Ok(Some((end + 1, Said::News)));
    }
    // MSG <inbox>.<client> <subscription> <bytes>
    let mut words = from_utf8(line).unwrap_or_default().split(' ');
    let client = words.nth(1).and_then(|subject| subject.rsplit('.').next()?.parse().ok());
    let length = words.next_back().and_then(|length| length.parse::<usize>().ok());
    let (Some(client), Some(length), true) = (client, length, line.starts_with(b"MSG ")) else {
        return Err(refused(line));
    };
    let Some(body) = rest.get(..length + 2) else { return Ok(None) };
    let ack = match body.starts_with(b"{\"stream\":") {
        true => Ok(()),
        false => Err(refused(body)),
    };
    Ok(Some((end + 1 + length + 2, Said::Ack { client, ack })))
}

/// A client.
pub(crate) struct NatsClient {
    request: Bytes,
    write: UnboundedSender<Bytes>,
    acks: UnboundedReceiver<Ack>,
    batch: usize,
}

impl LoadConnection for NatsClient {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        self.write.send(self.request.clone()).map_err(|_| RequestFailure::HungUp)?;
        for _ in 0..self.batch {
            self.acks.recv().await.ok_or(RequestFailure::HungUp)??;
        }
        Ok(())
    }
}
