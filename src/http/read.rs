//! `GET /messages` and `GET /messages/<id>`: the log as JSON, in pieces.
//!
//! The end of a listing is fixed when the request begins. A listing is rendered page by page as the
//! client takes it, so that it never needs more than about a page's memory, however long the log
//! and its messages are. Pages that lie in files are read on threads that may wait for the disk: a
//! slow one holds up the client that asked, and nobody else.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::task::{JoinHandle, spawn_blocking};

use super::accepted::write_acks;
use super::body::ResponseBody;
use super::json;
use super::problem::Problem;
use crate::log::{LogReader, ReadError};
use crate::protocol::Receipt;
use crate::types::{IdRange, LogEnd, MessageId, Record, Records, Run};

/// The content type of every answer that is no problem.
pub(super) const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How much of the log is rendered at once, in bytes of records or of one message's text; the JSON
/// has up to six times as many. Smaller: more system calls a megabyte. Larger: each slow client
/// holds more memory, and each step keeps the thread's other connections waiting longer.
const PAGE_BYTES: usize = 64 * 1024;

/// Pages that are rendered in a row before other connections of the thread get their turn: a client
/// that takes a long log as fast as it comes must not starve senders.
const PAGES_IN_A_ROW: u32 = 4;

/// Bytes of JSON around a short message, at most; a guess that saves growing the buffer.
const FRAME_BYTES: usize = 48;

/// Which part of the log a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// The first id.
    pub(super) from: u64,
    /// Most messages.
    pub(super) limit: u64,
}

impl Selection {
    /// Everything.
    pub(super) const ALL: Self = Self { from: 0, limit: u64::MAX };
}

/// A listing of the log, as an array.
///
/// # Errors
/// When its beginning cannot be read.
pub(super) async fn messages(
    log: &LogReader,
    selection: Selection,
) -> Result<Response<ResponseBody>, Problem> {
    let end = log.durable_end();
    let until = LogEnd::new(selection.from.saturating_add(selection.limit)).min(end);
    let from = LogEnd::new(selection.from).min(until);
    respond(MessageStream::new(log.clone(), IdRange::new(from, until), true, Vec::new())).await
}

/// One message, as an object.
///
/// # Errors
/// When the node does not show a message of that id, or cannot read it.
pub(super) async fn message(log: &LogReader, id: u64) -> Result<Response<ResponseBody>, Problem> {
    let end = log.durable_end();
    if id >= end.get() {
        return Err(Problem::NoMessage { end });
    }
    one(log, MessageId::new(id), Vec::new()).await
}

/// One message, as an object that also tells who has it.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn acked_message(
    log: &LogReader,
    receipt: &Receipt,
) -> Result<Response<ResponseBody>, Problem> {
    let mut tail = b",".to_vec();
    write_acks(&mut tail, receipt);
    one(log, receipt.id, tail).await
}

async fn one(
    log: &LogReader,
    id: MessageId,
    tail: Vec<u8>,
) -> Result<Response<ResponseBody>, Problem> {
    let range = IdRange::new(id.before(), id.end());
    respond(MessageStream::new(log.clone(), range, false, tail)).await
}

