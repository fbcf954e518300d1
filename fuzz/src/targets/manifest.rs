//! The manifest of a log's directory.

use std::collections::BTreeMap;

use acklog_log::disk::{DiskOptions, Role, accept_losses};
use acklog_log::storage::Storage;
use acklog_types::{LogEnd, is_dots};
use serde_json::value::RawValue;

use crate::log_files::{disk_with, manifest_of, start};

/// A manifest that is read is written back the same: its names, what other nodes have, and the
/// sections that this release does not know. A refused one is not touched. Giving up a loss
/// leaves a manifest that is read.
///
/// Input: a byte whose lowest bit says whether the file is the rest as it is or a line whose
/// checksum is added, and whose second bit is the role; the file.
pub fn manifest(data: &[u8]) {
    let Some((&[mode], line)) = data.split_first_chunk::<1>() else { return };
    let bytes = if mode & 1 == 0 { manifest_of(line) } else { line.to_vec() };
    let role = if mode & 2 == 0 { Role::Master } else { Role::Secondary };
    let disk = disk_with(&[("manifest", &bytes)]);
    let options = DiskOptions { role, ..DiskOptions::OF_TESTS };
    let Ok(opened) = start(&disk, options) else {
        assert_eq!(disk.bytes("manifest"), bytes, "a refused manifest was changed");
        return;
    };
    let (members, losses) = (opened.opened.members.clone(), opened.opened.losses.clone());
    drop(opened);
    let written = disk.bytes("manifest");
    let (before, after) = (members_of(&bytes), members_of(&written));
    let names = text(&before, "secondaries").expect("names");
    let names: Vec<String> = serde_json::from_str(names).expect("names");
    let names = names.iter().map(String::as_str).filter(|name| !is_dots(name));
    assert!(members.iter().map(|member| member.as_str()).eq(names), "{members:?}");
    check_sections(&before, &after);
    let again = start(&disk, options).expect("what was written is read");
    assert_eq!((&again.opened.members, &again.opened.losses), (&members, &losses));
    drop(again);
    assert_eq!(disk.bytes("manifest"), written, "the second start wrote another manifest");
    let accepted = accept_losses(&disk.mounted() as &dyn Storage).expect("a manifest");
    let after = start(&disk, options).expect("what was written is read");
    let missing = losses.missing(LogEnd::ZERO);
    assert_eq!(accepted.is_some(), losses.longer.iter().any(|longer| !longer.is_given_up));
    assert!(accepted >= missing, "{missing:?} was missing, {accepted:?} is given up");
    assert_eq!(after.opened.losses.missing(LogEnd::ZERO), None, "given up");
}

/// The members of an object of JSON, each as its text.
type ManifestMembers = BTreeMap<String, Box<RawValue>>;

fn members_of(manifest: &[u8]) -> ManifestMembers {
    let line = manifest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).expect("a manifest that was read is JSON")
}

fn text<'a>(members: &'a ManifestMembers, name: &str) -> Option<&'a str> {
    members.get(name).map(|member| member.get())
}

/// Sections of later releases stay as they are; the one about losses is this release's.
fn check_sections(before: &ManifestMembers, after: &ManifestMembers) {
    let unknown = |manifest: &ManifestMembers| {
        let sections = text(manifest, "optional").unwrap_or("{}");
        let sections: ManifestMembers = serde_json::from_str(sections).expect("sections");
        let sections = sections.into_iter().filter(|(name, _)| name != "losses");
        sections.map(|(name, section)| (name, section.get().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(unknown(before), unknown(after));
}
