//! The sessions of a node.

use std::collections::BTreeMap;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::log::LogReader;
use crate::net::{self, SessionEvent, SessionHandle};
use crate::protocol::frame::{self, Frame, Response};
use crate::types::{IdRange, Records, Run, SessionId};

/// The open sessions of a node, by number.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, SessionHandle>,
    next: u64,
    events: mpsc::Sender<(SessionId, SessionEvent)>,
    log: LogReader,
    tasks: TaskTracker,
}

impl Sessions {
    /// No session yet. What happens on them goes to `events`; their tasks are counted by `tasks`.
    pub(super) fn new(
        events: mpsc::Sender<(SessionId, SessionEvent)>,
        log: LogReader,
        tasks: TaskTracker,
    ) -> Self {
        Self { open: BTreeMap::new(), next: 0, events, log, tasks }
    }

    /// Makes a session of a connection; none when the connection is broken already.
    pub(super) fn open(&mut self, stream: TcpStream) -> Option<SessionId> {
        self.next += 1;
        let id = SessionId::new(self.next);
        let wrap = |id, event| (id, event);
        match net::open(id, stream, self.events.clone(), wrap, &self.tasks) {
            Ok(handle) => {
                self.open.insert(id, handle);
                Some(id)
            }
            Err(error) => {
                debug!(%error, "a connection was lost before it was used");
                None
            }
        }
    }

    /// Sends a frame, with the records that its run names.
    pub(super) fn send(&self, session: SessionId, frame: Frame<IdRange>) {
        let Some(handle) = self.open.get(&session) else { return };
        if matches!(frame, Frame::Response(_, Response::Welcome(_))) {
            handle.admit();
        }
        let read = |range: IdRange| -> Result<Records, std::convert::Infallible> {
            let records = self.log.read(range.start(), range.end(), usize::MAX).expect("in memory");
            assert_eq!(records.range(), range, "a planned run is there to be read");
            Ok(records)
        };
        let Ok(frame) = frame.try_map(read);
        if !handle.send(frame::encode(&frame)) {
            let range = frame.run().map(Run::range);
            debug!(%session, ?range, "the peer does not take what it is sent; a frame is dropped");
        }
    }

    /// Closes a session, after what was sent before.
    pub(super) fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
    }
}
