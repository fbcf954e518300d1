//! What a start finds in a directory, and what it does about what a crash left.
//!
//! Let S be the highest end that the manifest or any whole group header names as synced. Bytes below S were forced to
//! the disk and acked: where they are not what was written, that is damage, and the node refuses to start. At or above
//! S a crash may have torn writes, in any order: the first record there that is not whole ends the log, and it and all
//! behind it are cut off. What is kept at or above S is written again and synced before anybody sees it: that it can be
//! read back proves nothing about the disk.

pub mod inspect;
mod snapshot;

use std::io;
use std::sync::{Arc, RwLock};

use tracing::{info, warn};

use super::cause::is_full;
use super::files::{Files, Sealed, Segment, damage, failure};
use super::format::{GROUP_HEADER_BYTES, GroupHeader, Role, SegmentHeader, first_of, segment_name};
use super::index::{Key, SparseIndex};
use super::manifest::{MANIFEST, Manifest};
use super::scan::{Scanned, read_header, scan};
use super::window::Window;
use super::{Committer, Disk, DiskOptions, Keeper, OpenError};
use crate::log::shared::Shared;
use crate::log::storage::{Storage, StorageFile};
use crate::log::{LogWriter, Opened};
use crate::types::LogEnd;

/// Bytes that are written again at once.
const REWRITE_BYTES: usize = 1024 * 1024;

/// A directory's log, ready to be used.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(in crate::log) shared: Arc<Shared>,
    pub(crate) committer: Committer,
    pub(in crate::log) keeper: Keeper,
    pub(crate) opened: Opened,
}

/// Opens the log of a directory.
///
/// # Errors
/// When the directory cannot be used, or its log is damaged.
pub(crate) fn recover(
    storage: Arc<dyn Storage>,
    options: DiskOptions,
) -> Result<Recovered, OpenError> {
    let found = Found { storage: &*storage, role: options.role };
    let firsts = found.segments()?;
    let mut manifest = found.manifest(&options, &firsts)?;
    let sealed = found.sealed(&manifest, &firsts)?;
    let last = match manifest.last {
        Some(first) => Some(found.last(&manifest, first)?),
        None => None,
    };
    found.set_aside(&manifest, &firsts)?;
    let mut keys = match &last {
        Some((segment, scanned)) => {
            found.mend(&manifest, segment, scanned)?;
            found.keys(&manifest, &sealed, &scanned.keys, options.keys)?
        }
        None => Vec::new(),
    };
    keys.reverse();
    let segment = last.map(|(segment, scanned)| {
        Arc::new(Segment { index: RwLock::new(scanned.index), ..segment })
    });
    let end = segment.as_ref().map_or(LogEnd::ZERO, |segment| segment.end());
    // All that is left is synced by now, whatever the headers know.
    manifest.synced = end;
    found.store(&manifest)?;
    // A secondary without messages belongs to no log yet.
    let is_known = options.role == Role::Master || end > LogEnd::ZERO;
    let log = manifest.log.filter(|_| is_known);
    let log_shown = log.map(|log| log.to_string());
    info!(dir = found.path(), %end, segments = sealed.len() + usize::from(segment.is_some()),
        log = log_shown, "opened the log on disk");
    let indexed = sealed.len();
    let disk = Disk::new(Files::new(storage.clone(), sealed, segment.clone()));
    let shared = Arc::new(Shared::new(end, options.sizes.chunk_bytes, Some(disk)));
    let members = manifest.members.clone();
    let keeper = Keeper::new(shared.clone(), storage.clone(), indexed);
    let committer = Committer::new(shared.clone(), storage, options, manifest, segment);
    let (writer, reader) = LogWriter::of(shared.clone(), log);
    let opened = Opened { writer, reader, log, members, keys };
    Ok(Recovered { shared, committer, keeper, opened })
}

/// A directory that is being looked at.
struct Found<'a> {
    storage: &'a dyn Storage,
    role: Role,
}

