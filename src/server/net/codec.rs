//! Splits a stream of bytes into frames.

use std::io;
use std::sync::Arc;

use acklog_protocol::frame::{self, Frame, FrameError};
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
    received_bytes: u64,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Creates a reader of frames that are not longer than `limit`.
    pub fn new(io: R, limit: Arc<FrameLimit>) -> Self {
        Self { io, buffer: BytesMut::new(), limit, is_taken: false, received_bytes: 0 }
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
        self.is_taken = self.buffer.len() < PREFIX_BYTES + announced;
        if self.is_taken {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_BYTES);
        Ok(Some(frame::decode(self.buffer.split_to(announced).freeze())?))
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
mod tests {
    use std::time::Duration;

    use acklog_protocol::frame::{
        FRAME_BYTES_MAX, HANDSHAKE_FRAME_BYTES_MAX, HEAD_FRAME_BYTES_MAX, Request, encode,
    };
    use acklog_types::{IdRange, InBatch, LogEnd, MessageId, RequestId, encode_record};
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::server::net::frame_limit::AdmittedFrames;

    fn heartbeat(n: u64) -> Vec<u8> {
        let request = Request::Heartbeat { log_end: LogEnd::new(n) };
        encode(&Frame::Request(RequestId::new(n), request)).head.to_vec()
    }

    fn reader<R: AsyncRead + Unpin>(io: R) -> FrameReader<R> {
        FrameReader::new(io, Arc::new(FrameLimit::of_handshake()))
    }

    #[tokio::test]
    async fn frames_come_out_whole_however_the_bytes_come() {
        let bytes = [heartbeat(1), heartbeat(2), heartbeat(3)].concat();
        for size in 1..=bytes.len() {
            let (mut end, io) = tokio::io::duplex(size);
            let bytes = bytes.clone();
            let writing = tokio::spawn(async move { end.write_all(&bytes).await });
            let mut reader = reader(io);
            let mut frames = Vec::new();
            while let Some(received) = reader.next().await.unwrap() {
                if let Received::Frame(Frame::Request(id, _)) = received {
                    frames.push(id.get());
                }
            }
            assert_eq!(frames, [1, 2, 3], "in pieces of {size} bytes");
            writing.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_length_is_refused_before_memory_is_taken_for_it() {
        let (mut end, io) = tokio::io::duplex(64);
        end.write_all(&[0x7f, 0xff, 0xff, 0xff]).await.unwrap();
        let mut reader = reader(io);
        let error = reader.next().await.unwrap_err();
        let limit_is = HANDSHAKE_FRAME_BYTES_MAX;
        assert!(matches!(error, ReceiveError::TooLong { announced: 0x7fff_ffff, limit }
            if limit == limit_is));
    }

    #[tokio::test]
    async fn other_protocols_are_told_by_their_first_bytes() {
        for (bytes, told) in [
            (&b"GET / HTTP/1.1\r\n"[..], "an HTTP request came"),
            (b"HTTP/1.1 400 Bad Request\r\n", "an HTTP server answers there"),
            (&[0x16, 0x03, 0x01, 0x02, 0x00], "the peer speaks TLS"),
            (&[0x15, 0x03, 0x01, 0x00, 0x02], "the peer speaks TLS"),
            (b"SSH-2.0-OpenSSH", "the peer speaks SSH"),
            (b"PROXY TCP4 192.0.2.1", "the peer speaks the PROXY protocol"),
            (b"220 mail ESMTP\r\n", "the peer speaks a text protocol"),
        ] {
            let error = reader(bytes).next().await.unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    /// Reads until an error occurs.
    async fn told<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> ReceiveError {
        loop {
            if let Err(error) = reader.next().await {
                return error;
            }
        }
    }

    /// Reads a frame that was announced until nothing more arrives.
    async fn promised(reader: &mut FrameReader<&[u8]>) -> Result<Option<Received>, ReceiveError> {
        loop {
            match reader.next().await {
                Ok(Some(Received::Bytes)) => {}
                ended => return ended,
            }
        }
    }

    #[tokio::test]
    async fn each_role_has_its_longest_frame() {
        for (admitted, limit) in [
            (None, HANDSHAKE_FRAME_BYTES_MAX),
            (Some(AdmittedFrames::WithoutMessages), HEAD_FRAME_BYTES_MAX),
            (Some(AdmittedFrames::WithMessages), FRAME_BYTES_MAX),
        ] {
            let limits = Arc::new(FrameLimit::of_handshake());
            if let Some(frames) = admitted {
                // The limit that was set before does not matter.
                limits.admit(AdmittedFrames::WithMessages);
                limits.admit(AdmittedFrames::WithoutMessages);
                limits.admit(frames);
            }
            let longest = (limit as u32).to_be_bytes();
            let mut taken = FrameReader::new(&longest[..], limits.clone());
            assert!(matches!(promised(&mut taken).await, Err(ReceiveError::CutOff(4))));
            let longer = (limit as u32 + 1).to_be_bytes();
            let error = promised(&mut FrameReader::new(&longer[..], limits)).await.unwrap_err();
            assert!(matches!(error, ReceiveError::TooLong { limit: told, .. } if told == limit));
        }
    }

    #[tokio::test]
    async fn a_long_frame_that_has_begun_comes_to_its_end_also_where_no_further_one_is_taken() {
        let (mut end, io) = tokio::io::duplex(4 * HEAD_FRAME_BYTES_MAX);
        let limit = Arc::new(FrameLimit::of_handshake());
        limit.admit(AdmittedFrames::WithMessages);
        let mut reader = FrameReader::new(io, limit.clone());
        let long = vec![0xff; HEAD_FRAME_BYTES_MAX + 1];
        for frame in 0..2 {
            end.write_all(&(long.len() as u32).to_be_bytes()).await.unwrap();
            if frame == 0 {
                assert!(matches!(reader.next().await, Ok(Some(Received::Bytes))));
                limit.admit(AdmittedFrames::WithoutMessages);
                end.write_all(&long).await.unwrap();
                // The frame is complete, so it is decoded.
                assert!(matches!(told(&mut reader).await, ReceiveError::Frame(_)));
            } else {
                assert!(matches!(told(&mut reader).await, ReceiveError::TooLong { .. }));
            }
        }
    }

    #[tokio::test]
    async fn memory_is_taken_for_bytes_that_came_not_for_those_promised() {
        let (mut end, io) = tokio::io::duplex(64);
        let limit = Arc::new(FrameLimit::of_handshake());
        limit.admit(AdmittedFrames::WithMessages);
        let mut reader = FrameReader::new(io, limit);
        end.write_all(&(FRAME_BYTES_MAX as u32).to_be_bytes()).await.unwrap();
        assert!(matches!(reader.next().await, Ok(Some(Received::Bytes))));
        let waited = tokio::time::timeout(Duration::from_millis(1), reader.next()).await;
        assert!(waited.is_err(), "nothing more came");
        assert!(reader.buffer.capacity() <= 2 * LONG_READ_BYTES);
    }

    #[tokio::test]
    async fn short_runs_that_are_still_in_use_lie_in_the_same_memory() {
        let (mut end, io) = tokio::io::duplex(READ_BYTES);
        let limit = Arc::new(FrameLimit::of_handshake());
        limit.admit(AdmittedFrames::WithMessages);
        let mut reader = FrameReader::new(io, limit);
        let (mut held, mut ends): (Vec<Records>, _) = (Vec::new(), Vec::new());
        for n in 0..4 {
            let mut bytes = Vec::new();
            encode_record(&mut bytes, MessageId::new(n), 0, None, &"x".repeat(5000), InBatch::Last);
            let run = IdRange::new(LogEnd::new(n), LogEnd::new(n + 1));
            let run = Records::check(run, bytes.into()).unwrap();
            let frame = encode(&Frame::Request(RequestId::new(n), Request::AddMessage { run }));
            end.write_all(&[frame.head, frame.records].concat()).await.unwrap();
            let Some(Received::Frame(Frame::Request(_, Request::AddMessage { run }))) =
                reader.next().await.unwrap()
            else {
                panic!("no run came");
            };
            ends.push(run.as_bytes().as_ptr_range());
            held.push(run);
        }
        let apart = |pair: &[std::ops::Range<*const u8>]| pair[1].start.addr() - pair[0].end.addr();
        assert!(ends.windows(2).all(|pair| apart(pair) < 100), "{ends:?}");
    }

    #[tokio::test]
    async fn a_frame_cut_in_half_is_told_from_a_clean_end() {
        let (mut end, io) = tokio::io::duplex(64);
        end.write_all(&heartbeat(1)[..9]).await.unwrap();
        drop(end);
        let mut reader = reader(io);
        assert!(matches!(reader.next().await, Ok(Some(Received::Bytes))));
        assert!(matches!(reader.next().await, Err(ReceiveError::CutOff(9))));
    }
}
