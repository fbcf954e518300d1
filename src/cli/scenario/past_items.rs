//! What a page that comes late is told of a run: the last minute as it came, and before that how
//! the run stood.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use acklog_api::recording::{PAST_EVENT, STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::{MESSAGES_EVENT, STATE_EVENT};
use acklog_api::{EventKind, NodeMessages, PastItem};
use serde_json::{Value, json};

use crate::cli::list_tail::ListTail;
use crate::contract::{FIRST_MESSAGES_MAX, sse};

/// Time for which an item is kept as it came. Shorter: a page that comes late shows less than one
/// that was there. Longer: it is told what it does not show, since it keeps this long, too.
const KEPT: Duration = Duration::from_secs(60);

/// Most items that are kept as they came. Fewer: where much happens, a page that comes late shows
/// less. More: it is busy for longer before it shows what happens now.
const ITEMS_MAX: usize = 20_000;

/// Most bytes of these items, as they are told. Fewer: as [`ITEMS_MAX`], with long bodies. More:
/// memory, some five times as much, in which they are kept ready to be told.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Items of steps that are kept for longer: as many as a page keeps, which shows the last part of a
/// story. Fewer: the beginning of a long part is missing. More: no page shows them.
const STEPS_MAX: usize = 100;

/// Kinds of events whose last one tells how a node stands. Its faults are in no state here, and the
/// others tell since when something is as its state says.
const STANDING: [EventKind; 7] = [
    EventKind::Started,
    EventKind::Faults,
    EventKind::Epoch,
    EventKind::Mode,
    EventKind::Quorum,
    EventKind::Members,
    EventKind::Disk,
];

/// An item that pages were told.
#[derive(Debug)]
pub(super) struct ToldItem {
    /// Its place in the stream: each item has a larger one than those before it.
    pub(super) id: u64,
    pub(super) came: Instant,
    pub(super) event: String,
    pub(super) data: Value,
    /// Its bytes, as it was told.
    pub(super) bytes: usize,
}

impl ToldItem {
    /// Appends the item as one that came before `now`.
    pub(super) fn write(&self, out: &mut Vec<u8>, now: Instant) {
        let ago = now.saturating_duration_since(self.came).as_micros() as u64;
        let (event, data) = (self.event.clone(), self.data.clone());
        sse::write_event(out, (Some(PAST_EVENT), Some(self.id)), &PastItem { ago, event, data });
    }

    fn node(&self) -> String {
        self.data.get("node").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Returns the kind of an event that tells how its node stands; none of others.
    fn standing(&self) -> Option<&'static str> {
        let kind = self.data.get("kind").and_then(Value::as_str)?;
        STANDING.iter().map(EventKind::as_str).find(|standing| *standing == kind)
    }
}

/// The items of a run until now.
#[derive(Debug, Default)]
pub(super) struct PastItems {
    items: VecDeque<Arc<ToldItem>>,
    /// The bytes of the items.
    bytes: usize,
    before: Before,
}

/// How the run stood before the first item.
#[derive(Debug, Default)]
struct Before {
    /// The last state of each node.
    states: BTreeMap<String, Arc<ToldItem>>,
    /// The last event of each node and kind that tells how the node stands.
    events: BTreeMap<(String, &'static str), Arc<ToldItem>>,
    /// The list of each node, with the place and the time of what was last told of it.
    lists: BTreeMap<String, (u64, Instant, ListTail)>,
    steps: VecDeque<Arc<ToldItem>>,
}

impl PastItems {
    /// Adds an item.
    pub(super) fn add(&mut self, item: ToldItem) {
        let now = item.came;
        self.bytes += item.bytes;
        self.items.push_back(Arc::new(item));
        self.forget(now);
    }

    /// Returns the items behind a place that a page needs, in their order.
    pub(super) fn behind(&mut self, id: u64, now: Instant) -> Vec<Arc<ToldItem>> {
        self.forget(now);
        let lists = self.before.lists.iter().map(|(node, (id, came, list))| {
            let (from, messages) = (list.from(), list.texts().iter().cloned().collect());
            let data = json!(NodeMessages { node: node.clone(), from, messages });
            let event = MESSAGES_EVENT.to_owned();
            Arc::new(ToldItem { id: *id, came: *came, event, data, bytes: 0 })
        });
        let Before { states, events, steps, .. } = &self.before;
        let before = states.values().chain(events.values()).chain(steps).cloned().chain(lists);
        let all = before.chain(self.items.iter().cloned());
        let mut behind: Vec<_> = all.filter(|item| item.id > id).collect();
        behind.sort_by_key(|item| item.id);
        behind
    }

    /// Keeps no more than a page needs, and of what is older how the run stood.
    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.items.front()
            && (now.saturating_duration_since(first.came) > KEPT
                || self.items.len() > ITEMS_MAX
                || self.bytes > BYTES_MAX)
            && let Some(item) = self.items.pop_front()
        {
            self.bytes -= item.bytes;
            self.before.take(item);
        }
    }
}

