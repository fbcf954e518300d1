//! What pages are told of a run: at first how it stands, and then each item as it comes.

use std::collections::{BTreeMap, VecDeque};

use acklog_api::recording::{STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::{MESSAGES_EVENT, STATE_EVENT};
use acklog_api::{NodeMessages, RecordedItem};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::cli::list_tail::ListTail;
use crate::contract::{FIRST_MESSAGES_MAX, sse};

/// Items that wait for a page. Fewer: one that stands still for a moment misses some. More: memory
/// for each page that takes nothing.
const ITEMS_MAX: usize = 8192;

/// Steps with which a page begins. Fewer: the beginning of a long scenario is missing. More: a
/// longer beginning.
const STEPS_MAX: usize = 2000;

/// The items for pages, and how the run stands.
#[derive(Debug)]
pub(super) struct PageFeed {
    /// Time that is added to those of items, in microseconds.
    shift: u64,
    sender: broadcast::Sender<Bytes>,
    /// The last state of each node, ready to be sent.
    states: BTreeMap<String, Bytes>,
    lists: BTreeMap<String, ListTail>,
    steps: VecDeque<Bytes>,
}

/// How a run stood when a page came, and the items behind that.
pub(super) type Entered = (Bytes, broadcast::Receiver<Bytes>);

impl Default for PageFeed {
    fn default() -> Self {
        let (states, lists, steps) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { shift: 0, sender: broadcast::Sender::new(ITEMS_MAX), states, lists, steps }
    }
}

impl PageFeed {
    /// Shows times from here on so much later than they are in the items, in microseconds.
    pub(super) fn shift(&mut self, by: u64) {
        self.shift = by;
    }

    /// Passes on an item.
    pub(super) fn add(&mut self, item: &RecordedItem) {
        let mut data = item.data.clone();
        if let Some(time) = data.get_mut("time") {
            *time = time.as_u64().map_or(Value::Null, |time| (time + self.shift).into());
        }
        let name = Some(item.event.as_str()).filter(|name| *name != UNNAMED_EVENT);
        let mut piece = Vec::new();
        sse::write_event(&mut piece, (name, None), &data);
        let piece = Bytes::from(piece);
        match item.event.as_str() {
            STATE_EVENT => {
                let node = data.get("node").and_then(Value::as_str).unwrap_or_default();
                self.states.insert(node.to_owned(), piece.clone());
            }
            STEP_EVENT => {
                if self.steps.len() == STEPS_MAX {
                    self.steps.pop_front();
                }
                self.steps.push_back(piece.clone());
            }
            MESSAGES_EVENT => {
                if let Ok(messages) = serde_json::from_value::<NodeMessages>(data) {
                    let NodeMessages { node, from, messages } = messages;
                    self.lists.entry(node).or_default().take(from, messages, FIRST_MESSAGES_MAX);
                }
            }
            _ => {}
        }
        // Where no page is open, nobody needs it.
        let _ = self.sender.send(piece);
    }

    /// Lets a page in.
    pub(super) fn enter(&self) -> Entered {
        let mut first = Vec::new();
        sse::write_opening(&mut first, "a scenario");
        self.states.values().for_each(|state| first.extend_from_slice(state));
        for (node, list) in &self.lists {
            let (node, messages) = (node.clone(), list.texts().iter().cloned().collect());
            let body = NodeMessages { node, from: list.from(), messages };
            sse::write_event(&mut first, (Some(MESSAGES_EVENT), None), &body);
        }
        self.steps.iter().for_each(|step| first.extend_from_slice(step));
        (first.into(), self.sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(event: &str, data: Value) -> RecordedItem {
        RecordedItem { at: 1, event: event.to_owned(), data }
    }

    fn messages(from: u64, texts: std::ops::Range<u64>) -> RecordedItem {
        let texts: Vec<_> = texts.map(|id| format!("m{id}")).collect();
        item(MESSAGES_EVENT, json!({"node": "bonnie", "from": from, "messages": texts}))
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_page_that_comes_later_is_told_how_the_run_stands_and_then_what_comes() {
        let mut feed = PageFeed::default();
        feed.shift(1000);
        feed.add(&item(STATE_EVENT, json!({"node": "bonnie", "time": 1})));
        feed.add(&item(STATE_EVENT, json!({"node": "bonnie", "time": 2})));
        feed.add(&item(UNNAMED_EVENT, json!({"node": "bonnie", "time": 3})));
        feed.add(&item(STEP_EVENT, json!({"line": 1})));
        feed.add(&messages(0, 0..1));
        let (first, mut news) = feed.enter();
        let expected = ": a scenario\nretry: 1000\n\n\
            event: state\ndata: {\"node\":\"bonnie\",\"time\":1002}\n\n\
            event: messages\ndata: {\"node\":\"bonnie\",\"from\":0,\"messages\":[\"m0\"]}\n\n\
            event: step\ndata: {\"line\":1}\n\n";
        assert_eq!(text(&first), expected);
        feed.add(&item(UNNAMED_EVENT, json!({"node": "bonnie", "time": 4})));
        drop(feed);
        let next = news.try_recv().unwrap();
        assert_eq!(text(&next), "data: {\"node\":\"bonnie\",\"time\":1004}\n\n");
        assert_eq!(news.try_recv(), Err(broadcast::error::TryRecvError::Closed));
    }
}
