//! The core task's end of the events.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use acklog_protocol::{
    ConnectionEvent, Detail, Event, EventKind, FrameEvent, FrameStage, NodeEvent,
};
use acklog_types::NodeName;

use super::hub::EventHub;
use super::ring::{EventItem, RecordedEvent};
use super::sampler::{LeftOut, Sampler};
use super::sent_frames::SentFrames;

/// The events of messages and frames that listeners get.
const LISTENED_DETAIL: Detail = Detail::Frames;

/// Takes a node's events from its core task and passes them on, once for each iteration.
#[derive(Debug)]
pub(in crate::server::node) struct EventFeed {
    hub: Arc<EventHub>,
    is_heard: bool,
    next_id: u64,
    sampler: Sampler,
    sent: SentFrames,
    /// A secondary's master, once it is known.
    master: Option<NodeName>,
    /// The events of this iteration.
    pending: Vec<RecordedEvent>,
    is_stopping: bool,
}

impl EventFeed {
    /// Creates the feed of a hub.
    pub(in crate::server::node) fn new(hub: Arc<EventHub>, now: Instant) -> Self {
        Self {
            hub,
            is_heard: false,
            // So the ids of this start are larger than those of earlier ones.
            next_id: wall_clock_us(),
            sampler: Sampler::new(now),
            sent: SentFrames::default(),
            master: None,
            pending: Vec::new(),
            is_stopping: false,
        }
    }

    /// Returns the detail that is to be emitted from now on, where somebody began or ceased to
    /// listen; `logged` is what log lines need.
    #[inline]
    pub(in crate::server::node) fn changed_detail(
        &mut self,
        logged: impl FnOnce() -> Detail,
    ) -> Option<Detail> {
        let is_heard = self.hub.is_heard();
        if std::mem::replace(&mut self.is_heard, is_heard) == is_heard {
            return None;
        }
        // Numbers of requests begin anew with each connection.
        self.sent = SentFrames::default();
        Some(if is_heard { logged().max(LISTENED_DETAIL) } else { logged() })
    }

    /// Takes an event. What happens for each message or frame is dropped where nobody listens.
    pub(in crate::server::node) fn take(&mut self, now: Instant, event: Event) {
        let is_change = is_change(event.kind());
        if !is_change && !self.is_heard || is_heartbeat(&event) || self.merges(&event) {
            return;
        }
        // By the time at which it is told, as its listeners see it.
        if !is_change && !self.sampler.keep(Instant::now(), event.ids()) {
            return self.roll(now);
        }
        if let Event::Connection(ConnectionEvent::Joined { peer, address: None, .. }) = &event {
            self.master = Some(peer.clone());
        }
        self.is_stopping |= matches!(event, Event::Node(NodeEvent::Stopping { .. }));
        let sent = self.sent.take(&event);
        let mut recorded =
            RecordedEvent::new(self.next_id, wall_clock_us(), self.master.clone(), event);
        recorded.sent = sent;
        self.next_id += 1;
        self.pending.push(recorded);
        self.roll(now);
    }

    /// Adds an injected delay to the frame that it is for. Returns whether that was sent in the
    /// same iteration, so that its event has the delay.
    fn merges(&mut self, event: &Event) -> bool {
        let Event::Frame(frame @ FrameEvent { peer, request, stage, .. }) = event else {
            return false;
        };
        let FrameStage::Delayed { delay } = stage else { return false };
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
        sent.map(|sent| sent.delay = *delay).is_some()
    }

    /// Passes on what was taken in this iteration.
    #[inline]
    pub(in crate::server::node) fn flush(&mut self, now: Instant) {
        if self.is_heard {
            self.roll(now);
        }
        if self.pending.is_empty() {
            return;
        }
        let events = self.pending.drain(..);
        self.hub.add(events.map(|event| {
            let is_change = is_change(event.event.kind());
            (EventItem::Event(Box::new(event)), is_change)
        }));
        if self.is_stopping {
            self.hub.close();
        }
    }

    /// Tells what was left out in the last second, once it is over.
    fn roll(&mut self, now: Instant) {
        if let Some(LeftOut { count, every }) = self.sampler.roll(now) {
            self.hub.add(std::iter::once((EventItem::Sampled { left_out: count, every }, false)));
        }
    }
}

/// The core task has ended.
impl Drop for EventFeed {
    fn drop(&mut self) {
        self.hub.close();
    }
}

/// Returns whether events of this kind are changes of state, which are kept for those who come
/// later: neither those of messages and frames, nor what anybody who connects can cause, or a node
/// that tries again and again.
fn is_change(kind: EventKind) -> bool {
    use EventKind as Kind;
    match kind {
        Kind::Accepted
        | Kind::Waits
        | Kind::Durable
        | Kind::Sent
        | Kind::Resent
        | Kind::Delayed
        | Kind::Dropped
        | Kind::Doubled
        | Kind::Received
        | Kind::StoreDelayed
        | Kind::Stored
        | Kind::Held
        | Kind::GapClosed
        | Kind::Duplicate
        | Kind::Completed
        | Kind::TimedOut
        | Kind::Late
        | Kind::Failed
        | Kind::UnderWay
        | Kind::Acked
        | Kind::Answered
        | Kind::Canceled
        | Kind::Connecting
        | Kind::Handshake
        | Kind::Refused
        | Kind::LeftEarly => false,
        Kind::Joined
        | Kind::Ready
        | Kind::Left
        | Kind::Lost
        | Kind::Advice
        | Kind::Health
        | Kind::Quorum
        | Kind::Mode
        | Kind::Disk
        | Kind::Behind
        | Kind::Aborted
        | Kind::Repair
        | Kind::Members
        | Kind::Faults
        | Kind::Disconnected
        | Kind::Epoch
        | Kind::Started
        | Kind::Stopping => true,
    }
}

