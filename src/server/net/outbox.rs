//! The queue of frames to one peer, and how much of it was sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acklog_protocol::frame::{
    EncodedFrame, FRAME_BYTES_MAX, Frame, RUN_BYTES_MAX, Request, Response,
};
use acklog_protocol::{LONG_FRAME_BYTES, LineView};
use acklog_types::{IdRange, RequestId};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::unacked::{Ends, Unacked};

/// Most frames that wait to be written to one peer: many windows of small runs and their responses.
const OUTBOX_FRAMES: usize = 1024;

/// Most bytes that wait to be written to one peer: the longest frame fits, and a stalled peer takes
/// up no more memory than this.
const OUTBOX_BYTES: u64 = FRAME_BYTES_MAX as u64;

/// Most bytes of a frame beside its records.
const RESERVE_BYTES: u64 = 4096;

/// Most bytes that may wait to be written to one peer when a page for it is begun: they are written
/// while the next page is read. Fewer: a fast line idles. More: more memory for a slow one.
const AHEAD_BYTES_MAX: u64 = 4 * RUN_BYTES_MAX as u64;

/// Tracked frames beyond which those that were acknowledged are removed from the list: more than
/// are sent and unacknowledged at once. Fewer: more system calls. More: a longer list.
const TRACKED_MAX: usize = 64;

/// The queue of frames that wait to be written to one peer. Cheap to clone; a clone may outlive its
/// session.
#[derive(Clone, Debug)]
pub struct Outbox {
    frames: mpsc::Sender<EncodedFrame>,
    progress: Arc<SendProgress>,
}

/// The part of the frames to one peer that was sent. Positions count the bytes of the connection
/// from its beginning.
#[derive(Debug)]
pub(super) struct SendProgress {
    ends: Ends,
    /// The kernel's report of unacknowledged bytes; none where it makes none: then bytes count as
    /// taken once they are handed to the own kernel.
    unacked: Option<Arc<Unacked>>,
    /// Bytes handed to the own kernel.
    written: AtomicU64,
    /// Notified when bytes were written.
    advanced: Notify,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The end of the last frame that was queued.
    queued: u64,
    /// The end of what the peer's kernel has acknowledged, as last seen.
    taken: u64,
    /// Frames that are not known to be acknowledged, in the order in which they were queued.
    tracked: VecDeque<Tracked>,
    /// Frames that are being prepared: their records are read.
    reserved: Vec<TrackedFrame>,
}

#[derive(Debug)]
struct Tracked {
    frame: TrackedFrame,
    start: u64,
    end: u64,
}

/// The content of a frame whose delivery is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackedFrame {
    /// A request other than a heartbeat.
    Request(RequestId),
    /// A page with messages.
    Page(RequestId),
}

impl TrackedFrame {
    /// Returns the content of a frame, if its delivery is tracked.
    pub fn of(frame: &Frame<IdRange>) -> Option<Self> {
        match frame {
            Frame::Request(_, Request::Heartbeat { .. }) => None,
            Frame::Request(id, _) => Some(Self::Request(*id)),
            Frame::Response(id, Response::Page { run, .. }) if !run.is_empty() => {
                Some(Self::Page(*id))
            }
            Frame::Response(..) => None,
        }
    }
}

impl SendProgress {
    pub(super) fn new(ends: Ends, unacked: Option<Arc<Unacked>>) -> Self {
        let (written, advanced) = (AtomicU64::new(0), Notify::new());
        Self { ends, unacked, written, advanced, queue: Mutex::default() }
    }

    /// Notes that bytes were handed to the own kernel.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Release);
        self.advanced.notify_waiters();
    }

    /// Returns the number of bytes that wait to be written.
    fn waiting(&self, queue: &Queue) -> u64 {
        queue.queued - self.written.load(Ordering::Acquire)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A thread that panicked held it for a few lines that leave nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings `taken` up to date and removes the frames that are acknowledged as a whole.
    fn update(&self, queue: &mut Queue) {
        let written = self.written.load(Ordering::Acquire);
        // Without a report, bytes that were handed to the own kernel count as taken. So they do
        // when the connection is gone.
        let held =
            self.unacked.as_ref().and_then(|unacked| unacked.of(self.ends).ok()).unwrap_or(0);
        queue.taken = queue.taken.max(written.saturating_sub(held));
        while queue.tracked.front().is_some_and(|frame| frame.end <= queue.taken) {
            queue.tracked.pop_front();
        }
    }

    /// Returns whether the kernel reports what the peer's kernel has acknowledged.
    pub(super) const fn is_reported(&self) -> bool {
        self.unacked.is_some()
    }

    /// Returns the number of bytes that the peer's kernel has acknowledged, where it has not
    /// acknowledged all that were written.
    pub(super) fn taken_in_part(&self) -> Option<u64> {
        let mut queue = self.queue();
        let written = self.written.load(Ordering::Acquire);
        if queue.taken < written {
            self.update(&mut queue);
        }
        Some(queue.taken).filter(|&taken| taken < written)
    }

    /// Returns how much of the frames was sent.
    pub(super) fn look(&self) -> LineView {
        let mut queue = self.queue();
        self.update(&mut queue);
        let taken = queue.taken;
        let tracked =
            || queue.tracked.iter().map(|frame| frame.frame).chain(queue.reserved.iter().copied());
        let request = |frame| match frame {
            TrackedFrame::Request(id) => Some(id),
            TrackedFrame::Page(_) => None,
        };
        LineView {
            taken,
            is_within_frame: queue.tracked.front().is_some_and(|frame| frame.start < taken),
            request: tracked().filter_map(request).min(),
            has_page: tracked().any(|frame| matches!(frame, TrackedFrame::Page(_))),
            has_long_frame: queue
                .tracked
                .front()
                .is_some_and(|frame| frame.end - frame.start > LONG_FRAME_BYTES),
        }
    }
}

