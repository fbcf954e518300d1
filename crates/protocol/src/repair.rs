//! What of a node's own log is damaged, and when another node is asked for it.

use std::time::{Duration, Instant};

use acklog_types::{Damage, DiskFault, IdRange, Records};
use rand_chacha::ChaCha8Rng;

use super::backoff::Retry;

/// First pause after an answer without what was asked for, or with what did not fit. Shorter: one node is asked again
/// and again while another one has what is damaged and is about to be ready.
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// Longest pause between two attempts. Shorter: more reads and log lines where nobody can help. Longer: a node that can
/// help is asked later.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The damage of a node's log.
#[derive(Debug)]
pub(super) struct Repair {
    damage: Damage,
    /// What is to be fetched, and was not fetched yet.
    wanted: Option<IdRange>,
    retry: Retry,
}

impl Repair {
    /// Damage that was found now.
    pub(super) fn new(damage: Damage) -> Self {
        Self { wanted: damage.wanted, damage, retry: Retry::new(PAUSE_FIRST, PAUSE_MAX) }
    }

    /// What is damaged changed, or how far its repair is.
    pub(super) fn tell(&mut self, now: Instant, damage: Damage, rng: &mut ChaCha8Rng) {
        if damage.misfits > self.damage.misfits {
            self.retry.restart(now, rng);
        } else if damage.misfits < self.damage.misfits {
            self.retry.reset_backoff();
        }
        self.wanted = damage.wanted;
        self.damage = damage;
    }

    /// The damage, as the log told it.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The damage as a fault.
    pub(super) fn fault(&self) -> DiskFault {
        DiskFault::Damaged { detail: self.damage.detail.clone() }
    }

    /// What to ask for now.
    pub(super) fn due(&self) -> Option<IdRange> {
        self.wanted.filter(|_| self.retry.retry_at().is_none())
    }

    /// Ends the pause, if its time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.retry.wake(now);
    }

    /// When the pause ends.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.retry.retry_at().filter(|_| self.wanted.is_some())
    }

    /// Who was asked gave no answer, or a wrong one.
    pub(super) fn failed(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.wanted.is_some() {
            self.retry.restart(now, rng);
        }
    }

    /// Takes what of a page was wanted. It is not asked for again before the log tells what it wants next.
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
