//! Records as bytes.

use super::*;
use crate::{IdRange, LogEnd, Records};

fn run(from: u64, texts: &[&str]) -> Records {
    let mut bytes = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let id = MessageId::new(from + n as u64);
        encode_record(&mut bytes, id, 1_700_000_000_000, None, text, InBatch::Last);
    }
    let range = IdRange::new(LogEnd::new(from), LogEnd::new(from + texts.len() as u64));
    Records::check(range, bytes.into()).unwrap()
}

#[test]
fn what_is_encoded_comes_back() {
    let records = run(7, &["Msg1", "", "Повідомлення"]);
    let texts: Vec<_> = records.iter().map(|record| (record.id.get(), record.text)).collect();
    assert_eq!(texts, [(7, "Msg1"), (8, ""), (9, "Повідомлення")]);
}

#[test]
fn texts_pass_by_keys_and_are_those_of_the_records() {
    let mut bytes = Vec::new();
    let key = "order-17".parse().unwrap();
    for (n, (key, text)) in
        [(None, "Msg1"), (Some(&key), "Повідомлення"), (Some(&key), "")].into_iter().enumerate()
    {
        encode_record(&mut bytes, MessageId::new(n as u64), 0, key, text, InBatch::at(n, 3));
    }
    let records = Records::check(IdRange::new(LogEnd::ZERO, LogEnd::new(3)), bytes.into()).unwrap();
    let whole = records.iter().map(|record| (record.id, record.in_batch(), record.text.as_bytes()));
    assert!(records.texts().eq(whole));
}

#[test]
fn the_front_of_a_run_is_taken_off_as_far_as_it_fits_and_at_least_its_first_record() {
    let whole = run(5, &["a", "bb", "ccc"]);
    for (max_bytes, counts) in [(0, &[1, 1, 1][..]), (53, &[2, 1]), (80, &[2, 1]), (81, &[3])] {
        let (mut rest, mut at) = (whole.clone(), 5);
        for &count in counts {
            let front = rest.take_front(max_bytes);
            let range = IdRange::new(LogEnd::new(at), LogEnd::new(at + count));
            assert_eq!(front, whole.slice(range), "{max_bytes}");
            at += count;
        }
        assert_eq!(rest, Records::empty(LogEnd::new(8)));
        assert_eq!(rest.take_front(max_bytes), rest);
    }
}

/// Returns one keyed record, as bytes.
fn keyed(key: &str, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(
        &mut bytes,
        MessageId::new(3),
        0,
        Some(&key.parse().unwrap()),
        text,
        InBatch::Last,
    );
    bytes
}

#[test]
fn a_key_travels_with_its_message() {
    let bytes = keyed("order-17", "Msg1");
    let (record, size) = record_at(MessageId::new(3), &bytes).unwrap();
    assert_eq!((record.key, record.text, size), (Some("order-17"), "Msg1", bytes.len()));
    let largest = keyed(&"k".repeat(128), &"x".repeat(MESSAGE_BYTES_LIMIT));
    assert_eq!(largest.len(), RECORD_BYTES_MAX);
    assert!(record_at(MessageId::new(3), &largest).is_ok());
}

#[test]
fn a_malformed_key_is_refused() {
    for (at, byte) in [(25, 0), (25, 200), (26, b' '), (26, 0xff)] {
        let mut bytes = keyed("k", "Msg1");
        bytes[at] = byte;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        let found = record_at(MessageId::new(3), &bytes);
        assert_eq!(found, Err(RecordError::Key { id: MessageId::new(3) }), "{at} {byte}");
    }
}

#[test]
fn a_slice_is_the_run_that_it_names() {
    let records = run(7, &["a", "bb", "ccc", "dddd"]);
    let part = records.slice(IdRange::new(LogEnd::new(8), LogEnd::new(10)));
    assert_eq!(part, run(8, &["bb", "ccc"]));
    assert_eq!(records.slice(IdRange::empty(LogEnd::new(11))).bytes(), 0);
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let records = run(3, &["Msg1", "Msg2"]);
    let whole = records.as_bytes().to_vec();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Records::check(records.range(), damaged.into()).is_err(), "bit {bit}");
    }
    for length in 0..whole.len() {
        let cut = whole[..length].to_vec();
        assert!(Records::check(records.range(), cut.into()).is_err(), "length {length}");
    }
}

#[test]
fn a_record_under_another_id_and_bytes_behind_the_last_are_refused() {
    let records = run(3, &["Msg1"]);
    let elsewhere = IdRange::new(LogEnd::new(4), LogEnd::new(5));
    assert!(matches!(
        Records::check(elsewhere, records.as_bytes().clone()),
        Err(RecordError::OtherId { .. })
    ));
    let mut longer = records.as_bytes().to_vec();
    longer.push(0);
    assert_eq!(
        Records::check(records.range(), longer.into()),
        Err(RecordError::Trailing { bytes: 1 })
    );
}

#[test]
fn the_layout_of_a_record_is_pinned() {
    let records = run(1, &["Msg1"]);
    let hex: String = records.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!("04000000", "CRC", "0100000000000000", "0068e5cf8b010000", "00", "4d736731")
            .replace("CRC", &hex[8..16])
    );
    assert_eq!(&hex[8..16], "d4aa2ad5");
}

/// Returns the records of one batch, as bytes.
fn batch(from: u64, texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let id = MessageId::new(from + n as u64);
        encode_record(&mut bytes, id, 0, None, text, InBatch::at(n, texts.len()));
    }
    bytes
}

#[test]
fn a_run_that_ends_inside_a_batch_is_refused() {
    let bytes = batch(7, &["a", "bb", "ccc"]);
    let upto = |end| IdRange::new(LogEnd::new(7), LogEnd::new(end));
    let whole = Records::check(upto(10), bytes.clone().into()).unwrap();
    let has_more: Vec<_> = whole.iter().map(|record| record.has_more).collect();
    assert_eq!(has_more, [true, true, false]);
    for (end, length) in [(8, 26), (9, 26 + 27)] {
        let found = Records::check(upto(end), bytes[..length].to_vec().into());
        assert_eq!(found, Err(RecordError::BatchCutOff { id: MessageId::new(end - 1) }));
    }
}

#[test]
fn the_first_record_of_a_batch_may_have_a_key() {
    let mut bytes = Vec::new();
    encode_record(
        &mut bytes,
        MessageId::new(0),
        0,
        Some(&"k".parse().unwrap()),
        "a",
        InBatch::More,
    );
    assert_eq!(bytes[FLAGS_AT], 3);
    let (record, _) = record_at(MessageId::new(0), &bytes).unwrap();
    assert_eq!((record.key, record.has_more), (Some("k"), true));
}
