//! Damaged places that were found while a node ran, persisted in the file `damaged`, so that the
//! next start knows of them before anybody reads there. Like the manifest, the file is one line of
//! JSON and one with its checksum.

use std::io;

use acklog_types::{IdRange, LogEnd};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::manifest::{checked_line, replace, whole_file};
use super::places::DamagedPlace;
use crate::storage::Storage;

/// The file's name.
pub(super) const NOTES: &str = "damaged";

/// Most places that are noted. More: a failing disk is written to with each read. Fewer: a start
/// may not know of damage in another segment.
pub(super) const NOTES_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    segment: u64,
    offset: u64,
    first: u64,
    end: u64,
    what: String,
}

/// Loads the noted places. If they cannot be read, there are none: the damage is found again.
pub(super) fn load(storage: &dyn Storage) -> Vec<DamagedPlace> {
    let read = || -> io::Result<Vec<Note>> {
        let Some(bytes) = whole_file(storage, NOTES)? else { return Ok(Vec::new()) };
        let line = checked_line(&bytes).map_err(io::Error::other)?;
        Ok(serde_json::from_str(line)?)
    };
    let notes = read().unwrap_or_else(|error| {
        warn!(file = storage.path_of(NOTES), %error, "the notes of damaged places cannot be read");
        Vec::new()
    });
    let place = |note: Note| DamagedPlace {
        segment: LogEnd::new(note.segment),
        offset: note.offset,
        ids: IdRange::new(LogEnd::new(note.first), LogEnd::new(note.end.max(note.first))),
        what: note.what,
    };
    notes.into_iter().map(place).collect()
}

/// Replaces the notes. On return they survive every crash.
///
/// # Errors
/// The system's.
pub(super) fn store(storage: &dyn Storage, places: &[DamagedPlace]) -> io::Result<()> {
    let note = |place: &DamagedPlace| Note {
        segment: place.segment.get(),
        offset: place.offset,
        first: place.ids.start().get(),
        end: place.ids.end().get(),
        what: place.what.clone(),
    };
    let notes: Vec<Note> = places.iter().map(note).collect();
    let line = serde_json::to_string(&notes).expect("numbers and words");
    replace(storage, NOTES, &line).map_err(|failed| failed.error)
}
