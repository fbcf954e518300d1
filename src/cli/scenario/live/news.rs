//! What real nodes tell, for the stream of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acklog_api::recording::UNNAMED_EVENT;
use acklog_api::view::STATE_EVENT;
use acklog_api::{EventsRequest, NodeState, RecordedItem};
use acklog_client::{DialedEvents, EventsDialer, NodeEventsError, StreamedItem};
use acklog_sim::scenario::{Backend, Trouble};
use acklog_types::NodeName;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Live, unless_interrupted};
use crate::cli::NodeUrl;
use crate::cli::scenario::narrator::Telling;
use crate::cli::scenario::nodes::{Nodes, Reach};
use crate::cli::scenario::run_stream::RunStream;
use crate::contract::wall_clock_us;

/// Everything that a node tells of itself.
const REQUEST: EventsRequest = EventsRequest { all_nodes: false, state: true, messages: true };

/// Time for the nodes to tell what the last step did: they look at their state four times a second.
/// Shorter: it is missing at the end of the stream. Longer: each run takes that much longer.
const LAST_NEWS: Duration = Duration::from_millis(500);

/// Longest wait for what a node told before it was ended. Shorter: the end of its news is missing
/// on a busy machine. Longer: a reader that hangs holds up the scenario.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Reads what nodes tell, and adds it to the stream of a run.
pub(super) struct EventFeeds {
    stream: RunStream,
    feeds: BTreeMap<NodeName, EventFeed>,
}

/// Reads what one start of a node tells. Dropping it ends that.
struct EventFeed {
    task: JoinHandle<()>,
    /// Whether the node was ended.
    is_down: Arc<AtomicBool>,
}

impl Drop for EventFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EventFeeds {
    pub(super) const fn new(stream: RunStream) -> Self {
        Self { stream, feeds: BTreeMap::new() }
    }

    /// Begins to read a node that started, in place of its start before.
    pub(super) fn begin(&mut self, runtime: &Runtime, node: &NodeName, url: NodeUrl) {
        let is_down = Arc::new(AtomicBool::new(false));
        let reading = read(node.to_string(), url, self.stream.clone(), Arc::clone(&is_down));
        let task = runtime.spawn(reading);
        self.feeds.insert(node.clone(), EventFeed { task, is_down });
    }

    /// Takes the last words of nodes that were ended, and tells that they do not run.
    async fn end(&mut self, nodes: &[NodeName]) {
        for mut feed in nodes.iter().filter_map(|node| self.feeds.remove(node)) {
            feed.is_down.store(true, Ordering::SeqCst);
            // One that does not come to its end is dropped.
            let _ = timeout(LAST_WORDS, &mut feed.task).await;
        }
    }
}

/// Reads a node until it is ended, also when its connection breaks, and tells when it cannot be
/// reached.
async fn read(node: String, url: NodeUrl, stream: RunStream, is_down: Arc<AtomicBool>) {
    let (mut dialer, mut is_told) = (EventsDialer::new(REQUEST), false);
    loop {
        let error = match dialer.dial(url.clone()).await {
            Ok(events) => {
                is_told = false;
                read_until_end(&node, events, &stream).await
            }
            Err(error) => error,
        };
        let is_down = is_down.load(Ordering::SeqCst);
        if !std::mem::replace(&mut is_told, true) {
            let detail = if is_down { "it does not run".to_owned() } else { error.to_string() };
            stream.add(vec![unreachable(&node, &url, detail)]);
        }
        if is_down {
            return;
        }
        sleep(dialer.pause()).await;
    }
}

/// Returns the state of a node that cannot be reached.
fn unreachable(node: &str, url: &NodeUrl, detail: String) -> RecordedItem {
    let (time, url) = (wall_clock_us(), format!("http://{}/", url.authority()));
    let state = NodeState::unreachable(node.to_owned(), time, Some(url), detail);
    RecordedItem { at: time, event: STATE_EVENT.to_owned(), data: json!(state) }
}

async fn read_until_end(
    node: &str,
    mut events: DialedEvents<'_, NodeUrl>,
    stream: &RunStream,
) -> NodeEventsError {
    loop {
        let items = match events.next_items().await {
            Ok(items) => items,
            Err(error) => return error,
        };
        stream.add(items.into_iter().filter_map(|item| recorded(node, item)).collect());
    }
}

/// Returns what a node tells as an item of the stream; none where no node tells this.
fn recorded(node: &str, item: StreamedItem) -> Option<RecordedItem> {
    let StreamedItem { name, data } = item;
    let mut data: Value = serde_json::from_str(&data).ok()?;
    let members = data.as_object_mut()?;
    // A node of a scenario may register under the name of another one.
    members.insert("node".to_owned(), node.into());
    if let Some(faults) = members.get_mut("faults").filter(|_| name == STATE_EVENT) {
        // Its steps set them, and nobody else.
        *faults = Value::Null;
    }
    let event = if name.is_empty() { UNNAMED_EVENT.to_owned() } else { name };
    Some(RecordedItem { at: wall_clock_us(), event, data })
}

/// Real nodes, which tell by themselves what they do.
pub(in crate::cli::scenario) struct LiveNews;

impl<N: Nodes> Telling<Live<N>> for LiveNews {
    fn take(&mut self, _: &mut Live<N>) -> Vec<RecordedItem> {
        Vec::new()
    }

    fn now(&self, _: &Live<N>) -> u64 {
        wall_clock_us()
    }

    fn wait_for<T>(
        &mut self,
        backend: &mut Live<N>,
        what: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let what = async { Ok(what.await) };
        backend.runtime.block_on(unless_interrupted(&mut backend.stopped, what))
    }

    fn is_stopped(&self, backend: &Live<N>) -> bool {
        *backend.stopped.borrow()
    }

    fn begin(&mut self, backend: &mut Live<N>, stream: &RunStream) {
        backend.news = Some(EventFeeds::new(stream.clone()));
    }

    fn end(&mut self, backend: &mut Live<N>) {
        if backend.news.is_some() && !*backend.stopped.borrow() {
            // Whoever ends the run meanwhile does not wait for them.
            let _ = backend.pass(LAST_NEWS);
        }
        backend.news = None;
    }
}

impl<N: Nodes> Live<N> {
    /// Reads a node that started, if its news are wanted.
    pub(super) fn read_news(&mut self, node: &NodeName) {
        if let (Some(news), Some(Reach::Url(url))) = (&mut self.news, self.nodes.reach(node)) {
            news.begin(&self.runtime, node, url);
        }
    }

    /// Takes the last news of nodes that were ended.
    pub(super) fn end_news_of(&mut self, nodes: &[NodeName]) {
        if let Some(news) = &mut self.news {
            self.runtime.block_on(news.end(nodes));
        }
    }
}
