//! The bytes of each kind of frame in both versions, pinned; and bytes that are not a frame.

mod damage;

use std::time::Duration;

use acklog_types::{
    Checksum, IdRange, InBatch, InstanceId, LogId, MessageId, NodeName, Records, Storage, StoreId,
    encode_record,
};
use bytes::Bytes;

use super::*;

/// The terms of a connection to a node of version 3.
const V3_TERMS: ConnectionTerms =
    ConnectionTerms { version: ProtocolVersion::V3, epoch: Epoch::FIRST };

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn run(first: u64, texts: &[&str]) -> Records {
    let mut bytes = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        encode_record(
            &mut bytes,
            MessageId::new(first + n as u64),
            1_700_000_000_000,
            None,
            text,
            InBatch::Last,
        );
    }
    let end = first + texts.len() as u64;
    Records::check(IdRange::new(LogEnd::new(first), LogEnd::new(end)), bytes.into()).unwrap()
}

/// One frame of each kind, as docs/PROTOCOL.md shows them.
fn samples() -> Vec<(&'static str, Frame<Records>)> {
    let request = |id, body| Frame::Request(RequestId::new(id), body);
    let response = |id, body| Frame::Response(RequestId::new(id), body);
    let (log, end) = (LogId::new(0xa0a1_a2a3_a4a5_a6a7_a8a9_aaab_acad_aeaf), LogEnd::new);
    let positions = |committed, all| {
        let (committed_end, all_end) = (Some(LogEnd::new(committed)), LogEnd::new(all));
        Positions { log_start: LogEnd::ZERO, committed_end, all_end, cluster_size: Some(3) }
    };
    let node = |port, storage| {
        let (http_port, storage) = (Some(port), Some(storage));
        NodeFacts { http_port, storage, ..NodeFacts::default() }
    };
    let instance = InstanceId::new(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let handshake = Handshake {
        log: Some(log),
        end: LogEnd::new(2),
        checksum: Some(Checksum::new(0xdead_beef)),
        node: node(8001, Storage::Disk),
        ..Handshake::new(name("bonnie"), instance)
    };
    let welcome = Welcome {
        master: name("master"),
        log,
        epoch: Epoch::FIRST,
        log_end: LogEnd::new(4),
        heartbeat_interval: Duration::from_secs(1),
        node: node(8000, Storage::Memory),
        positions: positions(3, 2),
    };
    let refused = Response::Refused { code: RefusalCode::NameTaken, detail: "no".to_owned() };
    let failed = Response::Failed { code: ErrorCode::NoRoom, detail: "full".to_owned() };
    let (pages, runs) = (run(2, &["Msg3", "Msg4"]), run(4, &["Msg5"]));
    let page = Response::Page { run: pages, log_end: end(4), positions: positions(3, 2) };
    let heartbeat = Request::Heartbeat { log_end: end(5), positions: positions(4, 4) };
    let append = Request::AddMessage { run: runs, positions: positions(4, 4) };
    vec![
        ("Handshake", request(0, Request::from(handshake))),
        ("GetMessages", request(1, Request::GetMessages { from: end(2), again: false })),
        ("SecondaryNodeReady", request(2, Request::SecondaryNodeReady { end: end(4) })),
        ("AddMessage", request(7, append)),
        ("Heartbeat", request(8, heartbeat)),
        ("Welcome", response(0, Response::from(welcome))),
        ("Refused", response(0, refused)),
        ("Page", response(1, page)),
        ("ReadyNoted", response(2, Response::ReadyNoted)),
        ("Added", response(7, Response::Added { contiguous_end: end(5) })),
        ("Alive", response(8, Response::Alive)),
        ("Failed", response(7, failed)),
    ]
}

/// The same frames as a node of version 3 sends and decodes them.
fn samples_of_version_3() -> Vec<(&'static str, Frame<Records>)> {
    let without = |(kind, frame)| {
        let nothing = Positions::default();
        let frame = match frame {
            Frame::Request(id, Request::Handshake(handshake)) => {
                let (version, node) = (ProtocolVersion::V3, NodeFacts::default());
                Frame::Request(id, Request::from(Handshake { version, node, ..*handshake }))
            }
            Frame::Request(id, Request::AddMessage { run, .. }) => {
                Frame::Request(id, Request::AddMessage { run, positions: nothing })
            }
            Frame::Request(id, Request::Heartbeat { log_end, .. }) => {
                Frame::Request(id, Request::Heartbeat { log_end, positions: nothing })
            }
            Frame::Response(id, Response::Welcome(welcome)) => {
                let (node, positions) = (NodeFacts::default(), nothing);
                Frame::Response(id, Response::from(Welcome { node, positions, ..*welcome }))
            }
            Frame::Response(id, Response::Page { run, log_end, .. }) => {
                Frame::Response(id, Response::Page { run, log_end, positions: nothing })
            }
            other => other,
        };
        (kind, frame)
    };
    samples().into_iter().map(without).collect()
}

fn joined(encoded: &EncodedFrame) -> Vec<u8> {
    let bytes = [&encoded.head[..], &encoded.records].concat();
    assert_eq!(bytes.len(), encoded.bytes());
    bytes
}

fn bytes_of(frame: &Frame<Records>) -> Vec<u8> {
    joined(&encode(frame))
}

/// Sixteen bytes a line, as in docs/PROTOCOL.md.
fn dump(bytes: &[u8]) -> String {
    let line =
        |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

fn assert_shown(title: &str, bytes: &[u8]) {
    let document = include_str!("../../../../docs/PROTOCOL.md");
    let block = format!("{title}:\n{}\n", dump(bytes));
    assert!(document.contains(&block), "docs/PROTOCOL.md lacks this dump:\n{block}");
}

#[test]
fn the_document_shows_the_bytes_of_every_frame() {
    for (kind, frame) in samples() {
        assert_shown(kind, &bytes_of(&frame));
    }
}

#[test]
fn the_document_shows_the_bytes_of_every_frame_of_version_3() {
    for (kind, frame) in samples_of_version_3() {
        let bytes = joined(&encode_as(&frame, V3_TERMS));
        assert_shown(&format!("{kind} of version 3"), &bytes);
    }
}

#[test]
fn the_document_shows_the_bytes_of_a_record_with_a_key() {
    let mut bytes = Vec::new();
    let key = "order-17".parse().unwrap();
    encode_record(
        &mut bytes,
        MessageId::new(4),
        1_700_000_000_000,
        Some(&key),
        "Msg5",
        InBatch::Last,
    );
    assert_shown("Keyed record", &bytes);
}

#[test]
fn what_is_encoded_is_decoded_and_nothing_shorter_or_longer() {
    let present = samples().into_iter().map(|(kind, frame)| (kind, bytes_of(&frame), frame));
    let before = samples_of_version_3()
        .into_iter()
        .map(|(kind, frame)| (kind, joined(&encode_as(&frame, V3_TERMS)), frame));
    for (kind, bytes, frame) in present.chain(before) {
        let (prefix, payload) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*prefix) as usize, payload.len(), "{kind}");
        assert_eq!(decode(Bytes::copy_from_slice(payload)), Ok(frame), "{kind}");
        for length in 0..payload.len() {
            let cut = Bytes::copy_from_slice(&payload[..length]);
            assert!(decode(cut).is_err(), "{kind} cut to {length} bytes");
        }
        let mut longer = payload.to_vec();
        longer.push(0);
        assert!(decode(longer.into()).is_err(), "{kind} with a byte behind it");
    }
}

