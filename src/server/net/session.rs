//! One connection's life.

mod events;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acklog_protocol::frame::{EncodedFrame, Frame, Response};
use acklog_protocol::{LineView, SessionEnd};
use acklog_types::{HEARTBEAT_INTERVAL_MAX, SessionId};
use bytes::{Buf, Bytes};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::info;

use self::events::Events;
pub use self::events::{SessionEvent, Told};
use super::acked::Acked;
use super::batch::Batch;
use super::codec::{FrameLimit, FrameReader, ReceiveError, Received};
use super::outbox::{Line, LineRoom, Outbox, WeakOutbox};
use super::pace::Pace;
use super::unacked::{Ends, Unacked, bound_own_queue};

/// Frames written with one system call at most.
const WRITE_BATCH: usize = 64;

/// Time to write what is queued once a connection is closed from this side: a refusal should arrive, a stalled peer
/// should not hold the connection.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Bytes of a run that the node takes before the next is read: its memory is used again then, while it is still in the
/// processor's cache.
const LONG_RUN_BYTES: usize = 64 * 1024;

/// Pause between two notes that bytes of an unfinished frame came: far below any silence that counts.
const HEARD_PAUSE: Duration = Duration::from_millis(20);

/// Least time for which sent bytes may stay unacknowledged. Shorter: ordinary loss would end connections.
const UNACKED_MIN: Duration = Duration::from_secs(2);

/// Heartbeat intervals for which sent bytes may stay unacknowledged.
const UNACKED_INTERVALS: u32 = 5;

/// The kernel's patience, as a multiple of this node's. Less: the kernel ends connections on which
/// all is well. More: it keeps the bytes of connections that are gone for longer.
const KERNEL_PATIENCE: u32 = 4;

/// The heartbeat interval that counts until the handshake tells it: the default one.
const INTERVAL_BEFORE_HANDSHAKE: Duration = Duration::from_secs(1);

/// TCP keep-alive, for a connection on which nothing is under way: first probe after this much silence, next ones after
/// a third of it. A dead peer is noticed within a minute; the protocol's own heartbeats mostly are faster.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What an HTTP client at this port is told.
const HTTP_ANSWER: &str =
    "this is the port for secondaries (--comm-port); HTTP is served at another one (--http-port)\n";

/// The node's end of a session. Dropping it closes the connection, after what was sent before.
#[derive(Debug)]
pub struct SessionHandle {
    outbox: Outbox,
    line: Arc<Line>,
    limits: Arc<Limits>,
    close: DropGuard,
}

/// What the handshake changes for the tasks of a session.
#[derive(Debug)]
struct Limits {
    frame: Arc<FrameLimit>,
    /// The heartbeat interval in milliseconds; 0 until the handshake is done.
    heartbeat_ms: AtomicU64,
}

impl Limits {
    fn admit(&self, heartbeat_interval: Duration, messages: bool) {
        self.frame.admit(messages);
        let ms = u64::try_from(heartbeat_interval.as_millis()).unwrap_or(u64::MAX).max(1);
        self.heartbeat_ms.store(ms, Ordering::Relaxed);
    }

    /// The heartbeat interval, once the handshake told it.
    fn heartbeat_interval(&self) -> Option<Duration> {
        Some(self.heartbeat_ms.load(Ordering::Relaxed))
            .filter(|&ms| ms > 0)
            .map(Duration::from_millis)
    }
}

impl SessionHandle {
    /// The queue of frames to the peer.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The room that the line to the peer has.
    pub fn room(&self) -> LineRoom {
        LineRoom::new(self.line.clone(), self.close.token().clone())
    }

    /// The handshake of a secondary is done: heartbeats go to it at this interval, and it is not expected to send
    /// messages.
    pub fn admit(&self, heartbeat_interval: Duration) {
        self.limits.admit(heartbeat_interval, false);
    }

    /// Takes frames with messages from the peer from here on, up to the longest; or no longer, behind one that has
    /// begun.
    pub fn expect_messages(&self, expected: bool) {
        self.limits.frame.admit(expected);
    }

    /// Looks at how far the frames to the peer have got.
    pub fn look(&self) -> LineView {
        self.line.look()
    }
}

/// Makes sessions of connections.
#[derive(Clone, Debug)]
pub struct Network {
    unacked: Option<Arc<Unacked>>,
    tasks: TaskTracker,
}

