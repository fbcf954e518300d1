//! The stream of the cluster, connected again whenever it ends.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_api::{EventsRequest, Health, Role, paths};
use acklog_client::{DialedEvents, EventsDialer, StreamedItem, master_of};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::view::Link;
use crate::cli::NodeUrl;
use crate::cli::client::ToolClient;

/// How often a master is looked for while a secondary tells of itself alone. Shorter: more requests
/// to nodes that do not answer. Longer: a master that is back shows late.
const MASTER_SEARCH_INTERVAL: Duration = Duration::from_secs(2);

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

/// The reason why a stream is no longer read.
enum StreamEnd {
    /// It broke off, for this reason.
    Broken(String),
    /// It is a secondary's, and a master answers again.
    MasterIsBack,
    /// Nobody takes the news.
    Unheard,
}

/// Reads the stream of the master, or of the first node that answers, until nobody takes the news.
pub(super) async fn read(urls: Vec<NodeUrl>, news: mpsc::Sender<News>) {
    let mut dialer = EventsDialer::new(REQUEST);
    let mut was_live = false;
    loop {
        let error = match connect(&urls, &mut dialer).await {
            Ok((url, events)) => {
                was_live = true;
                match pass_on(&urls, &url, events, &news).await {
                    StreamEnd::Broken(error) => error,
                    StreamEnd::MasterIsBack => continue,
                    StreamEnd::Unheard => return,
                }
            }
            Err(why) => why,
        };
        let link = if was_live { Link::Lost(error) } else { Link::Connecting(Some(error)) };
        if news.send(News::Link(link)).await.is_err() {
            return;
        }
        sleep(dialer.pause()).await;
    }
}

/// Opens the stream of the master, or else of the first node that can be reached.
async fn connect<'a>(
    urls: &[NodeUrl],
    dialer: &'a mut EventsDialer,
) -> Result<(NodeUrl, DialedEvents<'a, NodeUrl>), String> {
    let url = master_of(urls).await.ok_or("none of these nodes can be reached")?;
    match dialer.dial(url.clone()).await {
        Ok(events) => Ok((url, events)),
        Err(error) => Err(error.to_string()),
    }
}

/// Passes on what comes, until the stream ends or a better one can be had.
async fn pass_on(
    urls: &[NodeUrl],
    url: &NodeUrl,
    mut events: DialedEvents<'_, NodeUrl>,
    news: &mpsc::Sender<News>,
) -> StreamEnd {
    if news.send(News::Link(Link::Live(url.to_string()))).await.is_err() {
        return StreamEnd::Unheard;
    }
    let master = master_instead_of(url, urls);
    tokio::pin!(master);
    loop {
        let items = tokio::select! {
            items = events.next_items() => items,
            () = &mut master, if urls.len() > 1 => return StreamEnd::MasterIsBack,
        };
        let sent = match items {
            Ok(items) => news.send(News::Items(items)).await,
            Err(error) => return StreamEnd::Broken(error.to_string()),
        };
        if sent.is_err() {
            return StreamEnd::Unheard;
        }
    }
}

/// Waits until a master answers, for as long as the node at `url` is none.
async fn master_instead_of(url: &NodeUrl, urls: &[NodeUrl]) {
    loop {
        sleep(MASTER_SEARCH_INTERVAL).await;
        if let Some(found) = master_of(urls).await
            && found != *url
            && is_master(&found).await
            && !is_master(url).await
        {
            return;
        }
    }
}

async fn is_master(url: &NodeUrl) -> bool {
    let answer = ToolClient::new(url.clone()).get(paths::HEALTH).await;
    let health = answer.ok().and_then(|answer| answer.parsed::<Health>().ok());
    health.is_some_and(|health| *health.role() == Role::Master)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::cli::test_node::{LocalNode, Script, ScriptedNode};

    #[tokio::test]
    async fn a_node_that_ends_each_stream_at_once_is_asked_less_and_less_often() {
        let node = ScriptedNode::start([Script::events(&[": events\n\n"])]).await;
        let (sender, mut news) = mpsc::channel(1);
        tokio::spawn(read(vec![node.url()], sender));
        let mut lost = Vec::new();
        while lost.len() < 6 {
            if let News::Link(Link::Lost(_)) = news.recv().await.unwrap() {
                lost.push(Instant::now());
            }
        }
        // At least a half each of 50, 100, 200, 400 and 800 ms.
        let passed = lost[5] - lost[0];
        assert!(passed >= Duration::from_millis(775), "{passed:?}");
    }
}
