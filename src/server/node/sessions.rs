//! The sessions of a node.

mod pacing;
mod reads;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use acklog_log::{LogReader, ReadError};
use acklog_protocol::frame::{self, ConnectionTerms, ErrorCode, Frame, Request, Response};
use acklog_protocol::{LineView, ReadOrder};
use acklog_types::{IdRange, LogEnd, Records, SessionId};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::field::display;
use tracing::{debug, warn};

use self::pacing::Gain;
pub(super) use self::reads::PeerRead;
use self::reads::SessionReads;
use crate::server::net::{
    AdmittedFrames, OutboxSlot, QueuedEvent, SessionFactory, SessionHandle, TrackedFrame,
};

/// Most frames of one session whose records are read from files at the same time: those that were
/// delayed, or are sent twice. More would only take up memory.
const COLD_READS_MAX: usize = 16;

/// The open sessions of a node, by number.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, OpenSession>,
    next: u64,
    events: mpsc::Sender<QueuedEvent>,
    log: LogReader,
    reads: SessionReads,
    /// Records that were read and are sent in this iteration.
    taken: Vec<PeerRead>,
    /// The run that was copied last in this iteration: secondaries at the same position are sent
    /// the same memory.
    copied: Option<Records>,
    factory: SessionFactory,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct OpenSession {
    handle: SessionHandle,
    cold_reads: Arc<Semaphore>,
    /// Whether the peer was asked for messages.
    is_asked: Cell<bool>,
    gain: Gain,
}

impl Sessions {
    /// Creates an empty set of sessions. Their events go to `events`, the records that are read for
    /// them to the receiver that is returned; their tasks are counted by `tasks`.
    pub(super) fn new(
        events: mpsc::Sender<QueuedEvent>,
        log: LogReader,
        tasks: TaskTracker,
    ) -> (Self, mpsc::UnboundedReceiver<PeerRead>) {
        let factory = SessionFactory::new(tasks.clone());
        let (reads, results) = SessionReads::new(log.clone(), tasks.clone());
        let (open, taken, copied) = (BTreeMap::new(), Vec::new(), None);
        (Self { open, next: 0, events, log, reads, taken, copied, factory, tasks }, results)
    }

    /// Opens a session on a connection; none when the connection is broken already.
    pub(super) fn open(&mut self, stream: TcpStream) -> Option<SessionId> {
        self.next += 1;
        let id = SessionId::new(self.next);
        match self.factory.open(id, stream, self.events.clone()) {
            Ok(handle) => {
                let cold_reads = Arc::new(Semaphore::new(COLD_READS_MAX));
                let (is_asked, gain) = (Cell::new(false), Gain::default());
                self.open.insert(id, OpenSession { handle, cold_reads, is_asked, gain });
                Some(id)
            }
            Err(error) => {
                debug!(%error, "a connection was lost before it was used");
                None
            }
        }
    }

    /// Starts to read a page or run for a session.
    pub(super) fn read(&mut self, session: SessionId, order: ReadOrder) {
        if let Some(open) = self.open.get_mut(&session) {
            let rest = open.gain.rest_of(order);
            self.reads.begin(session, open.handle.room(), order, rest);
        }
    }

    /// Takes records that were read for a session: frames that are sent with them until the
    /// iteration ends need no other read.
    pub(super) fn take_read(&mut self, read: PeerRead) {
        self.taken.push(read);
    }

    /// Ends an iteration: records that were read in it are dropped, unless they wait for a peer.
    pub(super) fn end_turn(&mut self) {
        self.taken.clear();
        self.copied = None;
    }

    /// Notes that messages were appended, so that pages leave them the time.
    pub(super) fn note_append(&self) {
        self.reads.pacer.note_append();
    }

    /// Sends a frame, with the records of its run.
    ///
    /// Records that lie in files are read on a thread that may wait for the disk, so that the core
    /// task does not: such a frame may be overtaken by later ones.
    pub(super) fn send(&mut self, session: SessionId, frame: Frame<IdRange>) {
        let Some(open) = self.open.get(&session) else { return };
        if let Frame::Response(_, Response::Welcome(welcome)) = &frame {
            open.handle.admit(welcome.heartbeat_interval);
            open.handle.settle_epoch(&frame);
        }
        if let Frame::Request(_, Request::Handshake(handshake)) = &frame {
            open.handle.settle(handshake.version);
        }
        if let Frame::Request(_, Request::GetMessages { .. }) = &frame {
            open.handle.accept(AdmittedFrames::WithMessages);
            open.is_asked.set(true);
        }
        let outbox = open.handle.outbox();
        let range = frame.run().copied().filter(|range| !range.is_empty());
        if range.is_some() && !outbox.has_room() {
            return dropped(session, range);
        }
        let slot = outbox.reserve(TrackedFrame::of(&frame));
        let records = match range {
            None => Ok(Records::empty(LogEnd::ZERO)),
            Some(range) => {
                let taken = self.taken_for(session, range);
                match taken.or_else(|| copy(&mut self.copied, &self.log, range)) {
                    Some(records) => Ok(records),
                    None => return self.send_later(session, open, slot, frame, range),
                }
            }
        };
        write((session, open.handle.terms()), slot, frame, records);
    }

    fn taken_for(&self, session: SessionId, range: IdRange) -> Option<Records> {
        let taken = self.taken.iter().find(|read| read.session == session)?;
        taken.records.as_ref().ok().filter(|records| records.range() == range).cloned()
    }

