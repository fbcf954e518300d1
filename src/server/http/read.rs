//! `GET /messages` and `GET /messages/<id>`: the log as JSON.
//!
//! A listing is one array, or one object per line where the client prefers that ([`accept`]).
//!
//! The end of a listing is fixed when the request begins. A listing is rendered page by page as the
//! client reads it, so that it never needs more memory than one page, or one long message, however
//! long the log and its batches are. All listings share a memory budget ([`ListingRoom`]), and one
//! that finds it used up waits. Pages that lie in files are read on threads that may wait for the
//! disk: a slow one delays only the client that asked.

mod accept;

use std::future::poll_fn;

use acklog_api::headers;
use acklog_log::LogReader;
use acklog_protocol::Receipt;
use acklog_types::{IdRange, LogEnd, MessageId};
use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};

use super::accepted::write_acks;
use super::listing::{ListingForm, ListingRoom, MessageStream};
use super::problem::RequestProblem;
use super::response::{APPLICATION_JSON, ResponseBody};

/// The content type of a listing in lines.
const APPLICATION_NDJSON: HeaderValue = HeaderValue::from_static(headers::APPLICATION_NDJSON);

/// The part of the log that a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListingSelection {
    /// The first id.
    pub(super) from: u64,
    /// Most messages.
    pub(super) limit: u64,
}

impl ListingSelection {
    /// The whole log.
    pub(super) const ALL: Self = Self { from: 0, limit: u64::MAX };
}

/// Answers with a listing of the log, in the form that the request's headers ask for.
///
/// # Errors
/// When its beginning cannot be read.
pub(super) async fn messages(
    (log, room): (&LogReader, &ListingRoom),
    selection: ListingSelection,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let lines = accept::prefers_lines(headers.get_all(ACCEPT));
    let (form, content_type) = if lines {
        (ListingForm::LINES, APPLICATION_NDJSON)
    } else {
        (ListingForm::ARRAY, APPLICATION_JSON)
    };
    let end = log.durable_end();
    let until = LogEnd::new(selection.from.saturating_add(selection.limit)).min(end);
    let from = LogEnd::new(selection.from).min(until);
    let stream = MessageStream::new(log.clone(), room.clone(), IdRange::new(from, until), form);
    let mut response = respond(stream, content_type).await?;
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Answers with one message, as an object.
///
/// # Errors
/// When the node does not show a message of that id, or cannot read it.
pub(super) async fn message(
    (log, room): (&LogReader, &ListingRoom),
    id: u64,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let end = log.durable_end();
    if id >= end.get() {
        return Err(RequestProblem::NoMessage { end });
    }
    one((log, room), MessageId::new(id), &[]).await
}

/// Answers with one message and the nodes that have it, as an object.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn acked_message(
    (log, room): (&LogReader, &ListingRoom),
    receipt: &Receipt,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let mut tail = b",".to_vec();
    write_acks(&mut tail, receipt);
    one((log, room), receipt.id, &tail).await
}

async fn one(
    (log, room): (&LogReader, &ListingRoom),
    id: MessageId,
    members: &[u8],
) -> Result<Response<ResponseBody>, RequestProblem> {
    let form = ListingForm::object(members);
    respond(MessageStream::one(log.clone(), room.clone(), id, form), APPLICATION_JSON).await
}

/// Answers with the whole stream and its length if it fits in one page; otherwise streams it.
async fn respond(
    mut stream: MessageStream,
    content_type: HeaderValue,
) -> Result<Response<ResponseBody>, RequestProblem> {
    let first = poll_fn(|cx| stream.poll_render(cx)).await?;
    let body = if stream.is_done() {
        ResponseBody::Full((!first.is_empty()).then_some(first))
    } else {
        stream.put_back(first);
        ResponseBody::pieces(stream)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

#[cfg(test)]
mod tests;
