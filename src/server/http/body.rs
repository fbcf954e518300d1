//! Reads the bodies of requests, bounded in size, in total and in idle time.

mod partial_line;
#[cfg(test)]
pub(super) mod sent;
mod unannounced;

use std::sync::Arc;
use std::time::Duration;

use acklog_types::{Budget, Share};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use tokio::time::timeout;

use self::partial_line::IdleLines;
pub(super) use self::partial_line::PartialLine;
use self::unannounced::{UnannouncedBodies, Yield};
use super::problem::RequestProblem;

/// Most bytes of JSON that one byte of a message can need: `\u0000`.
const JSON_BYTES_PER_BYTE: usize = 6;

/// Bytes of a body besides the message: names of members, numbers, white space.
const BODY_BYTES_BESIDES: usize = 4096;

/// Most bytes of all request bodies, from their announcement until the core task has taken their
/// messages. Smaller: few clients can send the largest messages at a time. Larger: hostile clients
/// take up that much memory, twice while a body is parsed.
const BODIES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest body that counts as small, in bytes.
const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of all small bodies; beyond it they share the budget of the others. Smaller: a few
/// hundred slow clients with small messages use it up. Larger: it adds to the worst case.
const SMALL_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most bytes of answers, and of what becomes one, that wait in all append streams together; a
/// stream with few lines is not charged. Smaller: fewer streams can have many lines under way.
/// Larger: clients that take no answers hold that much memory.
const STREAM_ANSWERS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest pause of a client inside a body. Shorter: clients that share a slow line, where one is
/// starved for a while, lose their requests. Longer: silent clients hold their share of
/// [`BODIES_BYTES_MAX`]. A line of an append stream may pause for longer, until its share is
/// needed.
const BODY_IDLE_MAX: Duration = Duration::from_secs(30);

/// Least bytes of a refused body that are discarded, so that its client can read the answer: twice
/// the longest body at the default message size.
const DISCARDED_BYTES_MIN: usize = 2 * (JSON_BYTES_PER_BYTE * 1024 * 1024 + BODY_BYTES_BESIDES);

/// The limits of request bodies, for all threads of a server together. A clone shares the totals.
#[derive(Clone, Debug)]
pub(super) struct BodyLimits {
    /// Longest message, in bytes of the decoded string.
    pub(super) message_bytes: usize,
    /// Longest body, in bytes.
    body_bytes: usize,
    small: Budget,
    /// At least one longest body fits.
    all: Budget,
    /// The bodies whose length was not announced.
    unannounced: Arc<UnannouncedBodies>,
    /// The memory of beginnings of lines that bodies may take.
    idle_lines: Arc<IdleLines>,
    /// The answers of append streams that wait.
    pub(super) stream_answers: Budget,
}

/// A whole body, and the memory that it is charged for until that is dropped.
pub(super) struct Collected {
    /// The body.
    pub(super) bytes: Bytes,
    /// The bytes that it holds of a budget; none where the body is empty.
    pub(super) share: Option<Share>,
}

impl BodyLimits {
    /// Creates the limits that follow from the longest message, in bytes.
    pub(super) fn new(message_bytes: usize) -> Self {
        let body_bytes = JSON_BYTES_PER_BYTE * message_bytes + BODY_BYTES_BESIDES;
        Self {
            message_bytes,
            body_bytes,
            small: Budget::new(SMALL_BODIES_BYTES_MAX),
            all: Budget::new(BODIES_BYTES_MAX.max(body_bytes)),
            unannounced: Arc::default(),
            idle_lines: Arc::default(),
            stream_answers: Budget::new(STREAM_ANSWERS_BYTES_MAX),
        }
    }

    /// Returns how many bytes of a refused body are discarded at most.
    pub(super) fn discarded_bytes(&self) -> usize {
        (2 * self.body_bytes).max(DISCARDED_BYTES_MIN)
    }

