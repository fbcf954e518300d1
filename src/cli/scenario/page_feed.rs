//! What pages are told of a run: at first how it stands, and then each item as it comes.

use std::collections::{BTreeMap, VecDeque};

use acklog_api::recording::{STEP_EVENT, UNNAMED_EVENT};
use acklog_api::view::{MESSAGES_EVENT, STATE_EVENT};
use acklog_api::{NodeMessages, RecordedItem};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::contract::sse;

/// Items that wait for a page. Fewer: one that stands still for a moment misses some. More: memory
/// for each page that takes nothing.
const ITEMS_MAX: usize = 8192;

/// Messages of a node with which a page begins, as at a node itself. Fewer: a page that comes later
/// shows less. More: memory, and a longer beginning.
const MESSAGES_MAX: usize = 200;

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
    lists: BTreeMap<String, List>,
    steps: VecDeque<Bytes>,
}

/// The last messages of a node.
#[derive(Debug, Default)]
struct List {
    from: u64,
    texts: VecDeque<String>,
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
                    self.lists.entry(messages.node.clone()).or_default().add(messages);
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
        for (node, List { from, texts }) in &self.lists {
            let messages = texts.iter().cloned().collect();
            let body = NodeMessages { node: node.clone(), from: *from, messages };
            sse::write_event(&mut first, (Some(MESSAGES_EVENT), None), &body);
        }
        self.steps.iter().for_each(|step| first.extend_from_slice(step));
        (first.into(), self.sender.subscribe())
    }
}

impl List {
    fn add(&mut self, new: NodeMessages) {
        let kept = new.from.checked_sub(self.from).and_then(|kept| usize::try_from(kept).ok());
        match kept.filter(|kept| *kept <= self.texts.len()) {
            Some(kept) => self.texts.truncate(kept),
            // Behind what is left out, or before all that is known.
            None => (self.from, self.texts) = (new.from, VecDeque::new()),
        }
        self.texts.extend(new.messages);
        let too_many = self.texts.len().saturating_sub(MESSAGES_MAX);
        self.texts.drain(..too_many);
        self.from += too_many as u64;
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

    #[test]
    fn lists_are_put_together_and_bounded() {
        let mut feed = PageFeed::default();
        let shown = |feed: &PageFeed| {
            let List { from, texts } = &feed.lists["bonnie"];
            (*from, texts.len(), texts.back().cloned())
        };
        feed.add(&messages(0, 0..3));
        feed.add(&messages(3, 3..5));
        assert_eq!(shown(&feed), (0, 5, Some("m4".to_owned())));
        feed.add(&messages(2, 7..8));
        assert_eq!(shown(&feed), (0, 3, Some("m7".to_owned())), "it was cut");
        feed.add(&messages(10, 10..310));
        assert_eq!(shown(&feed), (110, 200, Some("m309".to_owned())), "some were left out");
        feed.add(&messages(0, 0..0));
        assert_eq!(shown(&feed), (0, 0, None), "another log");
    }
}
