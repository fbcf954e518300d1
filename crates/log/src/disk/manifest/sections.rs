//! Sections of later releases, which this one keeps in a manifest without understanding them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Most bytes of these sections, with their names: half of a manifest. What this release writes
/// beside them fits into the other half. Fewer: a later release has less space. More: a manifest
/// that is written again may be too long to be read.
const SECTIONS_BYTES_MAX: usize = super::MANIFEST_BYTES_MAX as usize / 2;

/// Sections of a manifest, by name.
pub(in crate::disk) type Sections = BTreeMap<String, Section>;

/// A section as its text, so that the section of a later release is written back as it was read: as
/// a value, it would lose digits of long numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::disk) struct Section(pub(super) Box<RawValue>);

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Section {}

/// Checks that the sections fit into a manifest beside what this release writes.
///
/// # Errors
/// In words, if they are too long.
pub(super) fn check(sections: &Sections) -> Result<(), String> {
    let bytes = |(name, section): (&String, &Section)| name.len() + section.0.get().len();
    let bytes: usize = sections.iter().map(bytes).sum();
    match bytes <= SECTIONS_BYTES_MAX {
        true => Ok(()),
        false => Err(format!(
            "a newer release wrote it, with {bytes} bytes that this one does not know, more than \
             the {SECTIONS_BYTES_MAX} that it keeps; use that release"
        )),
    }
}

#[cfg(test)]
mod tests {
    use acklog_types::{Checksum, LogEnd, LogId, Losses};

    use super::super::{MANIFEST_BYTES_MAX, Manifest, Role, with_checksum};
    use super::*;

    /// Returns the longest manifest that this release writes, with a section of so many bytes.
    fn longest(bytes: usize) -> Manifest {
        let mut manifest = Manifest::new(Role::Master, Some(LogId::new(u128::MAX)));
        manifest.members = (0..255).map(|n| format!("{n:0>64}").parse().expect("a name")).collect();
        let mut losses = Losses::default();
        for n in 0..1000 {
            losses.note(LogEnd::new(u64::MAX - n), Some(Checksum::new(u32::MAX)));
        }
        let text = format!("\"{}\"", "x".repeat(bytes - "later\"\"".len()));
        let section = Section(RawValue::from_string(text).unwrap());
        let optional = Sections::from([("later".to_owned(), section)]);
        Manifest { losses, last: Some(LogEnd::new(u64::MAX)), optional, ..manifest }
    }

    #[test]
    fn sections_of_a_later_release_are_kept_only_where_the_manifest_can_be_read_again() {
        let whole = longest(SECTIONS_BYTES_MAX);
        let written = with_checksum(&whole.encode());
        assert!(written.len() as u64 <= MANIFEST_BYTES_MAX, "{}", written.len());
        assert_eq!(Manifest::decode(&written), Ok(whole));
        let longer = with_checksum(&longest(SECTIONS_BYTES_MAX + 1).encode());
        let refused = Manifest::decode(&longer).unwrap_err();
        assert!(refused.contains("use that release"), "{refused}");
    }
}
