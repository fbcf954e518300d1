//! Reads of records for peers: pages, and runs that are no longer in memory.
//!
//! The core task waits for none of this. A read waits until the peer's outbox has space, until
//! there is memory for it, and for its [slot](super::pacing); then it is done on a thread that may
//! wait for the disk.

use std::pin::pin;
use std::sync::Arc;

use acklog_log::{LogReader, PageRead, ReadError};
use acklog_protocol::ReadOrder;
use acklog_protocol::frame::{FRAME_BYTES_MAX, RUN_BYTES_MAX};
use acklog_types::Unreadable;
use acklog_types::{IdRange, Records, SessionId};
use bytes::BytesMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout_at;
use tokio_util::task::TaskTracker;

use super::pacing::{PagePacer, PageSlot, Rest};
use crate::server::net::OutboxRoom;

/// Most memory for everything that is being read for peers, in bytes, from the beginning of a read
/// until its frame is queued. Less: secondaries with large batches would wait for each other. More:
/// more memory for secondaries that catch up at once.
const READS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Memory that a read takes for each byte of records: once as read from the file, once as sent.
const COPIES: usize = 2;

/// The unit in which memory is counted, in bytes: a semaphore's count may have few bits.
const UNIT_BYTES: usize = 1024;

// A single page of any length fits.
const _: () = assert!(COPIES * FRAME_BYTES_MAX <= READS_BYTES_MAX);

/// Reads for the peers of a node. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct SessionReads {
    log: LogReader,
    memory: Arc<Semaphore>,
    pub(super) pacer: PagePacer,
    tasks: TaskTracker,
    done: mpsc::UnboundedSender<PeerRead>,
}

/// The result of a read for a session. Its memory is charged until it is dropped.
#[derive(Debug)]
pub(in crate::server::node) struct PeerRead {
    /// The session.
    pub(in crate::server::node) session: SessionId,
    /// The records, or why they cannot be read.
    pub(in crate::server::node) records: Result<Records, ReadError>,
    _memory: Option<OwnedSemaphorePermit>,
    /// Dropped when the core task has handled the result.
    _taken: oneshot::Sender<()>,
}

impl PeerRead {
    /// Returns the part that the machine gets.
    pub(in crate::server::node) fn found(&self) -> Result<(IdRange, usize), Unreadable> {
        let found = self.records.as_ref().map(|records| (records.range(), records.bytes()));
        found.map_err(Unreadable::from)
    }
}

impl SessionReads {
    /// Creates an idle reader. Results come out of the receiver: at most one for each session.
    pub(super) fn new(
        log: LogReader,
        tasks: TaskTracker,
    ) -> (Self, mpsc::UnboundedReceiver<PeerRead>) {
        let (done, results) = mpsc::unbounded_channel();
        let memory = Arc::new(Semaphore::new(READS_BYTES_MAX / UNIT_BYTES));
        (Self { log, memory, pacer: PagePacer::new(), tasks, done }, results)
    }

