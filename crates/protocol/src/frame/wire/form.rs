//! The form of a frame: where its head lies, and the checksum over its length and head.
//!
//! A frame tells its form by itself: in version 3 a tag, 0 to 11, stands behind the length; in
//! version 4 the length of the head, which is more than that.

use bytes::{Buf, Bytes};

use crate::frame::{FrameError, FrameKind, HEAD_BYTES_MAX, ProtocolVersion};

/// Bytes of the length before each frame.
pub(super) const LENGTH_BYTES: usize = 4;

/// Bytes of a head's length and of the checksum behind it.
const HEAD_LENGTH_BYTES: usize = 2;
const CHECK_BYTES: usize = 4;

/// Bytes between the length and the head of a frame of version 4.
const CHECKED_PREFIX_BYTES: usize = HEAD_LENGTH_BYTES + CHECK_BYTES;

/// Least length of a head in version 4, in bytes: tags are below it.
const HEAD_BYTES_MIN: u16 = 12;

/// Offset of the version in a handshake, in every version of the protocol.
const VERSION_OFFSET: usize = 12;

/// The form of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A handshake of this version: a head, and from version 4 on a checksum behind it.
    Handshake(u16),
    /// Version 3, with this tag: a head, and the records behind it.
    Plain(u32),
    /// Version 4: the length of the head, a checksum, the head, and the records behind it.
    Checked {
        /// The length of the head, in bytes.
        head_bytes: usize,
    },
}

impl Form {
    /// Returns the form of a frame of which these bytes have arrived, without its length; none
    /// while too few have.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let head_bytes = u16::from_le_bytes(*bytes.first_chunk()?);
        if head_bytes >= HEAD_BYTES_MIN {
            return Some(Self::Checked { head_bytes: head_bytes.into() });
        }
        let tag = u32::from_le_bytes(*bytes.first_chunk()?);
        if tag != FrameKind::Handshake as u32 {
            return Some(Self::Plain(tag));
        }
        let version = bytes.get(VERSION_OFFSET..)?.first_chunk()?;
        Some(Self::Handshake(u16::from_le_bytes(*version)))
    }

    /// Returns the version of the frame's fields.
    pub(super) fn version(self) -> ProtocolVersion {
        match self {
            Self::Handshake(version) => {
                ProtocolVersion::spoken(version).unwrap_or(ProtocolVersion::PRESENT)
            }
            Self::Plain(_) => ProtocolVersion::V3,
            Self::Checked { .. } => ProtocolVersion::V4,
        }
    }

    /// Returns the number of bytes before the head, the length included.
    pub(super) fn bytes_before(self) -> usize {
        match self {
            Self::Checked { .. } => LENGTH_BYTES + CHECKED_PREFIX_BYTES,
            Self::Handshake(_) | Self::Plain(_) => LENGTH_BYTES,
        }
    }

    /// Returns the number of bytes behind the head that are no records.
    pub(super) fn bytes_behind(self) -> usize {
        match self {
            Self::Handshake(version) if version >= ProtocolVersion::V4.number() => CHECK_BYTES,
            _ => 0,
        }
    }

    /// Fills in what stands around a head: the length of the frame, and its checksum.
    pub(super) fn seal(self, bytes: &mut Vec<u8>, length: usize) {
        if let Some(prefix) = bytes.first_chunk_mut() {
            *prefix = (length as u32).to_be_bytes();
        }
        if let Self::Checked { .. } = self {
            let (prefix, head) = bytes.split_at_mut(self.bytes_before());
            let (length, rest) = prefix.split_at_mut(LENGTH_BYTES);
            let (head_length, check) = rest.split_at_mut(HEAD_LENGTH_BYTES);
            head_length.copy_from_slice(&(head.len() as u16).to_le_bytes());
            check.copy_from_slice(&checksum([length, head_length, head]).to_le_bytes());
        } else if self.bytes_behind() > 0 {
            let check = checksum([bytes]);
            bytes.extend_from_slice(&check.to_le_bytes());
        }
    }

    /// Splits a whole frame of this form, without its length, into its head and what stands behind,
    /// once the checksum is right. In version 3 all of it counts as the head.
    ///
    /// # Errors
    /// When length or head are damaged.
    pub(super) fn split(self, mut frame: Bytes) -> Result<(Bytes, Bytes), FrameError> {
        let length = (frame.len() as u32).to_be_bytes();
        match self {
            Self::Plain(_) => {}
            Self::Checked { head_bytes } => {
                check_head(length, &frame, head_bytes)?;
                frame.advance(CHECKED_PREFIX_BYTES);
                let head = frame.split_to(head_bytes);
                return Ok((head, frame));
            }
            Self::Handshake(_) => {
                let told = frame.split_off(frame.len().saturating_sub(self.bytes_behind()));
                if self.bytes_behind() > 0 {
                    compare(&told, checksum([&length, &frame]))?;
                }
            }
        }
        Ok((frame, Bytes::new()))
    }
}

