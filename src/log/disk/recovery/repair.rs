//! Repairing a stopped node's directory: a manifest is made again, and a segment with damaged places is written anew
//! from its own whole records and those that another node has of the others.
//!
//! Nothing is believed because it looks right. A segment is written anew only where a checksum from the damaged
//! directory itself proves the whole of it: the next file tells the checksum of all records before it; or, for a
//! single record, its own checksum that still stands at the damaged place.

mod error;
mod source;

use std::ops::ControlFlow;
use std::path::Path;

pub use self::error::RepairError;
pub use self::source::Source;
use super::super::format::{
    GROUP_BYTES_MAX, Role, SEGMENT_HEADER_BYTES, SegmentHeader, segment_name,
};
use super::super::manifest::Manifest;
use super::super::notes;
use super::super::places::damaged_places;
use super::super::scan::{no_visit, read_header, scan};
use super::findings::{DamagedPlace, Findings};
use super::inspect::{self, InspectError, role_of};
use super::walk::Found;
use super::{MANIFEST, OpenError};
use crate::log::open::{lock, open_directory};
use crate::types::{
    IdRange, IdempotencyKey, LogEnd, LogId, Record, RunningChecksum, encode_record, record_at,
};

/// What was repaired.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// A manifest was made.
    pub manifest: bool,
    /// It is a master's, and the names of the secondaries that were registered are lost.
    pub has_lost_members: bool,
    /// Segment files that were written anew. What stood there is kept beside them, under another name.
    pub segments: Vec<String>,
    /// The messages that were taken from the other directory or node.
    pub messages: u64,
}

/// A segment as it will be.
struct Rebuilt {
    first: LogEnd,
    bytes: Vec<u8>,
    taken: u64,
}

/// The place of a whole record in the log, and its bytes.
type Whole = (LogEnd, Vec<u8>);

/// Repairs a directory.
///
/// # Errors
/// When it is in use, cannot be read or written, or not all of it can be repaired; then no message was changed.
pub fn repair(
    path: &Path,
    role: Option<Role>,
    from: Option<Source<'_>>,
) -> Result<Repaired, RepairError> {
    let storage = open_directory(path)?;
    let _lock = lock(&storage, path)?;
    let told = role_of(&storage);
    let role = match (role, told) {
        (Some(role), Err(InspectError::NoRole { .. })) => role,
        (_, told) => told?,
    };
    let found = Found { storage: &storage, role };
    let firsts = found.segments()?;
    let (manifest, is_new) = found.manifest_or_new(&firsts)?;
    let all = IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX));
    let mut nothing = |_: &Record<'_>| ControlFlow::Continue(());
    let findings = inspect::along(&found, &manifest, &firsts, all, &mut nothing, &mut |_, _| {})?;
    let has_lost_members = is_new && role == Role::Master && manifest.members.is_empty();
    let mut repaired = Repaired { manifest: is_new, has_lost_members, ..Repaired::default() };
    let rebuilt = match (&findings.damage, from) {
        (None, _) => Vec::new(),
        (Some(_), Some(from)) => {
            Repair { found: &found, manifest: &manifest, firsts: &firsts, from }.all(&findings)?
        }
        (Some(damage), None) => {
            return Err(RepairError::NoSource {
                places: findings.places.len(),
                first: damage.to_string(),
            });
        }
    };
    for segment in &rebuilt {
        repaired.segments.push(found.replace_segment(segment)?);
        repaired.messages += segment.taken;
    }
    if is_new {
        manifest
            .store(&storage)
            .map_err(|failed| failed.error)
            .map_err(found.failed("write", MANIFEST))?;
    }
    if !rebuilt.is_empty() {
        let cleared = notes::store(&storage, &[]);
        cleared.map_err(found.failed("write", notes::NOTES))?;
    }
    Ok(repaired)
}

