//! Readers that follow real nodes.

use acklog_client::follow::Cursor;
use acklog_client::{Client, FollowFrom, FollowOptions, Followed};
use acklog_sim::scenario::{FollowStep, ReaderEvent, ReceivedMessage};
use acklog_types::NodeName;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Live;
use crate::cli::NodeUrl;
use crate::cli::scenario::nodes::{Nodes, Reach};

/// Something that happened to a reader, and the cursor behind it.
type Received = (ReaderEvent, Option<Cursor>);

/// A reader.
pub(super) struct LiveReader {
    node: NodeName,
    options: FollowOptions,
    /// None while its node is down.
    stream: Option<ReaderStream>,
}

/// The messages from one process of a node. Dropping it ends the connection.
struct ReaderStream {
    url: NodeUrl,
    /// No more than the messages of the log, all of which the scenario sent, and one end.
    received: mpsc::UnboundedReceiver<Received>,
    task: AbortHandle,
}

impl Drop for ReaderStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<N: Nodes> Live<N> {
    /// Begins a reader, or lets a known one go on at another node, with the next call of
    /// [`Live::receive`].
    pub(super) fn begin_to_follow(&mut self, step: &FollowStep) {
        let FollowStep { reader, node, from, concern } = step;
        let known = self.readers.entry(reader.clone()).or_insert_with(|| {
            let from = FollowFrom::Id(from.unwrap_or_default());
            let options = FollowOptions { from, read_concern: *concern };
            LiveReader { node: node.clone(), options, stream: None }
        });
        (known.node, known.stream) = (node.clone(), None);
    }

    /// Returns what happened to a reader since the last call. A process that is started anew has
    /// another port, where the reader goes on.
    pub(super) fn receive(&mut self, reader: &str) -> Vec<ReaderEvent> {
        let Some(reader) = self.readers.get_mut(reader) else { return Vec::new() };
        let mut events = reader.drain();
        match self.nodes.reach(&reader.node) {
            None => reader.stream = None,
            // It goes on when the network is back.
            Some(Reach::Inside) => {}
            Some(Reach::Url(url)) => {
                if reader.stream.as_ref().is_none_or(|stream| stream.url != url) {
                    events.push(ReaderEvent::Resumed);
                    let options = reader.options.clone();
                    reader.stream = Some(ReaderStream::begin(&self.runtime, url, options));
                }
            }
        }
        events
    }
}

impl LiveReader {
    fn drain(&mut self) -> Vec<ReaderEvent> {
        let mut events = Vec::new();
        let received = self
            .stream
            .iter_mut()
            .flat_map(|stream| std::iter::from_fn(|| stream.received.try_recv().ok()));
        for (event, cursor) in received {
            if let Some(cursor) = cursor {
                self.options.from = FollowFrom::Behind(cursor);
            }
            events.push(event);
        }
        events
    }
}

impl ReaderStream {
    fn begin(runtime: &Runtime, url: NodeUrl, options: FollowOptions) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let client = Client::of(vec![url.clone()]);
        let task = runtime.spawn(async move {
            let mut follow = client.follow(options);
            while let Some(item) = follow.next().await {
                let event = match item {
                    Ok(Followed::Message { id, text, batch }) => {
                        let is_resume_point = follow.cursor().is_some_and(|at| at.id == id);
                        let message = ReceivedMessage { id, text, batch, is_resume_point };
                        ReaderEvent::Message(message)
                    }
                    Ok(Followed::Gap { from, to, .. }) => {
                        ReaderEvent::Ended(format!("messages {from} to {to} are gone"))
                    }
                    Err(error) => ReaderEvent::Ended(error.to_string()),
                };
                if sender.send((event, follow.cursor().copied())).is_err() {
                    break;
                }
            }
        });
        Self { url, received, task: task.abort_handle() }
    }
}
