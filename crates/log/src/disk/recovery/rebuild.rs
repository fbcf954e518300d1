//! Rewrites a segment from its own whole records and another node's copies of the others: for a
//! running node's scrubber, and for `acklog log repair`.
//!
//! Looking right is not enough. A segment is rewritten only if a checksum from the damaged
//! directory itself proves the result: the next file's header has the checksum of all records
//! before it. A single record can also be proven by its own checksum, if that still stands at the
//! damaged place.

mod writer;

use std::io;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::vec;

use acklog_types::{
    IdRange, IdempotencyKey, InBatch, LogEnd, LogId, Record, Records, RunningChecksum,
    encode_record,
};

use self::writer::SegmentWriter;
use super::super::cause::{is_io_error, is_loss};
use super::super::format::SegmentHeader;
use super::super::names::segment_name;
use super::super::places::{DamagedPlace, damaged_places};
use super::super::scan::{Scanned, no_visit, read_header, scan};
use crate::storage::{Storage, StorageFile};

/// A segment with damaged places, in its directory.
pub(in crate::disk) struct Rebuild<'a> {
    pub(in crate::disk) storage: &'a dyn Storage,
    pub(in crate::disk) log: LogId,
    pub(in crate::disk) first: LogEnd,
    /// The end of its messages, according to the next segment or the manifest.
    pub(in crate::disk) end: LogEnd,
    /// The first message of the segment before it.
    pub(in crate::disk) before: Option<LogEnd>,
    /// The first message of the next segment, whose header may have the checksum of all records
    /// before.
    pub(in crate::disk) next: Option<LogEnd>,
}

/// A segment's file with its header.
type OwnFile = (Arc<dyn StorageFile>, SegmentHeader);

/// The remains of a segment.
pub(in crate::disk) struct SegmentSurvey {
    /// Its file, if any of it is usable.
    own: Option<OwnFile>,
    places: Vec<DamagedPlace>,
    /// The messages that are to come from elsewhere.
    pub(in crate::disk) missing: Vec<IdRange>,
    /// Whether nothing is wrong with it.
    pub(in crate::disk) is_whole: bool,
}

/// Proves that a rewritten segment will have what was lost.
pub(in crate::disk) struct Proof {
    /// The header of the new file.
    pub(in crate::disk) header: SegmentHeader,
    /// The checksum of the segment's records alone. When the file is written, they are read and
    /// fetched once more, and compared with it.
    records: RunningChecksum,
}

/// Reason why a segment was not rewritten.
pub(in crate::disk) enum RebuildError<E> {
    /// The system refused.
    System(io::Error),
    /// The other source lacks a missing message.
    Others(E),
    /// No checksum proves that the result would be what was lost.
    Unproven,
}

impl<E> From<io::Error> for RebuildError<E> {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Returns all records of a range of messages.
pub(in crate::disk) type Others<'a, E> = &'a mut dyn FnMut(IdRange) -> Result<Vec<Records>, E>;

/// Called with each record: its id, its bytes, where it stands in its batch, and where it comes
/// from.
type Take<'a> = &'a mut dyn FnMut(LogEnd, &[u8], InBatch, Origin) -> io::Result<()>;

/// The origin of a record of a rewritten segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From the damaged file itself.
    Own,
    /// From another directory or node.
    Others,
}

