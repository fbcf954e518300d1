//! Inspects a directory without opening its log: everything is read, nothing is changed, and no
//! lock is taken.

mod error;

use std::ops::ControlFlow;
use std::path::Path;

use acklog_types::{IdRange, LogEnd, Record, RunningChecksum};

pub use self::error::InspectError;
use self::error::logs_in;
use super::super::format::{Role, SegmentHeader};
use super::super::index::SparseIndex;
use super::super::manifest::{MANIFEST, Manifest};
use super::super::names::segment_name;
use super::super::places::{DamagedPlace, damaged_places};
use super::super::scan::{Scanned, Visit, read_header, scan_from};
use super::OpenError;
pub use super::findings::{DamageFinding, Findings, Torn};
use super::refusal::refusal;
use super::snapshot::Snapshot;
use super::walk::{LogDirectory, OpenedFile, SegmentVisitor};
use crate::disk::directory::open_directory;
use crate::storage::{Storage, StorageFile};

/// Reads the segments of a log with messages of `range`, visits the whole ones, and returns what it
/// found. After each segment it calls `progress` with the number of segments that were read, and
/// the number that there are.
///
/// # Errors
/// When there is no log, or it cannot be read. Damage is not an error, but a finding.
pub fn inspect(
    path: &Path,
    range: IdRange,
    visit: Visit<'_>,
    progress: &mut dyn FnMut(u64, usize),
) -> Result<Findings, InspectError> {
    let storage = open_directory(path)?;
    let role = role_of(&storage)?;
    let found = LogDirectory { storage: &storage, role };
    let (manifest, firsts) = match found.manifest_and_segments() {
        Ok(known) => known,
        Err(damage @ OpenError::Damaged { .. }) => {
            return Ok(Findings { refusal: Some(damage), ..Findings::new(role) });
        }
        Err(error) => return Err(error.into()),
    };
    let mut findings = along(&found, &manifest, &firsts, range, visit, progress)?;
    if findings.damage.is_some() {
        findings.refusal = refusal(&found, &manifest, &firsts);
    }
    Ok(findings)
}

/// Inspects the files that a manifest names.
pub(super) fn along(
    found: &LogDirectory<'_>,
    manifest: &Manifest,
    firsts: &[LogEnd],
    range: IdRange,
    visit: Visit<'_>,
    progress: &mut dyn FnMut(u64, usize),
) -> Result<Findings, OpenError> {
    let (log, members) = (manifest.log, manifest.members.clone());
    let findings =
        Findings { log, members, flushed_end: manifest.flushed_end, ..Findings::new(found.role) };
    let mut progress = |done| progress(done, firsts.len());
    let mut inspection = Inspection {
        found,
        manifest,
        range,
        visit,
        is_stopped: false,
        running: (LogEnd::ZERO, None),
        progress: &mut progress,
        findings,
    };
    found.walk(manifest, firsts, &mut inspection)?;
    Ok(inspection.findings)
}

/// Returns the role of a directory: from the manifest, even a damaged one if its role is readable,
/// or else from the first segment file of version 1 with a whole header.
///
/// # Errors
/// When there is no log, the role is unknown, or the directory cannot be read.
pub(crate) fn role_of(storage: &dyn Storage) -> Result<Role, InspectError> {
    // The role only affects the words of errors about damage.
    let found = LogDirectory { storage, role: Role::Master };
    let firsts = found.segments()?;
    let (is_missing, wrong) = match found.stored_manifest() {
        Ok(Some(manifest)) => return Ok(manifest.role),
        Ok(None) => (true, found.no_manifest()),
        Err(damage) => {
            if let Some(role) = Manifest::role_of_damaged(storage) {
                return Ok(role);
            }
            (false, damage)
        }
    };
    let OpenError::Damaged { detail, .. } = wrong else { return Err(wrong.into()) };
    for &first in &firsts {
        let name = segment_name(first);
        let file = storage.open(&name).map_err(found.failed("open", &name))?;
        let header = read_header(&*file).map_err(found.failed("read", &name))?;
        if let Some(role) = header.ok().and_then(|header| header.role) {
            return Ok(role);
        }
    }
    Err(match is_missing && firsts.is_empty() {
        true => InspectError::NoLog { inside: logs_in(&found.path()), path: found.path() },
        false => InspectError::NoRole { path: found.path(), detail },
    })
}

/// Returns the end below which a master's operator gave up what other nodes have beyond its log;
/// zero if nothing was given up.
///
/// # Errors
/// When there is no valid manifest.
pub(crate) fn accepted_losses(storage: &dyn Storage) -> Result<LogEnd, OpenError> {
    let found = LogDirectory { storage, role: Role::Master };
    Ok(found.stored_manifest()?.ok_or_else(|| found.no_manifest())?.losses.accepted_end())
}

