//! The HTTP server: its threads, the accept loop, and the stop.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::body::BodyLimits;
use super::config::{HttpConfig, ServedNode};
use super::connection::{self, Handler};
use super::connections::{Connections, Slot};
use super::follow::FollowerLimit;
use super::listing::ListingRoom;
use super::metrics::FreeSpace;
use super::peer::PeerConnections;
use super::routes::{App, SharedByThreads};
use super::tally::Tallies;
use crate::server::accepting::Accepting;
use crate::server::patience;

/// Most connections that wait for their thread. A thread takes them at once; when it does not, the
/// accept loop waits, and the kernel's own queue fills.
const CONNECTION_QUEUE: usize = 64;

/// A running HTTP server. Dropping it stops it at once, without waiting for anything.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Holds the grace period once the server is to stop.
    stop: watch::Sender<Option<Duration>>,
    /// Closes when the last thread has dropped everything that it served.
    done: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// The parts of one HTTP thread.
struct Worker<M> {
    make: M,
    connections: Arc<Connections>,
    /// The queue of this thread's connections.
    incoming: mpsc::Receiver<AcceptedConnection>,
    stop: watch::Receiver<Option<Duration>>,
    /// The first thread accepts for all.
    acceptor: Option<Acceptor>,
}

/// The accept loop.
struct Acceptor {
    listener: std::net::TcpListener,
    connections: Arc<Connections>,
    workers: Vec<mpsc::Sender<AcceptedConnection>>,
}

/// A new connection, with its slot.
type AcceptedConnection = (std::net::TcpStream, Slot);

impl Server {
    /// Serves `node` on `listener` with threads of its own, and returns once they run.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be created, or the listener cannot be made non-blocking.
    ///
    /// # Panics
    /// When `config` has no workers.
    pub fn start(
        config: HttpConfig,
        node: ServedNode,
        listener: std::net::TcpListener,
    ) -> io::Result<Self> {
        let limits = BodyLimits::new(config.max_message_bytes);
        let (workers, room) = (config.workers, ListingRoom::new(config.max_listing_bytes));
        let followers = FollowerLimit::new(config.max_followers);
        let connections = Connections::new(config.max_connections);
        let shared = SharedByThreads {
            limits,
            room,
            followers,
            peers: PeerConnections::new(),
            connections: connections.clone(),
            tallies: Tallies::default(),
            free_space: FreeSpace::new(node.reader().clone()),
        };
        let make = move || App::new(node.clone(), shared.clone(), &config);
        let server = Self::start_with(workers, connections, listener, make)?;
        info!(address = %server.address, workers, "serving HTTP");
        Ok(server)
    }

    /// Serves the handlers that `make` creates, one on each thread.
    pub(super) fn start_with<A, M>(
        workers: usize,
        connections: Arc<Connections>,
        listener: std::net::TcpListener,
        make: M,
    ) -> io::Result<Self>
    where
        A: Handler,
        M: Fn() -> A + Clone + Send + 'static,
    {
        assert!(workers > 0, "a server without threads serves nobody");
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(None);
        let (alive, done) = mpsc::channel(1);
        let (queues, incoming): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel(CONNECTION_QUEUE)).unzip();
        let acceptor = Acceptor { listener, connections: connections.clone(), workers: queues };
        let mut acceptor = Some(acceptor);
        let mut threads = Vec::with_capacity(workers);
        for (number, incoming) in incoming.into_iter().enumerate() {
            let worker = Worker {
                make: make.clone(),
                connections: connections.clone(),
                incoming,
                stop: stopped.clone(),
                acceptor: acceptor.take(),
            };
            threads.push(start_thread(number, worker, alive.clone())?);
        }
        Ok(Self { address, stop, done, threads })
    }

    /// Returns the address on which the server listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: accepts no more connections, lets the requests in progress end for at most `grace`,
    /// then drops the rest, and returns when all threads have ended.
    ///
    /// May be awaited on any runtime, also from `block_on`; it blocks the calling thread only while
    /// ended threads are joined. Dropping the future drops the server: it then stops without the
    /// grace.
    pub async fn stop(mut self, grace: Duration) {
        // Fails only when all threads have ended already.
        let _ = self.stop.send(Some(grace));
        while self.done.recv().await.is_some() {}
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                warn!("an HTTP thread ended with a panic");
            }
        }
    }
}