impl Network {
    /// Makes sessions whose tasks are counted by `tasks`.
    pub fn new(tasks: TaskTracker) -> Self {
        let unacked = match Unacked::open() {
            Ok(unacked) => Some(Arc::new(unacked)),
            Err(error) => {
                info!(%error, "this system does not tell what a peer's kernel has taken; what is handed to \
                    this one counts");
                None
            }
        };
        Self { unacked, tasks }
    }

    /// Starts the tasks of a session on `stream`; what happens on it goes to `events`.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn open(
        &self,
        id: SessionId,
        stream: TcpStream,
        events: mpsc::Sender<Told>,
    ) -> io::Result<SessionHandle> {
        // A frame is written whole; waiting for more to join it would only delay it.
        stream.set_nodelay(true)?;
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3);
        SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        let ends = Ends { local: stream.local_addr()?, peer: stream.peer_addr()? };
        // A kernel may have the socket that asks and nobody who answers.
        let unacked = self.unacked.clone().filter(|unacked| unacked.of(ends).is_ok());
        if unacked.is_none() {
            bound_own_queue(&stream)?;
        }
        let line = Arc::new(Line::new(ends, unacked));
        set_patience(&stream, &line, patience(INTERVAL_BEFORE_HANDSHAKE))?;
        let (outbox, queue) = Outbox::new(line.clone());
        let frame = Arc::new(FrameLimit::of_handshake());
        let limits = Arc::new(Limits { frame, heartbeat_ms: AtomicU64::new(0) });
        // `close`: this side wants to end the connection. `gone`: it is over, for the reader too.
        let (close, gone) = (CancellationToken::new(), CancellationToken::new());
        let (read_half, write_half) = stream.into_split();
        let writer = Writer {
            io: write_half,
            queue,
            line: line.clone(),
            limits: limits.clone(),
            close: close.clone(),
        };
        let (reader_gone, writer_gone) = (gone.clone(), gone.drop_guard());
        let events = Events::new(id, events);
        let down = events.clone();
        self.tasks.spawn(async move {
            let written = writer.run().await;
            if let Err(error) = written {
                down.end(lost(&error)).await;
            }
            drop(writer_gone);
        });
        let reader = Reader {
            frames: FrameReader::new(read_half, limits.frame.clone()),
            limits: limits.clone(),
            line: line.clone(),
            watch: None,
        };
        let answers = outbox.downgrade();
        self.tasks.spawn(async move {
            let read = reader.run(&events, answers);
            let reason = tokio::select! {
                reason = read => reason,
                () = reader_gone.cancelled() => return,
            };
            events.end(reason).await;
        });
        Ok(SessionHandle { outbox, line, limits, close: close.drop_guard() })
    }
}

/// How long sent bytes may stay unacknowledged.
fn patience(heartbeat_interval: Duration) -> Duration {
    (heartbeat_interval * UNACKED_INTERVALS).max(UNACKED_MIN)
}

/// Lets the kernel end a connection on which bytes stay unacknowledged. Its own limit is above ten minutes, and its
/// pauses between attempts grow to two. Where this node looks itself ([`Acked`]), the kernel has several times as long.
fn set_patience(stream: &TcpStream, line: &Line, patience: Duration) -> io::Result<()> {
    let patience = if line.is_told() { KERNEL_PATIENCE * patience } else { patience };
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(patience))?;
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
    Ok(())
}

/// Tells why a connection broke.
fn lost(error: &io::Error) -> SessionEnd {
    SessionEnd::Lost(match error.kind() {
        io::ErrorKind::TimedOut => "what was sent is not acknowledged: the line is dead".to_owned(),
        _ => error.to_string(),
    })
}

struct Reader {
    frames: FrameReader<OwnedReadHalf>,
    limits: Arc<Limits>,
    line: Arc<Line>,
    /// What is looked at in both directions once a heartbeat interval; none until the handshake is done.
    watch: Option<(Pace, Acked)>,
}

