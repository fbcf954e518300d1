//! The core task's end of the events.

use std::sync::Arc;
use std::time::Instant;

use acklog_protocol::{Detail, Event, EventKind, NodeEvent};

use super::hub::EventHub;
use super::ring::{EventItem, KeptEvent};
use super::sampler::{LeftOut, Sampler};
use crate::contract::{EventRecorder, wall_clock_us};

/// The events of messages and frames that listeners get.
const LISTENED_DETAIL: Detail = Detail::Frames;

/// Takes a node's events from its core task and passes them on, once for each iteration.
#[derive(Debug)]
pub(in crate::server::node) struct EventFeed {
    hub: Arc<EventHub>,
    is_heard: bool,
    sampler: Sampler,
    /// Holds the events of this iteration.
    recorder: EventRecorder,
    is_stopping: bool,
}

impl EventFeed {
    /// Creates the feed of a hub.
    pub(in crate::server::node) fn new(hub: Arc<EventHub>, now: Instant) -> Self {
        Self {
            hub,
            is_heard: false,
            sampler: Sampler::new(now),
            // So the ids of this start are larger than those of earlier ones.
            recorder: EventRecorder::new(wall_clock_us()),
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
        self.recorder.forget_frames();
        if is_heard {
            self.sampler.go_on(Instant::now());
        }
        Some(if is_heard { logged().max(LISTENED_DETAIL) } else { logged() })
    }

    /// Takes an event. What happens for each message or frame is dropped where nobody listens.
    pub(in crate::server::node) fn take(&mut self, now: Instant, event: Event) {
        let is_change = is_change(event.kind());
        if !is_change && !self.is_heard || !self.recorder.admits(&event) {
            return;
        }
        // By the time at which it is told, as its listeners see it.
        let is_told =
            is_change || self.sampler.follows(event.ids()) && self.sampler.keep(Instant::now());
        if !is_told {
            return self.roll(now);
        }
        self.is_stopping |= matches!(event, Event::Node(NodeEvent::Stopping { .. }));
        self.recorder.record(wall_clock_us(), event);
        self.roll(now);
    }

    /// Passes on what was taken in this iteration.
    #[inline]
    pub(in crate::server::node) fn flush(&mut self, now: Instant) {
        if self.is_heard {
            self.roll(now);
        }
        if self.recorder.is_empty() {
            return;
        }
        self.hub.add(self.recorder.take().map(|event| {
            let is_change = is_change(event.event.kind());
            (EventItem::Event(Box::new(KeptEvent::new(event))), is_change)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acklog_protocol::frame::FrameKind;
    use acklog_protocol::{FrameEvent, FrameStage, MessageEvent};
    use acklog_types::{IdRange, LogEnd, RequestId};

    use super::super::hub::{EventListener, Heard};
    use super::super::sampler::EVENTS_MAX;
    use super::*;
    use crate::contract::Sending;

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
                        EventItem::Event(kept) => Some((kept.event.event.kind(), kept.event.sent)),
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

    /// Returns the number of events that wait now.
    async fn waiting(listener: &mut EventListener) -> usize {
        let mut count = 0;
        loop {
            let items = tokio::select! {
                biased;
                Heard::Items(items) = listener.next() => items,
                () = std::future::ready(()) => return count,
            };
            count += items.iter().filter(|item| matches!(***item, EventItem::Event(_))).count();
        }
    }

    #[tokio::test]
    async fn who_listens_again_and_again_gets_no_more_than_the_bound() {
        let (hub, mut feed, now) = feed();
        let mut heard = 0;
        for _ in 0..5 {
            let mut listener = hub.clone().listen(None);
            assert_eq!(feed.changed_detail(|| Detail::Changes), Some(Detail::Frames));
            (0..3000).for_each(|_| feed.take(now, accepted()));
            feed.flush(now);
            heard += waiting(&mut listener).await;
            drop(listener);
            feed.changed_detail(|| Detail::Changes);
        }
        let seconds = now.elapsed().as_secs() as usize + 1;
        assert!(heard <= seconds * EVENTS_MAX, "{heard} events in {seconds} s");
        assert!(heard > 1000);
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