impl Rebuild<'_> {
    /// Surveys which records of the segment are whole. A file that is gone or cannot be read has
    /// none.
    ///
    /// # Errors
    /// When the system refuses temporarily.
    pub(in crate::disk) fn survey(&self) -> io::Result<SegmentSurvey> {
        match self.survey_own() {
            Err(error) if is_loss(&error) || is_io_error(&error) => Ok(SegmentSurvey {
                own: None,
                places: Vec::new(),
                missing: vec![IdRange::new(self.first, self.end)],
                is_whole: false,
            }),
            surveyed => surveyed,
        }
    }

    fn survey_own(&self) -> io::Result<SegmentSurvey> {
        let own = self.open(self.first)?;
        let (mut missing, mut at) = (Vec::new(), self.first);
        let mut look = |record: &Record<'_>| {
            let id = record.id.before();
            if at < id {
                missing.push(IdRange::new(at, id));
            }
            at = id.plus(1);
            ControlFlow::Continue(())
        };
        let (mut places, mut is_whole) = (Vec::new(), false);
        if let Some((file, header)) = &own {
            let scanned = scan(&**file, header, &mut look)?;
            is_whole = scanned.bad.is_none() && scanned.index.end() == self.end;
            if scanned.bad.is_some() {
                places = damaged_places(&**file, header, &scanned, self.end, &mut look)?.places;
            }
        }
        if at < self.end {
            missing.push(IdRange::new(at, self.end));
        }
        Ok(SegmentSurvey { own, places, missing, is_whole })
    }

    /// Opens another segment's file; none if that is damaged, too.
    fn open_neighbour(&self, first: LogEnd) -> io::Result<Option<OwnFile>> {
        match self.open(first) {
            Err(error) if is_loss(&error) || is_io_error(&error) => Ok(None),
            opened => opened,
        }
    }

    /// Opens a segment's file; none if it has no whole header of this log.
    fn open(&self, first: LogEnd) -> io::Result<Option<OwnFile>> {
        let file = self.storage.open(&segment_name(first))?;
        let header = read_header(&*file)?.ok();
        let header = header.filter(|header| (header.log, header.first) == (self.log, first));
        Ok(header.map(|header| (file, header)))
    }

    /// Proves that the segment's own records and the others' are what was lost.
    ///
    /// # Errors
    /// When the system refuses, the others lack a missing message, or there is no proof.
    pub(in crate::disk) fn prove<E>(
        &self,
        survey: &SegmentSurvey,
        others: Others<'_, E>,
        sync_marker: u64,
    ) -> Result<Proof, RebuildError<E>> {
        let before = match &survey.own {
            Some((_, header)) => header.running,
            None => self.running_before()?,
        };
        let (mut running, mut is_each_proven) = (before, true);
        let mut records = RunningChecksum::START;
        self.walk(survey, others, &mut |id, record, _, origin| {
            records = records.over(record).expect("a whole record");
            running = running.and_then(|running| running.over(record));
            if origin == Origin::Others {
                is_each_proven &= self.is_proven(survey, id, record)?;
            }
            Ok(())
        })?;
        let is_proven = match running.zip(self.told()?) {
            Some((found, told)) => found == told,
            None => is_each_proven,
        };
        match is_proven {
            true => {
                let header = SegmentHeader::new(self.log, self.first, sync_marker, before);
                Ok(Proof { header, records })
            }
            false => Err(RebuildError::Unproven),
        }
    }

    /// Writes the new segment under another name and syncs it. Returns the result of scanning it.
    /// Its memory is bounded, however long the segment is. On failure the file is truncated.
    ///
    /// # Errors
    /// When the system refuses, the others lack a missing message, or the result is not what was
    /// proven.
    pub(in crate::disk) fn write<E>(
        &self,
        name: &str,
        proof: &Proof,
        survey: &SegmentSurvey,
        others: Others<'_, E>,
    ) -> Result<Scanned, RebuildError<E>> {
        let (file, header) = (self.storage.create(name)?, &proof.header);
        let mut write = || {
            let mut writer = SegmentWriter::new(&*file, header)?;
            let mut records = RunningChecksum::START;
            self.walk(survey, others, &mut |_, record, in_batch, _| {
                records = records.over(record).expect("a whole record");
                writer.push(record, in_batch)
            })?;
            if records != proof.records {
                return Err(RebuildError::Unproven);
            }
            let end = writer.finish()?;
            file.sync()?;
            let scanned = scan(&*file, header, &mut no_visit)?;
            match scanned.bad.is_none() && scanned.index.end() == end {
                true => Ok(scanned),
                false => Err(io::Error::other("what was written reads back differently").into()),
            }
        };
        let written = write();
        if written.is_err() {
            // So that the failed attempt does not keep the disk full.
            let _ = file.set_length(0);
        }
        written
    }

    /// Walks along all records, in id order.
    fn walk<E>(
        &self,
        survey: &SegmentSurvey,
        others: Others<'_, E>,
        take: Take<'_>,
    ) -> Result<(), RebuildError<E>> {
        let missing = survey.missing.clone().into_iter().peekable();
        let mut walk = Walk { at: self.first, missing, others, take, record: Vec::new() };
        let mut failed = None;
        if let Some((file, header)) = &survey.own {
            let mut visit = |record: &Record<'_>| match walk.take_own(record) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            };
            let scanned = scan(&**file, header, &mut visit)?;
            if scanned.bad.is_some() && !scanned.is_stopped {
                damaged_places(&**file, header, &scanned, self.end, &mut visit)?;
            }
        }
        match failed {
            Some(failed) => Err(failed),
            None => walk.take_others(self.end),
        }
    }

    /// Returns whether the checksum that still stands at a damaged place is this record's.
    fn is_proven(&self, survey: &SegmentSurvey, id: LogEnd, record: &[u8]) -> io::Result<bool> {
        let is_of = |place: &&DamagedPlace| place.ids.start() == id && place.ids.len() == 1;
        let place = survey.places.iter().find(is_of).filter(|place| place.offset > 0);
        let Some((place, (file, _))) = place.zip(survey.own.as_ref()) else { return Ok(false) };
        let mut stored = [0; 8];
        file.read_at(place.offset, &mut stored)?;
        Ok(record.get(4..8) == stored.get(4..))
    }

    /// Computes the checksum of all records before the segment, from the segment before it.
    fn running_before(&self) -> io::Result<Option<RunningChecksum>> {
        let Some(before) = self.before else {
            return Ok((self.first == LogEnd::ZERO).then_some(RunningChecksum::START));
        };
        let Some((file, header)) = self.open_neighbour(before)? else { return Ok(None) };
        let scanned = scan(&*file, &header, &mut no_visit)?;
        let is_there = scanned.bad.is_none() && scanned.index.end() == self.first;
        Ok(scanned.running.filter(|_| is_there))
    }

    /// Returns the checksum of all records up to the segment's end, from the next one's header.
    fn told(&self) -> io::Result<Option<RunningChecksum>> {
        let Some(next) = self.next else { return Ok(None) };
        Ok(self.open_neighbour(next)?.and_then(|(_, header)| header.running))
    }
}

