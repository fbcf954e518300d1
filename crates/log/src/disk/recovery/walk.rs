//! The walk along a directory's segments, which recovery and the tools share: the manifest, then
//! the files, in order from the first message on. A visitor decides what is done with each.

use std::io;
use std::sync::Arc;

use acklog_types::{IdRange, LogEnd};

use super::super::error::DamagedPart;
use super::super::format::{Role, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::super::manifest::{MANIFEST, Manifest};
use super::super::names::{first_of, segment_name};
use super::super::places::DamagedPlace;
use super::super::read_error::{damage_text, failure_text};
use super::super::scan::{Scanned, read_header};
use super::OpenError;
use crate::storage::{Storage, StorageFile};

/// A directory that is being read.
pub(super) struct LogDirectory<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) role: Role,
}

/// A segment's file and its header.
pub(super) type OpenedFile = (Arc<dyn StorageFile>, SegmentHeader);

/// Visits the segments along a walk.
pub(super) trait SegmentVisitor {
    /// Visits a sealed segment; the next existing one begins with `next`. Returns where the segment
    /// ends.
    ///
    /// # Errors
    /// Any error ends the walk.
    fn sealed(&mut self, name: &str, first: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError>;

    /// Visits the last segment.
    ///
    /// # Errors
    /// Any error ends the walk.
    fn last(&mut self, name: &str, first: LogEnd) -> Result<(), OpenError>;

    /// Reports damage.
    ///
    /// # Errors
    /// Any error ends the walk: during a start, any damage does.
    fn damaged(&mut self, place: DamagedPlace, damage: OpenError) -> Result<(), OpenError>;
}

impl LogDirectory<'_> {
    pub(super) fn path(&self) -> String {
        self.storage.path_of("").trim_end_matches('/').to_owned()
    }

    pub(super) fn damaged(&self, name: &str, offset: u64, what: &str) -> OpenError {
        self.damaged_file(name, damage_text(self.storage, name, offset, what))
    }

    fn missing(&self, name: &str, what: &str) -> OpenError {
        self.damaged_file(name, format!("{} is missing: {what}", self.storage.path_of(name)))
    }

    fn damaged_file(&self, name: &str, detail: String) -> OpenError {
        let is_manifest = name == MANIFEST;
        let part = if is_manifest { DamagedPart::Manifest } else { DamagedPart::Segment };
        OpenError::Damaged { path: self.path(), detail, role: self.role, part }
    }

    pub(super) fn failed(&self, what: &str, name: &str) -> impl Fn(io::Error) -> OpenError {
        let (storage, what, name) = (self.storage, what.to_owned(), name.to_owned());
        move |error| OpenError::Unusable { detail: failure_text(storage, &what, &name, &error) }
    }

