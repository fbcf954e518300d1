//! One connection's life.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::codec::{FrameReader, Received};
use crate::protocol::frame::{
    EncodedFrame, FRAME_BYTES_MAX, Frame, HANDSHAKE_FRAME_BYTES_MAX, Response,
};
use crate::types::{Records, Run, SessionId};

/// Most frames that wait to be written to one peer: many windows of small runs and their answers.
const OUTBOX_FRAMES: usize = 1024;

/// Most bytes that wait to be written to one peer: the longest frame fits, and a stalled peer holds no more of our
/// memory than this.
const OUTBOX_BYTES: usize = FRAME_BYTES_MAX;

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

/// What a session tells its node.
#[derive(Debug)]
pub enum SessionEvent {
    /// A frame arrived.
    Frame(Frame<Records>),
    /// Bytes of a frame arrived that is not whole yet.
    Heard,
    /// The connection is gone, for this reason.
    Down(String),
}

/// The node's end of a session. Dropping it closes the connection, after what was sent before.
#[derive(Debug)]
pub struct SessionHandle {
    outbox: Outbox,
    frame_limit: Arc<AtomicUsize>,
    _close: DropGuard,
}

/// The queue of frames that wait to be written to one peer. Cheap to clone; it outlives its session without harm.
#[derive(Clone, Debug)]
pub struct Outbox {
    frames: mpsc::Sender<EncodedFrame>,
    queued_bytes: Arc<AtomicUsize>,
}

impl Outbox {
    /// Queues a frame. Returns whether there was room: otherwise the frame is lost.
    #[must_use]
    pub fn send(&self, frame: EncodedFrame) -> bool {
        let bytes = frame.bytes();
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = queued == 0 || queued + bytes <= OUTBOX_BYTES;
        if fits && self.frames.try_send(frame).is_ok() {
            return true;
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

impl SessionHandle {
    /// The queue of frames to the peer.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The handshake is done: frames of full length are taken from here on.
    pub fn admit(&self) {
        self.frame_limit.store(FRAME_BYTES_MAX, Ordering::Relaxed);
    }
}

/// Starts the tasks of a session on `stream`; what happens on it goes to `events`.
///
/// # Errors
/// When the socket cannot be set up.
pub fn open<E: Send + 'static>(
    id: SessionId,
    stream: TcpStream,
    events: mpsc::Sender<E>,
    wrap: fn(SessionId, SessionEvent) -> E,
    tasks: &TaskTracker,
) -> io::Result<SessionHandle> {
    // A frame is written whole; waiting for more to join it would only delay it.
    stream.set_nodelay(true)?;
    let (read_half, write_half) = stream.into_split();
    let (frames, queue) = mpsc::channel(OUTBOX_FRAMES);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let frame_limit = Arc::new(AtomicUsize::new(HANDSHAKE_FRAME_BYTES_MAX));
    // `close`: this side wants to end the connection. `gone`: it is over, for the reader too.
    let (close, gone) = (CancellationToken::new(), CancellationToken::new());
    let writer =
        Writer { io: write_half, queue, queued_bytes: queued_bytes.clone(), close: close.clone() };
    let limit = frame_limit.clone();
    let (reader_gone, writer_gone) = (gone.clone(), gone.drop_guard());
    let down = events.clone();
    tasks.spawn(async move {
        let written = writer.run().await;
        if let Err(error) = written {
            // Fails when the node has stopped.
            let _ = down.send(wrap(id, SessionEvent::Down(error.to_string()))).await;
        }
        drop(writer_gone);
    });
    tasks.spawn(async move {
        let read = read(id, read_half, limit, &events, wrap);
        let reason = tokio::select! {
            reason = read => reason,
            () = reader_gone.cancelled() => return,
        };
        let _ = events.send(wrap(id, SessionEvent::Down(reason))).await;
    });
    let outbox = Outbox { frames, queued_bytes };
    Ok(SessionHandle { outbox, frame_limit, _close: close.drop_guard() })
}

/// Reads frames until the connection ends, and tells why it did.
async fn read<E>(
    id: SessionId,
    io: OwnedReadHalf,
    limit: Arc<AtomicUsize>,
    events: &mpsc::Sender<E>,
    wrap: fn(SessionId, SessionEvent) -> E,
) -> String {
    let mut reader = FrameReader::new(io, limit.clone());
    let mut heard = Instant::now();
    loop {
        let event = match reader.next().await {
            Ok(Some(Received::Frame(frame))) => {
                if matches!(frame, Frame::Response(_, Response::Welcome(_))) {
                    limit.store(FRAME_BYTES_MAX, Ordering::Relaxed);
                }
                SessionEvent::Frame(frame)
            }
            Ok(Some(Received::Bytes)) if heard.elapsed() < HEARD_PAUSE => continue,
            Ok(Some(Received::Bytes)) => {
                heard = Instant::now();
                SessionEvent::Heard
            }
            Ok(None) => return "the peer closed the connection".to_owned(),
            Err(error) => return error.to_string(),
        };
        let is_long = matches!(&event, SessionEvent::Frame(frame)
            if frame.run().is_some_and(|run| run.bytes() >= LONG_RUN_BYTES));
        if events.send(wrap(id, event)).await.is_err() {
            return "the node stopped".to_owned();
        }
        if is_long {
            yield_now().await;
        }
    }
}

struct Writer {
    io: OwnedWriteHalf,
    queue: mpsc::Receiver<EncodedFrame>,
    queued_bytes: Arc<AtomicUsize>,
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
        while self.queue.recv_many(&mut frames, WRITE_BATCH).await > 0 {
            let mut batch = Batch { parts: VecDeque::with_capacity(2 * frames.len()) };
            for frame in frames.drain(..) {
                batch.parts.push_back(frame.head);
                batch.parts.push_back(frame.records);
            }
            let bytes = batch.remaining();
            self.io.write_all_buf(&mut batch).await?;
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.io.shutdown().await
    }
}

/// Several pieces of memory that are written as one.
struct Batch {
    parts: VecDeque<Bytes>,
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.iter().find(|part| !part.is_empty()).map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                return part.advance(count);
            }
            count -= part.len();
            self.parts.pop_front();
        }
        assert_eq!(count, 0, "advanced beyond the end");
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().filter(|part| !part.is_empty());
        slices.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }
}
