//! etcd: `Put`, or a `Txn` of puts for a batch, over gRPC, which is HTTP/2 with protocol buffers.
//! The requests are made beforehand; only the keys change from one to the next, so that each
//! message is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use acklog::cli::bench::engine::{LoadConnection, LoadTarget, RequestFailure};
use bytes::Bytes;
use h2::client::SendRequest;
use hyper::{HeaderMap, Request};
use tokio::task::AbortHandle;

use crate::pool::{ConnectionPool, SharedConnection};
use crate::wire::{connect, refused};

const KEY_BYTES: usize = 16;
/// Numbers of the fields in the request.
const PUT_KEY: u8 = 1;
const PUT_VALUE: u8 = 2;
const TXN_SUCCESS: u8 = 2;
const OPERATION_PUT: u8 = 2;

/// A member of the cluster: best the leader.
pub(crate) struct Etcd {
    address: String,
    method: &'static str,
    body: Vec<u8>,
    /// Offsets of the keys in the body.
    keys: Arc<[usize]>,
    clients: AtomicU32,
    pool: ConnectionPool<EtcdConnection>,
}

impl Etcd {
    pub(crate) fn new(address: String, message: &str, batch: usize, shared_by: usize) -> Self {
        // No key contains this, so that the places of the keys are found.
        let blank = [0xff; KEY_BYTES];
        let put = [field(PUT_KEY, &blank), field(PUT_VALUE, message.as_bytes())].concat();
        let (method, request) = match batch {
            1 => ("Put", put),
            _ => ("Txn", field(TXN_SUCCESS, &field(OPERATION_PUT, &put)).repeat(batch)),
        };
        // Not compressed, and the length.
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        let body = [&[0][..], &length.to_be_bytes(), &request].concat();
        let keys = memchr::memmem::find_iter(&body, &blank).collect();
        Self {
            address,
            method,
            body,
            keys,
            clients: AtomicU32::new(0),
            pool: ConnectionPool::new(shared_by),
        }
    }
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

impl LoadTarget for Etcd {
    type Connection = EtcdClient;

    async fn connect(&self) -> Result<EtcdClient, RequestFailure> {
        let EtcdConnection { requests, .. } = self.pool.get(open(&self.address)).await?;
        let path = format!("http://{}/etcdserverpb.KV/{}", self.address, self.method);
        let head = Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| refused(error.to_string().as_bytes()))?;
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        let (body, keys) = (self.body.clone(), Arc::clone(&self.keys));
        Ok(EtcdClient { requests, head, body, keys, number, next_key: 0 })
    }
}

/// A connection that clients share, and the task that serves it.
#[derive(Clone)]
struct EtcdConnection {
    requests: SendRequest<Bytes>,
    task: AbortHandle,
}

impl SharedConnection for EtcdConnection {
    fn is_open(&self) -> bool {
        !self.task.is_finished()
    }
}

async fn open(address: &str) -> Result<EtcdConnection, RequestFailure> {
    let stream = connect(address).await?;
    let (requests, connection) = h2::client::handshake(stream).await.map_err(failed)?;
    // The task ends with its connection; a client that waits for an answer gets the error.
    let task = tokio::spawn(async move { connection.await.ok() }).abort_handle();
    Ok(EtcdConnection { requests, task })
}

/// A client.
pub(crate) struct EtcdClient {
    requests: SendRequest<Bytes>,
    head: Request<()>,
    body: Vec<u8>,
    keys: Arc<[usize]>,
    number: u32,
    next_key: u64,
}

impl EtcdClient {
    fn next_body(&mut self) -> Bytes {
        for &at in self.keys.iter() {
            let key = format!("{:05}{:011}", self.number, self.next_key);
            self.next_key += 1;
            if let Some(place) = self.body.get_mut(at..at + KEY_BYTES) {
                place.copy_from_slice(key.as_bytes());
            }
        }
        Bytes::copy_from_slice(&self.body)
    }
}

impl LoadConnection for EtcdClient {
    async fn send(&mut self) -> Result<(), RequestFailure> {
        let body = self.next_body();
        let mut requests = self.requests.clone().ready().await.map_err(failed)?;
        let (answer, mut sending) =
            requests.send_request(self.head.clone(), false).map_err(failed)?;
        sending.send_data(body, true).map_err(failed)?;
        let (head, mut body) = answer.await.map_err(failed)?.into_parts();
        while let Some(data) = body.data().await {
            let length = data.map_err(failed)?.len();
            body.flow_control().release_capacity(length).map_err(failed)?;
        }
        // A request that is refused outright has its status in the head.
        let trailers = body.trailers().await.map_err(failed)?;
        let status = |headers: &HeaderMap| headers.get("grpc-status").map(|s| s.as_bytes() == b"0");
        match trailers.as_ref().and_then(status).or_else(|| status(&head.headers)) {
            Some(true) => Ok(()),
            _ => {
                Err(refused(format!("{:?}", trailers.as_ref().unwrap_or(&head.headers)).as_bytes()))
            }
        }
    }
}

fn failed(error: h2::Error) -> RequestFailure {
    match error.into_io() {
        Some(error) => RequestFailure::from(error),
        None => refused(b"HTTP/2: the server ended the request or the connection"),
    }
}