/// Starts one thread, and returns once its runtime has started.
fn start_thread<A, M>(
    number: usize,
    worker: Worker<M>,
    alive: mpsc::Sender<()>,
) -> io::Result<JoinHandle<()>>
where
    A: Handler,
    M: Fn() -> A + Send + 'static,
{
    let (report, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("http-{number}")).spawn(move || {
        // Created here: a local runtime cannot be sent to another thread.
        let mut builder = Builder::new_current_thread();
        let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        let _ = report.send(Ok(()));
        runtime.block_on(worker.run());
        // Last: a caller that waits for it may rely on everything else being gone.
        drop(alive);
    })?;
    match started.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("an HTTP thread ended before it began")),
    }
}

impl<M> Worker<M> {
    /// Serves this thread's connections until the server stops.
    async fn run<A: Handler>(mut self)
    where
        M: Fn() -> A,
    {
        let answer = Rc::new((self.make)());
        let http: Rc<http1::Builder> = Rc::new(connection::http_builder());
        // Of this thread only: all its connections check it on each poll, and a lock that other
        // threads share would cost more.
        let closing = CancellationToken::new();
        let mut accepting = JoinSet::new();
        if let Some(acceptor) = self.acceptor.take() {
            accepting.spawn_local(acceptor.run());
        }
        let mut connections = JoinSet::new();
        // A timer that is due before all others wakes the runtime by a system call when it is set.
        // Each request sets the timer of the next request's head; beside this one, which is always
        // due sooner, none of them does.
        let mut sooner = interval(connection::HEAD_TIMEOUT / 4);
        loop {
            tokio::select! {
                biased;
                // An error means that the server was dropped.
                _ = self.stop.changed() => break,
                _ = sooner.tick() => {}
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                Some((stream, slot)) = self.incoming.recv() => match prepare(stream) {
                    Ok(stream) => {
                        let (http, answer) = (http.clone(), answer.clone());
                        let (closing, number) = (closing.clone(), slot.number());
                        let task = connections.spawn_local(async move {
                            let activity = slot.activity.clone();
                            connection::serve(&http, answer, stream, activity, closing).await;
                            drop(slot);
                        });
                        self.connections.served_by(number, task);
                    }
                    Err(error) => debug!(%error, "a connection was lost before it was served"),
                },
            }
        }
        accepting.shutdown().await;
        answer.stop();
        closing.cancel();
        let grace = self.stop.borrow().unwrap_or_default();
        let rest = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, rest).await.is_err() {
            warn!(connections = connections.len(), ?grace, "closing connections that did not end");
        }
    }
}

/// Registers a connection with the calling thread's runtime.
fn prepare(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    patience::set_up(&stream)?;
    TcpStream::from_std(stream)
}

impl Acceptor {
    /// Accepts connections and deals them to the threads in turn. Ends when a thread is gone.
    async fn run(self) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                warn!(%error, "the HTTP port cannot be served");
                return;
            }
        };
        let mut accepting = Accepting::new(listener, "HTTP");
        for worker in self.workers.iter().cycle() {
            // Whatever used up the descriptors, the log may need one.
            let (stream, _) = accepting.next(|| self.connections.make_room()).await;
            // Removed from this thread's runtime: another one may serve it.
            let Ok(stream) = stream.into_std() else { continue };
            let Some(slot) = self.connections.enter() else { continue };
            if worker.send((stream, slot)).await.is_err() {
                return;
            }
        }
    }
}
