//! The manifest: what is true of a directory as a whole. It is small and replaced as a whole.
//!
//! One line of JSON and one with its checksum, so that a person can read it and damage is noticed:
//!
//! ```text
//! {"format":1,"role":"master","log":"…32 hex digits…","last":0,"synced":42,"secondaries":["bonnie","clyde"]}
//! crc32c 1a2b3c4d
//! ```
//!
//! - `last` is the first id of the last segment file, so that a missing one is noticed; null while there is none.
//! - `synced` is an end below which all was synced when the manifest was written: the last segment's first id, or after
//!   a clean stop the log's end.
//! - `secondaries` are the names that registered with this master, in that order.
//! - `seen` and `accepted`, where they are above 0, are how far other nodes were seen to have this log beyond its end,
//!   and below which end its operator gave that up.

use std::io;

use serde::{Deserialize, Serialize};

use super::format::{FORMAT_VERSION, Role};
use crate::log::storage::Storage;
use crate::types::{LogEnd, LogId, Losses, NodeName, is_dots};

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest";

/// The name under which the next manifest is written before it takes the place of the one before.
const MANIFEST_NEXT: &str = "manifest.next";

/// Longest manifest, in bytes: 255 names of 64 bytes, several times.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// What is true of a directory as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) role: Role,
    /// The log's identity; none while a secondary has none.
    pub(super) log: Option<LogId>,
    /// The first id of the last segment.
    pub(super) last: Option<LogEnd>,
    /// All below was synced.
    pub(super) synced: LogEnd,
    pub(super) members: Vec<NodeName>,
    pub(super) losses: Losses,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: u16,
    role: String,
    log: Option<String>,
    last: Option<u64>,
    synced: u64,
    secondaries: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    seen: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    accepted: u64,
}

fn is_zero(end: &u64) -> bool {
    *end == 0
}

impl Manifest {
    pub(super) fn new(role: Role, log: Option<LogId>) -> Self {
        Self {
            role,
            log,
            last: None,
            synced: LogEnd::ZERO,
            members: Vec::new(),
            losses: Losses::default(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let line = Line {
            format: FORMAT_VERSION,
            role: self.role.as_str().to_owned(),
            log: self.log.map(|log| log.to_string()),
            last: self.last.map(LogEnd::get),
            synced: self.synced.get(),
            secondaries: self.members.iter().map(NodeName::to_string).collect(),
            seen: self.losses.seen.get(),
            accepted: self.losses.accepted.get(),
        };
        let line = serde_json::to_string(&line).expect("numbers and names");
        let crc = crc32c::crc32c(line.as_bytes());
        format!("{line}\ncrc32c {crc:08x}\n").into_bytes()
    }

    /// Reads a manifest, or says in words why it is none.
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
        let (line, rest) = text.split_once('\n').ok_or("it is cut off")?;
        if rest != format!("crc32c {:08x}\n", crc32c::crc32c(line.as_bytes())) {
            return Err("its checksum is wrong".to_owned());
        }
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line.format != FORMAT_VERSION {
            return Err(format!(
                "it has format version {}, and this release reads version {FORMAT_VERSION} only",
                line.format
            ));
        }
        let role = match line.role.as_str() {
            "master" => Role::Master,
            "secondary" => Role::Secondary,
            other => return Err(format!("the role {other:?} is not known")),
        };
        let hex = |text: String| u128::from_str_radix(&text, 16).map(LogId::new);
        let log = line.log.map(hex).transpose().map_err(|error| error.to_string())?;
        // Earlier releases let these register. No client can ask for them to be forgotten, so they stop to count here.
        let names = line.secondaries.iter().filter(|name| !is_dots(name)).map(|name| name.parse());
        Ok(Self {
            role,
            log,
            last: line.last.map(LogEnd::new),
            synced: LogEnd::new(line.synced),
            members: names.collect::<Result<_, _>>().map_err(|error| format!("{error}"))?,
            losses: Losses { seen: LogEnd::new(line.seen), accepted: LogEnd::new(line.accepted) },
        })
    }

    /// Reads the directory's manifest; none where there is none.
    ///
    /// # Errors
    /// The system's, with the kind `InvalidData` where the file is no whole manifest.
    pub(super) fn load(storage: &dyn Storage) -> io::Result<Option<Self>> {
        let file = match storage.open(MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = vec![0; file.length()?.min(MANIFEST_BYTES_MAX) as usize];
        let got = file.read_at(0, &mut bytes)?;
        bytes.truncate(got);
        let decoded = Self::decode(&bytes);
        decoded.map(Some).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Puts this manifest in the place of the one before. When it returns, it survives every crash.
    ///
    /// # Errors
    /// The system's. Either of the two is there then.
    pub(super) fn store(&self, storage: &dyn Storage) -> Result<(), NotStored> {
        let replace = || {
            let file = storage.create(MANIFEST_NEXT)?;
            file.write_at(0, &self.encode())?;
            file.sync()?;
            // Its descriptor may be one of those in reserve.
            drop(file);
            storage.rename(MANIFEST_NEXT, MANIFEST)
        };
        replace().map_err(|error| NotStored { error, in_doubt: false })?;
        storage.sync_directory().map_err(|error| NotStored { error, in_doubt: true })
    }
}

/// Why a manifest is not in its place, or may not be after a crash.
#[derive(Debug)]
pub(super) struct NotStored {
    pub(super) error: io::Error,
    /// Whether either of the two may be there. Otherwise it is the one before, and the new one may be stored later.
    pub(super) in_doubt: bool,
}

/// Gives up what other nodes have of a master's log beyond what the master has. Returns below which end that is; none
/// where nothing is known that could be given up.
///
/// # Errors
/// The system's, with the kind `InvalidData` where the manifest is damaged. Either of the two manifests is there then.
pub(crate) fn accept_losses(storage: &dyn Storage) -> io::Result<Option<LogEnd>> {
    let mut manifest = Manifest::load(storage)?.ok_or(io::ErrorKind::NotFound)?;
    let Losses { seen, accepted } = &mut manifest.losses;
    if *seen <= *accepted {
        return Ok(None);
    }
    *accepted = *seen;
    let end = *seen;
    manifest.store(storage).map_err(|failed| failed.error)?;
    Ok(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            role: Role::Master,
            log: Some(LogId::new(0xabc)),
            last: Some(LogEnd::new(100)),
            synced: LogEnd::new(123),
            members: ["bonnie", "clyde"].map(|name| name.parse().unwrap()).to_vec(),
            losses: Losses::default(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let losses = Losses { seen: LogEnd::new(9), accepted: LogEnd::new(4) };
        let behind = Manifest { losses, ..manifest() };
        let whole = [manifest(), behind, Manifest::new(Role::Secondary, None)];
        for manifest in whole {
            assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
    }

    #[test]
    fn names_that_no_client_can_forget_are_left_out() {
        let line = r#"{"format":1,"role":"master","log":null,"last":null,"synced":0,
            "secondaries":[".","bonnie",".."]}"#
            .replace('\n', " ");
        let crc = crc32c::crc32c(line.as_bytes());
        let read = Manifest::decode(format!("{line}\ncrc32c {crc:08x}\n").as_bytes()).unwrap();
        assert_eq!(read.members, ["bonnie".parse().unwrap()]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_manifest_is_noticed() {
        let whole = manifest().encode();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(Manifest::decode(&whole[..length]).is_err(), "length {length}");
        }
    }
}
