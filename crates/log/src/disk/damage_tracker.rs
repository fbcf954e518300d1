//! The places of a log that were found damaged, and how far the repair of one of their segments is.
//!
//! One segment is repaired at a time, in these steps: the scrubber looks which of its records are whole; the node fetches
//! the others from another node, one range of messages after the other; the scrubber writes the segment anew.

use std::collections::VecDeque;

use acklog_types::{IdRange, LogEnd, NodeName, Records, Run};

use super::notes;
use super::places::DamagedPlace;

/// The damage of a log, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct DamageTracker {
    places: Vec<DamagedPlace>,
    repair: Option<SegmentRepair>,
    misfits: u32,
    version: u64,
    /// Whether the places are others than those that were taken to be written down.
    is_noted: bool,
    /// Whether there is something for the scrubber to do.
    is_due: bool,
}

/// The repair of a segment whose records were looked at.
#[derive(Debug)]
struct SegmentRepair {
    segment: LogEnd,
    /// The messages that are still to be fetched.
    missing: VecDeque<IdRange>,
    fetched: Fetched,
}

/// What was fetched for a segment: at most a segment's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    /// In id order.
    pub(super) records: Vec<Records>,
    /// From whom the last of it came.
    pub(super) peer: Option<NodeName>,
}

/// What the scrubber does next.
#[derive(Debug)]
pub(super) enum RepairStep {
    /// Look which records of this segment are whole.
    Survey(LogEnd),
    /// Write this segment anew.
    Write(LogEnd, Fetched),
}

impl DamageTracker {
    /// Notes a damaged place. Returns whether it is news.
    pub(super) fn note(&mut self, place: &DamagedPlace) -> bool {
        let is_known = self.places.iter().any(|known| known.ids.start() == place.ids.start());
        let is_news = !is_known && self.places.len() < notes::NOTES_MAX;
        if is_news {
            self.places.push(place.clone());
            (self.is_noted, self.is_due) = (true, true);
            self.version += 1;
        }
        is_news
    }

    /// The first place; none while nothing is damaged.
    pub(super) fn first(&self) -> Option<&DamagedPlace> {
        self.places.first()
    }

    /// Where the last damaged message ends.
    pub(super) fn until(&self) -> LogEnd {
        let of_places = self.places.iter().map(|place| place.ids.end());
        let missing = self.repair.iter().flat_map(|repair| &repair.missing);
        of_places.chain(missing.map(|ids| ids.end())).max().unwrap_or_default()
    }

    /// The messages to fetch next.
    pub(super) fn wanted(&self) -> Option<IdRange> {
        self.repair.as_ref()?.missing.front().copied()
    }

    pub(super) fn misfits(&self) -> u32 {
        self.misfits
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Takes records that another node gave. What is not wanted next is dropped.
    pub(super) fn mend(&mut self, peer: &NodeName, run: &Records) {
        self.version += 1;
        let Some(repair) = &mut self.repair else { return };
        let Some(wanted) = repair.missing.front_mut() else { return };
        let part = run.range().from(wanted.start()).until(wanted.end());
        if part.is_empty() || part.start() != wanted.start() {
            return;
        }
        // The rest of the frame that it came in is not kept.
        repair.fetched.records.push(run.slice(part).detached());
        repair.fetched.peer = Some(peer.clone());
        *wanted = wanted.from(part.end());
        if wanted.is_empty() {
            repair.missing.pop_front();
        }
        self.is_due |= repair.missing.is_empty();
    }

    /// Whether there is something for the scrubber to do.
    pub(super) fn is_due(&self) -> bool {
        self.is_due || self.is_noted
    }

    /// What the scrubber does next; none while there is nothing, or something is to be fetched.
    pub(super) fn step(&mut self) -> Option<RepairStep> {
        self.is_due = false;
        match &self.repair {
            Some(repair) if repair.missing.is_empty() => {
                Some(RepairStep::Write(repair.segment, repair.fetched.clone()))
            }
            Some(_) => None,
            None => self.places.first().map(|place| RepairStep::Survey(place.segment)),
        }
    }

    /// There may be more for the scrubber to do at once.
    pub(super) fn look_again(&mut self) {
        self.is_due = true;
    }

    /// The segment was looked at: these messages are to be fetched.
    pub(super) fn surveyed(&mut self, segment: LogEnd, missing: Vec<IdRange>) {
        self.repair =
            Some(SegmentRepair { segment, missing: missing.into(), fetched: Fetched::default() });
        self.version += 1;
    }

    /// What was fetched is not proven to be what was there: it is given up, and the segments take turns.
    pub(super) fn misfit(&mut self, segment: LogEnd) {
        self.repair = None;
        self.misfits = self.misfits.saturating_add(1);
        self.version += 1;
        // A stable sort: this one's places go to the end.
        self.places.sort_by_key(|place| place.segment == segment);
    }

    /// The segment is whole.
    pub(super) fn mended(&mut self, segment: LogEnd) {
        self.repair = None;
        self.misfits = 0;
        self.version += 1;
        self.places.retain(|place| place.segment != segment);
        (self.is_noted, self.is_due) = (true, true);
    }

    /// Takes the places, if they are others than those that were taken last, or are to be taken again.
    pub(super) fn take_notes(&mut self, again: bool) -> Option<Vec<DamagedPlace>> {
        (std::mem::take(&mut self.is_noted) || again).then(|| self.places.clone())
    }
}