    /// Reads a body to its end.
    ///
    /// A body of announced length gets its share of the budget before its first byte is read, or is
    /// refused at once. One without a length takes its share as it arrives; when the budget is used
    /// up, the youngest of these bodies is aborted. Dropping the future frees the share.
    ///
    /// # Errors
    /// When the body is too long, idle for too long or broken off, or when the budget is used up.
    pub(super) async fn collect<B>(&self, body: B) -> Result<Collected, RequestProblem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let hint = body.size_hint();
        // The announced length, or at least 0.
        if hint.lower() > self.body_bytes as u64 {
            return Err(self.body_too_long());
        }
        match hint.exact() {
            Some(0) => Ok(Collected { bytes: Bytes::new(), share: None }),
            Some(bytes) => self.collect_announced(body, bytes as usize).await,
            None => self.collect_unannounced(body).await,
        }
    }

    async fn collect_announced<B>(
        &self,
        mut body: B,
        bytes: usize,
    ) -> Result<Collected, RequestProblem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut share = None;
        if !self.hold(&mut share, bytes) {
            return Err(RequestProblem::TooManyBodies);
        }
        let first = self.chunk(&mut body, 0).await?.unwrap_or_default();
        if body.is_end_stream() {
            return Ok(Collected { bytes: first, share });
        }
        let mut all = BytesMut::with_capacity(bytes);
        all.extend_from_slice(&first);
        drop(first);
        while let Some(chunk) = self.chunk(&mut body, all.len()).await? {
            all.extend_from_slice(&chunk);
        }
        Ok(Collected { bytes: all.freeze(), share })
    }

    async fn collect_unannounced<B>(&self, mut body: B) -> Result<Collected, RequestProblem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // The place is dropped last, so that a body that waits for it finds the memory free.
        let place = self.unannounced.enter();
        let mut share = None;
        let mut all = BytesMut::new();
        loop {
            let chunk = tokio::select! {
                biased;
                () = place.given_up() => return Err(RequestProblem::TooManyBodies),
                chunk = self.chunk(&mut body, all.len()) => chunk?,
            };
            let Some(chunk) = chunk else {
                return Ok(Collected { bytes: all.freeze(), share });
            };
            let bytes = all.len() + chunk.len();
            while !self.hold(&mut share, bytes) {
                match place.ask_for_room(|| self.hold(&mut share, bytes)).await {
                    Yield::Other => {}
                    Yield::This => return Err(RequestProblem::TooManyBodies),
                }
            }
            all.extend_from_slice(&chunk);
        }
    }

    /// Returns the longest body, in bytes.
    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Returns the problem of a longer one.
    pub(super) fn body_too_long(&self) -> RequestProblem {
        RequestProblem::BodyTooLong { limit: self.body_bytes }
    }

    /// Raises a body's share to `bytes` bytes. Returns whether they were free, or could be taken
    /// from lines that are idle.
    pub(super) fn hold(&self, share: &mut Option<Share>, bytes: usize) -> bool {
        loop {
            let is_held = (bytes <= SMALL_BODY_BYTES_MAX && self.small.hold(share, bytes))
                || self.all.hold(share, bytes);
            if is_held || !self.idle_lines.give_up_one() {
                return is_held;
            }
        }
    }

    /// Returns the next piece of a body of which `before` bytes have arrived; none at its end.
    async fn chunk<B>(&self, body: &mut B, before: usize) -> Result<Option<Bytes>, RequestProblem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let frame = timeout(BODY_IDLE_MAX, body.frame())
            .await
            .map_err(|_| RequestProblem::BodyIdle { seconds: BODY_IDLE_MAX.as_secs() })?;
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None => Ok(None),
            Some(Err(_)) => Err(RequestProblem::BodyBroken),
            // Trailers end the body; their content is ignored.
            Some(Ok(Err(_))) => Ok(None),
            Some(Ok(Ok(chunk))) if before + chunk.len() > self.body_bytes => {
                Err(self.body_too_long())
            }
            Some(Ok(Ok(chunk))) => Ok(Some(chunk)),
        }
    }
}

#[cfg(test)]
mod tests;
