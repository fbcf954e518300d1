//! The record: the only encoding of a message.
//!
//! A message is encoded once, when the master accepts it. The same bytes are stored in every node's
//! log and sent in `AddMessage` runs and catch-up pages; each receiver checks them and stores them
//! unchanged. The layout (little-endian), which `docs/PROTOCOL.md` specifies for other
//! implementations:
//!
//! ```text
//!  0       4       8              16              24  25
//! ┌───────┬───────┬───────────────┬───────────────┬──┬──────────────────┬─────────────┐
//! │length │ crc32c│ id            │ accepted (ms) │fl│ [key length, key]│ payload …   │
//! └───────┴───────┴───────────────┴───────────────┴──┴──────────────────┴─────────────┘
//! ```
//!
//! `length` counts the bytes behind the flags: the payload and, if flag 2 is set, the idempotency
//! key with its length in one byte. The checksum covers the length and everything behind the
//! checksum, so that a record with one damaged field cannot pass for another record.
//!
//! Flag 1 says that the next record belongs to the same batch. A batch is never cut: the durable
//! end of a log, a run, a page, a write group on disk and a file all end behind the last record of
//! a batch. So no node ever shows, acks or keeps a part of one.

use thiserror::Error;

use super::batch::Batch;
use super::idempotency::{self, IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};
use super::{Checksum, MessageId};

/// Size of a record without its payload, in bytes.
pub const RECORD_HEADER_BYTES: usize = 25;

/// Longest payload of a record, in bytes. Longer: a frame with one record comes near the longest
/// frame. Shorter: `--max-message-bytes`, whose limit this is, allows less.
pub const MESSAGE_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Size of the largest record, in bytes.
pub const RECORD_BYTES_MAX: usize =
    RECORD_HEADER_BYTES + 1 + IDEMPOTENCY_KEY_BYTES_MAX + MESSAGE_BYTES_LIMIT;

/// Most bytes of records in a batch of several messages. A batch is sent in one frame: this leaves
/// space for the frame's head.
pub const BATCH_BYTES_MAX: usize = 15 * 1024 * 1024;

/// The batch goes on in the next record.
const FLAG_MORE: u8 = 1;

/// The record has an idempotency key.
const FLAG_KEY: u8 = 2;

/// A record with any other flag comes from a newer version and is refused.
const FLAGS_KNOWN: u8 = FLAG_MORE | FLAG_KEY;

/// Offset of the flags, in bytes.
const FLAGS_AT: usize = RECORD_HEADER_BYTES - 1;

/// Reason why bytes are not the record, or the run of records, that they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The bytes end inside a record.
    #[error("the bytes end inside the record of message {id}")]
    CutOff {
        /// The message whose record was expected.
        id: MessageId,
    },
    /// The length field claims more than a message can have.
    #[error("the record of message {id} claims {length} bytes, more than the limit")]
    TooLong {
        /// The message whose record was expected.
        id: MessageId,
        /// The length field.
        length: usize,
    },
    /// The checksum does not match the bytes.
    #[error("the checksum of message {id} is wrong")]
    Checksum {
        /// The message whose record was expected.
        id: MessageId,
    },
    /// The record is another message's.
    #[error("message {found} stands where message {id} should be")]
    OtherId {
        /// The message whose record was expected.
        id: MessageId,
        /// The message whose record was found.
        found: MessageId,
    },
    /// The record has a flag that this version does not know.
    #[error("the record of message {id} has unknown flags {flags:#04x}")]
    Flags {
        /// The message.
        id: MessageId,
        /// The flags of the record.
        flags: u8,
    },
    /// The idempotency key is malformed.
    #[error("the record of message {id} has a malformed idempotency key")]
    Key {
        /// The message.
        id: MessageId,
    },
    /// The payload is not UTF-8.
    #[error("the text of message {id} is no UTF-8")]
    NotText {
        /// The message.
        id: MessageId,
    },
    /// The last record says that its batch goes on.
    #[error("the batch that message {id} belongs to is cut off behind it")]
    BatchCutOff {
        /// The message of the last record.
        id: MessageId,
    },
    /// There are bytes behind the expected records.
    #[error("{bytes} bytes too many behind the run's last record")]
    Trailing {
        /// The number of those bytes.
        bytes: usize,
    },
}

