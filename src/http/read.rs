//! `GET /messages` and `GET /messages/<id>`: the log as JSON, in pieces.
//!
//! The end of a listing is fixed when the request begins. A listing is rendered page by page as the
//! client takes it, so that it never needs more than about a page's memory, however long the log
//! and its messages are.

use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::body::ResponseBody;
use super::json;
use super::problem::{Problem, write_acks};
use crate::log::{LogReader, ReadError};
use crate::protocol::Receipt;
use crate::types::{IdRange, LogEnd, MessageId, Record, Run};

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
pub(super) fn messages(
    log: &LogReader,
    selection: Selection,
) -> Result<Response<ResponseBody>, Problem> {
    let end = log.durable_end();
    let until = LogEnd::new(selection.from.saturating_add(selection.limit)).min(end);
    let from = LogEnd::new(selection.from).min(until);
    respond(MessageStream::new(log.clone(), IdRange::new(from, until), true, Vec::new()))
}

/// One message, as an object.
///
/// # Errors
/// When the node does not show a message of that id, or cannot read it.
pub(super) fn message(log: &LogReader, id: u64) -> Result<Response<ResponseBody>, Problem> {
    let end = log.durable_end();
    if id >= end.get() {
        return Err(Problem::NoMessage { end });
    }
    one(log, MessageId::new(id), Vec::new())
}

/// One message, as an object that also tells who has it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn acked_message(
    log: &LogReader,
    receipt: &Receipt,
) -> Result<Response<ResponseBody>, Problem> {
    let mut tail = b",".to_vec();
    write_acks(&mut tail, receipt);
    one(log, receipt.id, tail)
}

fn one(log: &LogReader, id: MessageId, tail: Vec<u8>) -> Result<Response<ResponseBody>, Problem> {
    let range = IdRange::new(id.before(), id.end());
    respond(MessageStream::new(log.clone(), range, false, tail))
}

