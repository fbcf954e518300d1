//! What a session tells its node, a little at a time.

use std::sync::Arc;

use acklog_protocol::SessionEnd;
use acklog_protocol::frame::Frame;
use acklog_types::{Records, SessionId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Events of one session that wait for its node at the same time, and so are dealt with in one turn. More: a peer that
/// sends without end holds up the others for longer. Fewer: more turns where answers come in crowds.
pub(super) const EVENTS_WAITING_MAX: usize = 32;

/// What a session tells its node.
#[derive(Debug)]
pub enum SessionEvent {
    /// A frame arrived.
    Frame(Frame<Records>),
    /// Bytes of a frame arrived that is not whole yet.
    Heard,
    /// The connection is gone, for this reason.
    Down(SessionEnd),
}

/// What a session tells its node, with its place among what waits for the node.
#[derive(Debug)]
pub struct QueuedEvent {
    /// The session.
    pub session: SessionId,
    /// What it tells.
    pub event: SessionEvent,
    /// Given up when the node has dealt with it.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Where a session tells its node what happens.
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

    /// Tells what came, once there is a place for it. Returns whether the node still listens.
    pub(super) async fn send(&self, event: SessionEvent) -> bool {
        let permit = self.permits.clone().acquire_owned().await.ok();
        self.events
            .send(QueuedEvent { session: self.session, event, _permit: permit })
            .await
            .is_ok()
    }

    /// Tells that the session is over.
    pub(super) async fn end(&self, reason: SessionEnd) {
        let down =
            QueuedEvent { session: self.session, event: SessionEvent::Down(reason), _permit: None };
        // Fails when the node has stopped.
        let _ = self.events.send(down).await;
    }
}
