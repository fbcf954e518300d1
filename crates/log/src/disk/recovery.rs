//! Recovery: opens a directory's log, and repairs what a crash left.
//!
//! Let S be the highest flushed end in the manifest and in any whole group header. Everything below
//! S was flushed and acked: if it is not what was written, it is damaged, and the node refuses to
//! start. At or above S a crash may have torn writes, in any order. The first record there that is
//! not whole ends the log, and everything from there on is cut off. What is kept at or above S is
//! written again and flushed before anybody sees it: reading it back proves nothing about the disk.

pub mod backup;
mod findings;
pub mod inspect;
pub(super) mod rebuild;
mod refusal;
pub mod repair;
mod snapshot;
mod walk;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use acklog_types::{Checksum, DurationRecorder, IdRange, LogEnd, RunningChecksum};
use tracing::{info, warn};

use self::walk::{LogDirectory, SegmentVisitor, unknown};
use super::cause::is_full;
use super::format::{Role, SegmentHeader};
use super::index::{IndexedKey, SparseIndex};
use super::manifest::{MANIFEST, Manifest};
use super::names::segment_name;
use super::notes;
use super::places::DamagedPlace;
use super::read_ahead::ReadAhead;
use super::scan::{Scanned, no_visit, scan};
use super::segment_file::{SealedSegment, SegmentFile};
use super::segments::Segments;
use super::shared::{Before, SharedLog};
use super::{Committer, DiskOptions, DiskState, OpenError, Scrubber};
use crate::storage::{Storage, StorageFile};
use crate::{LogWriter, Opened, ReadError};

/// Bytes that are written again at once.
const REWRITE_BYTES: usize = 1024 * 1024;

/// A directory's log, ready to use.
#[derive(Debug)]
pub struct Recovered {
    pub(crate) shared: Arc<SharedLog>,
    /// The group-commit writer.
    pub committer: Committer,
    /// Writes indexes, scrubs and repairs.
    pub scrubber: Scrubber,
    /// The log, and what was found in it.
    pub opened: Opened,
}

/// Opens the log of a directory.
///
/// # Errors
/// When the directory cannot be used, or its log is damaged.
pub fn recover(storage: Arc<dyn Storage>, options: DiskOptions) -> Result<Recovered, OpenError> {
    let began = Instant::now();
    let found = LogDirectory { storage: &*storage, role: options.role };
    let firsts = found.segments()?;
    let mut manifest = found.manifest(&options, &firsts)?;
    let mut start = Start::new(&found, &manifest);
    found.walk(&manifest, &firsts, &mut start)?;
    let keys = start.keys(options.keys)?;
    let Start { sealed, last, .. } = start;
    let sealed: Vec<SealedSegment> = sealed.iter().map(|old| old.sealed).collect();
    // So far only indexes were changed.
    found.set_aside(&manifest, &firsts)?;
    if let Some((segment, scanned)) = &last {
        found.mend(&manifest, segment, scanned)?;
    }
    let running = match &last {
        Some((_, scanned)) => scanned.running,
        None => Some(RunningChecksum::START),
    };
    let torn = last.as_ref().and_then(|(_, scanned)| scanned.bad.as_ref());
    let cut_messages = torn.map_or(0, |bad| bad.ids.len());
    let segment = last.map(|(segment, scanned)| {
        Arc::new(SegmentFile { index: RwLock::new(scanned.index), ..segment })
    });
    let end = segment.as_ref().map_or(LogEnd::ZERO, |segment| segment.end());
    // All that is left is flushed by now, whatever the headers say.
    manifest.flushed_end = end;
    found.store(&manifest)?;
    // A secondary without messages belongs to no log yet.
    let is_known = options.role == Role::Master || end > LogEnd::ZERO;
    let log = manifest.log.filter(|_| is_known);
    let log_shown = log.map(|log| log.to_string());
    let segment_count = sealed.len() + usize::from(segment.is_some());
    let message = match end {
        LogEnd::ZERO => "opened an empty log on disk",
        _ => "recovered the log from disk",
    };
    info!(dir = found.path(), %end, segments = segment_count, log = log_shown,
        took = ?began.elapsed(), "{message}");
    let indexed = sealed.len();
    let segments = Segments::new(storage.clone(), sealed, segment.clone());
    let (damage, noted) = known_damage(&*storage, &segments, end);
    let (last, accepted_ms) = last_record(&segments, end).unzip();
    let accepted_ms = accepted_ms.unwrap_or_default();
    let before = Before { end, running, last, accepted_ms, cut_messages };
    let syncs = DurationRecorder::default();
    let disk = DiskState::new(segments, syncs.reader());
    let shared = Arc::new(SharedLog::new(before, options.sizes.chunk_bytes, Some(disk)));
    damage.iter().for_each(|damage| shared.unreadable(damage));
    let (members, losses) = (manifest.members.clone(), manifest.losses.clone());
    let is_old = log != Some(options.new_log);
    let scrubber = Scrubber::new(shared.clone(), storage.clone(), indexed, noted, options.seed);
    let committer = Committer::new((shared.clone(), storage), options, manifest, segment, syncs);
    let (writer, reader) = LogWriter::pair(shared.clone(), log);
    let opened = Opened { writer, reader, log, is_old, members, losses, keys };
    Ok(Recovered { shared, committer, scrubber, opened })
}

