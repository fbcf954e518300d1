//! Encodes frames to bytes, and decodes them.
//!
//! - [`form`]: where the head of a frame lies, and whether it is undamaged;
//! - [`head`]: the fields of each kind, in both versions.

mod form;
mod head;

use acklog_types::{Epoch, Records, RequestId};
use bytes::Bytes;

pub use self::form::check_start;
use self::form::{Form, LENGTH_BYTES};
use self::head::{HeadReader, HeadWriter};
use super::{
    ConnectionTerms, FRAME_BYTES_MAX, Frame, FrameError, FrameKind, ProtocolVersion, Request,
    Response,
};

/// A frame ready to be written: its length prefix and head, then its records as they lie in the
/// log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Length prefix and head.
    pub head: Bytes,
    /// The records behind the head; empty for kinds that carry none.
    pub records: Bytes,
}

impl EncodedFrame {
    /// Bytes on the wire, the length prefix included.
    pub fn bytes(&self) -> usize {
        self.head.len() + self.records.len()
    }
}

/// Encodes a frame in the present version and the first epoch.
///
/// # Panics
/// As [`encode_as`].
pub fn encode(frame: &Frame<Records>) -> EncodedFrame {
    encode_as(frame, ConnectionTerms::default())
}

/// Encodes a frame for a connection of these terms. Version 3 has no place for some of its fields,
/// which are left out. A handshake names its version itself, and a `Welcome` its epoch.
///
/// # Panics
/// If the frame is longer than [`FRAME_BYTES_MAX`]: runs are planned to be shorter.
pub fn encode_as(frame: &Frame<Records>, terms: ConnectionTerms) -> EncodedFrame {
    let records = frame.run().map(|run| run.as_bytes().clone()).unwrap_or_default();
    let form = match frame {
        Frame::Request(_, Request::Handshake(handshake)) => {
            Form::Handshake(handshake.version.number())
        }
        _ if terms.version == ProtocolVersion::V3 => Form::Plain(frame.kind() as u32),
        _ => Form::Checked { head_bytes: 0 },
    };
    let epoch = match frame {
        Frame::Response(_, Response::Welcome(welcome)) => welcome.epoch,
        _ => terms.epoch,
    };
    let terms = ConnectionTerms { version: form.version(), epoch };
    let mut head = HeadWriter::behind(form.bytes_before(), terms);
    head.put_frame(frame);
    let mut bytes = head.into_bytes();
    let length = bytes.len() + form.bytes_behind() - LENGTH_BYTES + records.len();
    assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    form.seal(&mut bytes, length);
    EncodedFrame { head: bytes.into(), records }
}

/// Decodes a frame of any version that a master speaks, without its length prefix, on a connection
/// whose epoch is not settled yet. Reads all of it, checks the head and the records, and refuses
/// bytes that are left over.
///
/// # Errors
/// If the bytes are not exactly one frame. A handshake of another version is no error: it becomes a
/// [`Request::HandshakeOfVersion`], so that it can be answered.
pub fn decode(bytes: Bytes) -> Result<Frame<Records>, FrameError> {
    decode_in(bytes, None)
}

/// Decodes a frame as [`decode`] does, on a connection of this epoch, once it is settled.
///
/// # Errors
/// As [`decode`], and if the frame is of another epoch.
pub fn decode_in(bytes: Bytes, settled: Option<Epoch>) -> Result<Frame<Records>, FrameError> {
    let form = Form::of(&bytes).ok_or_else(|| FrameError::Head("it is cut off".to_owned()))?;
    if let Form::Handshake(version) = form
        && ProtocolVersion::spoken(version).is_none()
    {
        let request = bytes.get(4..).and_then(|rest| rest.first_chunk()).copied();
        let request = RequestId::new(u64::from_le_bytes(request.unwrap_or_default()));
        return Ok(Frame::Request(request, Request::HandshakeOfVersion(version)));
    }
    let (head, behind) = form.split(bytes)?;
    let mut fields = HeadReader::new(&head, form.version(), settled);
    let frame = fields.take_frame()?;
    if (frame.kind() == FrameKind::Handshake) != matches!(form, Form::Handshake(_)) {
        return Err(FrameError::Head("a handshake in the form of another kind".to_owned()));
    }
    let records = match (form, fields.left()) {
        // In version 3 only the fields say where the head ends.
        (Form::Plain(_), left) => head.slice(head.len() - left..),
        (_, 0) => behind,
        (_, left) => return Err(FrameError::Trailing(left)),
    };
    if frame.run().is_none() && !records.is_empty() {
        return Err(FrameError::Trailing(records.len()));
    }
    frame.try_map(|range| Ok(Records::check(range, records)?))
}
