//! Frames of version 4 that were damaged on their way, and heads that no node sends.

use super::*;

/// Returns when the reader of a frame notices that these are not its bytes: the number of bytes
/// that have arrived by then, of those and of what follows.
fn noticed_at(bytes: &[u8], settled: Option<ProtocolVersion>) -> Option<usize> {
    (4..=bytes.len()).find(|&arrived| {
        let came = &bytes[..arrived];
        let length = came.first_chunk().map_or(0, |length| u32::from_be_bytes(*length)) as usize;
        let is_whole = arrived - 4 >= length;
        let whole = || decode(Bytes::copy_from_slice(&came[4..4 + length]));
        check_start(came, settled).is_err() || (is_whole && whole().is_err())
    })
}

#[test]
fn each_flipped_bit_of_a_length_or_head_is_noticed_within_the_longest_head() {
    let following = [0_u8; 2 * HEAD_BYTES_MAX];
    for (kind, frame) in samples() {
        let encoded = encode(&frame);
        let good = [&encoded.head[..], &encoded.records, &following].concat();
        let settled = (kind != "Handshake").then_some(ProtocolVersion::V4);
        for bit in 0..8 * encoded.head.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // A handshake of another version is answered, whatever stands behind that.
            let is_version = kind == "Handshake" && (16..18).contains(&(bit / 8));
            let at = noticed_at(&bad, settled);
            let bytes_max = encoded.bytes() + HEAD_BYTES_MAX;
            assert!(is_version || at.is_some_and(|at| at <= bytes_max), "{kind}, {bit}: {at:?}");
        }
    }
}

#[test]
fn an_undamaged_head_is_known_as_soon_as_it_is_there() {
    for (kind, frame) in samples() {
        let encoded = encode(&frame);
        let settled = (kind != "Handshake").then_some(ProtocolVersion::V4);
        let known = (0..=encoded.head.len())
            .find(|&bytes| check_start(&encoded.head[..bytes], settled) == Ok(true));
        // The checksum of a handshake stands at its end, with which the frame is complete.
        let expected = if kind == "Handshake" { 18 } else { encoded.head.len() };
        assert_eq!(known, Some(expected), "{kind}");
    }
}

#[test]
fn a_length_that_was_damaged_is_told_from_one_that_cannot_be() {
    let heartbeat = samples().swap_remove(4).1;
    let mut bytes = bytes_of(&heartbeat);
    bytes[1] ^= 0x80;
    let settled = Some(ProtocolVersion::V4);
    let damaged = check_start(&bytes, settled).unwrap_err();
    assert!(damaged.to_string().starts_with("the frame's length or head is damaged"), "{damaged}");
    let mut bytes = bytes_of(&heartbeat);
    bytes[5] = 0xff;
    let damaged = check_start(&bytes, settled).unwrap_err();
    assert!(matches!(damaged, FrameError::HeadLength { .. }), "{damaged}");
}

#[test]
fn a_frame_of_another_version_than_its_connection_is_refused_but_an_older_master_s_refusal() {
    let (v3, v4) = (ProtocolVersion::V3, ProtocolVersion::V4);
    for (kind, frame) in samples_of_version_3() {
        let bytes = joined(&encode_as(&frame, V3_TERMS));
        assert_eq!(check_start(&bytes, None), Ok(true), "{kind}");
        assert_eq!(check_start(&bytes, Some(v3)), Ok(true), "{kind}");
        let refused = Err(FrameError::OtherVersion { told: 3, settled: v4 });
        let expected = if kind == "Refused" { Ok(true) } else { refused };
        assert_eq!(check_start(&bytes, Some(v4)), expected, "{kind}");
    }
    for (kind, frame) in samples() {
        let refused = Err(FrameError::OtherVersion { told: 4, settled: v3 });
        assert_eq!(check_start(&bytes_of(&frame), Some(v3)), refused, "{kind}");
    }
    let told = FrameError::OtherVersion { told: 3, settled: v4 }.to_string();
    assert!(told.contains("upgrade the master first"), "{told}");
}