/// Returns the checksum of the last record of a log, and when that was accepted; none if there is
/// none, or it cannot be read now.
fn last_record(segments: &Segments, end: LogEnd) -> Option<(Checksum, u64)> {
    let records = segments.read(end.last_id()?.before(), end, 0).ok()?;
    records.iter().next().map(|record| (record.checksum, record.accepted_ms))
}

/// Reads the noted damaged places. Returns the errors of those that are still damaged, and the
/// segments of all of them.
fn known_damage(
    storage: &dyn Storage,
    segments: &Segments,
    end: LogEnd,
) -> (Vec<ReadError>, VecDeque<LogEnd>) {
    let mut noted = notes::load(storage);
    noted.retain(|place| place.ids.start() < end);
    let read = |place: &DamagedPlace| {
        let from = place.ids.start();
        segments.read(from, from.plus(1), 0).err()
    };
    let damage: Vec<ReadError> = noted.iter().filter_map(read).collect();
    (damage, noted.iter().map(|place| place.segment).collect())
}

/// A start's walk along the segments. It ends at the first damage.
struct Start<'a> {
    found: &'a LogDirectory<'a>,
    manifest: &'a Manifest,
    /// Whether to write a missing or invalid index again.
    makes_indexes: bool,
    sealed: Vec<OldSegment>,
    last: Option<(SegmentFile, Scanned)>,
}

/// A sealed segment that was visited.
struct OldSegment {
    sealed: SealedSegment,
    header: SegmentHeader,
    /// Number of keyed messages; none if its index does not prove it.
    keys: Option<u32>,
}

impl SegmentVisitor for Start<'_> {
    /// Takes the segment's end from the header of its index, if the next file agrees. Otherwise
    /// scans the segment and writes its index again.
    fn sealed(&mut self, name: &str, first: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError> {
        let found = self.found;
        let (file, header) = found.open(self.manifest, name, first)?;
        let length = file.length().map_err(found.failed("read", name))?;
        let head = SparseIndex::load_head(found.storage, &header);
        let head = head.filter(|head| head.end == next);
        let (end, keys) = match head.filter(|head| head.length <= length) {
            Some(head) => (head.end, head.keys),
            None => {
                warn!(
                    file = name,
                    "a sealed segment has no index that fits; it is read to make one"
                );
                let scanned = found.read_sealed(name, &*file, &header)?;
                if scanned.index.end() == next {
                    if self.makes_indexes {
                        found.store_index(name, &header, &scanned);
                    }
                } else if head.is_some() {
                    let what =
                        format!("the file is cut off before message {}", scanned.index.end());
                    return Err(found.damaged(name, length, &what));
                }
                (scanned.index.end(), Some(scanned.keys.len() as u32))
            }
        };
        self.sealed.push(OldSegment {
            sealed: SealedSegment { first, end, bytes: length },
            header,
            keys,
        });
        Ok(end)
    }

    /// Scans the last segment completely: anything missing from it must lie above the flushed end.
    fn last(&mut self, name: &str, first: LogEnd) -> Result<(), OpenError> {
        let (_, header) = self.found.open(self.manifest, name, first)?;
        let file = self.found.storage.open_to_write(name);
        let file = file.map_err(self.found.failed("open", name))?;
        let scanned =
            scan(&*file, &header, &mut no_visit).map_err(self.found.failed("read", name))?;
        self.found.check_last(self.manifest, name, &scanned)?;
        self.last = Some((SegmentFile::new(header, file, SparseIndex::new(first)), scanned));
        Ok(())
    }

    fn damaged(&mut self, _: DamagedPlace, damage: OpenError) -> Result<(), OpenError> {
        Err(damage)
    }
}