/// An outbox that does not keep its session open.
#[derive(Debug)]
pub(super) struct WeakOutbox {
    frames: mpsc::WeakSender<EncodedFrame>,
    progress: Arc<SendProgress>,
}

impl WeakOutbox {
    /// Returns the outbox, while its session is open.
    pub(super) fn upgrade(&self) -> Option<Outbox> {
        Some(Outbox { frames: self.frames.upgrade()?, progress: self.progress.clone() })
    }
}

impl Outbox {
    /// Returns a reference that does not keep the session open.
    pub(super) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox { frames: self.frames.downgrade(), progress: self.progress.clone() }
    }

    /// Creates a queue, and the end that the writing task reads.
    pub(super) fn new(progress: Arc<SendProgress>) -> (Self, mpsc::Receiver<EncodedFrame>) {
        let (frames, queue) = mpsc::channel(OUTBOX_FRAMES);
        (Self { frames, progress }, queue)
    }

    /// Returns whether a run of usual length fits, so that it is worth reading.
    pub fn has_room(&self) -> bool {
        let waiting = self.progress.waiting(&self.progress.queue());
        waiting == 0 || waiting + RUN_BYTES_MAX as u64 + RESERVE_BYTES <= OUTBOX_BYTES
    }

    /// Reserves a slot for a frame that is being prepared: its content counts as in flight from
    /// here on.
    pub fn reserve(&self, frame: Option<TrackedFrame>) -> OutboxSlot {
        self.progress.queue().reserved.extend(frame);
        OutboxSlot { outbox: self.clone(), frame }
    }
}

/// The free space in an outbox, for tasks that prepare long frames. It does not keep the session
/// open.
#[derive(Clone, Debug)]
pub struct OutboxRoom {
    progress: Arc<SendProgress>,
    closed: CancellationToken,
}

impl OutboxRoom {
    pub(super) fn new(progress: Arc<SendProgress>, closed: CancellationToken) -> Self {
        Self { progress, closed }
    }

    /// Waits until a frame with so many bytes of records fits, and few bytes wait before it, or
    /// until the session is closed. Cancel safe.
    pub async fn wait_for(&self, bytes: usize) {
        let frame = bytes as u64 + RESERVE_BYTES;
        self.wait(|waiting| waiting <= AHEAD_BYTES_MAX && waiting + frame <= OUTBOX_BYTES).await;
    }

    /// Waits until everything that was queued is written, or until the session is closed. Cancel
    /// safe.
    pub async fn wait_for_written(&self) {
        self.wait(|_| false).await;
    }

    /// Waits until no bytes wait to be written, or until `enough` accepts the number that does.
    async fn wait(&self, enough: impl Fn(u64) -> bool) {
        let is_done = || {
            let waiting = self.progress.waiting(&self.progress.queue());
            waiting == 0 || enough(waiting)
        };
        loop {
            // From here on no progress is missed.
            let mut advanced = std::pin::pin!(self.progress.advanced.notified());
            advanced.as_mut().enable();
            if is_done() {
                return;
            }
            tokio::select! {
                () = advanced => {}
                () = self.closed.cancelled() => return,
            }
        }
    }

    /// Waits until this side has closed the session. Cancel safe.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

/// A slot for a frame that is being prepared. Dropped, the frame is no longer in flight.
#[derive(Debug)]
pub struct OutboxSlot {
    outbox: Outbox,
    frame: Option<TrackedFrame>,
}

impl OutboxSlot {
    /// Queues the frame. Returns whether it fitted: otherwise the frame is lost.
    #[must_use]
    pub fn send(self, frame: EncodedFrame) -> bool {
        let progress = &self.outbox.progress;
        let bytes = frame.bytes() as u64;
        let mut queue = progress.queue();
        let (start, waiting) = (queue.queued, progress.waiting(&queue));
        let fits = waiting == 0 || waiting + bytes <= OUTBOX_BYTES;
        if !fits || self.outbox.frames.try_send(frame).is_err() {
            return false;
        }
        queue.queued += bytes;
        if let Some(frame) = self.frame {
            if queue.tracked.len() >= TRACKED_MAX {
                progress.update(&mut queue);
            }
            queue.tracked.push_back(Tracked { frame, start, end: start + bytes });
        }
        true
    }
}

impl Drop for OutboxSlot {
    fn drop(&mut self) {
        let reserved = &mut self.outbox.progress.queue().reserved;
        if let Some(at) = reserved.iter().position(|other| Some(*other) == self.frame) {
            reserved.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