impl Found<'_> {
    /// The manifest, and whether it had to be made: from the segment files, where there is none, or a damaged one, or
    /// one that is older than they are.
    fn manifest_or_new(&self, firsts: &[LogEnd]) -> Result<(Manifest, bool), OpenError> {
        let stored = match self.stored_manifest() {
            Ok(stored) => stored,
            Err(OpenError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut last = None;
        let mut log: Option<LogId> = None;
        for &first in firsts {
            let name = segment_name(first);
            let file = self.storage.open(&name).map_err(self.failed("open", &name))?;
            let length = file.length().map_err(self.failed("read", &name))?;
            if length > SEGMENT_HEADER_BYTES as u64 {
                last = Some(first);
            }
            let header = read_header(&*file).map_err(self.failed("read", &name))?;
            log = log.or(header.ok().map(|header| header.log));
        }
        match stored {
            Some(stored) if last.is_none_or(|last| Some(last) <= stored.last) => {
                Ok((stored, false))
            }
            Some(stored) => {
                let synced = last.unwrap_or_default();
                Ok((Manifest { last, synced, log: stored.log.or(log), ..stored }, true))
            }
            None => {
                let synced = last.unwrap_or_default();
                Ok((Manifest { last, synced, ..Manifest::new(self.role, log) }, true))
            }
        }
    }

    /// Puts a segment in the place of a damaged one, which keeps its bytes under another name. Returns that name.
    fn replace_segment(&self, segment: &Rebuilt) -> Result<String, OpenError> {
        let name = segment_name(segment.first);
        let next = format!("{name}.repaired");
        let write = || {
            let file = self.storage.create(&next)?;
            file.write_at(0, &segment.bytes)?;
            file.sync()?;
            let names = self.storage.list()?;
            if names.contains(&name) {
                let numbered = (2..).map(|number| format!("{name}.damaged-{number}"));
                let aside = std::iter::once(format!("{name}.damaged")).chain(numbered);
                let aside = aside.into_iter().find(|aside| !names.contains(aside));
                self.storage.rename(&name, &aside.expect("there are more numbers than files"))?;
            }
            self.storage.rename(&next, &name)?;
            self.storage.sync_directory()
        };
        write().map_err(self.failed("write", &name))?;
        Ok(self.storage.path_of(&name))
    }
}

/// A directory with damaged places, and another that may have what is missing.
struct Repair<'a> {
    found: &'a Found<'a>,
    manifest: &'a Manifest,
    firsts: &'a [LogEnd],
    from: Source<'a>,
}