/// One record, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The message's id.
    pub id: MessageId,
    /// The time at which the master accepted the message, in milliseconds since 1970 by its wall
    /// clock. Where that clock was set back, the time of the message before. For users only:
    /// nothing is decided by it.
    pub accepted_ms: u64,
    /// The client's idempotency key, if it gave one.
    pub key: Option<&'a str>,
    /// The message.
    pub text: &'a str,
    /// Whether the next record belongs to the same batch.
    pub has_more: bool,
    /// CRC-32C of the record.
    pub checksum: Checksum,
}

/// The place of a record in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBatch {
    /// The batch goes on in the next record.
    More,
    /// The record is the last one of its batch, or the only one.
    Last,
}

impl InBatch {
    /// Returns where the record at `index` of a batch of `length` records stands.
    pub const fn at(index: usize, length: usize) -> Self {
        if index + 1 < length { Self::More } else { Self::Last }
    }
}

impl Record<'_> {
    /// Returns where the record stands in its batch.
    pub fn in_batch(&self) -> InBatch {
        if self.has_more { InBatch::More } else { InBatch::Last }
    }

    /// Returns the size of the record, in bytes.
    pub fn size(&self) -> usize {
        RECORD_HEADER_BYTES + self.key.map_or(0, |key| 1 + key.len()) + self.text.len()
    }
}

/// A record without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// The message's id.
    pub id: MessageId,
    /// As [`Record::accepted_ms`].
    pub accepted_ms: u64,
    /// As [`Record::key`].
    pub key: Option<IdempotencyKey>,
    /// The place of the record in its batch.
    pub in_batch: InBatch,
}

/// Size of the longest record head, in bytes.
pub const RECORD_HEAD_BYTES_MAX: usize = RECORD_HEADER_BYTES + 1 + IDEMPOTENCY_KEY_BYTES_MAX;

/// Decodes the head of the record at the front of `bytes`. The checksum is not verified, since the
/// text may be damaged. None if there is no head.
pub fn record_head(bytes: &[u8]) -> Option<RecordHead> {
    let (head, body) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let number = |at| head.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let [.., flags] = *head;
    let (key, _) = split_key(flags, body).filter(|_| flags & !FLAGS_KNOWN == 0)?;
    Some(RecordHead {
        id: MessageId::new(number(8)?),
        accepted_ms: number(16)?,
        key: key.map(|key| key.parse().expect("a checked key")),
        in_batch: if flags & FLAG_MORE != 0 { InBatch::More } else { InBatch::Last },
    })
}

/// Returns the size of a batch's records, in bytes.
pub fn record_bytes(key: Option<&IdempotencyKey>, batch: &Batch) -> usize {
    let key_bytes = key.map_or(0, |key| 1 + key.as_str().len());
    batch.len() * RECORD_HEADER_BYTES + key_bytes + batch.text_bytes()
}

/// Appends the record of a message to `out`.
///
/// # Panics
/// When the text is longer than [`MESSAGE_BYTES_LIMIT`]: the caller checks the texts of clients.
pub fn encode_record(
    out: &mut Vec<u8>,
    id: MessageId,
    accepted_ms: u64,
    key: Option<&IdempotencyKey>,
    text: &str,
    in_batch: InBatch,
) {
    assert!(text.len() <= MESSAGE_BYTES_LIMIT, "a message of {} bytes", text.len());
    let key = key.map_or("", IdempotencyKey::as_str).as_bytes();
    // The length is at most IDEMPOTENCY_KEY_BYTES_MAX.
    let key_length = [key.len() as u8];
    let key_length = if key.is_empty() { &[][..] } else { &key_length };
    let length = ((key_length.len() + key.len() + text.len()) as u32).to_le_bytes();
    let mut head = [0_u8; RECORD_HEADER_BYTES - 8];
    head[..8].copy_from_slice(&id.get().to_le_bytes());
    head[8..16].copy_from_slice(&accepted_ms.to_le_bytes());
    head[16] = if key.is_empty() { 0 } else { FLAG_KEY }
        | match in_batch {
            InBatch::More => FLAG_MORE,
            InBatch::Last => 0,
        };
    let begin = out.len();
    out.reserve(RECORD_HEADER_BYTES + key_length.len() + key.len() + text.len());
    out.extend_from_slice(&length);
    // A placeholder for the checksum: so all that the checksum covers is contiguous. For short
    // records, several calls take longer than the rest of the encoding.
    out.extend_from_slice(&length);
    let parts = [&head, key_length, key, text.as_bytes()];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    let crc = crc32c::crc32c(out.get(begin + 4..).unwrap_or_default());
    if let Some(place) = out.get_mut(begin + 4..begin + 8) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn checksum_of_parts(length: [u8; 4], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), rest)
}

