//! What is damaged in the files: told in words, and put in order.

use std::time::Instant;

use acklog_threads::{lock, read_lock};
use acklog_types::{IdRange, LogEnd, LogId};

use super::super::cause::{is_io_error, is_loss};
use super::super::format::segment_name;
use super::super::places;
use super::{Files, Sealed, Unread, damage, failure};
use crate::ReadError;

impl Files {
    /// The log that the files belong to; none while there is no file.
    pub(in crate::disk) fn log(&self) -> Option<LogId> {
        let segments = read_lock(&self.segments);
        segments.last.as_ref().map(|last| last.header.log)
    }

    /// The sealed segment that begins with a message, the first message of the one before it, and that of the next.
    pub(in crate::disk) fn around(
        &self,
        first: LogEnd,
    ) -> Option<(Sealed, Option<LogEnd>, Option<LogEnd>)> {
        let segments = read_lock(&self.segments);
        let at = segments.sealed.binary_search_by_key(&first, |sealed| sealed.first).ok()?;
        let first_at = |at: usize| segments.sealed.get(at).map(|sealed| sealed.first);
        let last = segments.last.as_ref().map(|last| last.header.first);
        let before = at.checked_sub(1).and_then(first_at);
        Some((*segments.sealed.get(at)?, before, first_at(at + 1).or(last)))
    }

    /// The file of a sealed segment is another one now: it is opened anew by whoever reads there next.
    pub(in crate::disk) fn forget(&self, first: LogEnd) {
        let mut open = lock(&self.open);
        open.retain(|segment| segment.header.first != first);
        drop(open);
        lock(&self.suspects).forget(first);
    }

    /// What a person is told of a damaged place.
    pub(in crate::disk) fn damage(&self, place: &places::Place) -> String {
        damage(&*self.storage, &segment_name(place.segment), place.offset, &place.what)
    }

    /// Why a segment cannot be read, in words. What says nothing about its bytes passes.
    pub(in crate::disk) fn told(&self, first: LogEnd, unread: Unread) -> ReadError {
        let name = segment_name(first);
        match unread {
            Unread::Damaged(offset, at, what) => {
                let detail = damage(&*self.storage, &name, offset, &what);
                let ids = IdRange::new(at, at.plus(1));
                let place = places::Place { segment: first, offset, ids, what };
                ReadError::Damaged { detail, place: Box::new(place) }
            }
            Unread::Failed(error) => {
                let detail = failure(&*self.storage, "read", &name, &error);
                let mut suspects = lock(&self.suspects);
                let fails_again = is_io_error(&error) && suspects.note(first, Instant::now());
                drop(suspects);
                if is_loss(&error) || fails_again {
                    // Nothing of the file can be told to be whole.
                    let ids = self.ids_of(first);
                    let what = format!("it cannot be read: {error}");
                    let place = places::Place { segment: first, offset: 0, ids, what };
                    ReadError::Damaged { detail, place: Box::new(place) }
                } else {
                    ReadError::Passing { detail }
                }
            }
        }
    }

    /// The messages of a segment, as far as it is known.
    fn ids_of(&self, first: LogEnd) -> IdRange {
        let segments = read_lock(&self.segments);
        let sealed = segments.sealed.iter().find(|sealed| sealed.first == first);
        let last = segments.last.as_ref().filter(|last| last.header.first == first);
        let end = sealed.map(|sealed| sealed.end).or_else(|| last.map(|last| last.end()));
        IdRange::new(first, end.unwrap_or(first))
    }
}