/// A walk along the records of a segment.
struct Walk<'a, E> {
    /// The next record.
    at: LogEnd,
    missing: Peekable<vec::IntoIter<IdRange>>,
    others: Others<'a, E>,
    take: Take<'a>,
    record: Vec<u8>,
}

impl<E> Walk<'_, E> {
    fn take_own(&mut self, record: &Record<'_>) -> Result<(), RebuildError<E>> {
        self.take_others(record.id.before())?;
        self.take(record, Origin::Own)
    }

    /// Takes the others' records of the messages that are missing before `until`.
    fn take_others(&mut self, until: LogEnd) -> Result<(), RebuildError<E>> {
        while let Some(range) = self.missing.next_if(|range| range.start() < until) {
            for records in (self.others)(range).map_err(RebuildError::Others)? {
                for record in records.iter() {
                    self.take(&record, Origin::Others)?;
                }
            }
        }
        // More is damaged than at the survey, or the others gave too little.
        if self.at < until { Err(RebuildError::Unproven) } else { Ok(()) }
    }

    fn take(&mut self, record: &Record<'_>, origin: Origin) -> Result<(), RebuildError<E>> {
        let id = record.id.before();
        if id != self.at {
            return Err(RebuildError::Unproven);
        }
        let key: Option<IdempotencyKey> =
            record.key.map(|key| key.parse().expect("a checked record's key"));
        let (accepted, text, in_batch) = (record.accepted_ms, record.text, record.in_batch());
        self.record.clear();
        encode_record(&mut self.record, record.id, accepted, key.as_ref(), text, in_batch);
        self.at = id.plus(1);
        Ok((self.take)(id, &self.record, in_batch, origin)?)
    }
}
