//! The manifest: the facts about a directory as a whole. It is small, and replaced as a whole.
//!
//! It is one line of JSON and one with its checksum, so that users can read it and damage is
//! noticed:
//!
//! ```text
//! {"format":2,"role":"master","log":"…32 hex digits…","start":0,"last":0,"synced":42,
//!  "secondaries":["bonnie","clyde"]}
//! crc32c 1a2b3c4d
//! ```
//!
//! - `role` is the kind of node that opened the directory last.
//! - `start` is the id of the log's first message. Until logs can be trimmed it is 0, and any other
//!   value is refused.
//! - `last` is the first id of the last segment file, so that its loss is noticed; null while there
//!   is none.
//! - `synced` is a flushed end: everything below was on disk when the manifest was written. It is
//!   the last segment's first id or, after a clean stop, the log's end.
//! - `secondaries` are the names that registered with this master, in that order.
//! - `seen` and `accepted`, if above 0, are the end up to which other nodes were seen to have this
//!   log beyond its own end, and the end below which its operator gave that up. Earlier releases
//!   need these two instead of the section `losses`.
//!
//! Later releases add what they need without a new version, in two more fields that are left out if
//! they are empty:
//!
//! - `optional` has sections by name. A release that does not know a section keeps it unchanged.
//!   One section is `losses`: `accepted`, an end below which an earlier release gave up everything,
//!   and `logs`, the longer logs of other nodes, each with its end, its checksum, and whether it
//!   was given up.
//! - `required` has sections that must be understood: a release that does not know one refuses the
//!   manifest, as it does for any other unknown field.
//!
//! Version 1 had no `start`; it is read.

mod losses;
mod sections;

use std::io;

use acklog_types::{LogEnd, LogId, Losses, NodeName, is_dots};
use serde::{Deserialize, Serialize};

use self::sections::Sections;
use super::format::{FORMAT_VERSION, FORMAT_VERSION_1, Role};
use crate::storage::Storage;

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest";

/// Longest manifest, in bytes: several times the size of 255 names of 64 bytes. Longer: a damaged
/// file takes more memory. Shorter: later releases have less space for sections.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// The facts about a directory as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) role: Role,
    /// The log's identity; none while a secondary has none.
    pub(super) log: Option<LogId>,
    /// The first id of the last segment.
    pub(super) last: Option<LogEnd>,
    /// Everything below was flushed.
    pub(super) flushed_end: LogEnd,
    pub(super) members: Vec<NodeName>,
    pub(super) losses: Losses,
    /// Sections of later releases that this one need not understand.
    pub(super) optional: Sections,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestLine {
    format: u16,
    role: String,
    log: Option<String>,
    #[serde(default)]
    start: u64,
    last: Option<u64>,
    synced: u64,
    secondaries: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    seen: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    accepted: u64,
    #[serde(default, skip_serializing_if = "Sections::is_empty")]
    optional: Sections,
    #[serde(default, skip_serializing_if = "Sections::is_empty")]
    required: Sections,
}

fn is_zero(end: &u64) -> bool {
    *end == 0
}

/// The part that says whether the rest can be understood.
#[derive(Deserialize)]
struct ManifestVersion {
    format: u16,
}

/// The part that says which role the directory has.
#[derive(Deserialize)]
struct ManifestOwner {
    role: String,
}

impl Manifest {
    pub(super) fn new(role: Role, log: Option<LogId>) -> Self {
        Self {
            role,
            log,
            last: None,
            flushed_end: LogEnd::ZERO,
            members: Vec::new(),
            losses: Losses::default(),
            optional: Sections::new(),
        }
    }

    fn encode(&self) -> String {
        let mut optional = self.optional.clone();
        losses::encode(&self.losses, &mut optional);
        let line = ManifestLine {
            format: FORMAT_VERSION,
            role: self.role.as_str().to_owned(),
            log: self.log.map(|log| log.to_string()),
            start: 0,
            last: self.last.map(LogEnd::get),
            synced: self.flushed_end.get(),
            secondaries: self.members.iter().map(NodeName::to_string).collect(),
            seen: self.losses.seen_end().get(),
            accepted: self.losses.accepted_end().get(),
            optional,
            required: Sections::new(),
        };
        serde_json::to_string(&line).expect("numbers and names")
    }

