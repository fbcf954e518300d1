//! One connection's life: its reading and its writing task.

mod events;
mod limits;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use acklog_protocol::frame::{ConnectionTerms, EncodedFrame, Frame, ProtocolVersion, Response};
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

use self::events::EventSender;
pub use self::events::{QueuedEvent, SessionEvent};
use self::limits::Limits;
use super::ack_watchdog::AckWatchdog;
use super::codec::{FrameReader, ReceiveError, Received};
use super::frame_limit::{AdmittedFrames, FrameLimit};
use super::frame_rate::FrameRateWatchdog;
use super::outbox::{Outbox, OutboxRoom, SendProgress, WeakOutbox};
use super::unacked::{Ends, Unacked, bound_own_queue};
use super::write_batch::WriteBatch;

/// Most frames written with one system call.
const WRITE_BATCH: usize = 64;

/// Time to write what is queued once this side has closed a connection: a refusal should arrive,
/// and a stalled peer should not hold the connection.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Length of a run, in bytes, from which on the core task takes it before the next one is read: its
/// memory is then reused while it is still in the processor's cache.
const LONG_RUN_BYTES: usize = 64 * 1024;

/// Pause between two reports that bytes of an unfinished frame arrived: far below any liveness
/// timeout.
const HEARD_PAUSE: Duration = Duration::from_millis(20);

/// Least time for which sent bytes may stay unacknowledged. Shorter: ordinary packet loss would end
/// connections.
const UNACKED_MIN: Duration = Duration::from_secs(2);

/// Heartbeat intervals for which sent bytes may stay unacknowledged.
const UNACKED_INTERVALS: u32 = 5;

/// The kernel's patience, as a multiple of this node's. Less: the kernel ends healthy connections.
/// More: it keeps the bytes of dead connections for longer.
const KERNEL_PATIENCE: u32 = 4;

/// The heartbeat interval that is used until the handshake names it: the default one.
const INTERVAL_BEFORE_HANDSHAKE: Duration = Duration::from_secs(1);

/// TCP keep-alive, for a connection with nothing in flight: the first probe after this much idle
/// time, the next ones after a third of it. A dead peer is noticed within a minute; the protocol's
/// own heartbeats are faster in most configurations.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The text that an HTTP client at this port receives.
const HTTP_ANSWER: &str =
    "this is the port for secondaries (--comm-port); HTTP is served at another one (--http-port)\n";

/// The core task's handle of a session. Dropping it closes the connection, after what was sent
/// before.
#[derive(Debug)]
pub struct SessionHandle {
    outbox: Outbox,
    progress: Arc<SendProgress>,
    limits: Arc<Limits>,
    close: DropGuard,
}

impl SessionHandle {
    /// Returns the queue of frames to the peer.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Returns the free space in the outbox to the peer.
    pub fn room(&self) -> OutboxRoom {
        OutboxRoom::new(self.progress.clone(), self.close.token().clone())
    }

    /// Admits a secondary whose handshake is done: heartbeats go to it at this interval, and it may
    /// not send frames with messages.
    pub fn admit(&self, heartbeat_interval: Duration) {
        self.limits.admit(heartbeat_interval, AdmittedFrames::WithoutMessages);
    }

    /// Settles the version of the connection: this node proposes it in its handshake.
    pub fn settle(&self, version: ProtocolVersion) {
        self.limits.frame.settle(version);
    }

    /// Settles the epoch of the connection, where this frame, which is to be sent, admits a
    /// secondary.
    pub fn settle_epoch<R>(&self, frame: &Frame<R>) {
        self.limits.frame.settle_epoch(frame);
    }

    /// Returns the terms by which frames to the peer are encoded.
    pub fn terms(&self) -> ConnectionTerms {
        self.limits.frame.terms()
    }

    /// Changes which frames are accepted from the peer, from the next one on that begins.
    pub fn accept(&self, frames: AdmittedFrames) {
        self.limits.frame.admit(frames);
    }