impl<'a> Start<'a> {
    fn new(found: &'a LogDirectory<'a>, manifest: &'a Manifest) -> Self {
        Self { found, manifest, makes_indexes: true, sealed: Vec::new(), last: None }
    }

    /// Returns the last `count` keyed messages, in id order. Reads no more indexes than necessary.
    fn keys(&self, count: usize) -> Result<Vec<IndexedKey>, OpenError> {
        let Some((_, scanned)) = &self.last else { return Ok(Vec::new()) };
        let mut keys: Vec<IndexedKey> = scanned.keys.iter().rev().take(count).copied().collect();
        for old in self.sealed.iter().rev().filter(|old| old.keys != Some(0)) {
            if keys.len() >= count {
                break;
            }
            let of_segment = match SparseIndex::load_keys(self.found.storage, &old.header) {
                Some(of_segment) => of_segment,
                None => {
                    let name = segment_name(old.sealed.first);
                    let (file, header) = self.found.open(self.manifest, &name, old.sealed.first)?;
                    warn!(
                        file = name,
                        "the keys of a segment's index are damaged; it is read to make one"
                    );
                    let scanned = self.found.read_sealed(&name, &*file, &header)?;
                    if self.makes_indexes {
                        self.found.store_index(&name, &header, &scanned);
                    }
                    scanned.keys
                }
            };
            let wanted = count - keys.len();
            keys.extend(of_segment.iter().rev().take(wanted));
        }
        keys.reverse();
        Ok(keys)
    }
}