/// A walk along the segments that goes on behind each damage.
struct Inspection<'a> {
    found: &'a LogDirectory<'a>,
    manifest: &'a Manifest,
    range: IdRange,
    visit: Visit<'a>,
    /// Whether the visitor stopped the walk.
    is_stopped: bool,
    /// The end of what was read, and the checksum of everything from the first message up to there;
    /// none if it is not known.
    running: (LogEnd, Option<RunningChecksum>),
    /// Called after each segment with the number of segments read.
    progress: &'a mut dyn FnMut(u64),
    findings: Findings,
}

impl LogDirectory<'_> {
    /// Loads the manifest, then lists the segment files: so all that it names are among them.
    pub(super) fn manifest_and_segments(&self) -> Result<(Manifest, Vec<LogEnd>), OpenError> {
        let manifest = self.stored_manifest()?.ok_or_else(|| self.no_manifest())?;
        Ok((manifest, self.segments()?))
    }
}

impl SegmentVisitor for Inspection<'_> {
    fn sealed(&mut self, name: &str, first: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError> {
        if self.is_stopped || next <= self.range.start() || self.range.end() <= first {
            return Ok(next);
        }
        let ids = IdRange::new(first, next);
        let Some((file, header)) = self.open(name, ids)? else { return Ok(next) };
        let scanned = self.scan(name, &*file, &header)?;
        if scanned.bad.is_some() {
            let damage = |place: &DamagedPlace| self.found.damaged(name, place.offset, &place.what);
            let found = DamagedSegment {
                name,
                file: &*file,
                header: &header,
                scanned: &scanned,
                end: next,
            };
            self.go_on_behind(&found, &damage)?;
        }
        if self.is_stopped {
            return Ok(next);
        }
        if self.range.start() <= first {
            self.findings.bad_indexes += u64::from(!self.is_index_of(&header, &scanned, next));
        }
        if scanned.bad.is_some() {
            return Ok(next);
        }
        Ok(scanned.index.end())
    }

    fn last(&mut self, name: &str, first: LogEnd) -> Result<(), OpenError> {
        if self.is_stopped || self.range.end() <= first {
            return Ok(());
        }
        let ids = IdRange::new(first, self.manifest.flushed_end.max(first));
        let Some((file, header)) = self.open(name, ids)? else { return Ok(()) };
        // The node may write to it meanwhile.
        let file = Snapshot::take(&*file).map_err(self.found.failed("read", name))?;
        let scanned = self.scan(name, &file, &header)?;
        if self.is_stopped {
            return Ok(());
        }
        let Err(refusal) = self.found.check_last(self.manifest, name, &scanned) else {
            self.note_torn(name, scanned);
            return Ok(());
        };
        let end = scanned.flushed_end.max(self.manifest.flushed_end);
        let damage = |place: &DamagedPlace| {
            let what = format!("{}, and everything below message {end} was synced", place.what);
            self.found.damaged(name, place.offset, &what)
        };
        let found = DamagedSegment { name, file: &file, header: &header, scanned: &scanned, end };
        let behind = self.go_on_behind(&found, &damage)?;
        if self.is_stopped {
            return Ok(());
        }
        let Some((next, at)) = behind else {
            // Nobody knows what followed.
            if self.range.end() > end {
                self.findings.damage.get_or_insert(refusal);
            }
            return Ok(());
        };
        // Above the flushed end, a crash may have torn what follows.
        let index = SparseIndex::starting_at(next, at);
        let rest = scan_from(&file, &header, index, None, &mut shown(self.range, self.visit));
        let rest = rest.map_err(self.found.failed("read", name))?;
        self.is_stopped |= rest.is_stopped;
        self.count(next, &rest);
        self.note_torn(name, rest);
        Ok(())
    }

    fn damaged(&mut self, place: DamagedPlace, damage: OpenError) -> Result<(), OpenError> {
        let (ids, range) = (place.ids, self.range);
        // Without the last file, nobody knows where the log ends.
        let has_end = Some(place.segment) != self.manifest.last || place.offset > 0;
        let is_before = has_end && ids.end() <= range.start();
        if ids.is_empty() || (ids.start() < range.end() && !is_before) {
            self.findings.places.push(DamageFinding {
                segment: place.segment,
                file: self.found.storage.path_of(&segment_name(place.segment)),
                offset: place.offset,
                ids,
                what: place.what,
            });
            self.findings.damage.get_or_insert(damage);
        }
        Ok(())
    }
}

/// A segment that is not whole.
struct DamagedSegment<'a> {
    name: &'a str,
    file: &'a dyn StorageFile,
    header: &'a SegmentHeader,
    /// The contents that precede the first damaged place.
    scanned: &'a Scanned,
    /// The end that the segment should have.
    end: LogEnd,
}

