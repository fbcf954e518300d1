//! The log as JSON, in pieces: pages of it are read and rendered as somebody takes them.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::http::json;
use crate::log::{LogReader, ReadError};
use crate::threads::Answer;
use crate::types::{IdRange, MessageId, RECORD_HEADER_BYTES, Records, Run};
use bytes::{Buf, Bytes};

/// How much of the log is read and rendered at once, in bytes of records or of one message's text; the JSON has up to
/// six times as many. Smaller: more hand-overs between threads where it is read from files, which cost more than the
/// bytes. Larger: each slow client holds more memory, and each step keeps the thread's other connections waiting for
/// longer.
pub(super) const PAGE_BYTES: usize = 256 * 1024;

/// Bytes that a message has more in JSON than as a record, at most and without escapes and further members: the name of
/// each member, 20 digits, and what stands around them, less the record's header. Room that saves growing the buffer.
const GROWTH_BYTES: usize = 42 - RECORD_HEADER_BYTES;

/// What stands around the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Before the first message.
    opening: &'static [u8],
    /// Between two messages.
    between: &'static [u8],
    /// Behind the text of each message.
    behind: Cow<'static, [u8]>,
    /// Behind the last message.
    closing: &'static [u8],
}

impl Form {
    /// One array of all.
    pub const ARRAY: Self =
        Self { opening: b"[", between: b",", behind: Cow::Borrowed(b"\"}"), closing: b"]\n" };

    /// One object a line.
    pub const LINES: Self =
        Self { opening: b"", between: b"", behind: Cow::Borrowed(b"\"}\n"), closing: b"" };

    /// One message, as an object with further members.
    pub(super) fn object(members: &[u8]) -> Self {
        let behind = Cow::Owned([b"\"", members, b"}\n"].concat());
        Self { opening: b"", between: b"", behind, closing: b"" }
    }
}

/// Messages of the log as JSON, rendered a page at a time.
#[derive(Debug)]
pub struct MessageStream {
    log: LogReader,
    /// What is still to be read from the log.
    rest: IdRange,
    /// What was read and is not rendered: of a batch, it may be many pages.
    unrendered: Records,
    /// A page that is being read from a file.
    reading: Option<Answer<Result<Records, ReadError>>>,
    /// The rest of a long message's text, whose beginning was rendered.
    text: Bytes,
    form: Form,
    progress: Progress,
    /// A page that was rendered before the body was asked for.
    ready: Option<Bytes>,
    /// Whether other connections had their turn since the last page: a client that takes a long log as fast as it
    /// comes must not starve senders.
    yielded: bool,
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
    /// The messages of `range`, all of which the log must have.
    pub fn new(log: LogReader, range: IdRange, form: Form) -> Self {
        Self {
            log,
            rest: range,
            unrendered: Records::empty(range.start()),
            reading: None,
            text: Bytes::new(),
            form,
            progress: Progress::Beginning,
            ready: None,
            yielded: true,
            failed: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress == Progress::Done
    }

    /// Whether all that was read is rendered.
    fn is_rendered(&self) -> bool {
        self.text.is_empty() && self.unrendered.range().is_empty()
    }

    /// Gives back a piece that was rendered, to be taken as the next one.
    pub(super) fn put_back(&mut self, piece: Vec<u8>) {
        self.ready = Some(piece.into());
    }

    /// The next piece; none at the end. Now and then it lets others have their turn, although it could go on.
    ///
    /// # Errors
    /// Where the log cannot be read; nothing comes behind an error.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if let Some(ready) = self.ready.take() {
            return Poll::Ready(Some(Ok(ready)));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if self.is_done() {
            return Poll::Ready(None);
        }
        if !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match ready!(self.poll_render(cx)) {
            Ok(page) => {
                self.yielded = false;
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
    pub(super) fn poll_render(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ReadError>> {
        if self.is_rendered() && !self.rest.is_empty() {
            match ready!(self.poll_records(cx)) {
                Ok(read) => self.take(read),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(self.render()))
    }

    /// Reads the next page: here where it is in memory, and otherwise on a thread that may wait for the disk. From
    /// there on, the page behind it is read while this one is rendered and sent.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Result<Records, ReadError>> {
        if self.reading.is_none() && self.log.is_recent(self.rest.start()) {
            return Poll::Ready(self.log.read(self.rest.start(), self.rest.end(), PAGE_BYTES));
        }
        let reading = self.reading.get_or_insert_with(|| read_aside(&self.log, self.rest));
        let read = ready!(Pin::new(reading).poll(cx));
        let read = read.unwrap_or_else(|no_thread| Err(no_thread.into()));
        let behind = read.as_ref().ok().map(|read| self.rest.from(read.range().end()));
        self.reading = behind
            .filter(|behind| !behind.is_empty() && !self.log.is_recent(behind.start()))
            .map(|behind| read_aside(&self.log, behind));
        Poll::Ready(read)
    }

    /// # Panics
    /// When the log does not have what it said that it has: that would be a bug of the log.
    fn take(&mut self, records: Records) {
        let range = records.range();
        assert!(!range.is_empty(), "the log lacks message {}", self.rest.start());
        self.rest = self.rest.from(range.end());
        self.unrendered = records;
    }

    fn render(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.progress == Progress::Beginning {
            out.extend_from_slice(self.form.opening);
        }
        if self.text.is_empty() {
            let page = self.unrendered.take_front(PAGE_BYTES);
            self.render_page(&mut out, &page);
        } else {
            self.render_text(&mut out);
        }
        if self.is_rendered() && self.rest.is_empty() {
            out.extend_from_slice(self.form.closing);
            self.progress = Progress::Done;
        }
        out
    }

    fn render_page(&mut self, out: &mut Vec<u8>, records: &Records) {
        if records.bytes() > PAGE_BYTES {
            // A single long message: its text is shared with the log, and rendered in pieces.
            for (id, text) in records.texts() {
                self.begin_message(out, id);
                self.text = records.as_bytes().slice_ref(text);
            }
            return self.render_text(out);
        }
        out.reserve(records.bytes() + records.range().len() as usize * GROWTH_BYTES);
        for (id, text) in records.texts() {
            self.begin_message(out, id);
            json::write_escaped(out, text);
            self.end_message(out);
        }
    }

    /// Everything of a message before its text, and what stands between it and the one before.
    fn begin_message(&mut self, out: &mut Vec<u8>, id: MessageId) {
        if self.progress == Progress::Inside {
            out.extend_from_slice(self.form.between);
        }
        self.progress = Progress::Inside;
        out.extend_from_slice(b"{\"id\":");
        json::write_number(out, id.get());
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
        out.extend_from_slice(&self.form.behind);
    }
}

/// Reads the first page of `range` on a thread that may wait for the disk.
fn read_aside(log: &LogReader, range: IdRange) -> Answer<Result<Records, ReadError>> {
    log.aside(move |log| log.read(range.start(), range.end(), PAGE_BYTES))
}
