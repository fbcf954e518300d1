//! The damage of a node's own log, and when another node is asked for a copy.

use std::time::{Duration, Instant};

use acklog_types::{Damage, DiskFault, IdRange, Records};
use rand_chacha::ChaCha8Rng;

use super::backoff::Retry;
use super::events::{Detail, Events, NodeEvent};

/// First pause after an answer without the requested messages, or with messages that did not fit.
/// Shorter: one node is asked again and again while another one that has them is about to be ready.
/// Longer: a repair takes longer after one bad answer.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// Longest pause between two attempts. Shorter: more reads and log lines where no node can help.
/// Longer: a node that can help is asked later.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The damage of a node's log.
#[derive(Debug)]
pub(super) struct Repair {
    damage: Damage,
    /// The messages to fetch; none once they were fetched.
    wanted: Option<IdRange>,
    retry: Retry,
}

/// Takes in which messages of a log are damaged, or how far their repair is; none: the log is whole
/// again. Returns the repair that this begins, if it begins one.
pub(super) fn take_in<'a>(
    repair: &'a mut Option<Repair>,
    now: Instant,
    damage: Option<Damage>,
    rng: &mut ChaCha8Rng,
    events: &mut Events,
) -> Option<&'a Repair> {
    let Some(damage) = damage else {
        if repair.take().is_some() {
            events.emit(Detail::Changes, || NodeEvent::Whole);
        }
        return None;
    };
    match repair {
        Some(repair) => {
            repair.tell(now, damage, rng);
            None
        }
        None => Some(repair.insert(Repair::new(damage))),
    }
}

impl Repair {
    /// Creates the repair of damage that was found now.
    fn new(damage: Damage) -> Self {
        Self { wanted: damage.wanted, damage, retry: Retry::new(PAUSE_FIRST, PAUSE_MAX) }
    }

    /// Takes in that the damage or the progress of its repair changed.
    fn tell(&mut self, now: Instant, damage: Damage, rng: &mut ChaCha8Rng) {
        if damage.misfits > self.damage.misfits {
            self.retry.restart(now, rng);
        } else if damage.misfits < self.damage.misfits {
            self.retry.reset_backoff();
        }
        self.wanted = damage.wanted;
        self.damage = damage;
    }

    /// Returns the damage, as the log reported it.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// Returns the damage as a fault.
    pub(super) fn fault(&self) -> DiskFault {
        DiskFault::Damaged { detail: self.damage.detail.clone() }
    }

    /// Returns the messages to request now.
    pub(super) fn due(&self) -> Option<IdRange> {
        self.wanted.filter(|_| self.retry.retry_at().is_none())
    }

    /// Ends the pause if its time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.retry.wake(now);
    }

    /// Returns when the pause ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.retry.retry_at().filter(|_| self.wanted.is_some())
    }

    /// Starts a pause: the node that was asked gave no answer, or a wrong one.
    pub(super) fn failed(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.wanted.is_some() {
            self.retry.restart(now, rng);
        }
    }

    /// Takes the wanted messages out of a page. They are not requested again until the log reports
    /// which it wants next.
    pub(super) fn take(&mut self, page: &Records) -> Option<Records> {
        let wanted = self.wanted?;
        let part = page.range().from(wanted.start()).until(wanted.end());
        if part.is_empty() || part.start() != wanted.start() {
            return None;
        }
        self.wanted = None;
        if self.damage.misfits == 0 {
            self.retry.reset_backoff();
        }
        Some(page.slice(part))
    }
}
