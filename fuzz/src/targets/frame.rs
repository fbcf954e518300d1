//! Frames as they come from a peer, without their length prefix.

use acklog_protocol::frame::{self, ConnectionTerms, Frame, ProtocolVersion, Request};
use acklog_types::{Epoch, Records};
use bytes::Bytes;

/// Checks that what is decoded is encoded to the same bytes, and that nothing shorter or longer is
/// the same frame.
///
/// Bits of the first byte say whether the checksums of the records, and that of the length and the
/// head, are made right first, which no fuzzer finds by itself.
pub fn frame(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        seal_run(&mut bytes);
    }
    if mode & 0x10 != 0 {
        seal_head(&mut bytes);
    }
    let bytes = Bytes::from(bytes);
    let decode = |bytes| frame::decode_in(bytes, Some(Epoch::FIRST));
    let Ok(decoded) = decode(bytes.clone()) else { return };
    if let Frame::Request(_, Request::HandshakeOfVersion(version)) = decoded {
        let spoken = ProtocolVersion::spoken(version);
        assert_eq!(spoken, None, "a handshake of this version is read whole");
        return;
    }
    let is_version_3 = bytes.first_chunk().is_some_and(|tag| u16::from_le_bytes(*tag) < TAGS);
    let version = if is_version_3 { ProtocolVersion::V3 } else { ProtocolVersion::V4 };
    let terms = ConnectionTerms { version, epoch: Epoch::FIRST };
    let encoded = frame::encode_as(&decoded, terms);
    let again = [encoded.head.get(4..).unwrap_or_default(), &encoded.records].concat();
    let is_cut = again.len() < bytes.len();
    assert_eq!(again, bytes.get(..again.len()).unwrap_or_default(), "{decoded:?}");
    assert!(!is_cut, "bytes were left out: {decoded:?}");
    let length = encoded.head.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix));
    assert_eq!(length, Some(again.len() as u32), "the length prefix");
    let whole = [&encoded.head[..], &encoded.records].concat();
    for arrived in 0..=encoded.head.len() {
        let start = whole.get(..arrived).unwrap_or_default();
        assert!(frame::check_start(start, None).is_ok(), "{arrived} bytes of {decoded:?}");
    }
    if let Some(run) = decoded.run() {
        check_run(run);
    }
    let longer = [&bytes, [0].as_slice()].concat();
    assert!(decode(longer.into()).is_err(), "a byte behind the frame is not noticed");
    let shorter = bytes.slice(..bytes.len() - 1);
    assert!(decode(shorter).is_err(), "a byte less is not noticed");
}

/// Number of the tags, which are below each length of a head.
const TAGS: u16 = 12;

/// Bytes before the head of a frame of version 4: its length, and a checksum.
const BEFORE_HEAD: usize = 6;

/// A run has one record for each of its ids, and its last batch is whole.
fn check_run(run: &Records) {
    let ids: Vec<u64> = run.iter().map(|record| record.id.get()).collect();
    let wanted: Vec<u64> = (run.range().start().get()..run.range().end().get()).collect();
    assert_eq!(ids, wanted);
    assert!(run.iter().last().is_none_or(|record| !record.has_more), "half a batch");
    assert_eq!(run.sizes().sum::<usize>(), run.bytes());
}

/// Returns the length of the head of a frame of version 4.
fn head_bytes(bytes: &[u8]) -> Option<usize> {
    let head_bytes = bytes.first_chunk().map(|length| u16::from_le_bytes(*length))?;
    (head_bytes >= TAGS).then_some(head_bytes.into())
}

/// Makes the checksums of the records right, where the bytes are the head of `AddMessage` or `Page`
/// with records behind it.
fn seal_run(bytes: &mut [u8]) {
    const ADD_MESSAGE: (u32, usize) = (3, 24);
    const PAGE: (u32, usize) = (7, 32);
    let tag = bytes.first_chunk::<4>().map(|tag| u32::from_le_bytes(*tag));
    let kinds = [ADD_MESSAGE, PAGE];
    let of_version_3 = || kinds.into_iter().find(|(of, _)| Some(*of) == tag).map(|(_, head)| head);
    let of_version_4 = head_bytes(bytes).map(|head| BEFORE_HEAD + head);
    let Some(head) = of_version_4.or_else(of_version_3) else { return };
    if let Some(records) = bytes.get_mut(head..) {
        crate::log_files::seal_records(records);
    }
}

/// Makes the checksum of length and head right, in a frame or a handshake of version 4.
fn seal_head(bytes: &mut [u8]) {
    const CHECK_BYTES: usize = 4;
    let length = (bytes.len() as u32).to_be_bytes();
    let (covered, at) = match head_bytes(bytes) {
        Some(head) => {
            let Some(rest) = bytes.get(BEFORE_HEAD..BEFORE_HEAD + head) else { return };
            ([&length, bytes.get(..2).unwrap_or_default(), rest].concat(), 2)
        }
        None => {
            let at = bytes.len().saturating_sub(CHECK_BYTES);
            ([&length, bytes.get(..at).unwrap_or_default()].concat(), at)
        }
    };
    if let Some(check) = bytes.get_mut(at..at + CHECK_BYTES) {
        check.copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    }
}