/// Returns whether an event is about a heartbeat: a node that logs them emits those too.
fn is_heartbeat(event: &Event) -> bool {
    use acklog_protocol::frame::FrameKind;
    matches!(event, Event::Frame(FrameEvent { frame: FrameKind::Heartbeat | FrameKind::Alive, .. }))
}

/// Returns microseconds since 1970; 0 for a clock before that.
pub fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use acklog_protocol::MessageEvent;
    use acklog_protocol::frame::FrameKind;
    use acklog_types::{IdRange, LogEnd, RequestId};

    use super::super::hub::{EventListener, Heard};
    use super::super::sent_frames::Sending;
    use super::*;

    fn feed() -> (Arc<EventHub>, EventFeed, Instant) {
        let (hub, now) = (EventHub::new("bonnie".parse().unwrap()), Instant::now());
        (hub.clone(), EventFeed::new(hub, now), now)
    }

    fn frame(request: u64, stage: FrameStage) -> Event {
        let (request, ids) = (RequestId::new(request), IdRange::empty(LogEnd::ZERO));
        let frame = FrameKind::AddMessage;
        FrameEvent { peer: None, request, frame, ids: Some(ids), stage }.into()
    }

    fn accepted() -> Event {
        MessageEvent::Accepted { ids: IdRange::new(LogEnd::ZERO, LogEnd::new(1)) }.into()
    }

    /// Returns the kind and the sending of each event that waits, and whether the end came.
    async fn heard(listener: &mut EventListener) -> (Vec<(EventKind, Option<Sending>)>, bool) {
        let mut events = Vec::new();
        loop {
            match listener.next().await {
                Heard::Items(items) => {
                    events.extend(items.iter().filter_map(|item| match &**item {
                        EventItem::Event(event) => Some((event.event.kind(), event.sent)),
                        EventItem::Sampled { .. } => None,
                    }))
                }
                other => return (events, matches!(other, Heard::Closed)),
            }
        }
    }

    #[tokio::test]
    async fn what_happens_to_messages_is_recorded_while_somebody_listens() {
        let (hub, mut feed, now) = feed();
        let quiet = || Detail::Changes;
        assert_eq!(feed.changed_detail(quiet), None);
        feed.take(now, NodeEvent::Started { end: LogEnd::ZERO }.into());
        feed.take(now, accepted());
        feed.flush(now);
        let mut listener = hub.clone().listen(None);
        assert_eq!(feed.changed_detail(quiet), Some(Detail::Frames));
        feed.take(now, accepted());
        feed.flush(now);
        let gone = hub.clone().listen(None);
        drop(gone);
        assert_eq!(feed.changed_detail(quiet), None, "one still listens");
        feed.take(now, NodeEvent::Stopping { answered: 0, waiting: false }.into());
        feed.flush(now);
        let (events, is_end) = heard(&mut listener).await;
        let kinds: Vec<_> = events.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [EventKind::Started, EventKind::Accepted, EventKind::Stopping]);
        assert!(is_end, "a node that stops tells nothing more");
        drop(listener);
        assert_eq!(feed.changed_detail(quiet), Some(Detail::Changes));
        let logged = || Detail::Heartbeats;
        let _listener = hub.listen(None);
        assert_eq!(feed.changed_detail(logged), Some(Detail::Heartbeats), "log lines need more");
    }

    #[tokio::test]
    async fn a_delay_belongs_to_the_frame_that_it_was_drawn_for() {
        let (hub, mut feed, now) = feed();
        let (mut listener, delay) = (hub.listen(None), Duration::from_millis(5));
        feed.changed_detail(|| Detail::Changes);
        for request in 1..=2 {
            feed.take(now, frame(request, FrameStage::Sent { from: None, attempt: 1 }));
        }
        feed.take(now, frame(1, FrameStage::Delayed { delay }));
        feed.flush(now);
        feed.take(now, frame(2, FrameStage::Delayed { delay }));
        feed.flush(now);
        for request in 1..=3 {
            feed.take(now, frame(request, FrameStage::TimedOut { pause: None }));
        }
        feed.flush(now);
        drop(feed);
        let delayed = Some(Sending { attempt: 1, delay });
        let expected = [
            (EventKind::Sent, delayed),
            (EventKind::Sent, Some(Sending::FIRST)),
            // Its frame was told of before.
            (EventKind::Delayed, delayed),
            (EventKind::TimedOut, delayed),
            (EventKind::TimedOut, delayed),
            // Sent before anybody listened.
            (EventKind::TimedOut, None),
        ];
        assert_eq!(heard(&mut listener).await, (expected.to_vec(), true));
    }
}
