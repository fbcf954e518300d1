//! The events of a machine with what is needed to tell them.

use std::time::{Duration, SystemTime};

use acklog_protocol::frame::FrameKind;
use acklog_protocol::{ConnectionEvent, Event, FrameEvent, FrameStage};
use acklog_types::NodeName;

use super::sent_frames::{Sending, SentFrames};

/// An event with the circumstances under which it was recorded.
#[derive(Debug)]
pub struct RecordedEvent {
    /// Its number, larger than those of all events before it, also of earlier starts of the node
    /// unless its clock was set back.
    pub id: u64,
    /// Wall-clock time, in microseconds since 1970; of a simulated node its virtual time.
    pub time_us: u64,
    /// The name of a secondary's master, for frames to and from it; none where it is not known.
    pub master: Option<NodeName>,
    /// The sending of the frame that it is about; none where that is not of this node, or is
    /// forgotten.
    pub sent: Option<Sending>,
    /// The event.
    pub event: Event,
}

impl RecordedEvent {
    /// Creates an event to be rendered; one about a frame knows of its sending.
    #[cfg(test)]
    pub(crate) fn of_test(event: Event, master: Option<NodeName>) -> Self {
        let mut sent = SentFrames::default();
        if let Event::Frame(frame) = &event {
            let stage = FrameStage::Sent { from: None, attempt: 1 };
            sent.take(&FrameEvent { stage, ..frame.clone() }.into());
        }
        let sent = sent.take(&event);
        Self { id: 1, time_us: 2, master, sent, event }
    }
}

/// Records the events of one machine, in the order in which it emits them.
#[derive(Debug)]
pub struct EventRecorder {
    next_id: u64,
    sent: SentFrames,
    /// A secondary's master, once it is known.
    master: Option<NodeName>,
    /// The events that were not taken out yet.
    pending: Vec<RecordedEvent>,
}

impl EventRecorder {
    /// Creates a recorder whose first event has this number.
    pub fn new(first_id: u64) -> Self {
        Self { next_id: first_id, sent: SentFrames::default(), master: None, pending: Vec::new() }
    }

    /// Forgets the frames that were sent.
    pub fn forget_frames(&mut self) {
        self.sent = SentFrames::default();
    }

    /// Goes on with another start of the machine. The numbers of its events go on.
    pub fn restart(&mut self) {
        self.forget_frames();
        self.master = None;
    }

    /// Returns whether an event is to be recorded. One about a heartbeat is not: a node that logs
    /// them emits those too. An injected delay is added to the frame that it is for, and is not
    /// recorded where that frame's event was not taken out yet.
    pub fn admits(&mut self, event: &Event) -> bool {
        let Event::Frame(frame @ FrameEvent { peer, request, stage, .. }) = event else {
            return true;
        };
        if matches!(frame.frame, FrameKind::Heartbeat | FrameKind::Alive) {
            return false;
        }
        let FrameStage::Delayed { delay } = stage else { return true };
        self.sent.delay(frame, *delay);
        let is_sent = |recorded: &&mut RecordedEvent| match &recorded.event {
            Event::Frame(sent) => {
                matches!(sent.stage, FrameStage::Sent { .. })
                    && (&sent.peer, sent.request) == (peer, *request)
            }
            _ => false,
        };
        let sent = self.pending.iter_mut().rev().find(is_sent);
        let sent = sent.and_then(|recorded| recorded.sent.as_mut());
        sent.map(|sent| sent.delay = *delay).is_none()
    }

    /// Records an event that was admitted.
    pub fn record(&mut self, time_us: u64, event: Event) {
        if let Event::Connection(ConnectionEvent::Joined { peer, address: None, .. }) = &event {
            self.master = Some(peer.clone());
        }
        let (id, master, sent) = (self.next_id, self.master.clone(), self.sent.take(&event));
        self.next_id += 1;
        self.pending.push(RecordedEvent { id, time_us, master, sent, event });
    }

    /// Returns whether all events were taken out.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes out the events since the last call.
    pub fn take(&mut self) -> impl Iterator<Item = RecordedEvent> {
        self.pending.drain(..)
    }
}

/// Returns microseconds since 1970; 0 for a clock before that.
pub fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_micros() as u64
}
