//! The stream of the cluster, connected again whenever it ends.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_api::EventsRequest;
use acklog_client::{NodeEvents, NodeEventsError, RetryPauses, StreamedItem, master_of};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::view::Link;
use crate::cli::NodeUrl;

/// Longest time without an item, after which another connection is made. Nodes send one each
/// second. Shorter: a busy node is left. Longer: a machine that vanished is noticed late.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Everything that nodes tell: events, states and messages of all of them.
const REQUEST: EventsRequest = EventsRequest { all_nodes: true, state: true, messages: true };

/// A piece of news for the screen.
#[derive(Debug)]
pub(super) enum News {
    /// The connection is another one, or gone.
    Link(Link),
    /// Items came.
    Items(VecDeque<StreamedItem>),
}

/// Reads the stream of the master, or of the first node that answers, until nobody takes the news.
pub(super) async fn read(urls: Vec<NodeUrl>, news: mpsc::Sender<News>) {
    let mut pauses = RetryPauses::new();
    let mut was_live = false;
    loop {
        let error = match connect(&urls).await {
            Ok((url, mut events)) => {
                pauses = RetryPauses::new();
                was_live = true;
                match pass_on(&url, &mut events, &news).await {
                    Some(error) => error.to_string(),
                    None => return,
                }
            }
            Err(why) => why,
        };
        let link = if was_live { Link::Lost(error) } else { Link::Connecting(Some(error)) };
        if news.send(News::Link(link)).await.is_err() {
            return;
        }
        sleep(pauses.pause()).await;
    }
}

/// Opens the stream of the master, or else of the first node that can be reached.
async fn connect(urls: &[NodeUrl]) -> Result<(NodeUrl, NodeEvents<NodeUrl>), String> {
    let url = master_of(urls).await.ok_or("none of these nodes can be reached")?;
    match NodeEvents::open_with(url.clone(), REQUEST, SILENCE_MAX).await {
        Ok(events) => Ok((url, events)),
        Err(error) => Err(error.to_string()),
    }
}

/// Passes on what comes, until the stream ends with an error; none where nobody takes it.
async fn pass_on(
    url: &NodeUrl,
    events: &mut NodeEvents<NodeUrl>,
    news: &mpsc::Sender<News>,
) -> Option<NodeEventsError> {
    news.send(News::Link(Link::Live(url.to_string()))).await.ok()?;
    loop {
        match events.next_items().await {
            Ok(items) => news.send(News::Items(items)).await.ok()?,
            Err(error) => return Some(error),
        }
    }
}
