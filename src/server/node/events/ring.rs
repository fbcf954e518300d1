//! The events that are kept: the last ones for those who listen, the changes of state for those who
//! come later.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use acklog_api::SampledEvents;
use bytes::Bytes;

use crate::contract::RecordedEvent;

/// Items that are kept for listeners. Fewer: one that stops for seconds misses events. More:
/// memory, some hundred bytes each.
const LIVE_MAX: usize = 8192;

/// Changes of state that are kept for those who come later.
const CHANGES_MAX: usize = 1000;

/// An event that is kept for listeners.
#[derive(Debug)]
pub struct KeptEvent {
    /// The event.
    pub event: RecordedEvent,
    rendered: OnceLock<Bytes>,
}

impl KeptEvent {
    /// Creates an event that nobody has rendered.
    pub(super) fn new(event: RecordedEvent) -> Self {
        Self { event, rendered: OnceLock::new() }
    }

    /// Creates an event of this number.
    #[cfg(test)]
    pub(super) fn of_test(id: u64) -> Self {
        let event = acklog_protocol::NodeEvent::DiskWell.into();
        Self::new(RecordedEvent { id, ..RecordedEvent::of_test(event, None) })
    }

    /// Returns the event as listeners get it. The first of them renders it for all.
    pub fn rendered(&self, render: impl FnOnce(&RecordedEvent) -> Bytes) -> Bytes {
        self.rendered.get_or_init(|| render(&self.event)).clone()
    }
}

/// An item of the stream of events.
#[derive(Debug)]
pub enum EventItem {
    /// An event.
    Event(Box<KeptEvent>),
    /// Events of messages and frames were left out, since there were too many.
    Sampled {
        /// The number of events that were left out since the last such item.
        left_out: u64,
        /// Of so many messages one is followed.
        every: u64,
    },
}

impl EventItem {
    fn id(&self) -> Option<u64> {
        match self {
            Self::Event(kept) => Some(kept.event.id),
            Self::Sampled { .. } => None,
        }
    }

    /// Returns whether the node says that it leaves out most events.
    pub(super) fn says_busy(&self) -> bool {
        matches!(self, Self::Sampled { every, .. } if *every >= SampledEvents::EVERY_WHEN_BUSY)
    }
}

/// The items that are kept, in order.
#[derive(Debug, Default)]
pub(super) struct EventRing {
    live: VecDeque<Arc<EventItem>>,
    /// The position of the first of `live`.
    start: u64,
    changes: VecDeque<Arc<EventItem>>,
    /// The id of the last event.
    last_id: Option<u64>,
}

impl EventRing {
    /// Adds an item; `is_change`: for those who come later too.
    pub(super) fn push(&mut self, item: Arc<EventItem>, is_change: bool) {
        self.last_id = item.id().or(self.last_id);
        if is_change {
            if self.changes.len() == CHANGES_MAX {
                self.changes.pop_front();
            }
            self.changes.push_back(item.clone());
        }
        if self.live.len() == LIVE_MAX {
            self.live.pop_front();
            self.start += 1;
        }
        self.live.push_back(item);
    }

    /// Returns the position behind the last item.
    pub(super) fn end(&self) -> u64 {
        self.start + self.live.len() as u64
    }

    /// Returns at most `max` items from a position on, and how many from there on are gone.
    pub(super) fn read(&self, from: u64, max: usize) -> (Vec<Arc<EventItem>>, u64) {
        let missed = self.start.saturating_sub(from);
        let skipped = from.saturating_sub(self.start) as usize;
        (self.live.iter().skip(skipped).take(max).cloned().collect(), missed)
    }

    /// Returns what a listener gets first, and the position from which it goes on: behind the event
    /// `last_id` where that is still known, else the changes behind it.
    pub(super) fn enter(&self, last_id: Option<u64>) -> (VecDeque<Arc<EventItem>>, u64) {
        // An id that was never given is another node's.
        let last_id = last_id.filter(|&id| self.last_id.is_some_and(|last| id <= last));
        let is_behind = |item: &Arc<EventItem>| last_id.is_none_or(|last| item.id() > Some(last));
        let first = self.live.iter().find_map(|item| item.id());
        if let (Some(last), Some(first)) = (last_id, first)
            && first <= last.saturating_add(1)
        {
            let before = self.live.iter().rposition(|item| item.id().is_some_and(|id| id <= last));
            return (VecDeque::new(), self.start + before.map_or(0, |before| before as u64 + 1));
        }
        (self.changes.iter().filter(|item| is_behind(item)).cloned().collect(), self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64) -> Arc<EventItem> {
        Arc::new(EventItem::Event(KeptEvent::of_test(id).into()))
    }

    fn ids<'a>(items: impl IntoIterator<Item = &'a Arc<EventItem>>) -> Vec<u64> {
        items.into_iter().filter_map(|item| item.id()).collect()
    }

    /// Every tenth event is a change of state.
    fn ring(events: u64) -> EventRing {
        let mut ring = EventRing::default();
        (100..100 + events).for_each(|id| ring.push(item(id), id % 10 == 0));
        ring
    }

    #[test]
    fn who_comes_later_gets_the_changes_first_and_then_what_happens() {
        let mut ring = ring(25);
        let (first, from) = ring.enter(None);
        assert_eq!(ids(&first), [100, 110, 120]);
        assert!(ring.read(from, 10).0.is_empty());
        ring.push(item(125), false);
        assert_eq!(ids(&ring.read(from, 10).0), [125]);
    }

    #[test]
    fn who_comes_back_goes_on_behind_its_last_event_where_that_is_known() {
        let few = ring(25);
        for (last, next) in [(99, Some(100)), (117, Some(118)), (124, None)] {
            let (first, from) = few.enter(Some(last));
            assert!(first.is_empty());
            assert_eq!(ids(&few.read(from, 1).0).first().copied(), next);
        }
        assert_eq!(ids(&few.enter(Some(125)).0), [100, 110, 120], "never given: another node's");
        let many = ring(2 * LIVE_MAX as u64);
        let (first, from) = many.enter(Some(10_005));
        assert!(first.is_empty());
        assert_eq!(ids(&many.read(from, 2).0), [10_006, 10_007]);
        let (first, from) = many.enter(Some(7000));
        assert_eq!(
            (ids(&first).first(), from),
            (Some(&7010), many.end()),
            "only changes are known"
        );
    }

    #[test]
    fn both_rings_are_bounded_and_a_slow_listener_is_told_what_it_missed() {
        let ring = ring(2 * LIVE_MAX as u64);
        assert_eq!((ring.live.len(), ring.changes.len()), (LIVE_MAX, CHANGES_MAX));
        let (items, missed) = ring.read(10, 3);
        assert_eq!(missed, LIVE_MAX as u64 - 10);
        assert_eq!(ids(&items).first(), Some(&(100 + LIVE_MAX as u64)));
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn an_event_is_rendered_once_for_all() {
        let event = KeptEvent::of_test(1);
        assert_eq!(event.rendered(|_| Bytes::from_static(b"once")), "once");
        assert_eq!(event.rendered(|_| unreachable!("it is rendered")), "once");
    }
}
