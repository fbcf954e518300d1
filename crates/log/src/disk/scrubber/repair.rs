//! Repairs damaged segments while the node runs, with records from its peers.
//!
//! The damaged file is not written to: a new one is written beside it, synced, and renamed. After a
//! crash one of the two is there. An active segment is sealed first, so that the header of the next
//! one has a checksum that proves the repair.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use acklog_types::{IdRange, LogEnd, Records};
use rand::RngExt;
use tracing::{debug, info, warn};

use super::super::damage_tracker::{Fetched, RepairStep};
use super::super::names::{repaired_name, segment_name};
use super::super::recovery::rebuild::{Rebuild, RebuildError, SegmentSurvey};
use super::Scrubber;

/// Pause before trying again to repair a segment, usually because the disk is full. Shorter: more
/// reads of whole segments for nothing. Longer: the damage stays longer.
const REPAIR_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Scrubber {
    /// Goes on with the repair, as far as that is possible without other nodes. Returns after which
    /// time to try again if there was a temporary failure.
    pub fn repair(&mut self) -> Option<Duration> {
        loop {
            let step = self.disk().work().damaged.step()?;
            let (segment, done) = match step {
                RepairStep::Survey(segment) => (segment, self.survey(segment)),
                RepairStep::Write(segment, fetched) => {
                    (segment, self.write_anew(segment, &fetched))
                }
            };
            match done {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    let file = segment_name(segment);
                    warn!(file, %error, again = ?REPAIR_AGAIN_AFTER, "a damaged file is not repaired yet");
                    return Some(REPAIR_AGAIN_AFTER);
                }
            }
            self.shared.changed.notify_one();
        }
    }

    /// Surveys what is left of a damaged segment, and asks for what is missing. Returns whether
    /// there may be more to do at once.
    fn survey(&mut self, first: LogEnd) -> io::Result<bool> {
        let Some(rebuild) = self.rebuild(first) else {
            debug!(file = segment_name(first), "a damaged file is sealed, to be repaired");
            self.disk().leave(|work| work.roll = true);
            return Ok(false);
        };
        let survey = rebuild.survey()?;
        if survey.is_whole {
            info!(file = segment_name(first), "what was damaged reads well again");
            self.disk().segments.replaced(first);
            self.disk().work().damaged.mended(first);
        } else {
            let messages: u64 = survey.missing.iter().map(|ids| ids.len()).sum();
            let ids = survey.missing.first().copied().unwrap_or(IdRange::empty(first));
            info!(file = segment_name(first), messages, id = %ids,
                "a damaged file is repaired when a node that has its damaged messages is connected");
            self.disk().work().damaged.surveyed(first, survey.missing);
        }
        self.disk().work().damaged.look_again();
        Ok(true)
    }

    /// Returns a damaged segment, if it is sealed.
    fn rebuild(&self, first: LogEnd) -> Option<Rebuild<'_>> {
        let segments = &self.disk().segments;
        let (sealed, before, next) = segments.with_neighbours(first)?;
        let (storage, log) = (&*self.storage, segments.log()?);
        Some(Rebuild { storage, log, first, end: sealed.end, before, next })
    }

    /// Rewrites a segment whose missing records were all fetched. Returns whether there may be more
    /// to do at once.
    fn write_anew(&mut self, first: LogEnd, fetched: &Fetched) -> io::Result<bool> {
        // Zero would be found everywhere.
        let sync_marker = self.rng.random_range(1..=u64::MAX);
        let Some(rebuild) = self.rebuild(first) else { return Ok(false) };
        let survey = rebuild.survey()?;
        let file = segment_name(first);
        let peer = fetched.peer.as_ref().map(|peer| peer.as_str());
        match swap(&rebuild, &survey, fetched, sync_marker) {
            Ok(()) => {
                self.disk().segments.replaced(first);
                self.disk().work().damaged.mended(first);
                let messages: u64 = fetched.records.iter().map(|run| run.range().len()).sum();
                let id =
                    fetched.records.first().map(Records::range).unwrap_or(IdRange::empty(first));
                info!(file, peer, messages, %id, "repaired a damaged file");
            }
            Err(RebuildError::Unproven) if fetched.records.is_empty() => {
                self.disk().work().damaged.misfit(first);
                // No node is asked, so the pause must come from here.
                return Err(io::Error::other("the next file tells of other records than it has"));
            }
            Err(RebuildError::Unproven) => {
                warn!(
                    file,
                    peer,
                    "no checksum proves that what another node gave is what was here; \
                    the damaged file is left as it is"
                );
                self.disk().work().damaged.misfit(first);
            }
            Err(RebuildError::System(error)) => return Err(error),
            Err(RebuildError::Others(never)) => match never {},
        }
        self.note_damage();
        Ok(true)
    }
}

/// Rewrites a segment, and replaces the damaged file.
fn swap(
    rebuild: &Rebuild<'_>,
    survey: &SegmentSurvey,
    fetched: &Fetched,
    sync_marker: u64,
) -> Result<(), RebuildError<Infallible>> {
    let mut others = |ids: IdRange| {
        let part = |run: &Records| {
            let part = run.range().from(ids.start()).until(ids.end());
            (!part.is_empty()).then(|| run.slice(part))
        };
        Ok(fetched.records.iter().filter_map(part).collect())
    };
    let proof = rebuild.prove(survey, &mut others, sync_marker)?;
    let name = repaired_name(rebuild.first);
    let scanned = rebuild.write(&name, &proof, survey, &mut others)?;
    rebuild.storage.rename(&name, &segment_name(rebuild.first))?;
    rebuild.storage.sync_directory()?;
    if let Err(error) = scanned.index.store(rebuild.storage, &proof.header, Some(&scanned.keys)) {
        warn!(file = segment_name(rebuild.first), %error,
            "cannot write the index; the next start reads the segment again");
    }
    Ok(())
}
