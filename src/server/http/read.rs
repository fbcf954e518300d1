//! `GET /messages` and `GET /messages/<id>`: the log as JSON.
//!
//! A listing is one array, or one object per line where the client prefers that ([`accept`]). It
//! may wait for its first message (long poll). A stream follows the log, in lines or as server-sent
//! events.
//!
//! The end of a listing is fixed when the request begins. A listing is rendered page by page as the
//! client reads it, so that it never needs more memory than one page, or one long message, however
//! long the log and its batches are. All listings share a memory budget ([`ListingRoom`]), and one
//! that finds it used up waits. Pages that lie in files are read on threads that may wait for the
//! disk: a slow one delays only the client that asked.

mod accept;
mod view;

use std::future::poll_fn;

use acklog_log::LogReader;
use acklog_protocol::Receipt;
use acklog_types::{LogEnd, MessageId};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

pub(super) use self::view::LogView;
use super::accepted::write_acks;
use super::listing::{ListingForm, ListingRoom, MessageStream};
use super::problem::RequestProblem;
use super::response::{APPLICATION_JSON, ResponseBody};

/// Answers with one message below the end of what is shown, as an object.
///
/// # Errors
/// When the id is not below that end, or the message cannot be read.
async fn message(
    (log, room): (&LogReader, &ListingRoom),
    end: LogEnd,
    id: u64,
) -> Result<Response<ResponseBody>, RequestProblem> {
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