impl Before {
    fn take(&mut self, item: Arc<ToldItem>) {
        match item.event.as_str() {
            STATE_EVENT => drop(self.states.insert(item.node(), item)),
            UNNAMED_EVENT => {
                if let Some(kind) = item.standing() {
                    self.events.insert((item.node(), kind), item);
                }
            }
            STEP_EVENT => {
                if self.steps.len() == STEPS_MAX {
                    self.steps.pop_front();
                }
                self.steps.push_back(item);
            }
            MESSAGES_EVENT => {
                if let Ok(messages) = serde_json::from_value::<NodeMessages>(item.data.clone()) {
                    let NodeMessages { node, from, messages } = messages;
                    let new = || (item.id, item.came, ListTail::default());
                    let (id, came, list) = self.lists.entry(node).or_insert_with(new);
                    (*id, *came) = (item.id, item.came);
                    list.take(from, messages, FIRST_MESSAGES_MAX);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds an item whose place is its time, in seconds.
    fn add(past: &mut PastItems, begin: Instant, second: u64, (event, data): (&str, Value)) {
        let (came, event) = (begin + Duration::from_secs(second), event.to_owned());
        past.add(ToldItem { id: second, came, event, data, bytes: 100 });
    }

    fn messages(from: u64, texts: &[&str]) -> (&'static str, Value) {
        (MESSAGES_EVENT, json!({"node": "bonnie", "from": from, "messages": texts}))
    }

    fn state(node: &str) -> (&'static str, Value) {
        (STATE_EVENT, json!({"node": node}))
    }

    #[test]
    fn of_what_is_older_than_a_minute_only_how_the_run_stood_is_told() {
        let (mut past, begin) = (PastItems::default(), Instant::now());
        let step = (STEP_EVENT, json!({"line": 1}));
        let event = (UNNAMED_EVENT, json!({"node": "bonnie"}));
        for (second, item) in [
            (1, state("bonnie")),
            (2, step),
            (3, event.clone()),
            (4, messages(0, &["a", "b"])),
            (5, state("bonnie")),
            (6, messages(2, &["c"])),
            (90, event),
            (91, messages(3, &["d"])),
        ] {
            add(&mut past, begin, second, item);
        }
        let told = past.behind(0, begin + Duration::from_secs(100));
        let places: Vec<_> = told.iter().map(|item| item.id).collect();
        assert_eq!(places, [2, 5, 6, 90, 91]);
        assert_eq!(told[2].data, messages(0, &["a", "b", "c"]).1);
        let mut out = Vec::new();
        told[1].write(&mut out, begin + Duration::from_secs(100));
        let expected = "event: past\nid: 5\n\
            data: {\"ago\":95000000,\"event\":\"state\",\"data\":{\"node\":\"bonnie\"}}\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let rest = past.behind(6, begin + Duration::from_secs(100));
        assert_eq!(rest.iter().map(|item| item.id).collect::<Vec<_>>(), [90, 91]);
    }

    #[test]
    fn the_faults_of_each_node_are_told_however_long_ago_they_were_set() {
        let (mut past, begin) = (PastItems::default(), Instant::now());
        let event = |node: &str, kind: &str| (UNNAMED_EVENT, json!({"node": node, "kind": kind}));
        for (second, item) in [
            (1, event("bonnie", "faults")),
            (2, event("bonnie", "faults")),
            (3, event("clyde", "faults")),
            (4, event("bonnie", "stored")),
            (5, event("bonnie", "started")),
            (90, event("bonnie", "stored")),
        ] {
            add(&mut past, begin, second, item);
        }
        let told = past.behind(0, begin + Duration::from_secs(100));
        assert_eq!(told.iter().map(|item| item.id).collect::<Vec<_>>(), [2, 3, 5, 90]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_each_node_keeps_its_state() {
        let (mut past, now) = (PastItems::default(), Instant::now());
        for id in 1..=2 * ITEMS_MAX as u64 {
            let (event, data) = if id == 1 { state("clyde") } else { state("bonnie") };
            let event = event.to_owned();
            past.add(ToldItem { id, came: now, event, data, bytes: BYTES_MAX / ITEMS_MAX });
        }
        let told = past.behind(0, now);
        assert_eq!((told[0].id, told.len()), (1, ITEMS_MAX + 2), "a state of each, and the items");
        let long = ToldItem {
            id: u64::MAX,
            came: now,
            event: STATE_EVENT.to_owned(),
            data: state("bonnie").1,
            bytes: BYTES_MAX,
        };
        past.add(long);
        let places: Vec<_> = past.behind(0, now).iter().map(|item| item.id).collect();
        assert_eq!(places, [1, 2 * ITEMS_MAX as u64, u64::MAX]);
    }
}