/// Checks the head of a frame of version 4, of which `bytes` have arrived behind its length.
/// Returns whether the head is among them.
fn check_head(
    length: [u8; LENGTH_BYTES],
    bytes: &[u8],
    head_bytes: usize,
) -> Result<bool, FrameError> {
    let frame = u32::from_be_bytes(length) as usize;
    if head_bytes > HEAD_BYTES_MAX || head_bytes + CHECKED_PREFIX_BYTES > frame {
        return Err(FrameError::HeadLength { head: head_bytes, frame });
    }
    let Some((prefix, rest)) = bytes.split_at_checked(CHECKED_PREFIX_BYTES) else {
        return Ok(false);
    };
    let Some(head) = rest.get(..head_bytes) else { return Ok(false) };
    let (head_length, told) = prefix.split_at(HEAD_LENGTH_BYTES);
    compare(told, checksum([&length, head_length, head]))?;
    Ok(true)
}

fn checksum<const PARTS: usize>(parts: [&[u8]; PARTS]) -> u32 {
    parts.into_iter().fold(0, crc32c::crc32c_append)
}

fn compare(told: &[u8], found: u32) -> Result<(), FrameError> {
    let told = told.first_chunk().map_or(0, |told| u32::from_le_bytes(*told));
    if told == found { Ok(()) } else { Err(FrameError::Damaged { told, found }) }
}

/// Checks the beginning of a frame, of which these bytes have arrived, its length included.
/// `settled` is the version of the connection, once the handshake has settled it. Returns whether
/// all has arrived that is checked before the frame is complete.
///
/// A damaged length is so noticed behind [`HEAD_BYTES_MAX`] bytes at most, and not when as many
/// have come as it claims.
///
/// # Errors
/// When this cannot be the beginning of a frame on this connection.
pub fn check_start(bytes: &[u8], settled: Option<ProtocolVersion>) -> Result<bool, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(false) };
    let Some(form) = Form::of(rest) else { return Ok(false) };
    let frame = u32::from_be_bytes(*length) as usize;
    let is_long = frame > HEAD_BYTES_MAX;
    let told = match form {
        Form::Handshake(version) => version,
        _ => form.version().number(),
    };
    // A master of an earlier release refuses a secondary in its own version.
    let is_refusal = form == Form::Plain(FrameKind::Refused as u32) && !is_long;
    if let Some(settled) = settled.filter(|settled| settled.number() != told && !is_refusal) {
        return Err(FrameError::OtherVersion { told, settled });
    }
    match form {
        Form::Checked { head_bytes } => check_head(*length, rest, head_bytes),
        Form::Handshake(version) if is_long && ProtocolVersion::spoken(version).is_some() => {
            Err(FrameError::HeadLength { head: frame, frame })
        }
        Form::Handshake(_) | Form::Plain(_) => Ok(true),
    }
}
