//! Segments are found by the ids in them: a message in no file is an error, and never another
//! message.

use super::super::segment_file::SegmentFile;
use super::super::segments::Segments;
use super::*;
use crate::ReadError;

/// Returns a log whose first segment is missing from the list.
fn without_first() -> (Segments, LogEnd) {
    let (disk, log) = committed(&[10; 6]);
    let segments = &log.shared.disk.as_ref().unwrap().segments;
    let sealed = segments.sealed(1);
    assert!(sealed.len() > 1, "the log has several sealed segments");
    let first = sealed[0].first;
    let active = SegmentFile::open(&disk, *sealed.last().unwrap()).map_err(|_| ()).unwrap();
    let sealed = sealed[..sealed.len() - 1].to_vec();
    (Segments::new(Arc::new(disk), sealed, Some(Arc::new(active))), first)
}

#[test]
fn a_message_before_the_first_segment_is_not_read_as_another_one() {
    let (segments, first) = without_first();
    let read = segments.read(first, first.plus(1), 0).unwrap();
    assert_eq!(read.iter().next().map(|record| record.id), Some(first.next_id()));
    for before in [LogEnd::ZERO, first.last_id().unwrap().before()] {
        let refused = segments.read(before, first.plus(1), 0).unwrap_err();
        let ReadError::Damaged { detail, place } = refused else { panic!("{refused:?}") };
        assert_eq!((place.segment, place.ids.start()), (first, before));
        assert!(detail.contains(&format!("message {before} lies before it")), "{detail}");
        assert!(segments.page(before, first, 1000, &mut None).is_err());
        assert!(segments.running_checksum(before).is_err());
    }
}

#[test]
#[should_panic(expected = "a run is read without a gap")]
fn a_read_that_begins_before_its_segment_is_a_bug() {
    let (segments, first) = without_first();
    let segment = segments.open_at(first).unwrap_or_else(|| {
        segments.read(first, first.plus(1), 0).unwrap();
        segments.open_at(first).unwrap()
    });
    let before = first.last_id().unwrap().before();
    let _ = segment.read(before, first.plus(1), (0, 0));
}
