//! Bodies: what comes in, bounded in size, in total and in idle time, and what goes out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::timeout;

use super::problem::Problem;
use super::read::MessageStream;
use crate::log::ReadError;

/// How many bytes of JSON one byte of a message can need: `\u0000`.
const JSON_BYTES_PER_BYTE: usize = 6;

/// Room in a body for everything besides the message, in bytes: names of members, numbers, white
/// space.
const BODY_BYTES_BESIDES: usize = 4096;

/// Most bytes of all request bodies that are being received, together. Smaller: few senders of the
/// largest messages at a time. Larger: hostile senders take that much memory, twice while a buffer
/// grows.
const BODIES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long a sender may send nothing in the middle of a body, in time. Shorter: bad lines lose
/// their requests. Longer: silent senders hold their share of [`BODIES_BYTES_MAX`].
const BODY_IDLE_MAX: Duration = Duration::from_secs(10);

/// What request bodies may be, for all threads of a server together. A clone shares the total.
#[derive(Clone, Debug)]
pub(super) struct BodyLimits {
    /// Longest message, in bytes of the decoded string.
    pub(super) message_bytes: usize,
    /// Longest body, in bytes.
    body_bytes: usize,
    /// Most bytes of all bodies together; never less than one body's.
    total_bytes: usize,
    /// Bytes of the bodies that are being received now.
    charged: Arc<AtomicUsize>,
}

/// A whole body, and its share of the total, which is given back when this is dropped.
pub(super) struct Collected {
    /// The body.
    pub(super) bytes: Bytes,
    _charge: Option<Charge>,
}

/// A share of the total.
struct Charge {
    bytes: usize,
    charged: Arc<AtomicUsize>,
}

impl BodyLimits {
    /// The limits that follow from the longest message, in bytes.
    pub(super) fn new(message_bytes: usize) -> Self {
        let body_bytes = JSON_BYTES_PER_BYTE * message_bytes + BODY_BYTES_BESIDES;
        Self {
            message_bytes,
            body_bytes,
            total_bytes: BODIES_BYTES_MAX.max(body_bytes),
            charged: Arc::default(),
        }
    }

    /// Reads a body to its end.
    ///
    /// A body that comes in one piece is not counted in the total: it is parsed before anything
    /// else runs on its thread. Bodies never wait for each other, so they cannot lock each other
    /// out; one that finds no room is given up. Dropping the future gives back what it held.
    ///
    /// # Errors
    /// When the body is too long, idle for too long or broken off, or all bodies together are too
    /// long.
    pub(super) async fn collect<B>(&self, mut body: B) -> Result<Collected, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // The announced length, or at least 0; it is compared, never allocated.
        if body.size_hint().lower() > self.body_bytes as u64 {
            return Err(Problem::BodyTooLong { limit: self.body_bytes });
        }
        let first = self.chunk(&mut body, 0).await?.unwrap_or_default();
        if body.is_end_stream() {
            return Ok(Collected { bytes: first, _charge: None });
        }
        let mut charge = Charge { bytes: 0, charged: self.charged.clone() };
        charge.add(first.len(), self.total_bytes)?;
        let mut all = BytesMut::from(first);
        while let Some(chunk) = self.chunk(&mut body, all.len()).await? {
            charge.add(chunk.len(), self.total_bytes)?;
            all.extend_from_slice(&chunk);
        }
        Ok(Collected { bytes: all.freeze(), _charge: Some(charge) })
    }

    /// The next piece of a body of which there are `before` bytes already; none at its end.
    async fn chunk<B>(&self, body: &mut B, before: usize) -> Result<Option<Bytes>, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let frame = timeout(BODY_IDLE_MAX, body.frame())
            .await
            .map_err(|_| Problem::BodyIdle { seconds: BODY_IDLE_MAX.as_secs() })?;
        match frame.map(|frame| frame.map(Frame::into_data)) {
            None => Ok(None),
            Some(Err(_)) => Err(Problem::BodyBroken),
            // Trailers: they end the body, and nothing in them is of interest.
            Some(Ok(Err(_))) => Ok(None),
            Some(Ok(Ok(chunk))) if before + chunk.len() > self.body_bytes => {
                Err(Problem::BodyTooLong { limit: self.body_bytes })
            }
            Some(Ok(Ok(chunk))) => Ok(Some(chunk)),
        }
    }
}