    /// Returns how much of the frames to the peer was sent.
    pub fn look(&self) -> LineView {
        self.progress.look()
    }
}

/// Opens sessions on connections.
#[derive(Clone, Debug)]
pub struct SessionFactory {
    unacked: Option<Arc<Unacked>>,
    tasks: TaskTracker,
}

impl SessionFactory {
    /// Creates a factory whose sessions' tasks are counted by `tasks`.
    pub fn new(tasks: TaskTracker) -> Self {
        let unacked = match Unacked::open() {
            Ok(unacked) => Some(Arc::new(unacked)),
            Err(error) => {
                info!(%error, "this system does not tell what a peer's kernel has taken; what is \
                    handed to this one counts");
                None
            }
        };
        Self { unacked, tasks }
    }

    /// Starts the tasks of a session on `stream`; its events go to `events`.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn open(
        &self,
        id: SessionId,
        stream: TcpStream,
        events: mpsc::Sender<QueuedEvent>,
    ) -> io::Result<SessionHandle> {
        // A frame is written as a whole; waiting for more to join it would only delay it.
        stream.set_nodelay(true)?;
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3);
        SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        let ends = Ends { local: stream.local_addr()?, peer: stream.peer_addr()? };
        // A kernel may have the socket and no handler behind it.
        let unacked = self.unacked.clone().filter(|unacked| unacked.of(ends).is_ok());
        if unacked.is_none() {
            bound_own_queue(&stream)?;
        }
        let progress = Arc::new(SendProgress::new(ends, unacked));
        set_patience(&stream, &progress, patience(INTERVAL_BEFORE_HANDSHAKE))?;
        let (outbox, queue) = Outbox::new(progress.clone());
        let frame = Arc::new(FrameLimit::of_handshake());
        let limits = Arc::new(Limits::new(frame));
        // `close`: this side wants to end the connection. `gone`: it has ended, for the reading
        // task too.
        let (close, gone) = (CancellationToken::new(), CancellationToken::new());
        let (read_half, write_half) = stream.into_split();
        let writer = SessionWriter {
            io: write_half,
            queue,
            progress: progress.clone(),
            limits: limits.clone(),
            close: close.clone(),
        };
        let (reader_gone, writer_gone) = (gone.clone(), gone.drop_guard());
        let events = EventSender::new(id, events);
        let down = events.clone();
        self.tasks.spawn(async move {
            let written = writer.run().await;
            if let Err(error) = written {
                down.end(lost(&error)).await;
            }
            drop(writer_gone);
        });
        let reader = SessionReader {
            frames: FrameReader::new(read_half, limits.frame.clone()),
            limits: limits.clone(),
            progress: progress.clone(),
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
        Ok(SessionHandle { outbox, progress, limits, close: close.drop_guard() })
    }
}

/// Returns how long sent bytes may stay unacknowledged.
fn patience(heartbeat_interval: Duration) -> Duration {
    (heartbeat_interval * UNACKED_INTERVALS).max(UNACKED_MIN)
}

/// Sets up the kernel to end a connection on which bytes stay unacknowledged. Its own limit is
/// above ten minutes, and its pauses between attempts grow to two. Where this node watches the
/// connection itself ([`AckWatchdog`]), the kernel has several times as long.
fn set_patience(stream: &TcpStream, progress: &SendProgress, patience: Duration) -> io::Result<()> {
    let patience = if progress.is_reported() { KERNEL_PATIENCE * patience } else { patience };
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(patience))?;
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
    Ok(())
}

/// Returns the reason of a connection that broke.
fn lost(error: &io::Error) -> SessionEnd {
    SessionEnd::Lost(match error.kind() {
        io::ErrorKind::TimedOut => "what was sent is not acknowledged: the line is dead".to_owned(),
        _ => error.to_string(),
    })
}

struct SessionReader {
    frames: FrameReader<OwnedReadHalf>,
    limits: Arc<Limits>,
    progress: Arc<SendProgress>,
    /// The watchdogs of both directions, run once per heartbeat interval; none until the handshake
    /// is done.
    watch: Option<(FrameRateWatchdog, AckWatchdog)>,
}

