//! The text of a listing or a stream: what stands around, between and in its messages.

use std::borrow::Cow;

use acklog_api::follow::EventId;
use acklog_types::{InBatch, LogId, MessageId, OpenBatch, RECORD_HEADER_BYTES};

use crate::contract::json;

/// Bytes by which a message in JSON is longer than its record, at most and without escapes and
/// further members: the name of each member, 20 digits, and the punctuation, less the record's
/// header. Capacity that saves growing the buffer.
const GROWTH_BYTES: usize = 42 - RECORD_HEADER_BYTES;

/// Further bytes of a message as an event, at most: its id, the names of the lines, and the member
/// that names its batch.
const EVENT_BYTES: usize = 100;

/// The text around the messages of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingForm {
    /// Before the first message.
    opening: &'static [u8],
    /// Between two messages.
    between: &'static [u8],
    /// After the text of each message.
    behind: Cow<'static, [u8]>,
    /// After the last message.
    closing: &'static [u8],
    /// Where each message is an event: what its id begins with.
    events: Option<EventIds>,
}

/// The part of the ids of events that is the same for all of a log and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EventIds {
    log: LogId,
    epoch: u64,
}

impl ListingForm {
    /// One array of all messages.
    pub const ARRAY: Self = Self {
        opening: b"[",
        between: b",",
        behind: Cow::Borrowed(b"\"}"),
        closing: b"]\n",
        events: None,
    };

    /// One object per line.
    pub const LINES: Self = Self {
        opening: b"",
        between: b"",
        behind: Cow::Borrowed(b"\"}\n"),
        closing: b"",
        events: None,
    };

    /// One message, as an object with further members.
    pub(in crate::server::http) fn object(members: &[u8]) -> Self {
        let behind = Cow::Owned([b"\"", members, b"}\n"].concat());
        Self { opening: b"", between: b"", behind, closing: b"", events: None }
    }

    /// One server-sent event per message. Members of a batch name its first message, and only the
    /// last one has an id: no reader continues in the middle of a batch.
    pub(in crate::server::http) fn events(log: LogId, epoch: u64) -> Self {
        let behind = Cow::Borrowed(&b"\"}\n\n"[..]);
        let events = Some(EventIds { log, epoch });
        Self { opening: b"", between: b"", behind, closing: b"", events }
    }

    /// Returns the bytes that a message takes beside its text, at most, less those of its record.
    pub(in crate::server::http) fn growth_bytes(&self) -> usize {
        let event = if self.events.is_some() { EVENT_BYTES } else { 0 };
        GROWTH_BYTES + self.behind.len() + event
    }

    /// Returns the bytes after the text of a message, at most.
    pub(super) fn behind_bytes(&self) -> usize {
        self.behind.len() + if self.events.is_some() { EVENT_BYTES } else { 0 }
    }
}

/// Writes messages in a form, one after the other.
#[derive(Clone, Debug)]
pub(in crate::server::http) struct FormWriter {
    form: ListingForm,
    /// Whether the opening is written.
    is_open: bool,
    /// Whether a message is written.
    has_messages: bool,
    /// The place between the messages that are written and the next one.
    batch: OpenBatch,
    /// The first message of the batch of the message that is being written; none if it was sent
    /// alone.
    batch_of_current: Option<MessageId>,
}

impl FormWriter {
    /// Creates a writer that begins in the middle of the batch of this first message; none where it
    /// begins between batches.
    pub(in crate::server::http) fn new(form: ListingForm, batch: Option<MessageId>) -> Self {
        let batch = OpenBatch::new(batch);
        Self { form, is_open: false, has_messages: false, batch, batch_of_current: None }
    }

    pub(super) fn form(&self) -> &ListingForm {
        &self.form
    }

    /// Returns the first message of the batch that goes on with the next message.
    pub(in crate::server::http) fn open_batch(&self) -> Option<MessageId> {
        self.batch.first()
    }

    /// Writes what stands before the first message, once.
    pub(super) fn open(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_open, true) {
            out.extend_from_slice(self.form.opening);
        }
    }

    /// Writes everything of a message before its text, and the separator from the one before.
    pub(in crate::server::http) fn begin_message(
        &mut self,
        out: &mut Vec<u8>,
        id: MessageId,
        in_batch: InBatch,
    ) {
        if std::mem::replace(&mut self.has_messages, true) {
            out.extend_from_slice(self.form.between);
        }
        self.batch_of_current = self.batch.next(id, in_batch);
        if let Some(EventIds { log, epoch }) = self.form.events {
            if self.batch.is_resume_point() {
                out.extend_from_slice(b"id: ");
                json::write_hex(out, EventId::log_part(log));
                out.push(b'.');
                json::write_number(out, epoch);
                out.push(b'.');
                json::write_number(out, id.get());
                out.push(b'\n');
            }
            out.extend_from_slice(b"data: ");
        }
        out.extend_from_slice(b"{\"id\":");
        json::write_number(out, id.get());
        out.extend_from_slice(b",\"message\":\"");
    }

    /// Writes everything of a message after its text.
    pub(in crate::server::http) fn end_message(&self, out: &mut Vec<u8>) {
        match self.batch_of_current.filter(|_| self.form.events.is_some()) {
            Some(first) => {
                out.extend_from_slice(b"\",\"batch\":");
                json::write_number(out, first.get());
                out.extend_from_slice(b"}\n\n");
            }
            None => out.extend_from_slice(&self.form.behind),
        }
    }

    /// Writes what stands after the last message.
    pub(super) fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.form.closing);
    }
}
