//! The bodies of answers, and answers that are one JSON value.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use acklog_api::headers;
use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::connections::Busy;
use super::listing::MessageStream;

/// The content type of every answer that is not a problem, except listings in lines.
pub(super) const APPLICATION_JSON: HeaderValue =
    HeaderValue::from_static(headers::APPLICATION_JSON);

/// The content type of an answer of one JSON object a line.
pub(super) const APPLICATION_NDJSON: HeaderValue =
    HeaderValue::from_static(headers::APPLICATION_NDJSON);

/// Returns an answer with this value as JSON and status 200.
pub(super) fn json_response(value: &impl Serialize) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(to_json(value)));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Returns an answer with this JSON and status 200.
pub(super) fn ready_made_json(json: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(Bytes::from_static(json.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Returns an answer of this type that is made while the client takes it, and asks proxies to pass
/// each piece on.
pub(super) fn streamed(content_type: HeaderValue, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, content_type);
    let buffering = HeaderName::from_static(headers::X_ACCEL_BUFFERING);
    answer.insert(buffering, HeaderValue::from_static("no"));
    response
}

/// Returns a value as the body of an answer, with a line feed at its end.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(value).expect("numbers and strings always have a JSON form");
    body.push(b'\n');
    body
}

/// The reason why a body ends before its end.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is made in pieces as the client takes them.
pub(super) trait BodyPieces {
    /// Returns whether the rest of the request is read while the pieces are made.
    fn reads_request(&self) -> bool {
        false
    }

    /// Returns whether the body must know whether its client is there, since it may be silent for
    /// long, or [reads the request](Self::reads_request).
    fn attends(&self) -> bool {
        self.reads_request()
    }

    /// Begins a body that [attends](Self::attends): its connection is known from here on.
    fn begin(&mut self, _attendance: Attendance) {}

    /// Returns the next piece; none at the end.
    ///
    /// # Errors
    /// When it cannot be continued. Nothing follows an error, which aborts the connection.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;
}

impl BodyPieces for MessageStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.poll_chunk(cx).map_err(Into::into)
    }
}

/// The connection of a body that must know whether its client is there.
pub(super) struct Attendance {
    /// Whether the client is there.
    pub(super) presence: Box<dyn Presence>,
    /// Cancelled when the server stops.
    pub(super) closing: CancellationToken,
}

/// Finds out whether a client is there that sends nothing more.
pub(super) trait Presence {
    /// Returns that something should be sent now, to find out. Pending while there is no doubt.
    ///
    /// # Errors
    /// When the client is gone.
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Before a body has begun there is no doubt.
impl Presence for Option<Box<dyn Presence>> {
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_mut().map_or(Poll::Pending, |presence| presence.poll_probe(cx))
    }
}

/// The body of an answer.
pub(super) enum ResponseBody {
    /// A whole body; none where it is empty or was sent.
    Full(Option<Bytes>),
    /// Pieces that are made as the client reads them.
    Pieces(Box<dyn BodyPieces>, Option<Busy>),
}

impl ResponseBody {
    /// Creates a body whose pieces are made as the client reads them.
    pub(super) fn pieces(pieces: impl BodyPieces + 'static) -> Self {
        Self::Pieces(Box::new(pieces), None)
    }

    /// Keeps the connection busy until the answer is complete.
    pub(super) fn attend(
        &mut self,
        busy: Busy,
        presence: impl FnOnce() -> Box<dyn Presence>,
        closing: &CancellationToken,
    ) {
        match self {
            // It is complete, but for the writing.
            Self::Full(_) => drop(busy),
            Self::Pieces(pieces, held) => {
                *held = Some(busy);
                if pieces.attends() {
                    let closing = closing.clone();
                    pieces.begin(Attendance { presence: presence(), closing });
                }
            }
        }
    }

    /// Returns whether the rest of the request is read while the answer is sent.
    pub(super) fn reads_request(&self) -> bool {
        matches!(self, Self::Pieces(pieces, _) if pieces.reads_request())
    }

    /// Creates a body that is known as a whole.
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

/// An error aborts the connection: an incomplete body never looks complete.
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces, _) => {
                pieces.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Pieces(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Pieces(..) => SizeHint::new(),
        }
    }
}
