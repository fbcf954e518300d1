//! Records and runs of them, as they lie in files and come from peers.

use acklog_types::{
    Checksum, IdRange, LogEnd, MessageId, RECORD_HEADER_BYTES, Record, Records, RunningChecksum,
    in_batch, record_at, record_head, record_size,
};

use crate::log_files::{encoded_record, seal_records};

/// A record that is decoded is encoded to the same bytes, and its parts are found without decoding.
/// A run that is checked has exactly its ids, and each cut of it is the same records.
///
/// Input: a byte whose lowest bit says whether checksums are made right first; the first id, 8
/// bytes; how many records; the bytes.
pub fn record(data: &[u8]) {
    let Some((&[mode], rest)) = data.split_first_chunk::<1>() else { return };
    let Some((&first, rest)) = rest.split_first_chunk::<8>() else { return };
    let Some((&[count], bytes)) = rest.split_first_chunk::<1>() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        seal_records(&mut bytes);
    }
    let first = LogEnd::new(u64::from_le_bytes(first));
    if first.get() < u64::MAX
        && let Ok((record, size)) = record_at(first.next_id(), &bytes)
    {
        check_record(first.next_id(), &record, bytes.get(..size).expect("its bytes"));
    }
    // Must not panic, whatever the bytes are.
    let _ = (record_head(&bytes), in_batch(&bytes), RunningChecksum::START.over(&bytes));
    let Some(end) = first.get().checked_add(count.into()) else { return };
    let range = IdRange::new(first, LogEnd::new(end));
    if let Ok(run) = Records::check(range, bytes.into()) {
        check_run(&run);
    }
}

fn check_record(id: MessageId, record: &Record<'_>, bytes: &[u8]) {
    assert_eq!((record.id, record.size()), (id, bytes.len()));
    assert_eq!(record_size(bytes), Some(bytes.len()));
    assert_eq!(encoded_record(record), bytes, "{record:?}");
    let head = record_head(bytes).expect("a whole record has a head");
    assert_eq!(
        (head.id, head.accepted_ms, head.in_batch),
        (id, record.accepted_ms, record.in_batch())
    );
    assert_eq!(head.key.as_ref().map(|key| key.as_str()), record.key);
    assert_eq!(in_batch(bytes), record.in_batch());
    for cut in [bytes.len() - 1, RECORD_HEADER_BYTES - 1, 0] {
        let front = bytes.get(..cut).unwrap_or_default();
        assert!(record_at(id, front).is_err(), "a record that is cut off is taken");
    }
}

fn check_run(run: &Records) {
    let range = run.range();
    assert_eq!(run.iter().count() as u64, range.len());
    let encoded: Vec<u8> = run.iter().flat_map(|record| encoded_record(&record)).collect();
    assert_eq!(encoded, run.as_bytes().as_ref());
    let texts = run.iter().map(|record| (record.id, record.in_batch(), record.text.as_bytes()));
    assert!(run.texts().eq(texts), "texts are found without decoding");
    let checksums = run.iter().map(|record: Record<'_>| record.checksum);
    let running = checksums
        .fold(RunningChecksum::START, |running, checksum: Checksum| running.then(checksum.get()));
    assert_eq!(RunningChecksum::START.over(run.as_bytes()), Some(running));
    let middle = range.start().plus(range.len() / 2);
    let (front, back) = (run.slice(range.until(middle)), run.slice(range.from(middle)));
    assert_eq!([front.as_bytes().as_ref(), back.as_bytes()].concat(), run.as_bytes().as_ref());
    assert_eq!(run.without(range.len() / 2).as_bytes(), back.as_bytes());
    let mut rest = run.clone();
    let taken = rest.take_front(run.bytes() / 2);
    assert_eq!(taken.range().end(), rest.range().start());
    assert_eq!([taken.as_bytes().as_ref(), rest.as_bytes()].concat(), run.as_bytes().as_ref());
    assert!(range.is_empty() || !taken.range().is_empty(), "at least one record is taken");
}
