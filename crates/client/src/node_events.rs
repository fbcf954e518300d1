//! What a node tells at `/events`, item by item.

mod reconnecting;

use std::collections::VecDeque;
use std::time::Duration;

use acklog_api::{EventsRequest, headers};
use hyper::header::ACCEPT;
use thiserror::Error;

pub use self::reconnecting::{DialedEvents, EventsDialer};
use crate::endpoint::{Dial, Endpoint};
use crate::node::{CallError, NodeClient};
use crate::sse::BadEventStream;
use crate::sse_stream::{SILENCE_MAX, SseStream};

/// Longest time without a byte of a node that tells its state, once a second, after which the
/// connection counts as lost. Shorter: a busy node counts as gone. Longer: one that hangs is shown
/// as if it lived.
const STATE_SILENCE_MAX: Duration = Duration::from_secs(5);

/// Longest event, in bytes. The longest that nodes send are lists of 200 texts of 200 characters.
/// Smaller: events of later versions do not fit. Larger: whoever answers in a node's place takes up
/// more memory.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Returns the longest time without a byte of what is requested, after which the connection counts
/// as lost: 5 s where the node tells its state, else 30 s.
pub const fn events_silence_max(request: EventsRequest) -> Duration {
    if request.state { STATE_SILENCE_MAX } else { SILENCE_MAX }
}

/// An item of a node's events, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamedItem {
    /// The name of the event; empty for one without a name, whose data is an
    /// [`EventBody`](acklog_api::EventBody).
    pub name: String,
    /// The data: JSON on one line.
    pub data: String,
}

/// The reason why a node's events cannot be read any further.
#[derive(Debug, Error)]
pub enum NodeEventsError {
    /// The node refuses, cannot be reached, or fell silent.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer is broken.
    #[error(transparent)]
    Stream(#[from] BadEventStream),
    /// The answer is no stream of events.
    #[error("{0} answers with no stream of events: is this a node of acklog?")]
    NoStream(Endpoint),
    /// The node ended the stream: it stops, or something in between ends connections.
    #[error("{0} ended the stream")]
    Ended(Endpoint),
}

/// The events of one node: its `GET /events`, read in order until the connection ends.
/// [`EventsDialer`] connects again.
///
/// Nothing is read before it is asked for, so a slow reader slows the node's stream, and the node
/// tells what it missed. Dropping it closes the connection.
#[derive(Debug)]
pub struct NodeEvents<D = Endpoint> {
    node: NodeClient<D>,
    stream: SseStream,
    /// Items that came with others, and are not handed out yet.
    ready: VecDeque<StreamedItem>,
}

impl<D: Dial> NodeEvents<D> {
    /// Asks a node for its events. A node that is silent for longer than
    /// [`events_silence_max`] is left.
    ///
    /// # Errors
    /// When the node refuses, cannot be reached, or answers something else.
    pub async fn open(target: D, request: EventsRequest) -> Result<Self, NodeEventsError> {
        let mut node = NodeClient::new(target);
        let lines = [(ACCEPT, headers::TEXT_EVENT_STREAM)];
        let limits = (events_silence_max(request), EVENT_BYTES_MAX);
        match SseStream::open(&mut node, &request.path(), &lines, limits).await? {
            Some(stream) => Ok(Self { node, stream, ready: VecDeque::new() }),
            None => Err(NodeEventsError::NoStream(node.target().endpoint().clone())),
        }
    }

    /// Returns the next item. Cancel safe.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes for too long, the node ends the stream, or no node
    /// sends this. Nothing follows an error.
    pub async fn next(&mut self) -> Result<StreamedItem, NodeEventsError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            self.read().await?;
        }
    }

    /// Returns the items that are there, at least one, for a reader that passes them on together.
    /// Cancel safe.
    ///
    /// # Errors
    /// As [`NodeEvents::next`].
    pub async fn next_items(&mut self) -> Result<VecDeque<StreamedItem>, NodeEventsError> {
        while self.ready.is_empty() {
            self.read().await?;
        }
        Ok(std::mem::take(&mut self.ready))
    }

    /// Reads the next piece of the stream.
    async fn read(&mut self) -> Result<(), NodeEventsError> {
        let ready = &mut self.ready;
        let goes_on = self.stream.next(&self.node, |event| {
            ready.push_back(StreamedItem { name: event.name.into(), data: event.data.into() });
            Ok::<_, NodeEventsError>(())
        });
        match goes_on.await? {
            true => Ok(()),
            false => Err(NodeEventsError::Ended(self.node.target().endpoint().clone())),
        }
    }
}

#[cfg(test)]
mod tests;
