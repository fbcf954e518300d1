//! Repairs a stopped node's directory: makes the manifest again, and rewrites segments with damaged
//! places from their own whole records and another node's copies of the others (see `rebuild.rs`).

mod error;
mod source;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use acklog_types::{IdRange, IdempotencyKey, LogEnd, LogId, Record, Records, encode_record};

pub use self::error::RepairError;
pub use self::source::Source;
use super::super::format::{Role, SEGMENT_HEADER_BYTES};
use super::super::manifest::{Manifest, checked_line, whole_file};
use super::super::names::{repaired_name, segment_name};
use super::super::notes;
use super::super::scan::{Scanned, read_header};
use super::findings::{DamageFinding, Findings};
use super::inspect::{self, InspectError, role_of};
use super::rebuild::{Proof, Rebuild, RebuildError, SegmentSurvey};
use super::walk::LogDirectory;
use super::{MANIFEST, OpenError, name_aside};
use crate::disk::directory::{lock_directory, open_directory};
use crate::storage::{Directory, Storage};

/// The result of a repair.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// Whether a manifest was made.
    pub manifest: bool,
    /// The name under which the damaged manifest is kept.
    pub kept_manifest: Option<String>,
    /// Whether a master's list of registered secondaries was lost.
    pub has_lost_members: bool,
    /// The segment files that were rewritten, each with the name under which the damaged one is
    /// kept; none for one that was missing.
    pub segments: Vec<(String, Option<String>)>,
    /// Number of messages that came from the other directory or node.
    pub messages: u64,
}

/// A segment that can be rewritten.
struct Proven<'a> {
    /// The damaged places, as they were found.
    places: Vec<&'a DamageFinding>,
    rebuild: Rebuild<'a>,
    survey: SegmentSurvey,
    proof: Proof,
}

/// Repairs a directory.
///
/// # Errors
/// When the directory is in use, cannot be read or written, or cannot be repaired completely. No
/// message was changed then.
pub fn repair(
    path: &Path,
    role: Option<Role>,
    from: Option<Source<'_>>,
) -> Result<Repaired, RepairError> {
    let storage = open_directory(path)?;
    let _lock = lock_directory(&storage, path)?;
    if let Some(what) = not_understood(&storage) {
        return Err(RepairError::NotUnderstood { path: storage.path_of(MANIFEST), what });
    }
    let told = role_of(&storage);
    let role = match (role, told) {
        (Some(role), Err(InspectError::NoRole { .. })) => role,
        (_, told) => told?,
    };
    let found = LogDirectory { storage: &storage, role };
    let firsts = found.segments()?;
    let (manifest, is_new) = found.manifest_or_new(&firsts)?;
    let all = IdRange::new(LogEnd::ZERO, LogEnd::new(u64::MAX));
    let mut nothing = |_: &Record<'_>| ControlFlow::Continue(());
    let findings = inspect::along(&found, &manifest, &firsts, all, &mut nothing, &mut |_, _| {})?;
    let has_lost_members = is_new && role == Role::Master && manifest.members.is_empty();
    let mut repaired = Repaired { manifest: is_new, has_lost_members, ..Repaired::default() };
    let store_manifest = || match is_new {
        true => put_in_place(&manifest, &storage).map_err(found.failed("write", MANIFEST)),
        false => Ok(None),
    };
    match (&findings.damage, from) {
        (None, _) => repaired.kept_manifest = store_manifest()?,
        (Some(_), Some(from)) => {
            let (directory, manifest, firsts) = (&storage, &manifest, firsts.as_slice());
            let repair = OfflineRepair { directory, found: &found, manifest, firsts, from };
            let proven = repair.prove_all(&findings)?;
            let mut beside = Beside { directory, names: Vec::new() };
            let written = proven.iter().map(|segment| repair.write_beside(segment, &mut beside));
            let written: Vec<_> = written.collect::<Result<_, _>>()?;
            repaired.kept_manifest = store_manifest()?;
            // From here on nothing fails for lack of space.
            beside.names.clear();
            for (segment, (scanned, kept)) in proven.iter().zip(written) {
                repaired.segments.push((repair.swap(segment, &scanned)?, kept));
                let missing = &segment.survey.missing;
                repaired.messages += missing.iter().map(|ids| ids.len()).sum::<u64>();
            }
            // If this fails, the next start checks the noted places and finds them whole.
            let _ = notes::store(&storage, &[]);
        }
        (Some(damage), None) => {
            return Err(RepairError::NoSource {
                places: findings.places.len(),
                first: damage.to_string(),
            });
        }
    }
    Ok(repaired)
}

