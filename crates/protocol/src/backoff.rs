//! Backoff: pauses between attempts that double up to a cap, with jitter, and start over after a
//! success.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The next pause of a series of attempts that fail.
///
/// Each pause is drawn from the upper half of `first * 2^failures`, at most `cap`: half of it is
/// certain, so that no node retries in a hot loop, and half is random, so that many nodes that
/// failed together do not return together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Creates a backoff with pauses from `first` up to `cap`.
    pub(super) fn new(first: Duration, cap: Duration) -> Self {
        Self { first: first.min(cap), cap, failures: 0 }
    }

    /// Returns the pause after one more failure.
    pub(super) fn pause(&mut self, rng: &mut ChaCha8Rng) -> Duration {
        // A shift beyond 30 is above every cap; saturating keeps a long outage from overflowing.
        let full = self.first.saturating_mul(1 << self.failures.min(30)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Returns the number of failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts over after a success: the next pause is a first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The time of the next attempt: a [`Backoff`] and the end of its last pause.
#[derive(Debug)]
pub(super) struct Retry {
    backoff: Backoff,
    retry_at: Option<Instant>,
}

impl Retry {
    /// Creates a retry without a wait, with pauses from `first` up to `cap`.
    pub(super) fn new(first: Duration, cap: Duration) -> Self {
        Self { backoff: Backoff::new(first, cap), retry_at: None }
    }

    /// Starts the next pause, unless a longer wait is set. Returns the pause.
    pub(super) fn back_off(&mut self, now: Instant, rng: &mut ChaCha8Rng) -> Duration {
        let pause = self.backoff.pause(rng);
        self.not_before(now + pause);
        pause
    }

    /// Starts the next pause in place of any other wait.
    pub(super) fn restart(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.retry_at = Some(now + self.backoff.pause(rng));
    }

    /// Waits until `at`, unless a longer wait is set.
    pub(super) fn not_before(&mut self, at: Instant) {
        self.retry_at = self.retry_at.max(Some(at));
    }

    /// Returns the number of attempts that failed since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// Ends the wait after a success: the next pause is a first one.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
        self.retry_at = None;
    }

    /// Makes the next pause a first one. A wait that has begun continues.
    pub(super) fn reset_backoff(&mut self) {
        self.backoff.reset();
    }

    /// Ends the wait if its time is over.
    pub(super) fn wake(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|&at| at > now);
    }

    /// Returns when the wait ends; none if there is none.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_never_beyond_however_long_the_outage() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (first, cap) = (Duration::from_millis(20), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, cap);
        assert!((first / 2..=first).contains(&backoff.pause(&mut rng)));
        for _ in 0..100_000 {
            let pause = backoff.pause(&mut rng);
            assert!(pause >= first / 2 && pause <= cap);
        }
        assert!(backoff.pause(&mut rng) >= cap / 2);
        backoff.reset();
        assert!(backoff.pause(&mut rng) <= first);
    }
}