    /// Lists the first ids of the segment files, in order.
    pub(super) fn segments(&self) -> Result<Vec<LogEnd>, OpenError> {
        let names = self.storage.list().map_err(self.failed("list", ""))?;
        let mut firsts: Vec<LogEnd> = names.iter().filter_map(|name| first_of(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Loads the manifest; none if the directory has none.
    pub(super) fn stored_manifest(&self) -> Result<Option<Manifest>, OpenError> {
        Manifest::load(self.storage).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => self.damaged(MANIFEST, 0, &error.to_string()),
            _ => self.failed("read", MANIFEST)(error),
        })
    }

    pub(super) fn no_manifest(&self) -> OpenError {
        self.missing(MANIFEST, "there are segment files, and it belongs to them")
    }

    /// Walks along the segments that the manifest and the files' names tell of, then looks at the
    /// files that the manifest does not name.
    ///
    /// # Errors
    /// The visitor's.
    pub(super) fn walk(
        &self,
        manifest: &Manifest,
        firsts: &[LogEnd],
        look: &mut dyn SegmentVisitor,
    ) -> Result<(), OpenError> {
        let is_there = |first: LogEnd| firsts.binary_search(&first).is_ok();
        if let Some(last) = manifest.last {
            let mut next = LogEnd::ZERO;
            while next < last {
                let behind = firsts.get(firsts.partition_point(|&first| first <= next));
                let following = behind.map_or(last, |&first| first.min(last));
                let name = segment_name(next);
                let place = |what: &str| DamagedPlace {
                    segment: next,
                    offset: 0,
                    ids: IdRange::new(next, following),
                    what: what.to_owned(),
                };
                if !is_there(next) {
                    let what = "the log goes on behind it";
                    look.damaged(place("the file is missing"), self.missing(&name, what))?;
                    next = following;
                    continue;
                }
                let end = look.sealed(&name, next, following)?;
                // A file in between that nothing leads to is not a part of the log.
                if end <= next || end > last || (end > following && !is_there(end)) {
                    let what = format!("it ends before message {end}, where no segment begins");
                    look.damaged(place(&what), self.damaged(&name, 0, &what))?;
                    next = following;
                } else {
                    next = end;
                }
            }
            let name = segment_name(last);
            if is_there(last) {
                look.last(&name, last)?;
            } else {
                let what = "the manifest names it as the last one";
                let ids = IdRange::new(last, manifest.flushed_end.max(last));
                let place = DamagedPlace {
                    segment: last,
                    offset: 0,
                    ids,
                    what: "the file is missing".to_owned(),
                };
                look.damaged(place, self.missing(&name, what))?;
            }
        }
        self.look_at_unknown(manifest, firsts, look)
    }

    /// Looks at the files that the manifest does not name. A crash while a segment was begun leaves
    /// one with only a header. A running node may also have begun one meanwhile, since a walk along
    /// a long log takes minutes. Then the current manifest names it: a manifest is replaced before
    /// anything else is written to the file.
    fn look_at_unknown(
        &self,
        manifest: &Manifest,
        firsts: &[LogEnd],
        look: &mut dyn SegmentVisitor,
    ) -> Result<(), OpenError> {
        for first in unknown(manifest, firsts) {
            let name = segment_name(first);
            let file = self.storage.open(&name).map_err(self.failed("open", &name))?;
            let length = file.length().map_err(self.failed("read", &name))?;
            let is_told = |now: Option<Manifest>| now.is_some_and(|now| now.last >= Some(first));
            if length > SEGMENT_HEADER_BYTES as u64 && !is_told(self.stored_manifest()?) {
                let what = "the manifest is older than this file; is it from a copy?";
                let place = DamagedPlace {
                    segment: first,
                    offset: 0,
                    ids: IdRange::empty(first),
                    what: what.to_owned(),
                };
                look.damaged(place, self.damaged(&name, 0, what))?;
            }
        }
        Ok(())
    }

    /// Opens a segment, which must belong to the log and to its place in it.
    pub(super) fn open(
        &self,
        manifest: &Manifest,
        name: &str,
        first: LogEnd,
    ) -> Result<OpenedFile, OpenError> {
        let file = self.storage.open(name).map_err(self.failed("open", name))?;
        let header = read_header(&*file).map_err(self.failed("read", name))?;
        let header = header.map_err(|what| self.damaged(name, 0, &what))?;
        // A file of version 1 has the role, too.
        let is_other_role = header.role.is_some_and(|role| role != self.role);
        if is_other_role || (Some(header.log), header.first) != (manifest.log, first) {
            let what = "the file belongs to another log, or another place in it";
            return Err(self.damaged(name, 0, what));
        }
        Ok((file, header))
    }

    /// Checks that anything missing from the last segment lies above the flushed end.
    pub(super) fn check_last(
        &self,
        manifest: &Manifest,
        name: &str,
        scanned: &Scanned,
    ) -> Result<(), OpenError> {
        let (end, flushed_end) =
            (scanned.index.end(), scanned.flushed_end.max(manifest.flushed_end));
        if end >= flushed_end {
            return Ok(());
        }
        let (offset, what) = match &scanned.bad {
            Some(bad) => (bad.offset, bad.what.clone()),
            None => (scanned.index.length(), format!("the file ends before message {end}")),
        };
        let what = format!("{what}, and everything below message {flushed_end} was synced");
        Err(self.damaged(name, offset, &what))
    }
}

/// Returns the segment files that the manifest does not name.
pub(super) fn unknown<'a>(
    manifest: &Manifest,
    firsts: &'a [LogEnd],
) -> impl Iterator<Item = LogEnd> + use<'a> {
    let last = manifest.last;
    firsts.iter().copied().filter(move |&first| last.is_none_or(|last| first > last))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::super::{DiskOptions, Sizes};
    use super::super::{Recovered, recover};
    use super::*;
    use crate::SimDisk;

    /// Notes reported damage.
    #[derive(Default)]
    struct Noted(Vec<DamagedPlace>);

    impl SegmentVisitor for Noted {
        fn sealed(&mut self, _: &str, _: LogEnd, next: LogEnd) -> Result<LogEnd, OpenError> {
            Ok(next)
        }

        fn last(&mut self, _: &str, _: LogEnd) -> Result<(), OpenError> {
            Ok(())
        }

        fn damaged(&mut self, place: DamagedPlace, _: OpenError) -> Result<(), OpenError> {
            self.0.push(place);
            Ok(())
        }
    }

    /// A disk on which a node begins a segment with each read of the manifest or of the files'
    /// names.
    #[derive(Debug)]
    struct Busy {
        disk: SimDisk,
        node: Mutex<Recovered>,
    }

    impl Busy {
        fn begin_segment(&self) {
            let mut node = self.node.lock().unwrap();
            let count = self.disk.list().unwrap().len();
            while self.disk.list().unwrap().len() == count {
                node.opened.writer.append(1, None, &"x".repeat(200).as_str().into());
                node.opened.writer.flush();
                node.committer.write();
                node.committer.sync();
            }
        }
    }

    impl Storage for Busy {
        fn list(&self) -> io::Result<Vec<String>> {
            let names = self.disk.list();
            self.begin_segment();
            names
        }

        fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
            let file = self.disk.open(name);
            if name == MANIFEST {
                self.begin_segment();
            }
            file
        }

        fn create(&self, _: &str) -> io::Result<Arc<dyn StorageFile>> {
            unreachable!("who only looks makes no files")
        }

        fn rename(&self, _: &str, _: &str) -> io::Result<()> {
            unreachable!("who only looks gives no names")
        }

        fn sync_directory(&self) -> io::Result<()> {
            unreachable!("who only looks has nothing to sync")
        }

        fn path_of(&self, name: &str) -> String {
            self.disk.path_of(name)
        }
    }

    fn damaged(found: &LogDirectory<'_>) -> Vec<DamagedPlace> {
        let mut noted = Noted::default();
        let (manifest, firsts) = found.manifest_and_segments().unwrap();
        found.walk(&manifest, &firsts, &mut noted).unwrap();
        noted.0
    }

    #[test]
    fn segments_that_a_running_node_begins_during_a_walk_are_no_damage() {
        let disk = SimDisk::new();
        let options = DiskOptions { sizes: Sizes::of_segments(500), ..DiskOptions::OF_TESTS };
        let node = recover(Arc::new(disk.mounted()), options).unwrap();
        let busy = Busy { disk: disk.clone(), node: Mutex::new(node) };
        busy.begin_segment();
        let older = Manifest::load(&disk).unwrap().unwrap();
        assert_eq!(damaged(&LogDirectory { storage: &busy, role: Role::Master }), []);
        // A copy whose manifest was taken before the files.
        older.store(&disk).unwrap();
        assert!(!damaged(&LogDirectory { storage: &disk, role: Role::Master }).is_empty());
    }
}