impl SessionReader {
    /// Reads frames until the connection ends, and returns why it did.
    async fn run(mut self, events: &EventSender, answers: WeakOutbox) -> SessionEnd {
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
            if !events.send(event).await {
                return SessionEnd::Lost("the node stopped".to_owned());
            }
            if let Some((frame_rate, _)) = self.watch.as_mut().filter(|_| is_whole) {
                frame_rate.restart();
            }
            if is_long {
                yield_now().await;
            }
        }
    }

    /// Returns the next frame, or that bytes of one arrived, unless it arrives too slowly or the
    /// peer acknowledges nothing of what is sent.
    async fn next(&mut self) -> Result<Option<Received>, ReceiveError> {
        if self.watch.is_none() {
            let watch =
                |interval| (FrameRateWatchdog::new(interval), AckWatchdog::new(patience(interval)));
            self.watch = self.limits.heartbeat_interval().map(watch);
        }
        let Some((frame_rate, acks)) = &mut self.watch else { return self.frames.next().await };
        loop {
            tokio::select! {
                // What has arrived is read before it is judged.
                biased;
                received = self.frames.next() => return received,
                () = frame_rate.tick() => {
                    let frames = &self.frames;
                    let within = frames.is_within_frame().then(|| frames.received_bytes());
                    if frame_rate.is_too_slow(within) {
                        return Err(ReceiveError::Slow);
                    }
                    if acks.is_stuck(Instant::now(), self.progress.taken_in_part()) {
                        return Err(ReceiveError::Io(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
        }
    }

    /// Applies the master's welcome. An implausible interval ends the connection elsewhere.
    fn welcomed(&self, heartbeat_interval: Duration) {
        let interval = heartbeat_interval.min(HEARTBEAT_INTERVAL_MAX);
        self.limits.admit(interval, AdmittedFrames::WithMessages);
        // Fails only for a connection that is gone, which the next read reports.
        let _ = set_patience(self.frames.io().as_ref(), &self.progress, patience(interval));
    }
}

/// Returns why a connection cannot be read any further. An HTTP client gets a response.
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
                // Fails on a full queue: a peer that does not read it would not read a response
                // either.
                let _ = outbox.reserve(None).send(answer);
            }
            SessionEnd::Garbage(error.to_string())
        }
        _ => SessionEnd::Garbage(error.to_string()),
    }
}

struct SessionWriter {
    io: OwnedWriteHalf,
    queue: mpsc::Receiver<EncodedFrame>,
    progress: Arc<SendProgress>,
    limits: Arc<Limits>,
    close: CancellationToken,
}

impl SessionWriter {
    /// Writes frames until the core task drops its handle, then the rest, for a while.
    async fn run(mut self) -> io::Result<()> {
        let close = self.close.clone();
        let mut writing = std::pin::pin!(self.write_all());
        tokio::select! {
            written = &mut writing => return written,
            () = close.cancelled() => {}
        }
        // The side that closed the connection does not need the result.
        let _ = timeout(CLOSE_GRACE, writing).await;
        Ok(())
    }

    async fn write_all(&mut self) -> io::Result<()> {
        let mut frames = Vec::with_capacity(WRITE_BATCH);
        let mut is_admitted = false;
        while self.queue.recv_many(&mut frames, WRITE_BATCH).await > 0 {
            if let Some(interval) = self.limits.heartbeat_interval().filter(|_| !is_admitted) {
                set_patience(self.io.as_ref(), &self.progress, patience(interval))?;
                is_admitted = true;
            }
            let mut batch = WriteBatch::new(frames.drain(..));
            while batch.has_remaining() {
                let bytes = self.io.write_buf(&mut batch).await?;
                self.progress.wrote(bytes);
            }
        }
        self.io.shutdown().await
    }
}

#[cfg(test)]
mod tests;
