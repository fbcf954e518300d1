//! Frames as they come from a peer, without their length prefix.

use acklog_protocol::frame::{self, Frame, Request};
use acklog_types::Records;
use bytes::Bytes;

/// Checks that what is decoded is encoded to the same bytes, and that nothing shorter or longer is
/// the same frame.
///
/// The first byte says whether the checksums of the records are made right first, which no fuzzer
/// finds by itself.
pub fn frame(data: &[u8]) {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        seal_run(&mut bytes);
    }
    let bytes = Bytes::from(bytes);
    let Ok(decoded) = frame::decode(bytes.clone()) else { return };
    if let Frame::Request(_, Request::HandshakeOfVersion(version)) = decoded {
        assert_ne!(version, frame::PROTOCOL_VERSION, "a handshake of this version is read whole");
        return;
    }
    let encoded = frame::encode(&decoded);
    let again = [encoded.head.get(4..).unwrap_or_default(), &encoded.records].concat();
    let is_cut = again.len() < bytes.len();
    assert_eq!(again, bytes.get(..again.len()).unwrap_or_default(), "{decoded:?}");
    assert!(!is_cut, "bytes were left out: {decoded:?}");
    let length = encoded.head.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix));
    assert_eq!(length, Some(again.len() as u32), "the length prefix");
    if let Some(run) = decoded.run() {
        check_run(run);
    }
    let longer = [&bytes, [0].as_slice()].concat();
    assert!(frame::decode(longer.into()).is_err(), "a byte behind the frame is not noticed");
    let shorter = bytes.slice(..bytes.len() - 1);
    assert!(frame::decode(shorter).is_err(), "a byte less is not noticed");
}

/// A run has one record for each of its ids, and its last batch is whole.
fn check_run(run: &Records) {
    let ids: Vec<u64> = run.iter().map(|record| record.id.get()).collect();
    let wanted: Vec<u64> = (run.range().start().get()..run.range().end().get()).collect();
    assert_eq!(ids, wanted);
    assert!(run.iter().last().is_none_or(|record| !record.has_more), "half a batch");
    assert_eq!(run.sizes().sum::<usize>(), run.bytes());
}

/// Makes the checksums of the records right, where the bytes are the head of `AddMessage` or `Page`
/// with records behind it.
fn seal_run(bytes: &mut [u8]) {
    const ADD_MESSAGE: (u32, usize) = (3, 24);
    const PAGE: (u32, usize) = (7, 32);
    let tag = bytes.first_chunk::<4>().map(|tag| u32::from_le_bytes(*tag));
    let kinds = [ADD_MESSAGE, PAGE];
    let Some((_, head)) = kinds.into_iter().find(|(of, _)| Some(*of) == tag) else { return };
    if let Some(records) = bytes.get_mut(head..) {
        crate::log_files::seal_records(records);
    }
}
