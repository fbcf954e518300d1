//! The times that log lines bear.

use std::time::{Duration, Instant, SystemTime};

/// Tells the time, as a log needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// A moment, told by both clocks. Lines count on from here, so that they keep their order when the
    /// system's clock is set.
    system: SystemTime,
    /// None for a clock that stands still.
    steady: Option<Instant>,
    /// When the seconds of a line begin to count.
    since: SystemTime,
}

impl Clock {
    /// A clock whose seconds count since a moment, or from now on.
    pub(super) fn start(since: Option<SystemTime>) -> Self {
        let (system, steady) = (SystemTime::now(), Some(Instant::now()));
        Self { system, steady, since: since.unwrap_or(system) }
    }

    /// A clock that stands still so many milliseconds after it began, in 1970.
    #[cfg(test)]
    pub(super) fn stopped(millis: u64) -> Self {
        let since = SystemTime::UNIX_EPOCH;
        Self { system: since + Duration::from_millis(millis), steady: None, since }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.steady.map_or(self.system, |steady| self.system + steady.elapsed())
    }

    /// Time since the clock's beginning.
    pub(super) fn elapsed(&self, now: SystemTime) -> Duration {
        now.duration_since(self.since).unwrap_or_default()
    }
}
