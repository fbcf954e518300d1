//! Splits a stream of bytes into frames.

use std::io;
use std::sync::Arc;

use acklog_protocol::frame::{self, Frame, FrameError, ProtocolVersion};
use acklog_types::Records;
use bytes::{Buf, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::frame_limit::FrameLimit;

/// Bytes of the length before each frame: `u32`, big-endian.
const PREFIX_BYTES: usize = 4;

/// Buffer space reserved for reads, in bytes: several runs of small messages at once.
const READ_BYTES: usize = 64 * 1024;

/// Free buffer space below which more is reserved, in bytes. Less: what has arrived is read in more
/// pieces. More: memory of [`READ_BYTES`] is reserved more often, at the latest for each run, while
/// the last one is still in use.
const READ_BYTES_MIN: usize = 16 * 1024;

/// Most buffer space reserved for the rest of a long frame, in bytes: a run of full size is read
/// with few system calls.
const LONG_READ_BYTES: usize = 512 * 1024;

/// Buffer space reserved for each read of a pending session, in bytes: a handshake fits, and a
/// thousand silent connections cost little.
const PENDING_READ_BYTES: usize = 1024;

/// Lowest rate of an unfinished frame, in bytes per second, measured over several heartbeat
/// intervals. Lower: heartbeats, which a frame with a damaged length swallows, would count as
/// progress. Higher: a line of 9,600 bits per second could not be used.
pub(super) const FRAME_RATE_MIN: u64 = 1024;

/// The reason why a connection cannot be read any further.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The announced frame is longer than the present limit.
    #[error("a frame of {announced} bytes was announced, the limit is {limit}")]
    TooLong {
        /// Bytes that the length field announces.
        announced: usize,
        /// Longest frame that is accepted, in bytes.
        limit: usize,
    },
    /// The peer speaks HTTP: it sends a request.
    #[error(
        "an HTTP request came: this is the port for secondaries (--comm-port), HTTP is served at \
         --http-port"
    )]
    HttpRequest,
    /// The peer speaks HTTP: it sends a response.
    #[error("an HTTP server answers there")]
    HttpServer,
    /// The peer speaks another protocol, recognised by its first bytes.
    #[error("the peer speaks {0}, not this protocol")]
    OtherProtocol(&'static str),
    /// An unfinished frame has stalled, or nearly so.
    #[error(
        "a frame that has begun comes at less than {FRAME_RATE_MIN} bytes a second; is its length \
         damaged?"
    )]
    Slow,
    /// The bytes are not a valid frame.
    #[error("undecodable frame: {0}")]
    Frame(#[from] FrameError),
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame, after {0} bytes of it")]
    CutOff(usize),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The result of one read.
#[derive(Debug)]
pub enum Received {
    /// A whole frame.
    Frame(Frame<Records>),
    /// Some bytes of a frame.
    Bytes,
}

/// Reads frames from one direction of a connection.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    limit: Arc<FrameLimit>,
    /// Whether the frame at the front was within the limit when it began.
    is_taken: bool,
    /// Whether the length and head of the frame at the front are known to be undamaged.
    is_checked: bool,
    received_bytes: u64,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Creates a reader of frames that are not longer than `limit`.
    pub fn new(io: R, limit: Arc<FrameLimit>) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            limit,
            is_taken: false,
            is_checked: false,
            received_bytes: 0,
        }
    }

    /// Returns the next frame, or that some bytes of one arrived; none at the end of the
    /// connection.
    ///
    /// Cancel safe: bytes that were read stay in the buffer.
    ///
    /// # Errors
    /// When the connection cannot be read any further.
    pub async fn next(&mut self) -> Result<Option<Received>, ReceiveError> {
        if let Some(frame) = self.decode()? {
            return Ok(Some(Received::Frame(frame)));
        }
        self.make_room();
        let read = self.io.read_buf(&mut self.buffer).await?;
        self.received_bytes += read as u64;
        if read == 0 {
            return match self.buffer.len() {
                0 => Ok(None),
                bytes => Err(ReceiveError::CutOff(bytes)),
            };
        }
        Ok(Some(self.decode()?.map_or(Received::Bytes, Received::Frame)))
    }

    /// Returns the reading end of the connection.
    pub fn io(&self) -> &R {
        &self.io
    }

    /// Returns the number of bytes that have arrived so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Returns whether a frame has begun and is not complete.
    pub fn is_within_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Reserves buffer space for a read: for bytes that can arrive, never for a length that was
    /// only announced. Memory of frames that are no longer in use is reused.
    fn make_room(&mut self) {
        let missing = self.announced().map_or(0, |bytes| PREFIX_BYTES + bytes - self.buffer.len());
        let (enough, room) = match self.limit.is_pending() {
            true => (PENDING_READ_BYTES, PENDING_READ_BYTES),
            false => (
                missing.clamp(READ_BYTES_MIN, LONG_READ_BYTES),
                missing.clamp(READ_BYTES, LONG_READ_BYTES),
            ),
        };
        if self.buffer.capacity() - self.buffer.len() < enough {
            self.buffer.reserve(room);
        }
    }

    /// Returns the length of the frame at the front.
    fn announced(&self) -> Option<usize> {
        let prefix = self.buffer.first_chunk::<PREFIX_BYTES>()?;
        Some(u32::from_be_bytes(*prefix) as usize)
    }

    /// Removes a whole frame from the buffer.
    fn decode(&mut self) -> Result<Option<Frame<Records>>, ReceiveError> {
        let Some(announced) = self.announced() else { return Ok(None) };
        let limit = self.limit.bytes();
        if announced > limit && !self.is_taken {
            let first = self.buffer.first_chunk().copied().unwrap_or_default();
            return Err(other_protocol(first).unwrap_or(ReceiveError::TooLong { announced, limit }));
        }
        if !self.is_checked {
            self.is_checked = frame::check_start(&self.buffer, self.limit.version())?;
        }
        self.is_taken = self.buffer.len() < PREFIX_BYTES + announced;
        if self.is_taken {
            return Ok(None);
        }
        self.is_checked = false;
        self.buffer.advance(PREFIX_BYTES);
        let frame = frame::decode_in(self.buffer.split_to(announced).freeze(), self.limit.epoch())?;
        self.limit.settle_epoch(&frame);
        if let Some(version) = ProtocolVersion::answering(&frame) {
            self.limit.settle(version);
        }
        Ok(Some(frame))
    }
}

/// Recognises another protocol by its first bytes. Read as a length, all of them are beyond any
/// limit.
fn other_protocol(first: [u8; PREFIX_BYTES]) -> Option<ReceiveError> {
    match &first {
        b"HTTP" => Some(ReceiveError::HttpServer),
        b"GET " | b"HEAD" | b"POST" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"PRI " | b"CONN" => {
            Some(ReceiveError::HttpRequest)
        }
        // A handshake or an alert.
        [0x15 | 0x16, 0x03, ..] => Some(ReceiveError::OtherProtocol("TLS")),
        b"SSH-" => Some(ReceiveError::OtherProtocol("SSH")),
        b"PROX" | b"\r\n\r\n" => Some(ReceiveError::OtherProtocol("the PROXY protocol")),
        text if text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')) => {
            Some(ReceiveError::OtherProtocol("a text protocol"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