/// The suffix of a damaged file that is kept.
const DAMAGED: &str = "damaged";

/// Returns why this release does not understand a valid manifest; none if it does, or if there is
/// no valid one.
fn not_understood(storage: &dyn Storage) -> Option<String> {
    let wrong = Manifest::load(storage).err()?;
    let bytes = whole_file(storage, MANIFEST).ok()??;
    checked_line(&bytes).is_ok().then(|| wrong.to_string())
}

/// Stores a new manifest. Returns the name under which an unreadable one is kept.
fn put_in_place(manifest: &Manifest, directory: &Directory) -> io::Result<Option<String>> {
    let aside = match Manifest::load(directory) {
        Ok(_) => None,
        Err(_) => Some(name_aside(&directory.list()?, MANIFEST, DAMAGED)),
    };
    if let Some(aside) = &aside {
        directory.link_or_copy(MANIFEST, directory, aside)?;
    }
    let stored = manifest.store(directory).map_err(|failed| failed.error);
    if let (Err(_), Some(aside)) = (&stored, &aside) {
        // A name that cannot be removed does no harm.
        let _ = directory.remove(aside);
    }
    stored.map(|()| aside)
}

/// Files that were written beside the damaged ones. Those that are not used are removed when this
/// is dropped.
struct Beside<'a> {
    directory: &'a Directory,
    names: Vec<String>,
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            // A name that cannot be removed does no harm.
            let _ = self.directory.remove(name);
        }
    }
}

impl LogDirectory<'_> {
    /// Returns the manifest, and whether it had to be made from the segment files: because there is
    /// none, it is damaged, or it is older than they are.
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
                let flushed_end = last.unwrap_or_default();
                Ok((Manifest { last, flushed_end, log: stored.log.or(log), ..stored }, true))
            }
            None => {
                let flushed_end = last.unwrap_or_default();
                Ok((Manifest { last, flushed_end, ..Manifest::new(self.role, log) }, true))
            }
        }
    }
}

/// A directory with damaged places, and a source that may have what is missing.
struct OfflineRepair<'a> {
    directory: &'a Directory,
    found: &'a LogDirectory<'a>,
    manifest: &'a Manifest,
    firsts: &'a [LogEnd],
    from: Source<'a>,
}