impl<'a> Inspection<'a> {
    /// Opens a segment. If it is not the expected one, notes that and returns none.
    fn open(&mut self, name: &str, ids: IdRange) -> Result<Option<OpenedFile>, OpenError> {
        match self.found.open(self.manifest, name, ids.start()) {
            Ok(opened) => Ok(Some(opened)),
            Err(damage @ OpenError::Damaged { .. }) => {
                let what = "the segment's header is damaged, or another file's".to_owned();
                let place = DamagedPlace { segment: ids.start(), offset: 0, ids, what };
                self.damaged(place, damage).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Scans a segment, from the group on in which the range begins, if its index has that.
    fn scan(
        &mut self,
        name: &str,
        file: &dyn StorageFile,
        header: &SegmentHeader,
    ) -> Result<Scanned, OpenError> {
        let from = self.range.start();
        let sought = (from > header.first).then(|| SparseIndex::load(self.found.storage, header));
        let index = match sought.flatten().filter(|index| from < index.end()) {
            Some(index) => {
                let (first, at) = index.before(from);
                SparseIndex::starting_at(first, at)
            }
            None => SparseIndex::new(header.first),
        };
        let begin = index.end();
        let running = header.running.filter(|_| from <= header.first);
        let scanned = scan_from(file, header, index, running, &mut shown(self.range, self.visit));
        let scanned = scanned.map_err(self.found.failed("read", name))?;
        self.is_stopped |= scanned.is_stopped;
        self.compare_running(name, header, &scanned)?;
        self.count(begin, &scanned);
        self.findings.segments += 1;
        (self.progress)(self.findings.segments);
        Ok(scanned)
    }

    /// Adds up a scan that began with message `begin`.
    fn count(&mut self, begin: LogEnd, scanned: &Scanned) {
        let (findings, end) = (&mut self.findings, scanned.index.end());
        findings.end = findings.end.max(end);
        findings.messages += IdRange::new(begin, end).len();
        findings.bytes += scanned.index.record_bytes();
        findings.keyed += scanned.keys.len() as u64;
        // A segment is flushed completely before it is sealed.
        findings.flushed_end = findings.flushed_end.max(scanned.flushed_end);
    }

    /// Notes a torn end of the last segment.
    fn note_torn(&mut self, name: &str, scanned: Scanned) {
        self.findings.torn = scanned.bad.map(|bad| Torn {
            file: self.found.storage.path_of(name),
            offset: bad.cut,
            bytes: bad.bytes,
            ids: bad.ids,
            what: bad.what,
        });
    }

    /// Compares the checksum in a segment's header with that of the records before it.
    fn compare_running(
        &mut self,
        name: &str,
        header: &SegmentHeader,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (end, running) = self.running;
        self.running = (scanned.index.end(), scanned.running.filter(|_| scanned.bad.is_none()));
        let is_other = |(found, told)| end == header.first && found != told;
        if running.zip(header.running).is_some_and(is_other) {
            let what = "other messages stand before this segment than when it was begun".to_owned();
            let damage = self.found.damaged(name, 0, &what);
            let ids = IdRange::empty(header.first);
            self.damaged(DamagedPlace { segment: header.first, offset: 0, ids, what }, damage)?;
        }
        Ok(())
    }

    /// Notes all damaged places of a segment, and visits the whole records behind them. Returns
    /// where the segment goes on behind its end, if anything leads there.
    fn go_on_behind(
        &mut self,
        segment: &DamagedSegment<'_>,
        damage: &dyn Fn(&DamagedPlace) -> OpenError,
    ) -> Result<Option<(LogEnd, u64)>, OpenError> {
        let DamagedSegment { name, file, header, scanned, end } = *segment;
        let surveyed = {
            let (findings, is_stopped) = (&mut self.findings, &mut self.is_stopped);
            let mut show = shown(self.range, self.visit);
            damaged_places(file, header, scanned, end, &mut |record| {
                findings.end = findings.end.max(record.id.end());
                findings.messages += 1;
                findings.bytes += record.size() as u64;
                findings.keyed += u64::from(record.key.is_some());
                let shown = show(record);
                *is_stopped |= shown.is_break();
                shown
            })
        };
        let surveyed = surveyed.map_err(self.found.failed("read", name))?;
        for place in surveyed.places {
            let damage = damage(&place);
            self.damaged(place, damage)?;
        }
        Ok(surveyed.behind)
    }

    /// Returns whether a sealed segment has a correct index; for a damaged segment, one that agrees
    /// on its end.
    fn is_index_of(&self, header: &SegmentHeader, scanned: &Scanned, next: LogEnd) -> bool {
        let (storage, is_whole) = (self.found.storage, scanned.bad.is_none());
        let index = SparseIndex::load(storage, header);
        let keys = SparseIndex::load_keys(storage, header);
        index.zip(keys).is_some_and(|(index, keys)| match is_whole {
            true => index == scanned.index && keys == scanned.keys,
            false => index.end() == next,
        })
    }
}

/// Visits the records of a range, and ends the scan behind them.
fn shown<'a>(
    range: IdRange,
    visit: &'a mut dyn FnMut(&Record<'_>) -> ControlFlow<()>,
) -> impl FnMut(&Record<'_>) -> ControlFlow<()> + use<'a> {
    move |record| match record.id.before() {
        at if at < range.start() => ControlFlow::Continue(()),
        at if at >= range.end() => ControlFlow::Break(()),
        _ => visit(record),
    }
}