impl Reader {
    /// Reads frames until the connection ends, and tells why it did.
    async fn run(mut self, events: &Events, answers: WeakOutbox) -> SessionEnd {
        let mut heard = Instant::now();
        loop {
            let event = match self.next().await {
                Ok(Some(Received::Frame(frame))) => {
                    if let Frame::Response(_, Response::Welcome(welcome)) = &frame {
                        self.welcomed(welcome.heartbeat_interval);
                    }
                    SessionEvent::Frame(frame)
                }
                Ok(Some(Received::Bytes)) if heard.elapsed() < HEARD_PAUSE => continue,
                Ok(Some(Received::Bytes)) => {
                    heard = Instant::now();
                    SessionEvent::Heard
                }
                Ok(None) => return SessionEnd::Closed,
                Err(error) => return ended(&error, &answers),
            };
            let is_whole = matches!(event, SessionEvent::Frame(_));
            let is_long = matches!(&event, SessionEvent::Frame(frame)
                if frame.run().is_some_and(|run| run.bytes() >= LONG_RUN_BYTES));
            if !events.tell(event).await {
                return SessionEnd::Lost("the node stopped".to_owned());
            }
            if let Some((pace, _)) = self.watch.as_mut().filter(|_| is_whole) {
                pace.restart();
            }
            if is_long {
                yield_now().await;
            }
        }
    }

    /// The next frame, or news of one, unless it comes too slowly or the peer takes nothing of what is sent.
    async fn next(&mut self) -> Result<Option<Received>, ReceiveError> {
        if self.watch.is_none() {
            let watch = |interval| (Pace::new(interval), Acked::new(patience(interval)));
            self.watch = self.limits.heartbeat_interval().map(watch);
        }
        let Some((pace, acked)) = &mut self.watch else { return self.frames.next().await };
        loop {
            tokio::select! {
                // What has come is read before it is judged.
                biased;
                received = self.frames.next() => return received,
                () = pace.tick() => {
                    let within = self.frames.is_within_frame().then(|| self.frames.came());
                    if pace.is_too_slow(within) {
                        return Err(ReceiveError::Slow);
                    }
                    if acked.is_stuck(Instant::now(), self.line.taken_in_part()) {
                        return Err(ReceiveError::Io(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
        }
    }

    /// The master let this node in. An interval that is not plausible ends the connection elsewhere.
    fn welcomed(&self, heartbeat_interval: Duration) {
        let interval = heartbeat_interval.min(HEARTBEAT_INTERVAL_MAX);
        self.limits.admit(interval, true);
        // Fails only for a connection that is gone, which the next read tells.
        let _ = set_patience(self.frames.io().as_ref(), &self.line, patience(interval));
    }
}

/// Tells why a connection cannot be read any further. HTTP gets an answer.
fn ended(error: &ReceiveError, answers: &WeakOutbox) -> SessionEnd {
    match error {
        ReceiveError::Io(error) => lost(error),
        ReceiveError::CutOff(_) => SessionEnd::Lost(error.to_string()),
        ReceiveError::HttpServer => SessionEnd::HttpServer,
        ReceiveError::HttpRequest => {
            if let Some(outbox) = answers.upgrade() {
                let head = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{HTTP_ANSWER}",
                    HTTP_ANSWER.len()
                );
                let answer = EncodedFrame { head: head.into(), records: Bytes::new() };
                // A full queue: who does not read it does not read an answer.
                let _ = outbox.reserve(None).send(answer);
            }
            SessionEnd::Garbage(error.to_string())
        }
        _ => SessionEnd::Garbage(error.to_string()),
    }
}

struct Writer {
    io: OwnedWriteHalf,
    queue: mpsc::Receiver<EncodedFrame>,
    line: Arc<Line>,
    limits: Arc<Limits>,
    close: CancellationToken,
}

impl Writer {
    /// Writes frames until the node drops its handle, then what is left, for a while.
    async fn run(mut self) -> io::Result<()> {
        let close = self.close.clone();
        let mut writing = std::pin::pin!(self.write_all());
        tokio::select! {
            written = &mut writing => return written,
            () = close.cancelled() => {}
        }
        // Whoever closed the connection does not care for how its end went.
        let _ = timeout(CLOSE_GRACE, writing).await;
        Ok(())
    }

    async fn write_all(&mut self) -> io::Result<()> {
        let mut frames = Vec::with_capacity(WRITE_BATCH);
        let mut is_admitted = false;
        while self.queue.recv_many(&mut frames, WRITE_BATCH).await > 0 {
            if let Some(interval) = self.limits.heartbeat_interval().filter(|_| !is_admitted) {
                set_patience(self.io.as_ref(), &self.line, patience(interval))?;
                is_admitted = true;
            }
            let mut batch = Batch::new(frames.drain(..));
            while batch.has_remaining() {
                let bytes = self.io.write_buf(&mut batch).await?;
                self.line.wrote(bytes);
            }
        }
        self.io.shutdown().await
    }
}

#[cfg(test)]
mod tests;