/// Decodes and checks the record at the front of `bytes`. Returns it with its size in bytes.
///
/// # Errors
/// When the bytes do not begin with the complete, undamaged record of message `id`.
pub fn record_at(id: MessageId, bytes: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
    let (&length_field, rest) = bytes.split_first_chunk::<4>().ok_or(RecordError::CutOff { id })?;
    let (&crc, rest) = rest.split_first_chunk::<4>().ok_or(RecordError::CutOff { id })?;
    let length = u32::from_le_bytes(length_field) as usize;
    if length > RECORD_BYTES_MAX - RECORD_HEADER_BYTES {
        return Err(RecordError::TooLong { id, length });
    }
    let size = RECORD_HEADER_BYTES + length;
    let rest = rest.get(..size - 8).ok_or(RecordError::CutOff { id })?;
    let checksum = u32::from_le_bytes(crc);
    if checksum_of_parts(length_field, rest) != checksum {
        return Err(RecordError::Checksum { id });
    }
    let (&found, rest) = rest.split_first_chunk::<8>().ok_or(RecordError::CutOff { id })?;
    let (&accepted, rest) = rest.split_first_chunk::<8>().ok_or(RecordError::CutOff { id })?;
    let (&flags, body) = rest.split_first().ok_or(RecordError::CutOff { id })?;
    let found = MessageId::new(u64::from_le_bytes(found));
    if found != id {
        return Err(RecordError::OtherId { id, found });
    }
    if flags & !FLAGS_KNOWN != 0 {
        return Err(RecordError::Flags { id, flags });
    }
    let (key, payload) = split_key(flags, body).ok_or(RecordError::Key { id })?;
    if payload.len() > MESSAGE_BYTES_LIMIT {
        return Err(RecordError::TooLong { id, length: payload.len() });
    }
    let text = str::from_utf8(payload).map_err(|_| RecordError::NotText { id })?;
    let accepted_ms = u64::from_le_bytes(accepted);
    let (has_more, checksum) = (flags & FLAG_MORE != 0, Checksum::new(checksum));
    Ok((Record { id, accepted_ms, key, text, has_more, checksum }, size))
}

/// Returns the size in bytes of the record at the front of `bytes`, by its length field alone; none
/// if there are fewer than four bytes.
pub fn record_size(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    Some(RECORD_HEADER_BYTES + length as usize)
}

/// Returns where the record at the front of `bytes` stands in its batch, by its flags alone.
pub fn in_batch(bytes: &[u8]) -> InBatch {
    match bytes.get(FLAGS_AT).is_some_and(|flags| flags & FLAG_MORE != 0) {
        true => InBatch::More,
        false => InBatch::Last,
    }
}

/// Splits the body of a record into the idempotency key, if the flags announce one, and the
/// payload. None if the key is malformed.
fn split_key(flags: u8, body: &[u8]) -> Option<(Option<&str>, &[u8])> {
    let (key, payload) = split_key_bytes(flags, body)?;
    let key = key.map(str::from_utf8).transpose().ok()?;
    key.map_or(Ok(()), idempotency::check).ok()?;
    Some((key, payload))
}

/// As [`split_key`], without checking the key.
fn split_key_bytes(flags: u8, body: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if flags & FLAG_KEY == 0 {
        return Some((None, body));
    }
    let (&length, rest) = body.split_first()?;
    let (key, payload) = rest.split_at_checked(usize::from(length))?;
    Some((Some(key), payload))
}

/// Splits the record at the front of `bytes` into its place in its batch, its text, and the bytes
/// behind the record, without checking any of them. None if there is no complete record.
pub(super) fn text_of_checked(bytes: &[u8]) -> Option<(InBatch, &[u8], &[u8])> {
    let (record, behind) = bytes.split_at_checked(record_size(bytes)?)?;
    let (head, body) = record.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let [.., flags] = *head;
    let (_, text) = split_key_bytes(flags, body)?;
    Some((in_batch(record), text, behind))
}

#[cfg(test)]
mod tests;