impl Repair<'_> {
    /// Makes all segments with damaged places again, in memory.
    fn all(&self, findings: &Findings) -> Result<Vec<Rebuilt>, RepairError> {
        if let Source::Directory(path) = self.from {
            let other = open_directory(path)?;
            let manifest = Found { storage: &other, role: role_of(&other)? }.stored_manifest()?;
            if manifest.and_then(|manifest| manifest.log) != self.manifest.log {
                return Err(RepairError::OtherLog { path: self.from.to_string() });
            }
        }
        let mut segments: Vec<LogEnd> = findings.places.iter().map(|place| place.segment).collect();
        segments.dedup();
        let places = |first: LogEnd| -> Vec<&DamagedPlace> {
            findings.places.iter().filter(|place| place.segment == first).collect()
        };
        segments.into_iter().map(|first| self.one(first, &places(first), findings.synced)).collect()
    }

    /// Makes one segment again.
    fn one(
        &self,
        first: LogEnd,
        places: &[&DamagedPlace],
        synced: LogEnd,
    ) -> Result<Rebuilt, RepairError> {
        let name = segment_name(first);
        let next = self.firsts.get(self.firsts.partition_point(|&known| known <= first)).copied();
        let next = next.filter(|&next| Some(next) <= self.manifest.last);
        let end = next.unwrap_or(synced);
        let (header, own) = self.own_records(first, end)?;
        let (mut records, mut at, mut taken) = (Vec::new(), first, 0);
        let mut is_each_proven = true;
        let mut own = own.into_iter().peekable();
        while at < end || own.peek().is_some() {
            if let Some((_, bytes)) = own.next_if(|(id, _)| *id == at) {
                records.extend_from_slice(&bytes);
                at = at.plus(1);
                continue;
            }
            let until = own.peek().map_or(end, |(id, _)| *id);
            for (id, bytes) in self.others_records(&name, places, IdRange::new(at, until))? {
                is_each_proven &= self.is_proven(&name, places, id, &bytes)?;
                records.extend_from_slice(&bytes);
                taken += 1;
            }
            at = until;
        }
        let running = match header {
            Some(header) => header.running,
            None => self.running_before(first)?,
        };
        let is_whole = running.and_then(|running| running.over(&records)).zip(self.told(next)?);
        let is_proven = match is_whole {
            Some((found, told)) => found == told,
            None => is_each_proven,
        };
        if !is_proven {
            return Err(RepairError::Unproven {
                path: self.from.to_string(),
                file: self.found.storage.path_of(&name),
                hint: "Name another node's directory with --from; or, on a secondary, start over \
                       with `acklog log reset`",
            });
        }
        let log = self.manifest.log.expect("a log with messages has an identity");
        // Not to be guessed, and not zero, which would be found everywhere.
        let mark = rand::random::<u64>().max(1);
        let header = SegmentHeader::new(log, first, mark, running);
        Ok(Rebuilt { first, bytes: file_of(&header, first, &records), taken })
    }

    /// The header of a segment, where it is whole, and its whole records by their ids.
    fn own_records(
        &self,
        first: LogEnd,
        end: LogEnd,
    ) -> Result<(Option<SegmentHeader>, Vec<Whole>), OpenError> {
        let name = segment_name(first);
        if self.firsts.binary_search(&first).is_err() {
            return Ok((None, Vec::new()));
        }
        let Ok((file, header)) = self.found.open(self.manifest, &name, first) else {
            return Ok((None, Vec::new()));
        };
        let mut own = Vec::new();
        let mut take = |record: &Record<'_>| {
            own.push((record.id.before(), encoded(record)));
            ControlFlow::Continue(())
        };
        let failed = self.found.failed("read", &name);
        let scanned = scan(&*file, &header, &mut take).map_err(&failed)?;
        if scanned.bad.is_some() {
            damaged_places(&*file, &header, &scanned, end, &mut take).map_err(&failed)?;
        }
        Ok((Some(header), own))
    }

    /// The records of a range as the other directory or node has them: all of them.
    fn others_records(
        &self,
        name: &str,
        places: &[&DamagedPlace],
        ids: IdRange,
    ) -> Result<Vec<Whole>, RepairError> {
        let path = match self.from {
            Source::Directory(path) => path,
            Source::Node { text_of, .. } => {
                let each = (ids.start().get()..ids.end().get()).map(LogEnd::new);
                let record = |id| {
                    let record = self.found.record_with_text(name, places, id, || text_of(id))?;
                    let record = record.ok_or(RepairError::HeadLost { ids })?;
                    Ok((id, record))
                };
                return each.map(record).collect();
            }
        };
        let mut records = Vec::new();
        let mut take = |record: &Record<'_>| {
            records.push((record.id.before(), encoded(record)));
            ControlFlow::Continue(())
        };
        inspect::inspect(path, ids, &mut take, &mut |_, _| {})?;
        let is_all = records.len() as u64 == ids.len()
            && records.iter().zip(ids.start().get()..).all(|((id, _), n)| id.get() == n);
        if is_all {
            return Ok(records);
        }
        Err(RepairError::Lacking { path: self.from.to_string(), ids })
    }

    /// Whether the checksum that still stands at a damaged place is that of a record.
    fn is_proven(
        &self,
        name: &str,
        places: &[&DamagedPlace],
        id: LogEnd,
        record: &[u8],
    ) -> Result<bool, OpenError> {
        let is_of = |place: &&&DamagedPlace| place.ids.start() == id && place.ids.len() == 1;
        let Some(place) = places.iter().find(is_of).filter(|place| place.offset > 0) else {
            return Ok(false);
        };
        let file = self.found.storage.open(name).map_err(self.found.failed("open", name))?;
        let mut stored = [0; 8];
        file.read_at(place.offset, &mut stored).map_err(self.found.failed("read", name))?;
        Ok(record.get(4..8) == stored.get(4..))
    }

    /// The checksum of all records before a segment, as the segment before it tells.
    fn running_before(&self, first: LogEnd) -> Result<Option<RunningChecksum>, OpenError> {
        let before = self.firsts.partition_point(|&known| known < first).checked_sub(1);
        let Some(&before) = before.and_then(|at| self.firsts.get(at)) else {
            return Ok((first == LogEnd::ZERO).then_some(RunningChecksum::START));
        };
        let name = segment_name(before);
        let Ok((file, header)) = self.found.open(self.manifest, &name, before) else {
            return Ok(None);
        };
        let scanned =
            scan(&*file, &header, &mut no_visit).map_err(self.found.failed("read", &name))?;
        let is_there = scanned.bad.is_none() && scanned.index.end() == first;
        Ok(scanned.running.filter(|_| is_there))
    }

    /// The checksum of all records before a segment, as its header tells it.
    fn told(&self, first: Option<LogEnd>) -> Result<Option<RunningChecksum>, OpenError> {
        let Some(first) = first else { return Ok(None) };
        let name = segment_name(first);
        match self.found.open(self.manifest, &name, first) {
            Ok((_, header)) => Ok(header.running),
            Err(OpenError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A record's bytes.
fn encoded(record: &Record<'_>) -> Vec<u8> {
    let key: Option<IdempotencyKey> =
        record.key.map(|key| key.parse().expect("a checked record's key"));
    let mut bytes = Vec::with_capacity(record.size());
    let (id, accepted) = (record.id, record.accepted_ms);
    encode_record(&mut bytes, id, accepted, key.as_ref(), record.text, record.has_more);
    bytes
}

/// A segment file with these records. All of it is synced before it is used, so each group may say that all before it
/// is.
fn file_of(header: &SegmentHeader, first: LogEnd, records: &[u8]) -> Vec<u8> {
    let mut file = header.encode().to_vec();
    let (mut rest, mut next) = (records, first);
    while !rest.is_empty() {
        // Whole batches, as many as have room, or one.
        let (mut at, mut id, mut whole) = (0, next, (0, next));
        while let Ok((record, size)) = record_at(id.next_id(), rest.get(at..).unwrap_or_default()) {
            if whole.0 > 0 && at + size > GROUP_BYTES_MAX {
                break;
            }
            (at, id) = (at + size, id.plus(1));
            if !record.has_more {
                whole = (at, id);
            }
        }
        let (group, behind) = rest.split_at(whole.0);
        assert!(!group.is_empty(), "checked records end with a whole batch");
        let range = IdRange::new(next, whole.1);
        header.group(range, group, next).encode(header.mark, &mut file);
        file.extend_from_slice(group);
        (rest, next) = (behind, whole.1);
    }
    file
}