/// What fits in one page goes out whole, with its length; the rest is streamed.
async fn respond(mut stream: MessageStream) -> Result<Response<ResponseBody>, Problem> {
    let first = poll_fn(|cx| stream.poll_render(cx)).await?;
    let body = if stream.is_done() {
        ResponseBody::full(first)
    } else {
        stream.ready = Some(first.into());
        ResponseBody::Messages(Box::new(stream))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    Ok(response)
}

/// Messages of the log as JSON, rendered a page at a time.
pub(super) struct MessageStream {
    log: LogReader,
    /// What is still to be read from the log.
    rest: IdRange,
    /// A page that is being read from a file.
    reading: Option<JoinHandle<Result<Records, ReadError>>>,
    /// The rest of a long message's text, whose beginning was rendered.
    text: Bytes,
    /// Whether the messages stand in an array, or there is one and it stands for itself.
    array: bool,
    /// What stands behind the text of a message that stands for itself.
    tail: Vec<u8>,
    progress: Progress,
    /// A page that was rendered before the body was asked for.
    ready: Option<Bytes>,
    /// Pages since other connections had their turn.
    in_a_row: u32,
    /// Why the rest cannot be read.
    failed: Option<ReadError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing is rendered.
    Beginning,
    /// A message is rendered, whole or, while `text` is not empty, in part.
    Inside,
    /// The last byte is rendered.
    Done,
}

impl MessageStream {
    fn new(log: LogReader, range: IdRange, array: bool, tail: Vec<u8>) -> Self {
        Self {
            log,
            rest: range,
            reading: None,
            text: Bytes::new(),
            array,
            tail,
            progress: Progress::Beginning,
            ready: None,
            in_a_row: 0,
            failed: None,
        }
    }

    fn is_done(&self) -> bool {
        self.progress == Progress::Done
    }

    /// The next piece; none at the end; an error where the log cannot be read.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        if let Some(ready) = self.ready.take() {
            return Poll::Ready(Some(Ok(ready)));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if self.is_done() {
            return Poll::Ready(None);
        }
        if self.in_a_row == PAGES_IN_A_ROW {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match ready!(self.poll_render(cx)) {
            Ok(page) => {
                self.in_a_row += 1;
                Poll::Ready(Some(Ok(page.into())))
            }
            Err(error) => {
                // Once what came before is on its way: an error drops all that was not written.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Renders about a page; never nothing.
    fn poll_render(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ReadError>> {
        let mut records = None;
        if self.text.is_empty() && !self.rest.is_empty() {
            match ready!(self.poll_records(cx)) {
                Ok(read) => records = Some(read),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(self.render(records)))
    }

    /// Reads the next page: here where it is in memory, and otherwise on a thread that may wait for the disk.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Result<Records, ReadError>> {
        let (from, until) = (self.rest.start(), self.rest.end());
        if self.reading.is_none() && self.log.is_recent(from) {
            return Poll::Ready(self.log.read(from, until, PAGE_BYTES));
        }
        let log = self.log.clone();
        let read = move || log.read(from, until, PAGE_BYTES);
        let reading = self.reading.get_or_insert_with(|| spawn_blocking(read));
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        // Cancelled when the node stops, and a panic ends the process.
        let stopped =
            |_| Err(ReadError { detail: "the node is stopping".to_owned(), is_passing: true });
        Poll::Ready(read.unwrap_or_else(stopped))
    }

    fn render(&mut self, records: Option<Records>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.progress == Progress::Beginning && self.array {
            out.push(b'[');
        }
        match records {
            Some(records) => self.render_page(&mut out, &records),
            None if !self.text.is_empty() => self.render_text(&mut out),
            None => {}
        }
        if self.text.is_empty() && self.rest.is_empty() {
            if self.array {
                out.push(b']');
            }
            self.progress = Progress::Done;
        }
        out
    }

    /// # Panics
    /// When the log does not have what it said that it has: that would be a bug of the log.
    fn render_page(&mut self, out: &mut Vec<u8>, records: &Records) {
        let range = records.range();
        assert!(!range.is_empty(), "the log lacks message {}", self.rest.start());
        self.rest = self.rest.from(range.end());
        if records.bytes() > PAGE_BYTES {
            // A single long message: its text is shared with the log, and rendered in pieces.
            for record in records.iter() {
                self.begin_message(out, &record);
                self.text = records.as_bytes().slice_ref(record.text.as_bytes());
            }
            return self.render_text(out);
        }
        out.reserve(records.bytes() + range.len() as usize * FRAME_BYTES);
        for record in records.iter() {
            self.begin_message(out, &record);
            json::write_escaped(out, record.text.as_bytes());
            self.end_message(out);
        }
    }

    /// Everything of a message before its text, and the comma before it.
    fn begin_message(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        if self.progress == Progress::Inside {
            out.push(b',');
        }
        self.progress = Progress::Inside;
        out.extend_from_slice(b"{\"id\":");
        json::write_number(out, record.id.get());
        out.extend_from_slice(b",\"message\":\"");
    }

    /// The next piece of a long message's text, and what stands behind the last one.
    fn render_text(&mut self, out: &mut Vec<u8>) {
        let bytes = self.text.len().min(PAGE_BYTES);
        let piece = self.text.split_to(bytes);
        json::write_escaped(out, &piece);
        if !self.text.has_remaining() {
            self.end_message(out);
        }
    }

    /// Everything of a message behind its text.
    fn end_message(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(&self.tail);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
