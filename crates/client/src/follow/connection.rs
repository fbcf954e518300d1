//! One stream of one node.

use acklog_api::{headers, paths, query};
use acklog_types::WriteConcern;
use hyper::header::{ACCEPT, HeaderName};
use thiserror::Error;

use super::events::{BadFollowStream, FollowEvent};
use crate::endpoint::Dial;
use crate::lines::LINE_BYTES_MAX;
use crate::node::{CallError, NodeClient};
use crate::sse::BadEventStream;
use crate::sse_stream::{SILENCE_MAX, SseStream};

/// A stream to ask for.
#[derive(Clone, Debug, Default)]
pub struct FollowRequest {
    /// The name and the value of the query parameter that says where it begins.
    pub begin: Option<(&'static str, String)>,
    /// The cursor that it begins behind.
    pub last_event_id: Option<String>,
    /// The number of nodes that must have a message before it is shown.
    pub read_concern: Option<WriteConcern>,
}

/// The reason why a stream ended early.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The connection broke, or the node refuses.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is no stream of a node.
    #[error(transparent)]
    Stream(#[from] BadFollowStream),
    /// The answer is no stream of events.
    #[error("the answer is no stream of events: is this a node that can be followed?")]
    NoStream,
}

/// A stream of one node that is read piece by piece.
#[derive(Debug)]
pub struct EventStream(SseStream);

impl From<BadEventStream> for FollowError {
    fn from(error: BadEventStream) -> Self {
        Self::Stream(error.into())
    }
}

impl FollowRequest {
    fn path(&self) -> String {
        let mut parameters = Vec::new();
        if let Some((name, value)) = &self.begin {
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            parameters.push(format!("{name}={value}"));
        }
        if let Some(concern) = self.read_concern {
            parameters.push(format!("{}={concern}", query::READ_CONCERN));
        }
        match parameters.is_empty() {
            true => paths::MESSAGES.to_owned(),
            false => format!("{}?{}", paths::MESSAGES, parameters.join("&")),
        }
    }
}

impl EventStream {
    /// Asks a node for a stream.
    ///
    /// # Errors
    /// When the node refuses, cannot be reached, or answers something else.
    pub async fn open<D: Dial>(
        node: &mut NodeClient<D>,
        request: &FollowRequest,
    ) -> Result<Self, FollowError> {
        let mut lines = vec![(ACCEPT, headers::TEXT_EVENT_STREAM)];
        if let Some(id) = &request.last_event_id {
            lines.push((HeaderName::from_static(headers::LAST_EVENT_ID), id));
        }
        let opened =
            SseStream::open(node, &request.path(), &lines, (SILENCE_MAX, LINE_BYTES_MAX)).await?;
        opened.map(Self).ok_or(FollowError::NoStream)
    }

    /// Returns the events that are complete with the next piece, perhaps none; `None` where the
    /// node ended the stream.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes for [`SILENCE_MAX`], or no node sends this.
    pub async fn next<D: Dial>(
        &mut self,
        node: &NodeClient<D>,
    ) -> Result<Option<Vec<FollowEvent>>, FollowError> {
        let mut events = Vec::new();
        let goes_on = self.0.next(node, |event| {
            events.push(FollowEvent::of(event)?);
            Ok::<_, FollowError>(())
        });
        Ok(goes_on.await?.then_some(events))
    }
}
