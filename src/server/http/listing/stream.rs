//! The log as JSON, in pieces: pages are read and rendered as the client takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use acklog_log::{LogReader, PageCursor, PageRead, ReadError};
use acklog_threads::WorkHandle;
use acklog_types::{IdRange, MessageId, Records};
use bytes::{Buf, Bytes};

use super::form::{FormWriter, ListingForm};
use super::piece::{Taken, piece};
use super::room::{BESIDES_BYTES, Held, ListingRoom, bytes_held};
use crate::contract::json;

/// Longest message, in bytes, that is sent without waiting for memory of the listings. Smaller:
/// more single messages wait for slow readers of long listings. Larger: each connection may hold
/// more beside the listings' memory.
const SMALL_BYTES_MAX: usize = 8 * 1024;

/// Most bytes of JSON that one byte of a message can need: `\u0000`.
const JSON_BYTES_PER_BYTE: usize = 6;

/// Messages of the log as JSON, rendered a page at a time.
///
/// The next page is made once the last one is written, so that a client that reads nothing holds
/// one page.
pub struct MessageStream {
    log: LogReader,
    /// The ids that are still to be read from the log.
    rest: IdRange,
    /// The position of these ids in the log's files.
    cursor: PageCursor,
    room: ListingRoom,
    /// The memory of the current page; a piece of it that is not written yet holds it too.
    held: Option<Arc<Held>>,
    /// The pending request for that memory.
    waiting: Option<Pin<Box<dyn Future<Output = Held> + Send>>>,
    /// Approximate size of a page and of a piece, in bytes.
    page_bytes: usize,
    /// Bytes that are read at once where a message is longer than a page, else 0.
    longer_bytes: usize,
    /// Whether a single message is read that may be small enough to need no memory of the listings.
    may_be_small: bool,
    /// A page that is being read from a file.
    reading: Option<WorkHandle<(Result<PageRead, ReadError>, PageCursor)>>,
    /// Records that were read and are not rendered.
    unrendered: Records,
    /// The rest of a long message's text, whose beginning was rendered.
    text: Bytes,
    writer: FormWriter,
    /// Whether the last byte is rendered.
    is_done: bool,
    /// A piece that was rendered before the body was polled.
    ready: Option<Bytes>,
    /// The state of the last piece that was handed to hyper.
    taken: Option<Arc<Taken>>,
    /// Whether other connections of the thread ran since the last piece: a client that reads a long
    /// log as fast as it is sent must not starve those that append.
    yielded: bool,
}

impl MessageStream {
    /// Creates a stream of the messages of `range`, all of which the log must have.
    pub fn new(log: LogReader, room: ListingRoom, range: IdRange, form: ListingForm) -> Self {
        Self {
            log,
            rest: range,
            cursor: PageCursor::default(),
            room,
            held: None,
            waiting: None,
            page_bytes: SMALL_BYTES_MAX,
            longer_bytes: 0,
            may_be_small: false,
            reading: None,
            unrendered: Records::empty(range.start()),
            text: Bytes::new(),
            writer: FormWriter::new(form, None),
            is_done: false,
            ready: None,
            taken: None,
            yielded: true,
        }
    }

    /// Creates a stream of one message, which waits for no memory if it is small.
    pub(in crate::server::http) fn one(
        log: LogReader,
        room: ListingRoom,
        id: MessageId,
        form: ListingForm,
    ) -> Self {
        let range = IdRange::new(id.before(), id.end());
        Self { may_be_small: true, ..Self::new(log, room, range, form) }
    }

    /// Sets the batch in the middle of which the stream begins, by its first message.
    #[must_use]
    pub(in crate::server::http) fn in_batch(mut self, batch: Option<MessageId>) -> Self {
        self.writer = FormWriter::new(self.writer.form().clone(), batch);
        self
    }

    /// Returns the first message of the batch that goes on behind what was rendered.
    pub(in crate::server::http) fn open_batch(&self) -> Option<MessageId> {
        self.writer.open_batch()
    }