impl LogDirectory<'_> {
    /// Returns the manifest; a new one if the directory is empty.
    fn manifest(&self, options: &DiskOptions, firsts: &[LogEnd]) -> Result<Manifest, OpenError> {
        match self.stored_manifest()? {
            Some(manifest) if manifest.role != self.role => Err(OpenError::OtherRole {
                path: self.path(),
                found: manifest.role,
                wanted: self.role,
            }),
            Some(manifest) => Ok(manifest),
            None if firsts.is_empty() => {
                info!(dir = self.path(), "the directory has no log; a new, empty one begins here");
                let log = (self.role == Role::Master).then_some(options.new_log);
                Ok(Manifest::new(self.role, log))
            }
            None => Err(self.no_manifest()),
        }
    }

    /// Stores a manifest, even an unchanged one: its name may never have been synced. On a full
    /// disk the node starts nevertheless, since the log can be read.
    fn store(&self, manifest: &Manifest) -> Result<(), OpenError> {
        let is_there = self.storage.open(MANIFEST).is_ok();
        let stored = match manifest.store(self.storage).map_err(|failed| failed.error) {
            Err(error) if is_there && is_full(&error) => {
                warn!(file = MANIFEST, %error, "no room for a new manifest; the one before stays");
                self.storage.sync_directory()
            }
            stored => stored,
        };
        stored.map_err(self.failed("write", MANIFEST))
    }

    /// Scans a sealed segment, all of whose records must be whole.
    fn read_sealed(
        &self,
        name: &str,
        file: &dyn StorageFile,
        header: &SegmentHeader,
    ) -> Result<Scanned, OpenError> {
        let scanned = scan(file, header, &mut no_visit).map_err(self.failed("read", name))?;
        match &scanned.bad {
            Some(bad) => Err(self.damaged(name, bad.offset, &bad.what)),
            None => Ok(scanned),
        }
    }

    fn store_index(&self, name: &str, header: &SegmentHeader, scanned: &Scanned) {
        if let Err(error) = scanned.index.store(self.storage, header, Some(&scanned.keys)) {
            warn!(file = name, %error,
                "cannot write the index; the next start reads the segment again");
        }
    }

    /// Renames the files that the manifest does not name, so that their names are free. They have
    /// no messages: the walk has checked that.
    fn set_aside(&self, manifest: &Manifest, firsts: &[LogEnd]) -> Result<(), OpenError> {
        let mut names = None;
        for first in unknown(manifest, firsts) {
            let name = segment_name(first);
            let names: &Vec<String> = match &names {
                Some(names) => names,
                None => names.insert(self.storage.list().map_err(self.failed("list", ""))?),
            };
            let aside = name_aside(names, &name, "unused");
            let renamed = self.storage.rename(&name, &aside);
            renamed.map_err(self.failed("rename", &name))?;
            info!(file = name, aside, "a segment was begun and never used; it is set aside");
        }
        Ok(())
    }

    /// Cuts off what a crash tore, and writes again what is kept and may not be on the disk.
    fn mend(
        &self,
        manifest: &Manifest,
        segment: &SegmentFile,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (name, index) = (segment_name(segment.header.first), &scanned.index);
        let flushed_end = scanned.flushed_end.max(manifest.flushed_end);
        if let Some(bad) = &scanned.bad {
            warn!(file = self.storage.path_of(&name), offset = bad.cut, bytes = bad.bytes,
                id = %bad.ids, what = bad.what,
                "a torn end of the log, as a crash leaves it, is cut off");
        }
        if scanned.bad.is_none() && index.end() == flushed_end {
            return Ok(());
        }
        let mended = mend_file(&*segment.file, &segment.header, scanned, flushed_end);
        mended.map_err(self.failed("mend", &name))?;
        info!(file = name, end = %index.end(), synced = %flushed_end,
            "flushed what is kept of the log's end");
        Ok(())
    }
}

/// Returns a free name for a file that is kept beside the one that replaces it.
fn name_aside(names: &[String], name: &str, why: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}.{why}-{number}"));
    let mut aside = std::iter::once(format!("{name}.{why}")).chain(numbered);
    aside.find(|aside| !names.contains(aside)).expect("there are more numbers than files")
}

fn mend_file(
    file: &dyn StorageFile,
    header: &SegmentHeader,
    scanned: &Scanned,
    flushed_end: LogEnd,
) -> io::Result<()> {
    let index = &scanned.index;
    let (_, mut at) = index.before(flushed_end);
    let mut input = ReadAhead::new(file, REWRITE_BYTES);
    while at < index.length() && flushed_end < index.end() {
        let rest = (index.length() - at).min(REWRITE_BYTES as u64);
        let bytes = input.get(at, rest as usize)?;
        file.write_at(at, bytes)?;
        at += bytes.len() as u64;
    }
    // Only the front of this group is kept: its header must not count the rest.
    if let Some(group_at) = scanned.broken_group.filter(|&at| at < index.length()) {
        let mut kept = vec![0; (index.length() - group_at) as usize];
        file.read_at(group_at, &mut kept)?;
        let group = header.decode_group(&kept).expect("the scan read it");
        let records = kept.get(group.header_bytes()..).unwrap_or_default();
        let range = IdRange::new(group.first, index.end());
        let mut head = Vec::new();
        header.group(range, records, group.flushed_end).encode(header.sync_marker, &mut head);
        file.write_at(group_at, &head)?;
    }
    file.set_length(index.length())?;
    file.sync()
}
