//! Errors of reads: whether they pass or mean damage, and the words for them.

use std::time::Instant;

use acklog_threads::{lock, read_lock};
use acklog_types::{IdRange, LogEnd};

use super::super::cause::{is_io_error, is_loss};
use super::super::names::segment_name;
use super::super::places::DamagedPlace;
use super::super::read_error::{damage_text, failure_text};
use super::{SegmentReadError, Segments};
use crate::ReadError;

impl Segments {
    /// Describes a damaged place for an operator.
    pub(in crate::disk) fn damage_text(&self, place: &DamagedPlace) -> String {
        damage_text(&*self.storage, &segment_name(place.segment), place.offset, &place.what)
    }

    /// Turns the failed read of a segment into the log's error. An error that says nothing about
    /// the bytes in the file passes; one that lasts is damage.
    pub(in crate::disk) fn read_error(&self, first: LogEnd, error: SegmentReadError) -> ReadError {
        let name = segment_name(first);
        match error {
            SegmentReadError::Damaged(offset, at, what) => {
                let detail = damage_text(&*self.storage, &name, offset, &what);
                let ids = IdRange::new(at, at.plus(1));
                let place = DamagedPlace { segment: first, offset, ids, what };
                ReadError::Damaged { detail, place: Box::new(place) }
            }
            SegmentReadError::Io(error) => {
                let detail = failure_text(&*self.storage, "read", &name, &error);
                let fails_again =
                    is_io_error(&error) && lock(&self.suspects).note(first, Instant::now());
                if is_loss(&error) || fails_again {
                    // No part of the file can be known to be whole.
                    let ids = self.ids_of(first);
                    let what = format!("it cannot be read: {error}");
                    let place = DamagedPlace { segment: first, offset: 0, ids, what };
                    ReadError::Damaged { detail, place: Box::new(place) }
                } else {
                    ReadError::Passing { detail }
                }
            }
        }
    }

    /// Returns the error for a message that no segment has; the next one begins with `next`.
    pub(super) fn no_segment(&self, from: LogEnd, next: LogEnd) -> ReadError {
        let what = format!("message {from} lies before it, and no other file has it");
        let detail = damage_text(&*self.storage, &segment_name(next), 0, &what);
        let ids = IdRange::new(from, from.plus(1));
        let place = DamagedPlace { segment: next, offset: 0, ids, what };
        ReadError::Damaged { detail, place: Box::new(place) }
    }

    /// Returns the messages of a segment, as far as they are known.
    fn ids_of(&self, first: LogEnd) -> IdRange {
        let list = read_lock(&self.list);
        let sealed = list.sealed.iter().find(|sealed| sealed.first == first);
        let active = list.active.as_ref().filter(|active| active.header.first == first);
        let end = sealed.map(|sealed| sealed.end).or_else(|| active.map(|active| active.end()));
        IdRange::new(first, end.unwrap_or(first))
    }
}
