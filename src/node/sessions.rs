//! The sessions of a node.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::field::display;
use tracing::{debug, warn};

use crate::log::{LogReader, ReadError};
use crate::net::{Network, Place, SessionEvent, SessionHandle, Subject};
use crate::protocol::LineView;
use crate::protocol::frame::{self, ErrorCode, Frame, Request, Response};
use crate::types::{IdRange, Records, RequestId, SessionId};

/// Reads from files for one session at the same time: a window of runs and the answers to a few requests. More would
/// only hold memory, and a peer that asks without end would have it.
const COLD_READS_MAX: usize = 16;

/// The open sessions of a node, by number.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Open>,
    next: u64,
    events: mpsc::Sender<(SessionId, SessionEvent)>,
    log: LogReader,
    network: Network,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Open {
    handle: SessionHandle,
    cold_reads: Arc<Semaphore>,
    /// Whether the peer was asked for messages.
    is_asked: Cell<bool>,
}

impl Sessions {
    /// No session yet. What happens on them goes to `events`; their tasks are counted by `tasks`.
    pub(super) fn new(
        events: mpsc::Sender<(SessionId, SessionEvent)>,
        log: LogReader,
        tasks: TaskTracker,
    ) -> Self {
        let network = Network::new(tasks.clone());
        Self { open: BTreeMap::new(), next: 0, events, log, network, tasks }
    }

    /// Makes a session of a connection; none when the connection is broken already.
    pub(super) fn open(&mut self, stream: TcpStream) -> Option<SessionId> {
        self.next += 1;
        let id = SessionId::new(self.next);
        let wrap = |id, event| (id, event);
        match self.network.open(id, stream, self.events.clone(), wrap) {
            Ok(handle) => {
                let cold_reads = Arc::new(Semaphore::new(COLD_READS_MAX));
                self.open.insert(id, Open { handle, cold_reads, is_asked: Cell::new(false) });
                Some(id)
            }
            Err(error) => {
                debug!(%error, "a connection was lost before it was used");
                None
            }
        }
    }

    /// Sends a frame, with the records that its run names.
    ///
    /// Records that lie in files are read on a thread that may wait for the disk, so that the core task does not: such
    /// a frame may be overtaken by later ones.
    pub(super) fn send(&self, session: SessionId, frame: Frame<IdRange>) {
        let Some(open) = self.open.get(&session) else { return };
        if let Frame::Response(_, Response::Welcome(welcome)) = &frame {
            open.handle.admit(welcome.heartbeat_interval);
        }
        if let Frame::Request(_, Request::GetMessages { .. }) = &frame {
            open.handle.expect_messages(true);
            open.is_asked.set(true);
        }
        let is_cold = |range: &IdRange| !range.is_empty() && !self.log.is_recent(range.start());
        if !frame.run().is_some_and(is_cold) {
            let place = open.handle.outbox().reserve(Subject::of(&frame));
            return write(&self.log, session, place, frame);
        }
        let Ok(turn) = open.cold_reads.clone().try_acquire_owned() else {
            let range = frame.run();
            return debug!(%session, ?range, "too many reads for one peer; a frame is dropped");
        };
        let (outbox, asked) = (open.handle.outbox(), asked(&frame));
        let (place, refused) = (outbox.reserve(Subject::of(&frame)), outbox.clone());
        let written = self.log.aside(move |log| {
            write(log, session, place, frame);
            drop(turn);
        });
        self.tasks.spawn(async move {
            if let Err(no_thread) = written.await {
                let error = no_thread.into();
                if let Some(request) = not_read(session, asked, &error) {
                    let _ = refused.reserve(None).send(frame::encode(&request));
                }
            }
        });
    }

    /// Takes no more frames with messages from peers, since none of them is asked for any.
    pub(super) fn expect_no_messages(&self) {
        for open in self.open.values().filter(|open| open.is_asked.take()) {
            open.handle.expect_messages(false);
        }
    }

    /// Looks at how far the frames on a session have got.
    pub(super) fn look(&self, session: SessionId) -> LineView {
        self.open.get(&session).map_or_else(LineView::default, |open| open.handle.look())
    }

    /// Closes a session, after what was sent before.
    pub(super) fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
    }
}

/// Puts a frame into a session's queue, with the records that its run names. Where they cannot be read, who asked for
/// them is told so, and any other frame is dropped: the log has told its node what is wrong.
fn write(log: &LogReader, session: SessionId, place: Place, frame: Frame<IdRange>) {
    let asked = asked(&frame);
    let frame = match frame.try_map(|range| log.read_range(range)) {
        Ok(frame) => frame,
        Err(error) => match not_read(session, asked, &error) {
            Some(refusal) => refusal,
            None => return,
        },
    };
    if !place.send(frame::encode(&frame)) {
        let range = asked.range;
        debug!(%session, ?range, "the peer does not take what it is sent; a frame is dropped");
    }
}

/// The records that a frame is to have, and the request that asked for them, if the peer did.
#[derive(Clone, Copy)]
struct Asked {
    range: Option<IdRange>,
    request: Option<RequestId>,
}

fn asked(frame: &Frame<IdRange>) -> Asked {
    let request = match frame {
        Frame::Response(request, Response::Page { .. }) => Some(*request),
        _ => None,
    };
    Asked { range: frame.run().copied(), request }
}

/// Logs that records cannot be read. Returns what the peer is told, if it asked for them.
fn not_read(session: SessionId, asked: Asked, error: &ReadError) -> Option<Frame<Records>> {
    let (id, request) = (asked.range.map(display), asked.request.map(display));
    warn!(%session, request, id, %error, "a run is not sent: it cannot be read");
    let failed = Response::Failed { code: ErrorCode::Internal, detail: error.to_string() };
    asked.request.map(|request| Frame::Response(request, failed))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::net::TcpListener;

    use super::*;
    use crate::log::disk::{DiskOptions, Sizes};
    use crate::log::{FreezingDisk, open_on};
    use crate::types::{Batch, LogEnd};

    #[tokio::test]
    async fn a_peer_has_some_reads_at_once_and_not_one_more() {
        let disk = FreezingDisk::default();
        let sizes = Sizes::of_segments(4096);
        let options = DiskOptions { sizes, ..DiskOptions::OF_TESTS };
        let (mut opened, background) = open_on(disk.clone(), options).unwrap();
        for _ in 0..10 {
            opened.writer.append(1, None, &Batch::from("x".repeat(2000).as_str()));
        }
        opened.writer.flush();
        while opened.reader.is_recent(LogEnd::ZERO) {
            thread::yield_now();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (events, _queue) = mpsc::channel(10);
        let tasks = TaskTracker::new();
        let mut sessions = Sessions::new(events, opened.reader.clone(), tasks.clone());
        let session = sessions.open(stream).unwrap();
        let before = tasks.len();
        disk.freeze_reads(true);
        for request in 0..1000 {
            let (first, log_end) = (LogEnd::ZERO, LogEnd::new(10));
            let page = Response::Page { run: IdRange::new(first, LogEnd::new(1)), log_end };
            sessions.send(session, Frame::Response(RequestId::new(request), page));
        }
        assert_eq!(tasks.len() - before, 16);
        disk.freeze_reads(false);
        while tasks.len() > before {
            tokio::task::yield_now().await;
        }
        background.close();
    }
}
