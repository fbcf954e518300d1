//! The sessions of a node.

mod pace;
mod reads;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use acklog_log::{LogReader, ReadError};
use acklog_protocol::frame::{self, ErrorCode, Frame, Request, Response};
use acklog_protocol::{LineView, ReadOrder};
use acklog_types::{IdRange, LogEnd, Records, SessionId};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::field::display;
use tracing::{debug, warn};

use self::pace::Gain;
pub(super) use self::reads::Read;
use self::reads::Reads;
use crate::server::net::{Network, Place, SessionHandle, Subject, Told};

/// Frames whose records are read from files again, for one session at the same time: those that were delayed, or are
/// written twice. More would only hold memory.
const COLD_READS_MAX: usize = 16;

/// The open sessions of a node, by number.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Open>,
    next: u64,
    events: mpsc::Sender<Told>,
    log: LogReader,
    reads: Reads,
    /// What was read and is sent in this turn.
    taken: Vec<Read>,
    /// The run that was copied last in this turn: all secondaries that are as far are sent the same memory.
    copied: Option<Records>,
    network: Network,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Open {
    handle: SessionHandle,
    cold_reads: Arc<Semaphore>,
    /// Whether the peer was asked for messages.
    is_asked: Cell<bool>,
    gain: Gain,
}

impl Sessions {
    /// No session yet. What happens on them goes to `events`, and what was read for them comes out at the other end;
    /// their tasks are counted by `tasks`.
    pub(super) fn new(
        events: mpsc::Sender<Told>,
        log: LogReader,
        tasks: TaskTracker,
    ) -> (Self, mpsc::UnboundedReceiver<Read>) {
        let network = Network::new(tasks.clone());
        let (reads, results) = Reads::new(log.clone(), tasks.clone());
        let (open, taken, copied) = (BTreeMap::new(), Vec::new(), None);
        (Self { open, next: 0, events, log, reads, taken, copied, network, tasks }, results)
    }

    /// Makes a session of a connection; none when the connection is broken already.
    pub(super) fn open(&mut self, stream: TcpStream) -> Option<SessionId> {
        self.next += 1;
        let id = SessionId::new(self.next);
        match self.network.open(id, stream, self.events.clone()) {
            Ok(handle) => {
                let cold_reads = Arc::new(Semaphore::new(COLD_READS_MAX));
                let (is_asked, gain) = (Cell::new(false), Gain::default());
                self.open.insert(id, Open { handle, cold_reads, is_asked, gain });
                Some(id)
            }
            Err(error) => {
                debug!(%error, "a connection was lost before it was used");
                None
            }
        }
    }

    /// Reads a page or run for a session.
    pub(super) fn read(&mut self, session: SessionId, order: ReadOrder) {
        if let Some(open) = self.open.get_mut(&session) {
            let rests = open.gain.is_enough(order);
            self.reads.begin(session, open.handle.room(), order, rests);
        }
    }

    /// Takes what was read for a session: frames that are sent with it until the turn ends need no other read.
    pub(super) fn take_read(&mut self, read: Read) {
        self.taken.push(read);
    }

    /// Ends a turn: what was read in it is forgotten, as far as it does not wait for a peer.
    pub(super) fn end_turn(&mut self) {
        self.taken.clear();
        self.copied = None;
    }

    /// Notes that messages were appended: pages leave them the time.
    pub(super) fn note_append(&self) {
        self.reads.pace.note_append();
    }

    /// Sends a frame, with the records that its run names.
    ///
    /// Records that lie in files are read on a thread that may wait for the disk, so that the core task does not: such
    /// a frame may be overtaken by later ones.
    pub(super) fn send(&mut self, session: SessionId, frame: Frame<IdRange>) {
        let Some(open) = self.open.get(&session) else { return };
        if let Frame::Response(_, Response::Welcome(welcome)) = &frame {
            open.handle.admit(welcome.heartbeat_interval);
        }
        if let Frame::Request(_, Request::GetMessages { .. }) = &frame {
            open.handle.expect_messages(true);
            open.is_asked.set(true);
        }
        let outbox = open.handle.outbox();
        let range = frame.run().copied().filter(|range| !range.is_empty());
        if range.is_some() && !outbox.has_room() {
            return dropped(session, range);
        }
        let place = outbox.reserve(Subject::of(&frame));
        let records = match range {
            None => Ok(Records::empty(LogEnd::ZERO)),
            Some(range) => {
                let taken = self.taken_for(session, range);
                match taken.or_else(|| copy(&mut self.copied, &self.log, range)) {
                    Some(records) => Ok(records),
                    None => return self.send_later(session, open, place, frame, range),
                }
            }
        };
        write(session, place, frame, records);
    }

    fn taken_for(&self, session: SessionId, range: IdRange) -> Option<Records> {
        let taken = self.taken.iter().find(|read| read.session == session)?;
        taken.records.as_ref().ok().filter(|records| records.range() == range).cloned()
    }

    /// Sends a frame whose records are in files: one that was delayed, or comes a second time.
    fn send_later(
        &self,
        session: SessionId,
        open: &Open,
        place: Place,
        frame: Frame<IdRange>,
        range: IdRange,
    ) {
        let Ok(turn) = open.cold_reads.clone().try_acquire_owned() else {
            return debug!(%session, %range, "too many reads for one peer; a frame is dropped");
        };
        let (reads, room) = (self.reads.clone(), open.handle.room());
        self.tasks.spawn(async move {
            let read = tokio::select! {
                read = reads.read_range(range) => read,
                () = room.closed() => return,
            };
            let (records, _memory) = match read {
                Ok((records, memory)) => (Ok(records), Some(memory)),
                Err(error) => (Err(error), None),
            };
            write(session, place, frame, records);
            drop(turn);
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

/// Reads a run that is in memory, and no other. It is the last one where the same was asked for before in this turn.
fn copy(last: &mut Option<Records>, log: &LogReader, range: IdRange) -> Option<Records> {
    if let Some(records) = last.as_ref().filter(|records| records.range() == range) {
        return Some(records.clone());
    }
    let records = log.read_in_memory(range.start(), range.end(), usize::MAX);
    let records = records.filter(|records| records.range() == range)?;
    *last = Some(records.clone());
    Some(records)
}

/// Puts a frame into a session's queue, with the records that its run names; an empty run has none. Where they cannot
/// be read, who asked for them is told so, and any other frame is dropped: the log has told its node what is wrong.
fn write(
    session: SessionId,
    place: Place,
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
    if !place.send(frame::encode(&frame)) {
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
            let request = Request::AddMessage { run };
            sessions.send(session, Frame::Request(RequestId::new(0), request));
            copies.push(sessions.copied.clone().unwrap());
        }
        assert!(
            copies.iter().all(|copy| copy.as_bytes().as_ptr() == copies[0].as_bytes().as_ptr())
        );
        let mut came = Vec::new();
        for peer in &mut peers {
            let mut bytes = [0; 64];
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