impl Charge {
    /// Counts `bytes` more.
    fn add(&mut self, bytes: usize, total_bytes: usize) -> Result<(), Problem> {
        // Relaxed: the number stands for itself, nothing else is read by it.
        let before = self.charged.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before.saturating_add(bytes) > total_bytes {
            return Err(Problem::TooManyBodies);
        }
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.charged.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The body of an answer.
pub(super) enum ResponseBody {
    /// The whole of it; none where it is empty or was sent.
    Full(Option<Bytes>),
    /// Messages, rendered as the client takes them. Boxed, since it is rare and several times as
    /// large.
    Messages(Box<MessageStream>),
}

impl ResponseBody {
    /// A body that is known as a whole.
    pub(super) fn full(bytes: Vec<u8>) -> Self {
        Self::Full((!bytes.is_empty()).then(|| bytes.into()))
    }
}

/// An error aborts the connection: what came before is cut off, and never looks like the end.
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Messages(stream) => {
                stream.poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Messages(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Messages(_) => SizeHint::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::Full;

    use super::*;

    /// A body that comes in pieces, and then ends or says nothing more.
    struct Pieces {
        pieces: VecDeque<Bytes>,
        stalls: bool,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.pieces.pop_front() {
                None if self.stalls => Poll::Pending,
                piece => Poll::Ready(piece.map(|piece| Ok(Frame::data(piece)))),
            }
        }
    }

    fn pieces(count: usize, bytes: usize, stalls: bool) -> Pieces {
        Pieces { pieces: (0..count).map(|_| Bytes::from(vec![b'x'; bytes])).collect(), stalls }
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_taken_as_it_is() {
        let limits = BodyLimits::new(100);
        let sent = Bytes::from_static(b"{}");
        let got = limits.collect(Full::new(sent.clone())).await.ok().unwrap();
        assert_eq!(got.bytes.as_ptr(), sent.as_ptr());
        assert!(limits.collect(Full::new(Bytes::new())).await.ok().unwrap().bytes.is_empty());
    }

    #[tokio::test]
    async fn reading_stops_where_the_limit_is() {
        let limits = BodyLimits::new(100);
        let limit = 600 + 4096;
        let problem = Problem::BodyTooLong { limit };
        assert_eq!(limits.collect(pieces(limit, 1, false)).await.ok().unwrap().bytes.len(), limit);
        // Not announced: it stalls after the limit, and the answer comes all the same.
        assert_eq!(limits.collect(pieces(limit + 1, 1, true)).await.err(), Some(problem.clone()));
        let announced = Full::new(Bytes::from(vec![0; limit + 1]));
        assert_eq!(limits.collect(announced).await.err(), Some(problem));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_falls_silent_is_told_so() {
        let limits = BodyLimits::new(100);
        let got = limits.collect(pieces(3, 10, true)).await;
        assert_eq!(got.err(), Some(Problem::BodyIdle { seconds: 10 }));
        assert_eq!(limits.charged.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_give_back_what_they_held() {
        let limits = BodyLimits { total_bytes: 5000, ..BodyLimits::new(100) };
        let held = limits.collect(pieces(2, 2000, false)).await.ok().unwrap();
        assert_eq!(limits.charged.load(Ordering::Relaxed), 4000);
        let refused = limits.collect(pieces(2, 2000, false)).await;
        assert_eq!(refused.err(), Some(Problem::TooManyBodies));
        assert_eq!(limits.charged.load(Ordering::Relaxed), 4000);
        drop(held);
        assert!(limits.collect(pieces(2, 2000, false)).await.is_ok());
        assert_eq!(limits.charged.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_largest_body_always_has_room() {
        for message_bytes in [1, 1024 * 1024, 1024 * 1024 * 1024] {
            let limits = BodyLimits::new(message_bytes);
            assert!(limits.total_bytes >= limits.body_bytes);
        }
    }
}
