//! Tracks the damaged places of a log, and the repair of one segment at a time.
//!
//! The steps of a repair: the scrubber surveys which records of the segment are whole, the node
//! fetches the others from another node, one range after the other, and the scrubber rewrites the
//! segment.

use std::collections::VecDeque;

use acklog_types::{IdRange, LogEnd, NodeName, Records};

use super::notes;
use super::places::DamagedPlace;

/// The known damage of a log, and its repair.
#[derive(Debug, Default)]
pub(super) struct DamageTracker {
    places: Vec<DamagedPlace>,
    repair: Option<SegmentRepair>,
    misfits: u32,
    version: u64,
    /// Whether the places have changed since they were last taken to be persisted.
    is_noted: bool,
    /// Whether the scrubber has something to do.
    is_due: bool,
}

/// The repair of a segment that was surveyed.
#[derive(Debug)]
struct SegmentRepair {
    segment: LogEnd,
    /// The messages that are still to be fetched.
    missing: VecDeque<IdRange>,
    fetched: Fetched,
}

/// The records that were fetched for a segment: at most a segment's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    /// In id order.
    pub(super) records: Vec<Records>,
    /// The node that sent the last of them.
    pub(super) peer: Option<NodeName>,
}

/// The scrubber's next step.
#[derive(Debug)]
pub(super) enum RepairStep {
    /// Survey which records of this segment are whole.
    Survey(LogEnd),
    /// Rewrite this segment.
    Write(LogEnd, Fetched),
}

/// The condition on which [`DamageTracker::take_notes`] returns the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notes {
    /// If they have changed since the last call.
    Changed,
    /// In any case, since they could not be persisted last time.
    All,
}

impl DamageTracker {
    /// Notes a damaged place. Returns whether it is new.
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

    /// Returns the first place; none if nothing is damaged.
    pub(super) fn first(&self) -> Option<&DamagedPlace> {
        self.places.first()
    }

    /// Returns the end of the last damaged message.
    pub(super) fn until(&self) -> LogEnd {
        let of_places = self.places.iter().map(|place| place.ids.end());
        let missing = self.repair.iter().flat_map(|repair| &repair.missing);
        of_places.chain(missing.map(|ids| ids.end())).max().unwrap_or_default()
    }

    /// Returns the messages to fetch next.
    pub(super) fn wanted(&self) -> Option<IdRange> {
        self.repair.as_ref()?.missing.front().copied()
    }

    pub(super) fn misfits(&self) -> u32 {
        self.misfits
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Takes records that another node sent. Records that are not wanted next are dropped.
    pub(super) fn mend(&mut self, peer: &NodeName, run: &Records) {
        self.version += 1;
        let Some(repair) = &mut self.repair else { return };
        let Some(wanted) = repair.missing.front_mut() else { return };
        let part = run.range().from(wanted.start()).until(wanted.end());
        if part.is_empty() || part.start() != wanted.start() {
            return;
        }
        // Detached, so that the rest of the frame is freed.
        repair.fetched.records.push(run.slice(part).detached());
        repair.fetched.peer = Some(peer.clone());
        *wanted = wanted.from(part.end());
        if wanted.is_empty() {
            repair.missing.pop_front();
        }
        self.is_due |= repair.missing.is_empty();
    }

    /// Returns whether the scrubber has something to do.
    pub(super) fn is_due(&self) -> bool {
        self.is_due || self.is_noted
    }

    /// Returns the scrubber's next step; none if there is nothing to do, or messages are still to
    /// be fetched.
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

    /// Notes that the scrubber may have more to do at once.
    pub(super) fn look_again(&mut self) {
        self.is_due = true;
    }

    /// Notes the result of a survey: these messages are to be fetched.
    pub(super) fn surveyed(&mut self, segment: LogEnd, missing: Vec<IdRange>) {
        self.repair =
            Some(SegmentRepair { segment, missing: missing.into(), fetched: Fetched::default() });
        self.version += 1;
    }

    /// Gives up what was fetched, since it is not proven to be what was lost. The next segment has
    /// its turn.
    pub(super) fn misfit(&mut self, segment: LogEnd) {
        self.repair = None;
        self.misfits = self.misfits.saturating_add(1);
        self.version += 1;
        // The sort is stable: this segment's places move to the end.
        self.places.sort_by_key(|place| place.segment == segment);
    }

    /// Notes that the segment is whole.
    pub(super) fn mended(&mut self, segment: LogEnd) {
        self.repair = None;
        self.misfits = 0;
        self.version += 1;
        self.places.retain(|place| place.segment != segment);
        (self.is_noted, self.is_due) = (true, true);
    }

    /// Returns the places to persist, if there are any to persist.
    pub(super) fn take_notes(&mut self, wanted: Notes) -> Option<Vec<DamagedPlace>> {
        let has_changed = std::mem::take(&mut self.is_noted);
        (has_changed || wanted == Notes::All).then(|| self.places.clone())
    }
}
