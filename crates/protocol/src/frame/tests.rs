//! The bytes of each kind of frame, pinned; and bytes that are not a frame.

use acklog_types::{IdRange, InBatch, MessageId, Records, encode_record};
use bytes::Bytes;

use super::*;

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
    let handshake = Handshake {
        name: name("bonnie"),
        instance: InstanceId::new(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        log: Some(LogId::new(0xa0a1_a2a3_a4a5_a6a7_a8a9_aaab_acad_aeaf)),
        end: LogEnd::new(2),
        checksum: Some(Checksum::new(0xdead_beef)),
    };
    let welcome = Welcome {
        master: name("master"),
        log: LogId::new(0xa0a1_a2a3_a4a5_a6a7_a8a9_aaab_acad_aeaf),
        log_end: LogEnd::new(4),
        heartbeat_interval: Duration::from_secs(1),
    };
    let refused = Response::Refused { code: RefusalCode::NameTaken, detail: "no".to_owned() };
    let failed = Response::Failed { code: ErrorCode::NoRoom, detail: "full".to_owned() };
    let page = Response::Page { run: run(2, &["Msg3", "Msg4"]), log_end: LogEnd::new(4) };
    vec![
        ("Handshake", request(0, Request::Handshake(handshake))),
        ("GetMessages", request(1, Request::GetMessages { from: LogEnd::new(2), again: false })),
        ("SecondaryNodeReady", request(2, Request::SecondaryNodeReady { end: LogEnd::new(4) })),
        ("AddMessage", request(7, Request::AddMessage { run: run(4, &["Msg5"]) })),
        ("Heartbeat", request(8, Request::Heartbeat { log_end: LogEnd::new(5) })),
        ("Welcome", response(0, Response::Welcome(welcome))),
        ("Refused", response(0, refused)),
        ("Page", response(1, page)),
        ("ReadyNoted", response(2, Response::ReadyNoted)),
        ("Added", response(7, Response::Added { contiguous_end: LogEnd::new(5) })),
        ("Alive", response(8, Response::Alive)),
        ("Failed", response(7, failed)),
    ]
}

fn bytes_of(frame: &Frame<Records>) -> Vec<u8> {
    let encoded = encode(frame);
    let mut bytes = encoded.head.to_vec();
    bytes.extend_from_slice(&encoded.records);
    assert_eq!(bytes.len(), encoded.bytes());
    bytes
}

/// Sixteen bytes a line, as in docs/PROTOCOL.md.
fn dump(bytes: &[u8]) -> String {
    let line =
        |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_document_shows_the_bytes_of_every_frame() {
    let document = include_str!("../../../../docs/PROTOCOL.md");
    for (kind, frame) in samples() {
        let block = format!("{kind}:\n{}\n", dump(&bytes_of(&frame)));
        assert!(document.contains(&block), "docs/PROTOCOL.md lacks this dump:\n{block}");
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
    let document = include_str!("../../../../docs/PROTOCOL.md");
    let block = format!("Keyed record:\n{}\n", dump(&bytes));
    assert!(document.contains(&block), "docs/PROTOCOL.md lacks this dump:\n{block}");
}

#[test]
fn what_is_encoded_is_decoded_and_nothing_shorter_or_longer() {
    for (kind, frame) in samples() {
        let bytes = bytes_of(&frame);
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
fn an_unknown_kind_and_a_text_that_claims_too_much_are_refused() {
    assert!(matches!(decode(Bytes::from_static(&[99, 0, 0, 0])), Err(FrameError::Head(_))));
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

#[test]
fn damaged_records_and_bad_names_are_refused() {
    let good = bytes_of(&samples()[3].1);
    let mut damaged = good[4..].to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(decode(damaged.into()), Err(FrameError::Records(_))));
    let mut bad_name = bytes_of(&samples()[0].1)[4..].to_vec();
    let at = bad_name.windows(6).position(|window| window == b"bonnie").unwrap();
    bad_name[at] = b'\n';
    assert!(matches!(decode(bad_name.into()), Err(FrameError::Name(_))));
}

#[test]
fn a_heartbeat_interval_beyond_the_clock_is_refused() {
    for millis in [0, u64::MAX] {
        let mut bytes = bytes_of(&samples()[5].1)[4..].to_vec();
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
