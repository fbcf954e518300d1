//! The events of a session on their way to the core task, a few at a time.

use std::sync::Arc;

use acklog_protocol::SessionEnd;
use acklog_protocol::frame::Frame;
use acklog_types::{Records, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Most events of one session that wait for the core task at the same time, and so are handled in
/// one event-loop iteration. More: a peer that sends without end delays the others for longer.
/// Fewer: more iterations where responses arrive in bursts.
pub(super) const EVENTS_WAITING_MAX: usize = 32;

/// An event of a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// A frame arrived.
    Frame(Frame<Records>),
    /// Bytes of an unfinished frame arrived.
    Heard,
    /// The connection is gone, for this reason.
    Down(SessionEnd),
}

/// An event in the queue to the core task, with the permit for its place there.
#[derive(Debug)]
pub struct QueuedEvent {
    /// The session.
    pub session: SessionId,
    /// The event.
    pub event: SessionEvent,
    /// Dropped when the core task has handled the event.
    _permit: Option<OwnedSemaphorePermit>,
}

/// The sending end of a session's events.
#[derive(Clone)]
pub(super) struct EventSender {
    session: SessionId,
    events: mpsc::Sender<QueuedEvent>,
    permits: Arc<Semaphore>,
}

impl EventSender {
    pub(super) fn new(session: SessionId, events: mpsc::Sender<QueuedEvent>) -> Self {
        Self { session, events, permits: Arc::new(Semaphore::new(EVENTS_WAITING_MAX)) }
    }

    /// Sends an event, once its session has room for one more. Returns whether the core task still
    /// receives.
    pub(super) async fn send(&self, event: SessionEvent) -> bool {
        let permit = self.permits.clone().acquire_owned().await.ok();
        self.events
            .send(QueuedEvent { session: self.session, event, _permit: permit })
            .await
            .is_ok()
    }

    /// Sends the end of the session.
    pub(super) async fn end(&self, reason: SessionEnd) {
        let down =
            QueuedEvent { session: self.session, event: SessionEvent::Down(reason), _permit: None };
        // Fails when the node has stopped.
        let _ = self.events.send(down).await;
    }
}
