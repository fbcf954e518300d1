//! A proxy between a secondary and its master, so that the network between them can be cut without
//! either side noticing the end of a connection.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use acklog_threads::lock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::nodes::PathState;
use crate::server::accepting::Accepting;

/// Most bytes that one direction of a connection holds.
const BUFFER_BYTES: usize = 16 * 1024;

/// Forwards the connections of one secondary to the master. Ends them all when it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    state: Arc<ProxyState>,
    listening: AbortHandle,
}

#[derive(Debug)]
struct ProxyState {
    /// The master's port, which changes with its restart.
    target: Arc<AtomicU16>,
    /// Whether bytes pass; new connections subscribe to it.
    gate: Mutex<watch::Sender<bool>>,
    connections: Mutex<JoinSet<()>>,
    /// Gates that stay closed: of connections of which one end was killed while the network was
    /// cut.
    closed: Mutex<Vec<watch::Sender<bool>>>,
}

impl Proxy {
    /// Listens on a free port and forwards to the port that `target` has when a connection comes.
    ///
    /// # Errors
    /// When no port is free.
    pub(super) async fn start(target: Arc<AtomicU16>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(ProxyState {
            target,
            gate: Mutex::new(watch::Sender::new(true)),
            connections: Mutex::default(),
            closed: Mutex::default(),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { port, state, listening })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the path or opens it again. While it is cut, connections stay open and new ones get
    /// nowhere; opening it lets everything pass, including what was held back.
    pub(super) fn set(&self, to: PathState) {
        lock(&self.state.gate).send_replace(to == PathState::Open);
    }

    /// Returns whether bytes pass.
    pub(super) fn is_open(&self) -> bool {
        *lock(&self.state.gate).borrow()
    }

    /// Notes that one end was killed. If the network is cut, the other end never sees the end of
    /// its connections, nor receives what was in flight.
    pub(super) fn forget_connections(&self) {
        let mut gate = lock(&self.state.gate);
        if !*gate.borrow() {
            let old = std::mem::replace(&mut *gate, watch::Sender::new(false));
            lock(&self.state.closed).push(old);
        }
    }

    /// Closes all connections; both ends notice.
    pub(super) fn disconnect(&self) {
        lock(&self.state.connections).abort_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.disconnect();
    }
}

async fn listen(listener: TcpListener, state: Arc<ProxyState>) {
    let mut accepting = Accepting::new(listener, "proxy");
    loop {
        let (near, _) = accepting.next(|| false).await;
        let (gate, target) = (lock(&state.gate).subscribe(), Arc::clone(&state.target));
        let mut connections = lock(&state.connections);
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            // Its end needs no report.
            let _ = connection(near, &target, gate).await;
        });
    }
}

async fn connection(
    near: TcpStream,
    target: &AtomicU16,
    mut gate: watch::Receiver<bool>,
) -> io::Result<()> {
    open(&mut gate).await?;
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target.load(Ordering::SeqCst))).await?;
    // Forwarded as it came, without waiting for more bytes.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = copy(near_in, far_out, gate.clone());
    tokio::try_join!(there, copy(far_in, near_out, gate)).map(drop)
}

/// Copies until one side has ended, and then ends the other.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut gate: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await;
        // An end, or an error, is held back as bytes are while the network is cut.
        open(&mut gate).await?;
        match buffer.get(..read?).unwrap_or_default() {
            [] => return to.shutdown().await,
            bytes => to.write_all(bytes).await?,
        }
    }
}

async fn open(gate: &mut watch::Receiver<bool>) -> io::Result<()> {
    gate.wait_for(|is_open| *is_open).await.map(drop).map_err(io::Error::other)
}
