//! The manifest's section about longer logs of other nodes.

use acklog_types::{Checksum, LogEnd, Longer, Losses};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::is_zero;
use super::sections::{Section, Sections};

/// The section's name.
const NAME: &str = "losses";

#[derive(Serialize, Deserialize)]
struct LossesSection {
    /// An end below which an earlier release gave up everything.
    #[serde(default, skip_serializing_if = "is_zero")]
    accepted: u64,
    /// Each log's end, its checksum, and whether it was given up.
    logs: Vec<(u64, Option<u32>, bool)>,
}

/// Adds the section, unless it is empty.
pub(super) fn encode(losses: &Losses, sections: &mut Sections) {
    if *losses == Losses::default() {
        return;
    }
    let log = |log: &Longer| (log.end.get(), log.checksum.map(Checksum::get), log.is_given_up);
    let logs = losses.longer.iter().map(log).collect();
    let section = LossesSection { accepted: losses.accepted.get(), logs };
    let section = to_raw_value(&section).expect("numbers");
    sections.insert(NAME.to_owned(), Section(section));
}

/// Removes the section and decodes it. `seen` and `accepted` are the only fields that an earlier
/// release knows, and it may have changed them.
///
/// # Errors
/// In words, if the section is malformed.
pub(super) fn decode(
    sections: &mut Sections,
    seen: LogEnd,
    accepted: LogEnd,
) -> Result<Losses, String> {
    let mut losses = Losses::default();
    if let Some(section) = sections.remove(NAME) {
        let section: LossesSection =
            serde_json::from_str(section.0.get()).map_err(|error| error.to_string())?;
        let longer = |(end, checksum, is_given_up): (u64, Option<u32>, bool)| Longer {
            end: LogEnd::new(end),
            checksum: checksum.map(Checksum::new),
            is_given_up,
        };
        losses.longer = section.logs.into_iter().map(longer).collect();
        losses.accepted = LogEnd::new(section.accepted);
    }
    if accepted > losses.accepted_end() {
        losses.accepted = accepted;
        let given_up = losses.longer.iter_mut().filter(|longer| longer.end <= accepted);
        given_up.for_each(|longer| longer.is_given_up = true);
    }
    if seen > losses.seen_end() {
        losses.note(seen, None);
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_release_noted_is_known() {
        let end = LogEnd::new;
        let noted =
            |seen, accepted| decode(&mut Sections::new(), end(seen), end(accepted)).unwrap();
        assert_eq!(noted(9, 0).missing(end(3)), Some(end(9)));
        assert_eq!(noted(9, 4).missing(end(3)), Some(end(9)));
        let accepted = noted(9, 9);
        assert_eq!(accepted.missing(end(3)), None);
        assert!(accepted.is_given_up(end(7), Some(Checksum::new(1))));
        // An earlier release took messages with a manifest of this one. It knows nothing of the
        // section.
        let mut sections = Sections::new();
        encode(&accepted, &mut sections);
        assert_eq!(decode(&mut sections, end(12), end(9)).unwrap().missing(end(3)), Some(end(12)));
        assert!(sections.is_empty());
        // An earlier release accepted a loss that this one had noted.
        let mut noted = Losses::default();
        noted.note(end(9), Some(Checksum::new(1)));
        encode(&noted, &mut sections);
        assert_eq!(decode(&mut sections, end(9), end(9)).unwrap().missing(end(3)), None);
    }
}
