//! The meeting point of the core task and those who listen to its events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use acklog_threads::lock;
use acklog_types::NodeName;
use tokio::sync::Notify;

use super::ring::{EventItem, EventRing};

/// Most items that a listener gets at once. Fewer: more wake-ups. More: more memory for each
/// listener.
pub const ITEMS_MAX: usize = 256;

/// Time for which a node counts as busy after it said so; it says so each second.
const BUSY_FOR: Duration = Duration::from_secs(2);

/// The events of a node, for any number of listeners.
#[derive(Debug)]
pub struct EventHub {
    node: NodeName,
    /// Read by the core task in each iteration, so without a lock.
    listeners: AtomicUsize,
    state: Mutex<HubState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct HubState {
    ring: EventRing,
    /// When the node last said that it leaves out most events.
    busy_at: Option<Instant>,
    is_closed: bool,
}

/// The next thing that a listener gets.
#[derive(Debug)]
pub enum Heard {
    /// Items, in order.
    Items(Vec<Arc<EventItem>>),
    /// So many items are gone, since the listener was too slow. Later ones follow.
    Missed(u64),
    /// The node stops: nothing follows.
    Closed,
}

/// One who listens: a position in the events.
#[derive(Debug)]
pub struct EventListener {
    hub: Arc<EventHub>,
    /// The items that come before those at `from`.
    first: VecDeque<Arc<EventItem>>,
    from: u64,
}

impl EventHub {
    /// Creates the hub of a node without an event.
    pub(in crate::server::node) fn new(node: NodeName) -> Arc<Self> {
        let (listeners, state, changed) = Default::default();
        Arc::new(Self { node, listeners, state, changed })
    }

    /// Returns the name of the node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Returns whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Returns whether the node is so busy that it leaves out most events: its senders need the
    /// time that it takes to tell more.
    pub fn is_busy(&self) -> bool {
        lock(&self.state).busy_at.is_some_and(|at| at.elapsed() < BUSY_FOR)
    }

    /// Adds items, each with whether it is kept for those who come later.
    pub(super) fn add(&self, items: impl Iterator<Item = (EventItem, bool)>) {
        let mut state = lock(&self.state);
        for (item, is_change) in items {
            if item.says_busy() {
                state.busy_at = Some(Instant::now());
            }
            state.ring.push(Arc::new(item), is_change);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the events: listeners get what is there, and no more.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_waiters();
    }

    /// Begins to listen: to the changes of state that are kept, and then to what happens; with the
    /// id of the last event that was heard, behind that where it is still known.
    pub fn listen(self: Arc<Self>, last_id: Option<u64>) -> EventListener {
        // Before the position is taken: what the core task does from now on is recorded in detail.
        self.listeners.fetch_add(1, Ordering::Relaxed);
        let (first, from) = lock(&self.state).ring.enter(last_id);
        EventListener { hub: self, first, from }
    }
}

impl EventListener {
    /// Returns the hub.
    pub fn hub(&self) -> &EventHub {
        &self.hub
    }

    /// Waits for the next items. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        if !self.first.is_empty() {
            let count = self.first.len().min(ITEMS_MAX);
            return Heard::Items(self.first.drain(..count).collect());
        }
        loop {
            // Before the look: what comes in between is not missed.
            let changed = self.hub.changed.notified();
            let (items, missed, is_closed) = {
                let state = lock(&self.hub.state);
                let (items, missed) = state.ring.read(self.from, ITEMS_MAX);
                (items, missed, state.is_closed)
            };
            if missed > 0 {
                self.from += missed;
                return Heard::Missed(missed);
            }
            if !items.is_empty() {
                self.from += items.len() as u64;
                return Heard::Items(items);
            }
            if is_closed {
                return Heard::Closed;
            }
            changed.await;
        }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        self.hub.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use acklog_api::SampledEvents;

    use super::super::ring::KeptEvent;
    use super::*;

    fn add(hub: &EventHub, ids: std::ops::Range<u64>) {
        hub.add(ids.map(|id| (EventItem::Event(KeptEvent::of_test(id).into()), true)));
    }

    async fn heard(listener: &mut EventListener) -> String {
        match listener.next().await {
            Heard::Items(items) => format!("{} items", items.len()),
            Heard::Missed(count) => format!("missed {count}"),
            Heard::Closed => "closed".to_owned(),
        }
    }

    #[tokio::test]
    async fn each_listener_hears_everything_from_where_it_came_until_the_end() {
        let hub = EventHub::new("bonnie".parse().unwrap());
        add(&hub, 0..3);
        let mut early = hub.clone().listen(None);
        assert!(hub.is_heard());
        assert_eq!(heard(&mut early).await, "3 items");
        let waiting = tokio::spawn(async move {
            let first = heard(&mut early).await;
            (first, heard(&mut early).await)
        });
        tokio::task::yield_now().await;
        add(&hub, 3..5);
        let mut late = hub.clone().listen(Some(2));
        assert_eq!(heard(&mut late).await, "2 items");
        hub.close();
        assert_eq!(heard(&mut late).await, "closed");
        let (first, second) = waiting.await.unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("2 items", "closed"));
        drop(late);
        assert!(!hub.is_heard(), "both are gone");
    }

    #[test]
    fn a_node_is_busy_for_a_while_after_it_said_that_it_leaves_out_most_events() {
        let hub = EventHub::new("bonnie".parse().unwrap());
        let sampled = |every| (EventItem::Sampled { left_out: 1, every }, false);
        hub.add([sampled(SampledEvents::EVERY_WHEN_BUSY / 2)].into_iter());
        assert!(!hub.is_busy(), "it leaves out some");
        hub.add([sampled(SampledEvents::EVERY_WHEN_BUSY)].into_iter());
        assert!(hub.is_busy());
        lock(&hub.state).busy_at = Instant::now().checked_sub(BUSY_FOR);
        assert!(!hub.is_busy(), "it has not said so for a while");
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_and_goes_on() {
        let hub = EventHub::new("bonnie".parse().unwrap());
        let mut slow = hub.clone().listen(None);
        add(&hub, 0..10_000);
        assert_eq!(heard(&mut slow).await, "missed 1808");
        assert_eq!(heard(&mut slow).await, "256 items");
    }
}
