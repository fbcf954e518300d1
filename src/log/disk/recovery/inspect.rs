//! Looking into a directory without opening its log: all of it is read, nothing is changed, and no lock is taken.

use std::path::Path;

use thiserror::Error;

use super::super::format::{Role, segment_name};
use super::super::manifest::Manifest;
use super::super::scan::{Scanned, Visit, read_header, scan};
use super::snapshot::Snapshot;
use super::{Found, MANIFEST, OpenError};
use crate::log::open::open_directory;
use crate::log::storage::Storage;
use crate::types::{IdRange, LogEnd, LogId, NodeName};

/// What is in a directory, as far as it is whole.
#[derive(Debug)]
pub struct Findings {
    /// Whose directory it is.
    pub role: Role,
    /// The log's identity; none while a secondary has none.
    pub log: Option<LogId>,
    /// The secondaries that registered (a master's).
    pub members: Vec<NodeName>,
    /// Segment files that were read.
    pub segments: u64,
    /// The end of the whole messages.
    pub end: LogEnd,
    /// Bytes of their records.
    pub bytes: u64,
    /// How many of them have an idempotency key.
    pub keyed: u64,
    /// All below was synced.
    pub synced: LogEnd,
    /// What a crash tore, and a start would cut off; of a node that runs, what it is writing.
    pub torn: Option<Torn>,
    /// The first damage. What stands behind it was not looked at.
    pub damage: Option<OpenError>,
}

/// The end of a log that is not whole, above all that was synced.
#[derive(Clone, Debug)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// Where what is kept ends.
    pub offset: u64,
    /// Bytes from there on.
    pub bytes: u64,
    /// The messages that it had, as far as that can be told.
    pub ids: IdRange,
    /// What is wrong there.
    pub what: String,
}

/// Why a directory cannot be looked into.
#[derive(Debug, Error)]
pub enum InspectError {
    /// It has neither a manifest nor segment files.
    #[error("{path} has no log: name a node's data directory, the one with the file `manifest`")]
    NoLog {
        /// The directory.
        path: String,
    },
    /// It has files of a log, and none of them tells whose.
    #[error(
        "nothing in {path} tells whose log it is: its manifest and its segment files are all \
         damaged; move them to another place by hand, and the node starts with an empty log: a \
         secondary fetches everything anew, a master begins a new log"
    )]
    NoRole {
        /// The directory.
        path: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Reads a log's segments that have messages of `range`, shows those that are whole, and tells what it found in them.
///
/// # Errors
/// When there is no log, or it cannot be read. Damage is no error, but a finding.
pub fn inspect(path: &Path, range: IdRange, visit: Visit<'_>) -> Result<Findings, InspectError> {
    let storage = open_directory(path)?;
    let role = role_of(&storage)?;
    let found = Found { storage: &storage, role };
    let firsts = found.segments()?;
    let mut findings = Findings {
        role,
        log: None,
        members: Vec::new(),
        segments: 0,
        end: LogEnd::ZERO,
        bytes: 0,
        keyed: 0,
        synced: LogEnd::ZERO,
        torn: None,
        damage: None,
    };
    let walked = found.stored_manifest().and_then(|manifest| {
        let manifest = manifest.ok_or_else(|| found.no_manifest())?;
        findings.log = manifest.log;
        findings.members = manifest.members.clone();
        findings.synced = manifest.synced;
        found.walk(&manifest, &firsts, range, visit, &mut findings)
    });
    match walked {
        Ok(()) => Ok(findings),
        Err(damage @ OpenError::Damaged { .. }) => {
            Ok(Findings { damage: Some(damage), ..findings })
        }
        Err(error) => Err(error.into()),
    }
}

/// Whose directory it is: as the manifest says, and where that is damaged, as the first segment file says that has a
/// whole header.
///
/// # Errors
/// When there is no log, nothing tells, or it cannot be read.
pub(in crate::log) fn role_of(storage: &dyn Storage) -> Result<Role, InspectError> {
    // Whose it is goes into texts about damage only.
    let found = Found { storage, role: Role::Master };
    let firsts = found.segments()?;
    let is_missing = match Manifest::load(storage) {
        Ok(Some(manifest)) => return Ok(manifest.role),
        Ok(None) => true,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => false,
        Err(error) => return Err(found.failed("read", MANIFEST)(error).into()),
    };
    for &first in &firsts {
        let name = segment_name(first);
        let file = storage.open(&name).map_err(found.failed("open", &name))?;
        if let Ok(header) = read_header(&*file).map_err(found.failed("read", &name))? {
            return Ok(header.role);
        }
    }
    Err(match is_missing && firsts.is_empty() {
        true => InspectError::NoLog { path: found.path() },
        false => InspectError::NoRole { path: found.path() },
    })
}

impl Found<'_> {
    /// Reads one segment after the other.
    fn walk(
        &self,
        manifest: &Manifest,
        firsts: &[LogEnd],
        range: IdRange,
        visit: Visit<'_>,
        findings: &mut Findings,
    ) -> Result<(), OpenError> {
        let Some(last) = manifest.last else { return Ok(()) };
        let begin = firsts.iter().copied().filter(|&first| first <= range.start().min(last)).max();
        let mut next = begin.unwrap_or(LogEnd::ZERO);
        loop {
            let name = segment_name(next);
            self.check_is_there(firsts, next)?;
            let (file, header) = self.open(manifest, &name, next)?;
            let mut show = |record: &crate::types::Record<'_>| {
                let at = record.id.before();
                if range.start() <= at && at < range.end() {
                    visit(record);
                }
            };
            let scanned = match next == last {
                // It may be written meanwhile.
                true => Snapshot::take(&*file).and_then(|file| scan(&file, &header, &mut show)),
                false => scan(&*file, &header, &mut show),
            };
            let scanned = scanned.map_err(self.failed("read", &name))?;
            findings.take(&scanned);
            let end = scanned.index.end();
            if next == last {
                self.check_last(manifest, &name, &scanned)?;
                findings.torn = scanned.bad.map(|bad| Torn {
                    file: self.storage.path_of(&name),
                    offset: bad.cut,
                    bytes: bad.bytes,
                    ids: bad.ids,
                    what: bad.what,
                });
                return Ok(());
            }
            if let Some(bad) = &scanned.bad {
                return Err(self.damaged(&name, bad.offset, &bad.what));
            }
            if end <= next || end > last {
                return Err(self.leads_nowhere(&name, scanned.index.length(), end));
            }
            if end >= range.end() {
                return Ok(());
            }
            next = end;
        }
    }
}

impl Findings {
    fn take(&mut self, scanned: &Scanned) {
        self.segments += 1;
        self.end = scanned.index.end();
        self.bytes += scanned.index.record_bytes();
        self.keyed += scanned.keys.len() as u64;
        // A segment is sealed when all of it is synced.
        self.synced = self.synced.max(scanned.synced);
    }
}