impl Found<'_> {
    fn path(&self) -> String {
        self.storage.path_of("").trim_end_matches('/').to_owned()
    }

    fn damaged(&self, name: &str, offset: u64, what: &str) -> OpenError {
        let detail = damage(self.storage, name, offset, what);
        OpenError::Damaged { path: self.path(), detail, role: self.role }
    }

    fn missing(&self, name: &str, what: &str) -> OpenError {
        let detail = format!("{} is missing: {what}", self.storage.path_of(name));
        OpenError::Damaged { path: self.path(), detail, role: self.role }
    }

    fn failed(&self, what: &str, name: &str) -> impl Fn(io::Error) -> OpenError {
        let (storage, what, name) = (self.storage, what.to_owned(), name.to_owned());
        move |error| OpenError::Unusable { detail: failure(storage, &what, &name, &error) }
    }

    /// The first ids of the segment files, in order.
    fn segments(&self) -> Result<Vec<LogEnd>, OpenError> {
        let names = self.storage.list().map_err(self.failed("list", ""))?;
        let mut firsts: Vec<LogEnd> = names.iter().filter_map(|name| first_of(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// The manifest; a new one where the directory has nothing yet.
    fn manifest(&self, options: &DiskOptions, firsts: &[LogEnd]) -> Result<Manifest, OpenError> {
        match self.stored_manifest()? {
            Some(manifest) if manifest.role != self.role => Err(OpenError::OtherRole {
                path: self.path(),
                found: manifest.role,
                wanted: self.role,
            }),
            Some(manifest) => Ok(manifest),
            None if firsts.is_empty() => {
                let log = (self.role == Role::Master).then_some(options.new_log);
                Ok(Manifest::new(self.role, log))
            }
            None => Err(self.no_manifest()),
        }
    }

    fn stored_manifest(&self) -> Result<Option<Manifest>, OpenError> {
        Manifest::load(self.storage).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => self.damaged(MANIFEST, 0, &error.to_string()),
            _ => self.failed("read", MANIFEST)(error),
        })
    }

    fn no_manifest(&self) -> OpenError {
        self.missing(MANIFEST, "there are segment files, and it belongs to them")
    }

    /// The sealed segments: all are there, one behind the other from the first message on.
    fn sealed(&self, manifest: &Manifest, firsts: &[LogEnd]) -> Result<Vec<Sealed>, OpenError> {
        let Some(last) = manifest.last else { return Ok(Vec::new()) };
        let (mut sealed, mut next) = (Vec::new(), LogEnd::ZERO);
        while next < last {
            let name = segment_name(next);
            self.check_is_there(firsts, next)?;
            let end = self.end_of_sealed(manifest, &name, next)?;
            if end <= next || end > last {
                return Err(self.leads_nowhere(&name, 0, end));
            }
            sealed.push(Sealed { first: next, end });
            next = end;
        }
        if firsts.binary_search(&last).is_err() {
            return Err(self.missing(&segment_name(last), "the manifest names it as the last one"));
        }
        Ok(sealed)
    }

    fn check_is_there(&self, firsts: &[LogEnd], first: LogEnd) -> Result<(), OpenError> {
        let missing = |_| self.missing(&segment_name(first), "the log goes on behind it");
        firsts.binary_search(&first).map(|_| ()).map_err(missing)
    }

    /// A sealed segment's end must be where the next one begins.
    fn leads_nowhere(&self, name: &str, offset: u64, end: LogEnd) -> OpenError {
        let what = format!("it ends before message {end}, where no segment begins");
        self.damaged(name, offset, &what)
    }

    /// Puts a manifest in place, also one that is as it was: its name may be one that no sync of the directory has made
    /// safe. On a full disk the node starts all the same, since it can be read.
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

    /// Where a sealed segment ends, from its index; without one the segment is read and its index written.
    fn end_of_sealed(
        &self,
        manifest: &Manifest,
        name: &str,
        first: LogEnd,
    ) -> Result<LogEnd, OpenError> {
        let (file, header) = self.open(manifest, name, first)?;
        if let Some(index) = SparseIndex::load(self.storage, &header) {
            let length = file.length().map_err(self.failed("read", name))?;
            if length < index.length() {
                let what = format!("the file is cut off, it should have {} bytes", index.length());
                return Err(self.damaged(name, length, &what));
            }
            return Ok(index.end());
        }
        warn!(file = name, "a sealed segment has no whole index; reading the segment to make one");
        let scanned = scan(&*file, &header, &mut |_| {}).map_err(self.failed("read", name))?;
        if let Some(bad) = scanned.bad {
            return Err(self.damaged(name, bad.offset, &bad.what));
        }
        if let Err(error) = scanned.index.store(self.storage, &header, &scanned.keys) {
            warn!(file = name, %error, "cannot write the index; the next start reads the segment again");
        }
        Ok(scanned.index.end())
    }

    fn open(
        &self,
        manifest: &Manifest,
        name: &str,
        first: LogEnd,
    ) -> Result<(Arc<dyn StorageFile>, SegmentHeader), OpenError> {
        let file = self.storage.open(name).map_err(self.failed("open", name))?;
        let header = read_header(&*file).map_err(self.failed("read", name))?;
        let header = header.map_err(|what| self.damaged(name, 0, &what))?;
        if (header.role, Some(header.log), header.first) != (self.role, manifest.log, first) {
            return Err(self.damaged(
                name,
                0,
                "the file belongs to another log, or another place in it",
            ));
        }
        Ok((file, header))
    }

    /// The last segment, read whole: what is missing of it must lie above all that was synced.
    fn last(&self, manifest: &Manifest, first: LogEnd) -> Result<(Segment, Scanned), OpenError> {
        let name = segment_name(first);
        let (_, header) = self.open(manifest, &name, first)?;
        let file = self.storage.open_to_write(&name).map_err(self.failed("open", &name))?;
        let scanned = scan(&*file, &header, &mut |_| {}).map_err(self.failed("read", &name))?;
        self.check_last(manifest, &name, &scanned)?;
        let index = RwLock::new(SparseIndex::new(first));
        Ok((Segment { header, file, index }, scanned))
    }

    /// What is missing of the last segment must lie above all that was synced.
    fn check_last(
        &self,
        manifest: &Manifest,
        name: &str,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (end, synced) = (scanned.index.end(), scanned.synced.max(manifest.synced));
        if end >= synced {
            return Ok(());
        }
        let (offset, what) = match &scanned.bad {
            Some(bad) => (bad.offset, bad.what.clone()),
            None => (scanned.index.length(), format!("the file ends before message {end}")),
        };
        let what = format!("{what}, and everything below message {synced} was synced");
        Err(self.damaged(name, offset, &what))
    }

    /// A crash while a segment was begun leaves a file that the manifest does not tell of. It has no messages; its name
    /// is made free.
    fn set_aside(&self, manifest: &Manifest, firsts: &[LogEnd]) -> Result<(), OpenError> {
        for &first in firsts.iter().filter(|&&first| manifest.last.is_none_or(|last| first > last))
        {
            let name = segment_name(first);
            let file = self.storage.open(&name).map_err(self.failed("open", &name))?;
            if let Ok(header) = read_header(&*file).map_err(self.failed("read", &name))? {
                let read =
                    scan(&*file, &header, &mut |_| {}).map_err(self.failed("read", &name))?;
                if read.index.end() > first || read.bad.is_some() {
                    let what = "the manifest is older than this file; is it from a copy?";
                    return Err(self.damaged(&name, 0, what));
                }
            }
            let aside = format!("{name}.unused");
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
        segment: &Segment,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (name, index) = (segment_name(segment.header.first), &scanned.index);
        let synced = scanned.synced.max(manifest.synced);
        if let Some(bad) = &scanned.bad {
            warn!(file = self.storage.path_of(&name), offset = bad.cut, bytes = bad.bytes,
                id = %bad.ids, what = bad.what, "a torn end of the log, as a crash leaves it, is cut off");
        }
        if scanned.bad.is_none() && index.end() == synced {
            return Ok(());
        }
        let mended = mend_file(&*segment.file, segment.header.mark, scanned, synced);
        mended.map_err(self.failed("mend", &name))?;
        info!(file = name, end = %index.end(), synced = %synced, "what is kept of the log's end is synced");
        Ok(())
    }

    /// The last `count` keyed messages, the last one first.
    fn keys(
        &self,
        manifest: &Manifest,
        sealed: &[Sealed],
        last: &[Key],
        count: usize,
    ) -> Result<Vec<Key>, OpenError> {
        let mut keys: Vec<Key> = last.iter().rev().take(count).copied().collect();
        for segment in sealed.iter().rev() {
            if keys.len() >= count {
                break;
            }
            let name = segment_name(segment.first);
            let (file, header) = self.open(manifest, &name, segment.first)?;
            let of_segment = match SparseIndex::load_keys(self.storage, &header) {
                Some(of_segment) => of_segment,
                None => {
                    scan(&*file, &header, &mut |_| {}).map_err(self.failed("read", &name))?.keys
                }
            };
            let wanted = count - keys.len();
            keys.extend(of_segment.iter().rev().take(wanted));
        }
        Ok(keys)
    }
}

fn mend_file(
    file: &dyn StorageFile,
    mark: u64,
    scanned: &Scanned,
    synced: LogEnd,
) -> io::Result<()> {
    let index = &scanned.index;
    let (_, mut at) = index.before(synced);
    let mut window = Window::new(file, REWRITE_BYTES);
    while at < index.length() && synced < index.end() {
        let rest = (index.length() - at).min(REWRITE_BYTES as u64);
        let bytes = window.get(at, rest as usize)?;
        file.write_at(at, bytes)?;
        at += bytes.len() as u64;
    }
    // A group of which the front is kept: its header must not count the rest.
    if let Some(group_at) = scanned.broken_group.filter(|&at| at < index.length()) {
        let mut head = [0; GROUP_HEADER_BYTES];
        file.read_at(group_at, &mut head)?;
        let group = GroupHeader::decode(&head, mark).expect("the scan read it");
        let kept = GroupHeader {
            bytes: (index.length() - group_at) as u32 - GROUP_HEADER_BYTES as u32,
            records: (index.end().get() - group.first.get()) as u32,
            ..group
        };
        file.write_at(group_at, &kept.encode(mark))?;
    }
    file.set_length(index.length())?;
    file.sync()
}