    pub(in crate::server::http) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether no message is rendered in part.
    pub(in crate::server::http) fn is_between_messages(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns whether no message is rendered in part, and all that was rendered is written: if the
    /// stream is pending, it waits for memory or for the disk.
    pub(in crate::server::http) fn waits_between_messages(&self) -> bool {
        self.is_between_messages() && self.taken.is_none()
    }

    /// Returns whether all records that were read are rendered.
    fn is_rendered(&self) -> bool {
        self.text.is_empty() && self.unrendered.range().is_empty()
    }

    /// Puts back a piece that was rendered, to be returned as the next one.
    pub(in crate::server::http) fn put_back(&mut self, piece: Bytes) {
        self.ready = Some(piece);
    }

    /// Returns the next piece; none at the end. Pending until the last one is dropped. Sometimes it
    /// yields to other tasks, although it could go on.
    ///
    /// # Errors
    /// When the log cannot be read; nothing follows an error.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if let Some(ready) = self.ready.take() {
            return Poll::Ready(Some(Ok(ready)));
        }
        if self.is_done() {
            return Poll::Ready(None);
        }
        if let Some(taken) = &self.taken {
            ready!(taken.poll(cx));
            self.taken = None;
        }
        if !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.poll_render(cx));
        self.yielded = false;
        Poll::Ready(Some(piece))
    }

    /// Renders about a page. The result is empty only for no messages in lines.
    pub(in crate::server::http) fn poll_render(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, ReadError>> {
        if self.is_rendered() && !self.rest.is_empty() {
            match ready!(self.poll_records(cx)) {
                Ok(read) => self.take(read),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let rendered = self.render();
        if self.is_rendered() {
            // The records are dropped; from here on only the piece is charged.
            let mut held = self.held.take();
            if let Some(held) = held.as_mut().and_then(Arc::get_mut) {
                drop(held.split(held.num_permits().saturating_sub(rendered.capacity())));
            }
            Poll::Ready(Ok(self.piece(rendered, held)))
        } else {
            let held = self.held.clone();
            Poll::Ready(Ok(self.piece(rendered, held)))
        }
    }

    fn piece(&mut self, rendered: Vec<u8>, held: Option<Arc<Held>>) -> Bytes {
        let (piece, taken) = piece(rendered, held);
        self.taken = Some(taken);
        piece
    }

    /// Reads the next page once there is memory for it: at once where it is in memory, and
    /// otherwise on a thread that may wait for the disk.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Result<Records, ReadError>> {
        loop {
            let page = if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                read.map_err(ReadError::from).and_then(|(page, cursor)| {
                    self.cursor = cursor;
                    page
                })
            } else {
                ready!(self.poll_room(cx));
                let (range, bytes) = (self.rest, self.page_bytes.max(self.longer_bytes));
                let Some(page) = self.log.page_in_memory(range.start(), range.end(), bytes) else {
                    let mut cursor = std::mem::take(&mut self.cursor);
                    self.reading = Some(self.log.aside(move |log| {
                        let page = log.read_page(range.start(), range.end(), bytes, &mut cursor);
                        (page, cursor)
                    }));
                    continue;
                };
                Ok(page)
            };
            match page {
                // Of a log in memory, where a page has no limit.
                Ok(PageRead::Records(records))
                    if self.may_be_small && records.bytes() > SMALL_BYTES_MAX => {}
                Ok(PageRead::Records(records)) => {
                    self.longer_bytes = 0;
                    return Poll::Ready(Ok(records));
                }
                // Its memory must be waited for, and not while other memory is held.
                Ok(PageRead::Longer(bytes)) => (self.held, self.longer_bytes) = (None, bytes),
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.may_be_small = false;
        }
    }

    /// Ready once there is memory for the next page.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_some() || self.may_be_small {
            return Poll::Ready(());
        }
        if self.waiting.is_none() {
            self.page_bytes = self.room.page_bytes();
            let bytes = bytes_held(self.page_bytes.max(self.longer_bytes), self.page_bytes);
            self.waiting = Some(Box::pin(self.room.clone().hold(bytes)));
        }
        if let Some(waiting) = &mut self.waiting {
            self.held = Some(Arc::new(ready!(waiting.as_mut().poll(cx))));
        }
        self.waiting = None;
        Poll::Ready(())
    }

    /// Takes the records of the next page.
    ///
    /// # Panics
    /// When the log lacks a message below its end: that would be a bug of the log.
    fn take(&mut self, records: Records) {
        let range = records.range();
        assert!(!range.is_empty(), "the log lacks message {}", self.rest.start());
        self.rest = self.rest.from(range.end());
        self.unrendered = records;
    }

    fn render(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rendered_bytes_max());
        self.writer.open(&mut out);
        if !self.text.is_empty() {
            self.render_text(&mut out);
        }
        if self.text.is_empty() {
            self.render_records(&mut out);
        }
        if self.is_rendered() && self.rest.is_empty() {
            self.writer.close(&mut out);
            self.is_done = true;
        }
        out
    }

    /// Returns the most bytes that the next piece can have, as far as that is known. So the buffer
    /// never grows: while it does it takes up twice the memory.
    fn rendered_bytes_max(&self) -> usize {
        let records = &self.unrendered;
        let form = self.writer.form();
        let members = records.range().len() as usize * form.growth_bytes();
        let text = records.bytes().max(self.text.len());
        (text * JSON_BYTES_PER_BYTE + members).min(2 * self.page_bytes)
            + form.behind_bytes()
            + BESIDES_BYTES
    }

    fn render_records(&mut self, out: &mut Vec<u8>) {
        let whole = self.page_bytes / JSON_BYTES_PER_BYTE;
        let records = self.unrendered.clone();
        let mut rendered = 0;
        for (id, in_batch, text) in records.texts() {
            if out.len() >= self.page_bytes {
                break;
            }
            self.writer.begin_message(out, id, in_batch);
            rendered += 1;
            if text.len() > whole {
                self.text = records.as_bytes().slice_ref(text);
                self.render_text(out);
                break;
            }
            json::write_escaped(out, text);
            self.writer.end_message(out);
        }
        self.unrendered = records.without(rendered);
    }

    /// Writes the next part of a long message's text, and after the last part the rest of the
    /// message.
    fn render_text(&mut self, out: &mut Vec<u8>) {
        let part = self.page_bytes / JSON_BYTES_PER_BYTE;
        while self.text.has_remaining() && out.len() < self.page_bytes {
            let part = json::char_boundary(&self.text, part);
            json::write_escaped(out, &self.text.split_to(part));
        }
        if !self.text.has_remaining() {
            self.writer.end_message(out);
        }
    }
}
