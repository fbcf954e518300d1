//! A node's pausable clock, which stands still while the node is paused.

use std::time::{Duration, Instant};

/// Translates between outside time and the node's own time, which excludes all pauses. A timer of a
/// paused node therefore has as much time left at the end of the pause as at its beginning.
#[derive(Debug, Default)]
pub struct OwnTime {
    /// Total duration of past pauses.
    missed: Duration,
    paused_since: Option<Instant>,
}

impl OwnTime {
    /// Returns whether the clock stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Returns the own time at an outside time.
    pub(super) fn at(&self, now: Instant) -> Instant {
        self.paused_since.unwrap_or(now) - self.missed
    }

    /// Returns the outside time of an own deadline; none while the clock stands still.
    pub(super) fn outside(&self, deadline: Instant) -> Option<Instant> {
        (!self.is_paused()).then(|| deadline + self.missed)
    }

    /// Stops the clock, or lets it run on.
    pub(super) fn set_paused(&mut self, now: Instant, paused: bool) {
        match self.paused_since {
            None if paused => self.paused_since = Some(now),
            Some(since) if !paused => {
                self.missed += now.saturating_duration_since(since);
                self.paused_since = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_has_as_much_left_after_a_pause_as_before() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut time = OwnTime::default();
        let deadline = time.at(start) + 3 * second;
        assert_eq!(time.outside(deadline), Some(start + 3 * second));
        time.set_paused(start + second, true);
        time.set_paused(start + 2 * second, true);
        assert_eq!(time.outside(deadline), None);
        assert_eq!(time.at(start + 9 * second), start + second);
        time.set_paused(start + 11 * second, false);
        assert_eq!(time.at(start + 11 * second), start + second);
        assert_eq!(time.outside(deadline), Some(start + 13 * second));
    }
}
