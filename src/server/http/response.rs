//! The bodies of answers, and answers that are one JSON value.

use std::pin::Pin;
use std::task::{Context, Poll};

use acklog_api::headers;
use acklog_log::ReadError;
use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::connections::Busy;
use super::listing::MessageStream;

/// The content type of every answer that is not a problem, except listings in lines.
pub(super) const APPLICATION_JSON: HeaderValue =
    HeaderValue::from_static(headers::APPLICATION_JSON);

/// Returns an answer with this value as JSON and status 200.
pub(super) fn json_response(value: &impl Serialize) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(to_json(value)));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Returns an answer with this JSON and status 200.
pub(super) fn ready_made_json(json: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Full(Some(Bytes::from_static(json.as_bytes()))));
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

/// Returns a value as the body of an answer, with a line feed at its end.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(value).expect("numbers and strings always have a JSON form");
    body.push(b'\n');
    body
}

/// A body that is made in pieces as the client takes them.
pub(super) trait BodyPieces {
    /// Returns the next piece; none at the end. Nothing follows an error, which aborts the
    /// connection.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>>;
}

impl BodyPieces for MessageStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        self.poll_chunk(cx)
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
    pub(super) fn hold(&mut self, busy: Busy) {
        match self {
            // It is complete, but for the writing.
            Self::Full(_) => drop(busy),
            Self::Pieces(_, held) => *held = Some(busy),
        }
    }

    /// Creates a body that is known as a whole.
    pub(super) fn full(bytes: Vec<u8>) -> Self {
        Self::Full((!bytes.is_empty()).then(|| bytes.into()))
    }
}

/// An error aborts the connection: an incomplete body never looks complete.
impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
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