impl OfflineRepair<'_> {
    /// Proves that all segments with damaged places can be rewritten.
    fn prove_all<'a>(&'a self, findings: &'a Findings) -> Result<Vec<Proven<'a>>, RepairError> {
        if let Source::Directory(path) = self.from {
            let other = open_directory(path)?;
            let manifest =
                LogDirectory { storage: &other, role: role_of(&other)? }.stored_manifest()?;
            if manifest.and_then(|manifest| manifest.log) != self.manifest.log {
                return Err(RepairError::OtherLog { path: self.from.to_string() });
            }
        }
        let mut segments: Vec<LogEnd> = findings.places.iter().map(|place| place.segment).collect();
        segments.dedup();
        segments.into_iter().map(|first| self.prove(first, findings)).collect()
    }

    fn prove<'a>(
        &'a self,
        first: LogEnd,
        findings: &'a Findings,
    ) -> Result<Proven<'a>, RepairError> {
        let is_here = |place: &&DamageFinding| place.segment == first;
        let places: Vec<&DamageFinding> = findings.places.iter().filter(is_here).collect();
        let behind = self.firsts.partition_point(|&known| known <= first);
        let next = self.firsts.get(behind).copied();
        let next = next.filter(|&next| Some(next) <= self.manifest.last);
        let before = self.firsts.partition_point(|&known| known < first).checked_sub(1);
        let rebuild = Rebuild {
            storage: self.found.storage,
            log: self.manifest.log.expect("a log with messages has an identity"),
            first,
            // What a crash left above the flushed end may be acked: it is kept, as a start does.
            end: next.unwrap_or(findings.flushed_end.max(findings.end)),
            before: before.and_then(|at| self.firsts.get(at)).copied(),
            next,
        };
        let survey = rebuild.survey().map_err(self.found.failed("read", &segment_name(first)))?;
        // Must not be guessed, and not be zero, which would be found everywhere.
        let sync_marker = rand::random::<u64>().max(1);
        let proven = rebuild.prove(&survey, &mut |ids| self.others(&places, ids), sync_marker);
        let proof = proven.map_err(|error| self.told(first, error))?;
        Ok(Proven { places, rebuild, survey, proof })
    }

    /// Writes a new segment beside the damaged one, which gets a second name. Returns the result of
    /// scanning it, and that name, if there is a damaged one.
    fn write_beside(
        &self,
        proven: &Proven<'_>,
        beside: &mut Beside<'_>,
    ) -> Result<(Scanned, Option<String>), RepairError> {
        let Proven { places, rebuild, survey, proof } = proven;
        let (directory, name) = (self.directory, segment_name(rebuild.first));
        let next = repaired_name(rebuild.first);
        beside.names.push(next.clone());
        let scanned = rebuild.write(&next, proof, survey, &mut |ids| self.others(places, ids));
        let scanned = scanned.map_err(|error| self.told(rebuild.first, error))?;
        let mut keep = || {
            let names = directory.list()?;
            let aside = names.contains(&name).then(|| name_aside(&names, &name, DAMAGED));
            if let Some(aside) = &aside {
                beside.names.push(aside.clone());
                directory.link_or_copy(&name, directory, aside)?;
            }
            directory.sync_directory().map(|()| aside)
        };
        let aside = keep().map_err(self.found.failed("keep", &name))?;
        Ok((scanned, aside))
    }

    /// Replaces the damaged segment by the rewritten one. At any time one of the two is there.
    /// Returns its path.
    fn swap(&self, proven: &Proven<'_>, scanned: &Scanned) -> Result<String, RepairError> {
        let Proven { rebuild, proof, .. } = proven;
        let (directory, name) = (self.directory, segment_name(rebuild.first));
        let swapped = directory.rename(&repaired_name(rebuild.first), &name);
        let swapped = swapped.and_then(|()| directory.sync_directory());
        swapped.map_err(self.found.failed("write", &name))?;
        if rebuild.next.is_some() {
            self.found.store_index(&name, &proof.header, scanned);
        }
        Ok(directory.path_of(&name))
    }

    /// Describes why a segment was not rewritten.
    fn told(&self, first: LogEnd, error: RebuildError<RepairError>) -> RepairError {
        let name = segment_name(first);
        match error {
            RebuildError::Others(error) => error,
            RebuildError::System(error) => self.found.failed("repair", &name)(error).into(),
            RebuildError::Unproven => RepairError::Unproven {
                path: self.from.to_string(),
                file: self.found.storage.path_of(&name),
                hint: "Name another node's directory with --from; or, on a secondary, start over \
                       with `acklog log reset`",
            },
        }
    }

    /// Returns all records of a range from the other directory or node.
    fn others(&self, places: &[&DamageFinding], ids: IdRange) -> Result<Vec<Records>, RepairError> {
        let path = match self.from {
            Source::Directory(path) => path,
            Source::Node { text_of, .. } => {
                let each = (ids.start().get()..ids.end().get()).map(LogEnd::new);
                let record = |id: LogEnd| {
                    let record = self.found.record_with_text(places, id, || text_of(id))?;
                    let record = record.ok_or(RepairError::HeadLost { ids })?;
                    Ok(Records::trusted(IdRange::new(id, id.plus(1)), record.into()))
                };
                return each.map(record).collect();
            }
        };
        let (mut bytes, mut at) = (Vec::new(), ids.start());
        let mut take = |record: &Record<'_>| {
            if record.id.before() == at && at < ids.end() {
                let key: Option<IdempotencyKey> =
                    record.key.map(|key| key.parse().expect("a checked record's key"));
                let (accepted, text, in_batch) =
                    (record.accepted_ms, record.text, record.in_batch());
                encode_record(&mut bytes, record.id, accepted, key.as_ref(), text, in_batch);
                at = at.plus(1);
            }
            ControlFlow::Continue(())
        };
        inspect::inspect(path, ids, &mut take, &mut |_, _| {})?;
        if at == ids.end() {
            return Ok(vec![Records::trusted(ids, bytes.into())]);
        }
        Err(RepairError::Lacking { path: self.from.to_string(), ids })
    }
}
