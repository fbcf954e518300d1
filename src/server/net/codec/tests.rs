//! What a reader makes of the bytes of a connection.

use std::time::Duration;

use acklog_protocol::frame::{
    ConnectionTerms, FRAME_BYTES_MAX, HANDSHAKE_FRAME_BYTES_MAX, HEAD_BYTES_MAX,
    HEAD_FRAME_BYTES_MAX, Handshake, NodeFacts, Positions, RefusalCode, Request, Response, Welcome,
    encode, encode_as,
};
use acklog_types::{
    Epoch, IdRange, InBatch, InstanceId, LogEnd, LogId, MessageId, RequestId, Storage,
    encode_record,
};
use tokio::io::AsyncWriteExt;

use super::*;
use crate::server::net::frame_limit::AdmittedFrames;

/// Longest wait; a good run needs a small part of it.
const PATIENCE: Duration = Duration::from_secs(30);

fn heartbeat(n: u64) -> Vec<u8> {
    let request = Request::Heartbeat { log_end: LogEnd::new(n), positions: Positions::default() };
    encode(&Frame::Request(RequestId::new(n), request)).head.to_vec()
}

/// Returns a frame with one message of so many bytes.
fn run_of(id: u64, bytes: usize) -> Vec<u8> {
    let mut record = Vec::new();
    encode_record(&mut record, MessageId::new(id), 0, None, &"x".repeat(bytes), InBatch::Last);
    let run = IdRange::new(LogEnd::new(id), LogEnd::new(id + 1));
    let run = Records::check(run, record.into()).unwrap();
    let request = Request::AddMessage { run, positions: Positions::default() };
    let frame = encode(&Frame::Request(RequestId::new(id), request));
    [frame.head, frame.records].concat()
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
    let long = run_of(0, HEAD_FRAME_BYTES_MAX);
    let (prefix, rest) = long.split_at(PREFIX_BYTES);
    for frame in 0..2 {
        end.write_all(prefix).await.unwrap();
        if frame == 0 {
            assert!(matches!(reader.next().await, Ok(Some(Received::Bytes))));
            limit.admit(AdmittedFrames::WithoutMessages);
            end.write_all(rest).await.unwrap();
            let whole = async {
                loop {
                    if let Some(Received::Frame(frame)) = reader.next().await.unwrap() {
                        return frame;
                    }
                }
            };
            assert_eq!(whole.await.request(), RequestId::new(0));
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
        end.write_all(&run_of(n, 5000)).await.unwrap();
        let Some(Received::Frame(Frame::Request(_, Request::AddMessage { run, .. }))) =
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

#[tokio::test]
async fn a_damaged_length_is_noticed_when_the_head_is_there_and_not_when_the_frame_would_be() {
    let good = run_of(7, 5000);
    let head = good.len() - 5025;
    for bit in 0..8 * head {
        let (mut end, io) = tokio::io::duplex(READ_BYTES);
        let limit = Arc::new(FrameLimit::of_handshake());
        limit.admit(AdmittedFrames::WithMessages);
        limit.settle(ProtocolVersion::V4);
        let mut reader = FrameReader::new(io, limit);
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // The connection stays open, and nothing more comes.
        end.write_all(&bad[..head]).await.unwrap();
        end.write_all(&[0; HEAD_BYTES_MAX]).await.unwrap();
        let error = tokio::time::timeout(PATIENCE, told(&mut reader)).await.expect("an error");
        let is_noticed = matches!(error, ReceiveError::Frame(_) | ReceiveError::TooLong { .. });
        assert!(is_noticed, "bit {bit}: {error}");
    }
}

#[tokio::test]
async fn a_welcome_settles_the_epoch_of_a_connection_and_other_frames_are_of_any_before_it() {
    let (mut end, io) = tokio::io::duplex(1024);
    let limit = Arc::new(FrameLimit::of_handshake());
    let mut reader = FrameReader::new(io, limit.clone());
    let (first, later) = (Epoch::FIRST, Epoch::new(2));
    let welcome = Welcome {
        master: "master".parse().unwrap(),
        log: LogId::new(1),
        epoch: later,
        log_end: LogEnd::ZERO,
        heartbeat_interval: Duration::from_secs(1),
        node: NodeFacts { storage: Some(Storage::Memory), ..NodeFacts::default() },
        positions: Positions::default(),
    };
    let (code, detail) = (RefusalCode::ClusterFull, String::new());
    let refused = Response::Refused { code, detail };
    for (response, epoch, settled) in [
        (refused, Epoch::new(3), None),
        (Response::from(welcome), later, Some(later)),
        (Response::ReadyNoted, later, Some(later)),
    ] {
        let terms = ConnectionTerms { epoch, ..ConnectionTerms::default() };
        let frame = Frame::Response(RequestId::new(0), response);
        end.write_all(&encode_as(&frame, terms).head).await.unwrap();
        assert!(matches!(reader.next().await, Ok(Some(Received::Frame(came))) if came == frame));
        assert_eq!(limit.epoch(), settled);
    }
    assert_eq!(limit.terms().epoch, later, "of what this side sends, too");
    let frame = Frame::Response(RequestId::new(1), Response::ReadyNoted);
    end.write_all(&encode(&frame).head).await.unwrap();
    let error = told(&mut reader).await;
    let other = FrameError::OtherEpoch { told: first, settled: later };
    assert!(matches!(&error, ReceiveError::Frame(error) if *error == other), "{error}");
}

#[tokio::test]
async fn the_first_handshake_settles_the_version_of_a_connection() {
    for version in [ProtocolVersion::V3, ProtocolVersion::V4] {
        let (mut end, io) = tokio::io::duplex(1024);
        let limit = Arc::new(FrameLimit::of_handshake());
        let mut reader = FrameReader::new(io, limit.clone());
        let handshake = Handshake::new("bonnie".parse().unwrap(), InstanceId::new(1));
        let mut send = async |version| {
            let handshake = Handshake { version, ..handshake.clone() };
            let frame = Frame::Request(RequestId::new(0), Request::from(handshake));
            end.write_all(&encode(&frame).head).await.unwrap();
        };
        send(version).await;
        assert!(matches!(reader.next().await, Ok(Some(Received::Frame(_)))));
        assert_eq!(limit.version(), Some(version));
        send(version).await;
        assert!(matches!(reader.next().await, Ok(Some(Received::Frame(_)))), "it is repeated");
        let other = match version {
            ProtocolVersion::V3 => ProtocolVersion::V4,
            ProtocolVersion::V4 => ProtocolVersion::V3,
        };
        send(other).await;
        let error = told(&mut reader).await;
        let is_refused = |error: &FrameError| matches!(error, FrameError::OtherVersion { .. });
        assert!(matches!(&error, ReceiveError::Frame(error) if is_refused(error)), "{error}");
    }
}
