//! A stream of server-sent events of one node, read piece by piece.

use std::time::Duration;

use acklog_api::headers;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName};

use crate::endpoint::Dial;
use crate::node::{CallError, NodeClient};
use crate::sse::{BadEventStream, SseEvent, SseParser};

/// Longest time without a byte of a stream, after which the connection counts as lost. A node sends
/// something every 10 s. Shorter: a busy node is left. Longer: a node that vanished without a word
/// is noticed late.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A stream of events.
#[derive(Debug)]
pub(crate) struct SseStream {
    body: Incoming,
    parser: SseParser,
    /// Longest time without a byte.
    patience: Duration,
}

impl SseStream {
    /// Asks a node for a stream that is never silent for longer than `patience`, its head included,
    /// and whose events have at most `max` bytes. `None` where the answer is no stream of events.
    ///
    /// # Errors
    /// When the node refuses, or cannot be reached.
    pub(crate) async fn open<D: Dial>(
        node: &mut NodeClient<D>,
        path: &str,
        lines: &[(HeaderName, &str)],
        (patience, max): (Duration, usize),
    ) -> Result<Option<Self>, CallError> {
        let response = node.stream(path, lines, patience).await?;
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(headers::TEXT_EVENT_STREAM.as_bytes()));
        let parser = SseParser::of(max);
        Ok(is_stream.then(|| Self { body: response.into_body(), parser, patience }))
    }

    /// Hands out each event that is complete with the next piece, perhaps none. Returns whether the
    /// stream goes on: it does not where the node ended it. Cancel safe.
    ///
    /// # Errors
    /// When the connection breaks or is silent for too long, no node sends this, or `take` fails.
    pub(crate) async fn next<D: Dial, E: From<CallError> + From<BadEventStream>>(
        &mut self,
        node: &NodeClient<D>,
        take: impl FnMut(SseEvent<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        match node.next_piece_within(&mut self.body, self.patience).await? {
            Some(piece) => self.parser.add(&piece, take).map(|()| true),
            None => Ok(false),
        }
    }
}