#[test]
fn version_3_leaves_out_what_it_has_no_place_for() {
    for ((kind, frame), (_, before)) in samples().into_iter().zip(samples_of_version_3()) {
        if kind != "Handshake" {
            let encoded = encode_as(&frame, V3_TERMS);
            assert_eq!(encoded, encode_as(&before, V3_TERMS), "{kind}");
        }
    }
}

#[test]
fn all_that_a_node_can_tell_of_itself_is_decoded_again() {
    let Frame::Request(id, Request::Handshake(handshake)) = samples().swap_remove(0).1 else {
        panic!("a handshake")
    };
    let row = |epoch| EpochRow {
        epoch: Epoch::new(epoch),
        start: LogEnd::new(10 * epoch),
        mark: u64::MAX - epoch,
    };
    let node = NodeFacts {
        http_port: None,
        storage: Some(Storage::Disk),
        store: Some(StoreId::new(77)),
        epochs: (1..=100).map(row).collect(),
    };
    let credentials = Credentials::new(vec![7; CREDENTIALS_BYTES_MAX]).unwrap();
    assert_eq!(format!("{credentials:?}"), "Credentials(1024 bytes)", "they are not shown");
    let log_start = LogEnd::new(1);
    let full = Handshake { node, log_start, credentials, ..*handshake };
    let frame = Frame::Request(id, Request::from(full));
    let payload = Bytes::from(bytes_of(&frame)).slice(4..);
    assert!(payload.len() <= HEAD_BYTES_MAX);
    assert_eq!(decode(payload), Ok(frame));
    assert_eq!(Credentials::new(vec![7; CREDENTIALS_BYTES_MAX + 1]), None);
}