    /// Starts to read a page or run for a session, unless it is closed meanwhile. `rest` as in
    /// [`PagePacer::slot`].
    pub(super) fn begin(&self, session: SessionId, line: OutboxRoom, order: ReadOrder, rest: Rest) {
        let reads = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = line.closed() => {}
                () = reads.read_for(session, &line, order, rest) => {}
            }
        });
    }

    async fn read_for(&self, session: SessionId, line: &OutboxRoom, order: ReadOrder, rest: Rest) {
        let mut longest = RUN_BYTES_MAX;
        loop {
            line.wait_for(longest).await;
            let memory = self.memory_for(longest).await;
            let mut slot = self.pacer.slot(rest).await;
            let mut work = pin!(self.read_and_hand_over(session, order, longest, memory));
            let longer = match slot.as_ref().map(PageSlot::end) {
                None => work.await,
                Some(end) => match timeout_at(end, &mut work).await {
                    Ok(longer) => longer,
                    Err(_) => {
                        slot = None;
                        work.await
                    }
                },
            };
            if let Some(longer) = longer {
                longest = longer;
                continue;
            }
            // No longer than that: on a line that is never idle, the tasks that wait for each page
            // would add up.
            if let Some(slot) = slot {
                let _ = timeout_at(slot.end(), line.wait_for_written()).await;
            }
            return;
        }
    }

    /// Reads, and waits until the core task has handled the result. Returns the length of a batch
    /// that is too long, in bytes.
    async fn read_and_hand_over(
        &self,
        session: SessionId,
        order: ReadOrder,
        longest: usize,
        memory: OwnedSemaphorePermit,
    ) -> Option<usize> {
        let records = match self.read_once(order, longest).await {
            Ok(PageRead::Longer(longer)) => return Some(longer),
            Ok(PageRead::Records(records)) => Ok(records),
            Err(error) => Err(error),
        };
        let (taken, dealt_with) = oneshot::channel();
        let read = PeerRead { session, records, _memory: Some(memory), _taken: taken };
        // Fails when the node has stopped.
        if self.done.send(read).is_ok() {
            let _ = dealt_with.await;
        }
        None
    }

    /// Reads all of a range, however long it is. Its memory is charged for as long as the permit
    /// lives.
    pub(super) async fn read_range(
        &self,
        range: IdRange,
    ) -> Result<(Records, OwnedSemaphorePermit), ReadError> {
        let (mut longest, mut from, mut bytes) = (RUN_BYTES_MAX, range.start(), BytesMut::new());
        let mut memory = self.memory_for(longest).await;
        loop {
            let order = ReadOrder { from, until: range.end(), max_bytes: usize::MAX };
            match self.read_once(order, longest).await? {
                PageRead::Records(records) if records.range() == range => {
                    return Ok((records, memory));
                }
                // It was planned in memory, and now it lies in two files.
                PageRead::Records(records) => {
                    bytes.extend_from_slice(records.as_bytes());
                    from = records.range().end();
                }
                PageRead::Longer(longer) => {
                    longest = longer;
                    drop(memory);
                    memory = self.memory_for(longest).await;
                }
            }
            if from == range.end() {
                return Ok((Records::trusted(range, bytes.freeze()), memory));
            }
        }
    }

    async fn read_once(&self, order: ReadOrder, longest: usize) -> Result<PageRead, ReadError> {
        let ReadOrder { from, until, max_bytes } = order;
        if let Some(records) = self.log.read_in_memory(from, until, max_bytes) {
            return Ok(PageRead::Records(records));
        }
        let read = move |log: &LogReader| log.read_run(from, until, max_bytes, longest);
        self.log.aside(read).await.unwrap_or_else(|no_thread| Err(no_thread.into()))
    }

    async fn memory_for(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = (COPIES * bytes).div_ceil(UNIT_BYTES).min(READS_BYTES_MAX / UNIT_BYTES);
        let memory = self.memory.clone().acquire_many_owned(units as u32).await;
        memory.expect("it is never closed")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_log::in_memory;
    use acklog_protocol::frame::{Frame, Positions, Response};
    use acklog_types::{Batch, LogEnd, RequestId};
    use socket2::SockRef;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::time::timeout;

    use super::*;
    use crate::server::node::sessions::Sessions;

    /// Longer than the socket buffers of both ends, and than may wait before a page.
    const LONG_BYTES: usize = 14 * 1024 * 1024;

    /// More than the socket buffers of both ends hold, and than may wait before a page.
    const PAGES: u64 = 50;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn all_reads_together_have_bounded_memory_and_one_of_any_length_has_room() {
        let (reads, _) = SessionReads::new(in_memory().1, TaskTracker::new());
        let mut held = Vec::new();
        let one = || timeout(Duration::ZERO, reads.memory_for(FRAME_BYTES_MAX));
        while let Ok(memory) = one().await {
            held.push(memory);
        }
        assert_eq!(held.len() * COPIES * FRAME_BYTES_MAX, READS_BYTES_MAX);
        held.pop();
        held.push(one().await.expect("there is room again"));
        drop(held);
        drop(reads.memory_for(READS_BYTES_MAX).await);
        assert_eq!(reads.memory.available_permits(), READS_BYTES_MAX / UNIT_BYTES);
    }

    #[tokio::test]
    async fn on_a_line_that_is_never_idle_nobody_waits_for_each_page() {
        let (mut writer, reader) = in_memory();
        for _ in 0..PAGES {
            writer.append(0, None, &"x".repeat(RUN_BYTES_MAX / 2).as_str().into());
        }
        writer.flush();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).set_send_buffer_size(RUN_BYTES_MAX).unwrap();
        let peer = TcpSocket::new_v4().unwrap();
        peer.set_recv_buffer_size(RUN_BYTES_MAX as u32).unwrap();
        let mut peer = peer.connect(listener.local_addr().unwrap()).await.unwrap();
        let (tasks, (events, _told)) = (TaskTracker::new(), mpsc::channel(1));
        let (mut sessions, mut done) = Sessions::new(events, reader, tasks.clone());
        let session = sessions.open(listener.accept().await.unwrap().0).unwrap();
        let room = sessions.open[&session].handle.room();
        let (before, mut taken) = (tasks.len(), vec![0; RUN_BYTES_MAX / 4]);
        let log_end = LogEnd::new(PAGES);
        for from in (0..PAGES).map(LogEnd::new) {
            sessions.note_append();
            sessions.read(session, ReadOrder { from, until: log_end, max_bytes: 0 });
            let next_page = async {
                loop {
                    // Only as much is read as lets the next page begin.
                    if timeout(Duration::ZERO, room.wait_for(RUN_BYTES_MAX)).await.is_err() {
                        assert!(peer.read(&mut taken).await.unwrap() > 0);
                    }
                    if let Ok(read) = timeout(Duration::from_millis(1), done.recv()).await {
                        return read.unwrap();
                    }
                }
            };
            let read = timeout(PATIENCE, next_page).await.expect("it has its turn");
            let page = Response::Page {
                run: read.records.as_ref().unwrap().range(),
                log_end,
                positions: Positions::default(),
            };
            sessions.take_read(read);
            sessions.send(session, Frame::Response(RequestId::new(1), page));
            sessions.end_turn();
        }
        let all_ended = async {
            while tasks.len() > before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, all_ended).await.expect("who waits has an end");
        assert!(timeout(Duration::ZERO, room.wait_for_written()).await.is_err(), "it is idle");
    }

    #[tokio::test]
    async fn no_page_is_read_for_a_peer_that_takes_nothing_and_it_is_once_it_does() {
        let (mut writer, reader) = in_memory();
        let mut batch = Batch::from("x".repeat(LONG_BYTES / 2).as_str());
        batch.push(&"x".repeat(LONG_BYTES / 2));
        writer.append(0, None, &batch);
        writer.append(0, None, &"next".into());
        writer.flush();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (events, _told) = mpsc::channel(1);
        let (mut sessions, mut done) = Sessions::new(events, reader, TaskTracker::new());
        let session = sessions.open(listener.accept().await.unwrap().0).unwrap();
        let range = |from, end| IdRange::new(LogEnd::new(from), LogEnd::new(end));
        let page = Response::Page {
            run: range(0, 2),
            log_end: LogEnd::new(3),
            positions: Positions::default(),
        };
        sessions.send(session, Frame::Response(RequestId::new(1), page.clone()));
        let order =
            ReadOrder { from: LogEnd::new(2), until: LogEnd::new(3), max_bytes: RUN_BYTES_MAX };
        sessions.read(session, order);
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(done.try_recv().is_err(), "it would wait behind all that");
        let mut taken = vec![0; LONG_BYTES];
        timeout(PATIENCE, peer.read_exact(&mut taken)).await.unwrap().unwrap();
        let read = timeout(PATIENCE, done.recv()).await.unwrap().unwrap();
        assert_eq!(read.records.unwrap().range(), range(2, 3));
        // A session that is closed meanwhile gets nothing.
        sessions.send(session, Frame::Response(RequestId::new(2), page));
        sessions.read(session, order);
        sessions.close(session);
        drop(sessions);
        assert!(timeout(PATIENCE, done.recv()).await.unwrap().is_none());
    }
}
