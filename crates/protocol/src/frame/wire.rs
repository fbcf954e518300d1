//! Encodes frames to bytes, and decodes them.

use std::time::Duration;

use acklog_types::{Checksum, IdRange, InstanceId, LogEnd, LogId, Records, RequestId};
use bincode::{Decode, Encode};
use bytes::{Buf, Bytes};

use super::{
    DETAIL_BYTES_MAX, ErrorCode, FRAME_BYTES_MAX, Frame, FrameError, HEAD_BYTES_MAX, Handshake,
    PROTOCOL_VERSION, RefusalCode, Request, Response, Welcome,
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

/// Heads as they are on the wire; the order of the variants is their tag.
#[derive(Encode, Decode)]
enum FrameHead {
    Handshake {
        request: u64,
        version: u16,
        name: String,
        instance: u128,
        log: Option<u128>,
        end: u64,
        checksum: Option<u32>,
    },
    GetMessages {
        request: u64,
        from: u64,
        again: bool,
    },
    SecondaryNodeReady {
        request: u64,
        end: u64,
    },
    AddMessage {
        request: u64,
        first: u64,
        count: u32,
    },
    Heartbeat {
        request: u64,
        log_end: u64,
    },
    Welcome {
        request: u64,
        master: String,
        log: u128,
        log_end: u64,
        heartbeat_interval_ms: u64,
    },
    Refused {
        request: u64,
        code: RefusalCode,
        detail: String,
    },
    Page {
        request: u64,
        first: u64,
        count: u32,
        log_end: u64,
    },
    ReadyNoted {
        request: u64,
    },
    Added {
        request: u64,
        contiguous_end: u64,
    },
    Alive {
        request: u64,
    },
    Failed {
        request: u64,
        code: ErrorCode,
        detail: String,
    },
}

const HANDSHAKE_TAG: u32 = 0;

/// Longest heartbeat interval, in milliseconds: a year.
const INTERVAL_MS_MAX: u64 = 366 * 24 * 3600 * 1000;

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<HEAD_BYTES_MAX>()
}

/// Encodes a frame.
///
/// # Panics
/// If the frame is longer than [`FRAME_BYTES_MAX`]: runs are planned to be shorter.
pub fn encode(frame: &Frame<Records>) -> EncodedFrame {
    let records = frame.run().map(|run| run.as_bytes().clone()).unwrap_or_default();
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(&[0; 4]);
    bincode::encode_into_std_write(FrameHead::from(frame), &mut head, config())
        .expect("a head has nothing that cannot be encoded");
    let length = head.len() - 4 + records.len();
    assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    if let Some(prefix) = head.first_chunk_mut::<4>() {
        *prefix = (length as u32).to_be_bytes();
    }
    EncodedFrame { head: head.into(), records }
}

/// Decodes a frame, without its length prefix. Reads all of it, checks the records, and refuses
/// bytes that are left over.
///
/// # Errors
/// If the bytes are not exactly one frame of this version. A handshake of another version is no
/// error: it becomes a [`Request::HandshakeOfVersion`], so that it can be answered.
pub fn decode(mut bytes: Bytes) -> Result<Frame<Records>, FrameError> {
    if let Some((id, version)) = handshake_of_other_version(&bytes) {
        return Ok(Frame::Request(id, Request::HandshakeOfVersion(version)));
    }
    let (head, size): (FrameHead, usize) = bincode::decode_from_slice(&bytes, config())
        .map_err(|error| FrameError::Head(error.to_string()))?;
    bytes.advance(size);
    let frame = frame_of(head)?;
    if frame.run().is_none() && !bytes.is_empty() {
        return Err(FrameError::Trailing(bytes.len()));
    }
    frame.try_map(|range| Ok(Records::check(range, bytes)?))
}

/// Reads the version of a handshake of another version. Its tag, request number and version have
/// the same place in every version of the protocol.
fn handshake_of_other_version(bytes: &[u8]) -> Option<(RequestId, u16)> {
    let (&tag, rest) = bytes.split_first_chunk::<4>()?;
    let (&request, rest) = rest.split_first_chunk::<8>()?;
    let (&version, _) = rest.split_first_chunk::<2>()?;
    let version = u16::from_le_bytes(version);
    (u32::from_le_bytes(tag) == HANDSHAKE_TAG && version != PROTOCOL_VERSION)
        .then(|| (RequestId::new(u64::from_le_bytes(request)), version))
}

fn range_of(first: u64, count: u32) -> Result<IdRange, FrameError> {
    let end = first.checked_add(count.into()).ok_or(FrameError::Range { first, count })?;
    Ok(IdRange::new(LogEnd::new(first), LogEnd::new(end)))
}

/// Returns an interval from a peer, if times calculated with it stay within the clock's range.
fn interval_of(millis: u64) -> Result<Duration, FrameError> {
    match millis {
        1..=INTERVAL_MS_MAX => Ok(Duration::from_millis(millis)),
        _ => Err(FrameError::Interval(millis)),
    }
}