    /// Decodes a manifest.
    ///
    /// # Errors
    /// In words, if the bytes are not a manifest, or a newer release's.
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let line = checked_line(bytes)?;
        let ManifestVersion { format } =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        if format != FORMAT_VERSION && format != FORMAT_VERSION_1 {
            return Err(format!(
                "it has format version {format}, and this release reads versions \
                 {FORMAT_VERSION_1} and {FORMAT_VERSION} only"
            ));
        }
        let mut line: ManifestLine = serde_json::from_str(line)
            .map_err(|error| format!("a newer release may have written it: {error}"))?;
        if let Some((name, _)) = line.required.iter().next() {
            return Err(format!(
                "a newer release wrote it, with a part {name:?} that this one does not know and \
                 must not ignore; use that release"
            ));
        }
        if line.start > 0 {
            return Err(format!(
                "the log begins with message {}, not 0: a newer release cut its front off; use \
                 that release",
                line.start
            ));
        }
        let role = Role::named(&line.role)
            .ok_or_else(|| format!("the role {:?} is not known", line.role))?;
        let hex = |text: String| u128::from_str_radix(&text, 16).map(LogId::new);
        let log = line.log.map(hex).transpose().map_err(|error| error.to_string())?;
        // Earlier releases admitted such names. No client can remove them, so they no longer count.
        let names = line.secondaries.iter().filter(|name| !is_dots(name)).map(|name| name.parse());
        let (seen, accepted) = (LogEnd::new(line.seen), LogEnd::new(line.accepted));
        let losses = losses::decode(&mut line.optional, seen, accepted)?;
        sections::check(&line.optional)?;
        Ok(Self {
            role,
            log,
            last: line.last.map(LogEnd::new),
            flushed_end: LogEnd::new(line.synced),
            members: names.collect::<Result<_, _>>().map_err(|error| format!("{error}"))?,
            losses,
            optional: line.optional,
        })
    }

    /// Returns the role in a damaged manifest, if it is still readable: a few damaged bytes do not
    /// turn one role's word into the other's.
    pub(super) fn role_of_damaged(storage: &dyn Storage) -> Option<Role> {
        let bytes = whole_file(storage, MANIFEST).ok()??;
        let line = bytes.split(|&byte| byte == b'\n').next()?;
        let ManifestOwner { role } = serde_json::from_slice(line).ok()?;
        Role::named(&role)
    }

    /// Loads the directory's manifest; none if there is none.
    ///
    /// # Errors
    /// The system's, with the kind `InvalidData` if the file is not a valid manifest.
    pub(super) fn load(storage: &dyn Storage) -> io::Result<Option<Self>> {
        let Some(bytes) = whole_file(storage, MANIFEST)? else { return Ok(None) };
        let decoded = Self::decode(&bytes);
        decoded.map(Some).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Replaces the directory's manifest. On return the new one survives every crash.
    ///
    /// # Errors
    /// The system's. Either of the two manifests is there then.
    pub(super) fn store(&self, storage: &dyn Storage) -> Result<(), NotStored> {
        replace(storage, MANIFEST, &self.encode())
    }
}

/// Appends the line with the checksum.
fn with_checksum(line: &str) -> Vec<u8> {
    let crc = crc32c::crc32c(line.as_bytes());
    format!("{line}\ncrc32c {crc:08x}\n").into_bytes()
}

/// Returns the line in front of the checksum.
///
/// # Errors
/// In words, if the checksum does not match.
pub(super) fn checked_line(bytes: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let (line, _) = text.split_once('\n').ok_or("it is cut off")?;
    if bytes != with_checksum(line) {
        return Err("its checksum is wrong".to_owned());
    }
    Ok(line)
}

/// Reads a small file; none if there is none.
///
/// # Errors
/// The system's.
pub(super) fn whole_file(storage: &dyn Storage, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match storage.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; file.length()?.min(MANIFEST_BYTES_MAX) as usize];
    let got = file.read_at(0, &mut bytes)?;
    bytes.truncate(got);
    Ok(Some(bytes))
}

/// Replaces a small file by one with a line and its checksum. On return the new one survives every
/// crash.
///
/// # Errors
/// The system's. Either of the two files is there then.
pub(super) fn replace(storage: &dyn Storage, name: &str, line: &str) -> Result<(), NotStored> {
    let replace = || {
        let next = format!("{name}.next");
        let file = storage.create(&next)?;
        file.write_at(0, &with_checksum(line))?;
        file.sync()?;
        // Its descriptor may be one of the reserved ones.
        drop(file);
        storage.rename(&next, name)
    };
    replace().map_err(|error| NotStored { error, in_doubt: false })?;
    storage.sync_directory().map_err(|error| NotStored { error, in_doubt: true })
}

