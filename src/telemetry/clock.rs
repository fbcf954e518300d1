//! The times of log lines.

use std::time::{Duration, Instant, SystemTime};

/// The clock of the log lines.
pub(super) struct Clock {
    /// Returns the time of day. Read for each line: the system's clock may be set at any time, and
    /// the lines of several nodes are put in order by it.
    system: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// The start of the monotonic clock; none for a stopped clock.
    began: Option<Instant>,
    /// The time that had passed by then.
    before: Duration,
}

impl Clock {
    /// Starts a clock whose seconds count from `since`, or from now on.
    pub(super) fn start(since: Option<SystemTime>) -> Self {
        let now = SystemTime::now();
        let before = now.duration_since(since.unwrap_or(now)).unwrap_or_default();
        Self { system: Box::new(SystemTime::now), began: Some(Instant::now()), before }
    }

    /// Returns a stopped clock, so many milliseconds after its start in 1970.
    #[cfg(test)]
    pub(super) fn stopped(millis: u64) -> Self {
        let before = Duration::from_millis(millis);
        Self { system: Box::new(move || SystemTime::UNIX_EPOCH + before), began: None, before }
    }

    /// Returns the time of day.
    pub(super) fn now(&self) -> SystemTime {
        (self.system)()
    }

    /// Returns the time since the clock's start, which never decreases.
    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_system_clock_that_is_set_sets_the_time_of_day_and_not_the_seconds() {
        let seconds = Arc::new(AtomicU64::new(7000));
        let mut clock = Clock::stopped(5000);
        let told = Arc::clone(&seconds);
        clock.system = Box::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(told.load(Ordering::Relaxed))
        });
        for set in [7000, 90, 500_000] {
            seconds.store(set, Ordering::Relaxed);
            assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(set));
            assert_eq!(clock.elapsed(), Duration::from_secs(5));
        }
    }

    #[test]
    fn seconds_count_from_the_beginning_that_was_told() {
        let since = SystemTime::now() - Duration::from_secs(60);
        let clock = Clock::start(Some(since));
        assert!(clock.elapsed() >= Duration::from_secs(60));
        assert!(Clock::start(None).elapsed() < Duration::from_secs(60));
    }
}