fn frame_of(head: FrameHead) -> Result<Frame<IdRange>, FrameError> {
    let request = |id, request| Frame::Request(RequestId::new(id), request);
    let response = |id, response| Frame::Response(RequestId::new(id), response);
    Ok(match head {
        FrameHead::Handshake { request: id, version: _, name, instance, log, end, checksum } => {
            request(
                id,
                Request::Handshake(Handshake {
                    name: name.parse()?,
                    instance: InstanceId::new(instance),
                    log: log.map(LogId::new),
                    end: LogEnd::new(end),
                    checksum: checksum.map(Checksum::new),
                }),
            )
        }
        FrameHead::GetMessages { request: id, from, again } => {
            request(id, Request::GetMessages { from: LogEnd::new(from), again })
        }
        FrameHead::SecondaryNodeReady { request: id, end } => {
            request(id, Request::SecondaryNodeReady { end: LogEnd::new(end) })
        }
        FrameHead::AddMessage { request: id, first, count } => {
            request(id, Request::AddMessage { run: range_of(first, count)? })
        }
        FrameHead::Heartbeat { request: id, log_end } => {
            request(id, Request::Heartbeat { log_end: LogEnd::new(log_end) })
        }
        FrameHead::Welcome { request: id, master, log, log_end, heartbeat_interval_ms } => {
            response(
                id,
                Response::Welcome(Welcome {
                    master: master.parse()?,
                    log: LogId::new(log),
                    log_end: LogEnd::new(log_end),
                    heartbeat_interval: interval_of(heartbeat_interval_ms)?,
                }),
            )
        }
        FrameHead::Refused { request: id, code, detail } => {
            response(id, Response::Refused { code, detail })
        }
        FrameHead::Page { request: id, first, count, log_end } => response(
            id,
            Response::Page { run: range_of(first, count)?, log_end: LogEnd::new(log_end) },
        ),
        FrameHead::ReadyNoted { request: id } => response(id, Response::ReadyNoted),
        FrameHead::Added { request: id, contiguous_end } => {
            response(id, Response::Added { contiguous_end: LogEnd::new(contiguous_end) })
        }
        FrameHead::Alive { request: id } => response(id, Response::Alive),
        FrameHead::Failed { request: id, code, detail } => {
            response(id, Response::Failed { code, detail })
        }
    })
}

impl From<&Frame<Records>> for FrameHead {
    fn from(frame: &Frame<Records>) -> Self {
        match frame {
            Frame::Request(id, request) => Self::of_request(id.get(), request),
            Frame::Response(id, response) => Self::of_response(id.get(), response),
        }
    }
}

impl FrameHead {
    fn of_request(request: u64, body: &Request<Records>) -> Self {
        match body {
            Request::Handshake(handshake) => Self::Handshake {
                request,
                version: PROTOCOL_VERSION,
                name: handshake.name.to_string(),
                instance: handshake.instance.get(),
                log: handshake.log.map(LogId::get),
                end: handshake.end.get(),
                checksum: handshake.checksum.map(Checksum::get),
            },
            Request::HandshakeOfVersion(version) => {
                unreachable!("a handshake of version {version} is received, never sent")
            }
            Request::GetMessages { from, again } => {
                Self::GetMessages { request, from: from.get(), again: *again }
            }
            Request::SecondaryNodeReady { end } => {
                Self::SecondaryNodeReady { request, end: end.get() }
            }
            Request::AddMessage { run } => {
                Self::AddMessage { request, first: run.range().start().get(), count: count_of(run) }
            }
            Request::Heartbeat { log_end } => Self::Heartbeat { request, log_end: log_end.get() },
        }
    }

    fn of_response(request: u64, body: &Response<Records>) -> Self {
        match body {
            Response::Welcome(welcome) => Self::Welcome {
                request,
                master: welcome.master.to_string(),
                log: welcome.log.get(),
                log_end: welcome.log_end.get(),
                heartbeat_interval_ms: welcome.heartbeat_interval.as_millis() as u64,
            },
            Response::Refused { code, detail } => {
                Self::Refused { request, code: *code, detail: cut(detail) }
            }
            Response::Page { run, log_end } => Self::Page {
                request,
                first: run.range().start().get(),
                count: count_of(run),
                log_end: log_end.get(),
            },
            Response::ReadyNoted => Self::ReadyNoted { request },
            Response::Added { contiguous_end } => {
                Self::Added { request, contiguous_end: contiguous_end.get() }
            }
            Response::Alive => Self::Alive { request },
            Response::Failed { code, detail } => {
                Self::Failed { request, code: *code, detail: cut(detail) }
            }
        }
    }
}

fn count_of(run: &Records) -> u32 {
    // A run has at most RUN_BYTES_MAX bytes and a record is never empty.
    u32::try_from(run.range().len()).expect("a run of far fewer than 2^32 messages")
}

fn cut(detail: &str) -> String {
    let mut end = detail.len().min(DETAIL_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.get(..end).unwrap_or_default().to_owned()
}