#[test]
fn an_unknown_kind_and_a_text_that_claims_too_much_are_refused() {
    let unknown = Bytes::from_static(&[11, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(decode(unknown), Err(FrameError::Head(_))));
    // A refusal whose detail claims 2^60 bytes.
    let mut bytes = vec![6, 0, 0, 0];
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(&(1_u64 << 60).to_le_bytes());
    assert!(matches!(decode(bytes.into()), Err(FrameError::Head(_))));
}

#[test]
fn a_handshake_of_another_version_is_told_whatever_stands_behind_its_version() {
    let mut bytes = vec![0, 0, 0, 0];
    bytes.extend_from_slice(&9_u64.to_le_bytes());
    bytes.extend_from_slice(&77_u16.to_le_bytes());
    bytes.extend_from_slice(b"whatever comes in that version");
    assert_eq!(
        decode(bytes.into()),
        Ok(Frame::Request(RequestId::new(9), Request::HandshakeOfVersion(77)))
    );
}

/// Returns a frame of version 3 without its length: no checksum covers its head.
fn payload_of_version_3(sample: usize) -> Vec<u8> {
    let frame = samples_of_version_3().swap_remove(sample).1;
    joined(&encode_as(&frame, V3_TERMS)).split_off(4)
}

#[test]
fn damaged_records_and_bad_names_are_refused() {
    let good = bytes_of(&samples()[3].1);
    let mut damaged = good[4..].to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(decode(damaged.into()), Err(FrameError::Records(_))));
    let mut bad_name = payload_of_version_3(0);
    let at = bad_name.windows(6).position(|window| window == b"bonnie").unwrap();
    bad_name[at] = b'\n';
    assert!(matches!(decode(bad_name.into()), Err(FrameError::Name(_))));
}

#[test]
fn a_cluster_of_more_nodes_than_one_can_have_is_refused() {
    for (size, is_taken) in [(None, true), (Some(NODES_MAX), true), (Some(NODES_MAX + 1), false)] {
        let positions = Positions { cluster_size: size, ..Positions::default() };
        let heartbeat = Request::Heartbeat { log_end: LogEnd::ZERO, positions };
        let frame = Frame::Request(RequestId::new(1), heartbeat);
        let decoded = decode(Bytes::from(bytes_of(&frame)).slice(4..));
        let expected = if is_taken { Ok(frame) } else { Err(FrameError::ClusterSize(257)) };
        assert_eq!(decoded, expected, "{size:?}");
    }
}

#[test]
fn a_heartbeat_interval_beyond_the_clock_is_refused() {
    for millis in [0, u64::MAX] {
        let mut bytes = payload_of_version_3(5);
        let at = bytes.len() - 8;
        bytes[at..].copy_from_slice(&millis.to_le_bytes());
        assert_eq!(decode(bytes.into()), Err(FrameError::Interval(millis)));
    }
}

#[test]
fn a_long_explanation_is_cut_between_characters() {
    let long = Response::Failed { code: ErrorCode::Internal, detail: "é".repeat(2000) };
    let frame = Frame::Response(RequestId::new(1), long);
    let payload = Bytes::from(bytes_of(&frame)).slice(4..);
    let Ok(Frame::Response(_, Response::Failed { detail, .. })) = decode(payload) else {
        panic!("decodes")
    };
    assert_eq!(detail, "é".repeat(512));
}