/// Makes the checksum of a frame of version 4 right, and returns the frame without its length.
fn sealed(mut bytes: Vec<u8>, is_handshake: bool) -> Bytes {
    let (covered, at) = match is_handshake {
        true => (bytes[..bytes.len() - 4].to_vec(), bytes.len() - 4),
        false => ([&bytes[..6], &bytes[10..]].concat(), 6),
    };
    bytes[at..at + 4].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    Bytes::from(bytes).slice(4..)
}

#[test]
fn what_no_node_of_this_release_tells_is_refused() {
    let handshake = bytes_of(&samples()[0].1);
    assert!(decode(sealed(handshake.clone(), true)).is_ok());
    // Offsets from the end: checksum, credentials, more rows, rows, store, epoch.
    let changed = |from_end: usize, value: u8| {
        let mut bytes = handshake.clone();
        let at = bytes.len() - from_end;
        bytes[at] = value;
        decode(sealed(bytes, true))
    };
    assert_eq!(changed(13, 1), Err(FrameError::LongEpochTable));
    assert_eq!(changed(39, 2), Err(FrameError::Storage(2)));
    assert!(matches!(changed(21, 1), Err(FrameError::Head(_))), "a row that is not there");
    let alive = |at: usize, value: u8| {
        let mut bytes = bytes_of(&samples()[10].1);
        bytes[at] = value;
        decode(sealed(bytes, false))
    };
    assert!(matches!(alive(10, 12), Err(FrameError::Head(_))), "a tag that is reserved");
    assert!(matches!(alive(10, 0), Err(FrameError::Head(_))), "no form of a handshake");
}

#[test]
fn an_epoch_is_judged_by_the_machines_and_is_one_on_a_connection() {
    let (first, later) = (Epoch::FIRST, Epoch::new(2));
    let terms = ConnectionTerms { epoch: later, ..ConnectionTerms::default() };
    for (kind, frame) in samples() {
        let of_later = match frame {
            Frame::Request(id, Request::Handshake(handshake)) => {
                Frame::Request(id, Request::from(Handshake { epoch: later, ..*handshake }))
            }
            Frame::Response(id, Response::Welcome(welcome)) => {
                Frame::Response(id, Response::from(Welcome { epoch: later, ..*welcome }))
            }
            other => other,
        };
        let bytes = Bytes::from(joined(&encode_as(&of_later, terms)).split_off(4));
        assert_eq!(decode(bytes.clone()).as_ref(), Ok(&of_later), "{kind}: not settled yet");
        assert_eq!(decode_in(bytes.clone(), Some(later)).as_ref(), Ok(&of_later), "{kind}");
        // A handshake names an epoch, and has none.
        let other = match of_later.kind() {
            FrameKind::Handshake => Ok(of_later),
            _ => Err(FrameError::OtherEpoch { told: later, settled: first }),
        };
        assert_eq!(decode_in(bytes, Some(first)), other, "{kind}");
    }
}

#[test]
fn credentials_that_are_too_long_are_refused() {
    let Frame::Request(id, Request::Handshake(handshake)) = samples().swap_remove(0).1 else {
        panic!("a handshake")
    };
    let credentials = Credentials::new(vec![7; CREDENTIALS_BYTES_MAX]).unwrap();
    let full = Frame::Request(id, Request::from(Handshake { credentials, ..*handshake }));
    let mut bytes = bytes_of(&full);
    let length_at = bytes.len() - 4 - CREDENTIALS_BYTES_MAX - 8;
    bytes.insert(length_at + 8, 7);
    bytes[length_at..length_at + 8].copy_from_slice(&1025_u64.to_le_bytes());
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(decode(sealed(bytes, true)), Err(FrameError::Credentials(1025)));
}