    /// Sends a frame whose records are in files: one that was delayed, or is sent a second time.
    fn send_later(
        &self,
        session: SessionId,
        open: &OpenSession,
        slot: OutboxSlot,
        frame: Frame<IdRange>,
        range: IdRange,
    ) {
        let Ok(permit) = open.cold_reads.clone().try_acquire_owned() else {
            return debug!(%session, %range, "too many reads for one peer; a frame is dropped");
        };
        let (reads, room) = (self.reads.clone(), open.handle.room());
        let terms = open.handle.terms();
        self.tasks.spawn(async move {
            let read = tokio::select! {
                read = reads.read_range(range) => read,
                () = room.closed() => return,
            };
            let (records, _memory) = match read {
                Ok((records, memory)) => (Ok(records), Some(memory)),
                Err(error) => (Err(error), None),
            };
            write((session, terms), slot, frame, records);
            drop(permit);
        });
    }

    /// Accepts no more frames with messages from peers, since none of them is asked for any.
    pub(super) fn expect_no_messages(&self) {
        for open in self.open.values().filter(|open| open.is_asked.take()) {
            open.handle.accept(AdmittedFrames::WithoutMessages);
        }
    }

    /// Returns how much of the frames on a session was sent.
    pub(super) fn look(&self, session: SessionId) -> LineView {
        self.open.get(&session).map_or_else(LineView::default, |open| open.handle.look())
    }

    /// Closes a session, after what was sent before.
    pub(super) fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
    }
}

/// Reads a run that is in memory, and no other. Repeated reads of the same run in one iteration
/// return the same memory.
fn copy(last: &mut Option<Records>, log: &LogReader, range: IdRange) -> Option<Records> {
    if let Some(records) = last.as_ref().filter(|records| records.range() == range) {
        return Some(records.clone());
    }
    let records = log.read_in_memory(range.start(), range.end(), usize::MAX);
    let records = records.filter(|records| records.range() == range)?;
    *last = Some(records.clone());
    Some(records)
}

/// Puts a frame into a session's outbox, by the terms of its connection, with the records of its
/// run; an empty run has none. Where they cannot be read, the peer that asked for them gets an
/// error, and any other frame is dropped: the log has reported the fault to its node.
fn write(
    (session, terms): (SessionId, ConnectionTerms),
    slot: OutboxSlot,
    frame: Frame<IdRange>,
    records: Result<Records, ReadError>,
) {
    let range = frame.run().copied();
    let request = match &frame {
        Frame::Response(request, Response::Page { .. }) => Some(*request),
        _ => None,
    };
    let with_records = |range: IdRange| match range.is_empty() {
        true => Ok(Records::empty(range.start())),
        false => records,
    };
    let frame = match frame.try_map(with_records) {
        Ok(frame) => frame,
        Err(error) => {
            let (id, shown) = (range.map(display), request.map(display));
            warn!(%session, request = shown, id, %error, "a run is not sent: it cannot be read");
            let Some(request) = request else { return };
            let (code, detail) = (ErrorCode::Internal, error.to_string());
            Frame::Response(request, Response::Failed { code, detail })
        }
    };
    if !slot.send(frame::encode_as(&frame, terms)) {
        dropped(session, range);
    }
}

fn dropped(session: SessionId, range: Option<IdRange>) {
    debug!(%session, ?range, "the peer does not take what it is sent; a frame is dropped");
}

#[cfg(test)]
mod tests {
    use std::thread;

    use acklog_log::disk::{DiskOptions, Sizes};
    use acklog_log::{FreezingDisk, in_memory, open_on};
    use acklog_protocol::frame::Positions;
    use acklog_types::{Batch, LogEnd, RequestId};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_several_secondaries_are_sent_in_a_turn_is_copied_once() {
        let (mut writer, reader) = in_memory();
        writer.append(1, None, &Batch::from("short"));
        writer.flush();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (events, _queue) = mpsc::channel(1);
        let (mut sessions, _reads) = Sessions::new(events, reader, TaskTracker::new());
        let run = IdRange::new(LogEnd::ZERO, LogEnd::new(1));
        let (mut peers, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            peers.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let session = sessions.open(listener.accept().await.unwrap().0).unwrap();
            let request = Request::AddMessage { run, positions: Positions::default() };
            sessions.send(session, Frame::Request(RequestId::new(0), request));
            copies.push(sessions.copied.clone().unwrap());
        }
        assert!(
            copies.iter().all(|copy| copy.as_bytes().as_ptr() == copies[0].as_bytes().as_ptr())
        );
        let mut came = Vec::new();
        for peer in &mut peers {
            let mut bytes = [0; 128];
            let length = peer.read(&mut bytes).await.unwrap();
            came.push(bytes[..length].to_vec());
        }
        assert!(came.iter().all(|bytes| bytes.ends_with(b"short")), "{came:?}");
        sessions.end_turn();
        assert!(sessions.copied.is_none(), "nothing is kept for a later turn");
    }

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
        let (mut sessions, _reads) = Sessions::new(events, opened.reader.clone(), tasks.clone());
        let session = sessions.open(stream).unwrap();
        let before = tasks.len();
        disk.freeze_reads(true);
        for request in 0..1000 {
            let (first, log_end) = (LogEnd::ZERO, LogEnd::new(10));
            let page = Response::Page {
                run: IdRange::new(first, LogEnd::new(1)),
                log_end,
                positions: Positions::default(),
            };
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