/// Reason why a small file was not replaced, or may not be after a crash.
#[derive(Debug)]
pub(super) struct NotStored {
    pub(super) error: io::Error,
    /// Whether either of the two files may be there. Otherwise it is the old one, and the new one
    /// may be stored later.
    pub(super) in_doubt: bool,
}

/// Gives up what other nodes have of a master's log beyond the master's own end. Returns below
/// which end that is; none if no loss is known.
///
/// # Errors
/// The system's, with the kind `InvalidData` if the manifest is damaged. Either of the two
/// manifests is there then.
pub fn accept_losses(storage: &dyn Storage) -> io::Result<Option<LogEnd>> {
    let mut manifest = Manifest::load(storage)?.ok_or(io::ErrorKind::NotFound)?;
    let Some(end) = manifest.losses.give_up() else { return Ok(None) };
    manifest.store(storage).map_err(|failed| failed.error)?;
    Ok(Some(end))
}

#[cfg(test)]
mod tests {
    use acklog_types::Checksum;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            role: Role::Master,
            log: Some(LogId::new(0xabc)),
            last: Some(LogEnd::new(100)),
            flushed_end: LogEnd::new(123),
            members: ["bonnie", "clyde"].map(|name| name.parse().unwrap()).to_vec(),
            losses: Losses::default(),
            optional: Sections::new(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let mut losses = Losses { accepted: LogEnd::new(4), ..Losses::default() };
        losses.note(LogEnd::new(7), Some(Checksum::new(1)));
        losses.give_up();
        losses.note(LogEnd::new(6), Some(Checksum::new(2)));
        let behind = Manifest { losses, ..manifest() };
        let whole = [manifest(), behind, Manifest::new(Role::Secondary, None)];
        for manifest in whole {
            assert_eq!(Manifest::decode(&with_checksum(&manifest.encode())), Ok(manifest));
        }
    }

    #[test]
    fn names_that_no_client_can_forget_are_left_out() {
        let line = r#"{"format":1,"role":"master","log":null,"last":null,"synced":0,
            "secondaries":[".","bonnie",".."]}"#
            .replace('\n', " ");
        let read = Manifest::decode(&with_checksum(&line)).unwrap();
        assert_eq!(read.members, ["bonnie".parse().unwrap()]);
    }

    #[test]
    fn what_a_later_release_wrote_is_refused_and_not_ignored() {
        let whole = manifest().encode();
        let refused = |line: String| Manifest::decode(&with_checksum(&line)).unwrap_err();
        let newer = refused(whole.replace(r#""format":2"#, r#""epochs":[],"format":3"#));
        assert!(newer.contains("format version 3"), "{newer}");
        let unknown = refused(whole.replace(r#""start":0"#, r#""start":0,"epochs":[]"#));
        assert!(unknown.contains("epochs"), "{unknown}");
        assert!(refused(whole.replace(r#""start":0"#, r#""start":9"#)).contains("message 9"));
    }

    #[test]
    fn a_part_of_a_later_release_is_kept_where_it_is_optional_and_refused_where_it_is_required() {
        const SECTION: &str = r#"{"rows":[[1, 0.10, 123456789012345678901234567890]]}"#;
        let with = |field: &str| {
            let part = format!(r#""start":0,"{field}":{{"epochs":{SECTION}}}"#);
            with_checksum(&manifest().encode().replace(r#""start":0"#, &part))
        };
        let kept = Manifest::decode(&with("optional")).unwrap();
        assert_eq!(kept, Manifest { optional: kept.optional.clone(), ..manifest() });
        assert_eq!(kept.optional["epochs"].0.get(), SECTION);
        let rewritten = Manifest { flushed_end: LogEnd::new(200), ..kept.clone() }.encode();
        let read = Manifest::decode(&with_checksum(&rewritten)).unwrap();
        assert_eq!(read.optional, kept.optional);
        let refused = Manifest::decode(&with("required")).unwrap_err();
        let says = |words| refused.contains(words);
        assert!(says("a newer release wrote it") && says("\"epochs\""), "{refused}");
        assert!(Manifest::decode(&with("other")).unwrap_err().contains("newer release"));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_manifest_is_noticed() {
        let whole = with_checksum(&manifest().encode());
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