/// What fits in one page goes out whole, with its length; the rest is streamed.
fn respond(mut stream: MessageStream) -> Result<Response<ResponseBody>, Problem> {
    let first = stream.render()?;
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
        self.in_a_row += 1;
        match self.render() {
            Ok(page) => Poll::Ready(Some(Ok(page.into()))),
            Err(error) => {
                // Once what came before is on its way: an error drops all that was not written.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Renders about a page; never nothing.
    ///
    /// # Panics
    /// When the log does not have what it said that it has: that would be a bug of the log.
    fn render(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut out = Vec::new();
        if self.progress == Progress::Beginning && self.array {
            out.push(b'[');
        }
        if !self.text.is_empty() {
            self.render_text(&mut out);
        } else if !self.rest.is_empty() {
            self.render_page(&mut out)?;
        }
        if self.text.is_empty() && self.rest.is_empty() {
            if self.array {
                out.push(b']');
            }
            self.progress = Progress::Done;
        }
        Ok(out)
    }

    fn render_page(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let records = self.log.read(self.rest.start(), self.rest.end(), PAGE_BYTES)?;
        let range = records.range();
        assert!(!range.is_empty(), "the log lacks message {}", self.rest.start());
        self.rest = self.rest.from(range.end());
        if records.bytes() > PAGE_BYTES {
            // A single long message: its text is shared with the log, and rendered in pieces.
            for record in records.iter() {
                self.begin_message(out, &record);
                self.text = records.as_bytes().slice_ref(record.text.as_bytes());
            }
            self.render_text(out);
            return Ok(());
        }
        out.reserve(records.bytes() + range.len() as usize * FRAME_BYTES);
        for record in records.iter() {
            self.begin_message(out, &record);
            json::write_escaped(out, record.text.as_bytes());
            self.end_message(out);
        }
        Ok(())
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
mod tests {
    use std::task::Waker;

    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::log::{LogWriter, in_memory};

    fn log_of(texts: &[String]) -> (LogWriter, LogReader) {
        let (mut writer, reader) = in_memory();
        for text in texts {
            writer.append(0, None, text);
        }
        writer.flush();
        (writer, reader)
    }

    fn expected(texts: &[String]) -> Value {
        let row = |(id, text)| json!({"id": id, "message": text});
        texts.iter().enumerate().map(row).collect()
    }

    async fn text(response: Response<ResponseBody>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Several megabytes of all sorts of texts, some of them longer than a page.
    fn texts() -> Vec<String> {
        let specials = ["Msg", "\"\\/\u{1}\u{1f}\n\t", "Повідомлення", "🦀\u{2028}", "x"];
        let text = |n: usize| {
            let special = specials[n % specials.len()];
            let repeats = if n % 700 == 3 { 60_000 } else { n % 97 };
            format!("{n} {}", special.repeat(repeats))
        };
        (0..5000).map(text).collect()
    }

    #[tokio::test]
    async fn a_streamed_log_equals_what_serde_json_writes() {
        let texts = texts();
        let (_writer, log) = log_of(&texts);
        let got = text(messages(&log, Selection::ALL).unwrap()).await;
        assert!(got.len() > 4_000_000);
        assert!(got == serde_json::to_string(&expected(&texts)).unwrap());
    }

    #[tokio::test]
    async fn no_piece_is_much_longer_than_a_page_and_none_is_empty() {
        let (_writer, log) = log_of(&texts());
        let mut stream = MessageStream::new(
            log,
            IdRange::new(LogEnd::ZERO, LogEnd::new(5000)),
            true,
            Vec::new(),
        );
        let (mut pieces, mut turns) = (0, 0);
        loop {
            match stream.poll_chunk(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(piece)) => {
                    let piece = piece.unwrap();
                    assert!(!piece.is_empty());
                    assert!(piece.len() < 6 * PAGE_BYTES + 1000, "{}", piece.len());
                    pieces += 1;
                }
                Poll::Ready(None) => break,
                Poll::Pending => turns += 1,
            }
        }
        assert!(turns >= pieces / PAGES_IN_A_ROW - 1, "{turns} turns for others, {pieces} pieces");
    }

    #[tokio::test]
    async fn from_and_limit_select_and_reach_as_far_as_the_log() {
        let texts: Vec<String> = (0..10).map(|n| format!("Msg{n}")).collect();
        let (_writer, log) = log_of(&texts);
        let all = expected(&texts);
        for from in [0, 1, 9, 10, 11, u64::MAX] {
            for limit in [0, 1, 5, 10, u64::MAX] {
                let rows = all.as_array().unwrap().iter();
                let rows: Value = rows
                    .skip(from.min(99) as usize)
                    .take(limit.min(99) as usize)
                    .cloned()
                    .collect();
                let got = text(messages(&log, Selection { from, limit }).unwrap()).await;
                assert_eq!(got, rows.to_string(), "from {from} limit {limit}");
            }
        }
    }

    #[tokio::test]
    async fn the_end_is_fixed_when_the_request_begins() {
        let texts = texts();
        let (mut writer, log) = log_of(&texts);
        let response = messages(&log, Selection::ALL).unwrap();
        writer.append(0, None, "late");
        writer.flush();
        assert!(!text(response).await.contains("late"));
    }

    #[tokio::test]
    async fn one_message_is_an_object_whatever_its_length() {
        let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000), "behind".to_owned()];
        let (_writer, log) = log_of(&texts);
        for (id, text_of) in texts.iter().enumerate() {
            let got = text(message(&log, id as u64).ok().unwrap()).await;
            let expected = json!({"id": id, "message": text_of}).to_string();
            assert!(got == expected, "message {id}");
        }
        for id in [3, u64::MAX] {
            let problem = message(&log, id).err();
            assert_eq!(problem, Some(Problem::NoMessage { end: LogEnd::new(3) }));
        }
    }

    #[tokio::test]
    async fn a_message_that_was_waited_for_tells_who_has_it_whatever_its_length() {
        let texts = ["short".to_owned(), "\u{1}long\"".repeat(100_000)];
        let (_writer, log) = log_of(&texts);
        for (id, text_of) in texts.iter().enumerate() {
            let acked_by = ["master", "bonnie"].map(|name| name.parse().unwrap()).into();
            let id = MessageId::new(id as u64);
            let receipt = Receipt { id, write_concern: 2, acked_by, stored: true, replayed: false };
            let got = text(acked_message(&log, &receipt).ok().unwrap()).await;
            let head = format!("{{\"id\":{id},\"message\":\"");
            let tail = r#"","writeConcern":2,"ackedBy":["master","bonnie"]}"#;
            assert!(got.starts_with(&head) && got.ends_with(tail), "message {id}");
            let read: Value = serde_json::from_str(&got).unwrap();
            assert!(read["message"] == text_of.as_str(), "message {id}");
        }
    }

    #[test]
    fn what_fits_in_a_page_has_a_length() {
        use hyper::body::Body;
        let (_writer, log) = log_of(&["a".to_owned()]);
        assert!(messages(&log, Selection::ALL).unwrap().body().size_hint().exact().is_some());
        let (_writer, log) = log_of(&texts());
        assert!(messages(&log, Selection::ALL).unwrap().body().size_hint().exact().is_none());
    }
}
