//! What pages are told of a run: at first what came before, and then each item as it comes.

use std::sync::Arc;
use std::time::Instant;

use acklog_api::RecordedItem;
use acklog_api::recording::UNNAMED_EVENT;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast;

use super::past_items::{PastItems, ToldItem};
use crate::contract::{sse, wall_clock_us};

/// Items that wait for a page. Fewer: one that stands still for a moment misses some. More: memory
/// for each page that takes nothing.
const ITEMS_MAX: usize = 8192;

/// Members to which the shift is added: times, so that virtual ones are those of the clock, and
/// ids, so that a page that was open in an earlier run takes none for an event it has.
const SHIFTED: [&str; 2] = ["time", "id"];

/// The items for pages.
#[derive(Debug)]
pub(super) struct PageFeed {
    /// Time that is added to those of items, in microseconds.
    shift: u64,
    sender: broadcast::Sender<Bytes>,
    past: PastItems,
    /// The place before the first item, larger than those of any run before.
    begin: u64,
    /// The place of the last item.
    last: u64,
}

/// A page's part of the stream.
#[derive(Debug)]
pub(super) struct Entered {
    /// What came before the page did.
    pub(super) past: Vec<Arc<ToldItem>>,
    /// What comes behind that.
    pub(super) news: broadcast::Receiver<Bytes>,
}

impl Default for PageFeed {
    fn default() -> Self {
        let (sender, begin) = (broadcast::Sender::new(ITEMS_MAX), wall_clock_us());
        Self { shift: 0, sender, past: PastItems::default(), begin, last: begin }
    }
}

impl PageFeed {
    /// Shows times from here on so much later than they are in the items, in microseconds. Not less
    /// than before.
    pub(super) fn shift(&mut self, by: u64) {
        self.shift = by.max(self.shift);
    }

    /// Passes on an item.
    pub(super) fn add(&mut self, item: &RecordedItem) {
        let (mut data, event) = (item.data.clone(), item.event.clone());
        for name in SHIFTED {
            if let Some(number) = data.get_mut(name) {
                *number =
                    number.as_u64().map_or(Value::Null, |number| (number + self.shift).into());
            }
        }
        self.last += 1;
        let name = Some(event.as_str()).filter(|name| *name != UNNAMED_EVENT);
        let mut piece = Vec::new();
        sse::write_event(&mut piece, (name, Some(self.last)), &data);
        let (id, came, bytes) = (self.last, Instant::now(), piece.len());
        self.past.add(ToldItem { id, came, event, data, bytes });
        // Where no page is open, nobody needs it now.
        let _ = self.sender.send(piece.into());
    }

    /// Lets a page in that has heard everything up to a place. One of another run has heard
    /// nothing.
    pub(super) fn enter(&mut self, heard: Option<u64>) -> Entered {
        let heard = heard.filter(|heard| (self.begin..=self.last).contains(heard));
        let past = self.past.behind(heard.unwrap_or(self.begin), Instant::now());
        Entered { past, news: self.sender.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use acklog_api::view::STATE_EVENT;
    use serde_json::json;

    use super::*;

    fn item(event: &str, data: Value) -> RecordedItem {
        RecordedItem { at: 1, event: event.to_owned(), data }
    }

    fn times(entered: &Entered) -> Vec<u64> {
        entered.past.iter().map(|item| item.data["time"].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_page_that_comes_later_is_told_what_came_before_and_then_what_comes() {
        let mut feed = PageFeed::default();
        feed.shift(1000);
        feed.add(&item(STATE_EVENT, json!({"node": "bonnie", "time": 1})));
        feed.add(&item(STATE_EVENT, json!({"node": "bonnie", "time": 2})));
        feed.add(&item(UNNAMED_EVENT, json!({"node": "bonnie", "time": 3, "id": 1})));
        let mut entered = feed.enter(None);
        assert_eq!(times(&entered), [1001, 1002, 1003]);
        assert_eq!(entered.past[2].data["id"], 1001, "a later run has larger ids");
        let place = entered.past[2].id;
        feed.add(&item(UNNAMED_EVENT, json!({"node": "bonnie", "time": 4, "id": 2})));
        let again = feed.enter(Some(place));
        assert_eq!(times(&again), [1004], "a page that was away is told what it lacks");
        let other = feed.enter(Some(feed.begin - 1));
        assert_eq!(times(&other).len(), 4, "a page of another run has heard nothing");
        drop(feed);
        let next = entered.news.try_recv().unwrap();
        let expected = format!(
            "id: {}\ndata: {{\"id\":1002,\"node\":\"bonnie\",\"time\":1004}}\n\n",
            place + 1
        );
        assert_eq!(std::str::from_utf8(&next).unwrap(), expected);
        let closed = broadcast::error::TryRecvError::Closed;
        assert_eq!(entered.news.try_recv(), Err(closed));
    }
}
