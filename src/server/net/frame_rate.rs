//! Detects an unfinished frame that arrives too slowly.
//!
//! A frame whose length was damaged on its way makes the reader wait for bytes that never arrive,
//! and swallow everything that follows: heartbeats too, which look like parts of the frame and so
//! like a live peer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::codec::FRAME_RATE_MIN;

/// Heartbeat intervals over which the rate is measured.
const INTERVALS: u32 = 5;

/// Shortest time between two measurements. Shorter: a hiccup of the line would count as a stall.
const COUNT_PAUSE_MIN: Duration = Duration::from_millis(400);

/// Watches the rate of one connection's unfinished frames.
#[derive(Debug)]
pub(super) struct FrameRateWatchdog {
    ticks: Interval,
    counts: Counts,
}

/// Bytes that had arrived at each of the last ticks within one unfinished frame.
#[derive(Debug)]
struct Counts {
    pause: Duration,
    counted_at: Instant,
    bytes: VecDeque<u64>,
}

impl FrameRateWatchdog {
    /// Creates a watchdog that measures once per heartbeat interval, or once per
    /// [`COUNT_PAUSE_MIN`] if that is longer.
    pub(super) fn new(heartbeat_interval: Duration) -> Self {
        let pause = heartbeat_interval.max(COUNT_PAUSE_MIN);
        let now = Instant::now();
        let mut ticks = interval_at(now + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, counts: Counts::new(now, pause) }
    }

    /// Waits for the time of the next measurement. Cancel safe.
    pub(super) async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    /// Records a measurement. `within` is the number of bytes that have arrived so far, where a
    /// frame has begun and is not complete. Returns whether that frame is too slow.
    pub(super) fn is_too_slow(&mut self, within: Option<u64>) -> bool {
        self.counts.is_too_slow(Instant::now(), within)
    }

    /// Starts over: a frame is complete, or this node itself did not read for a while.
    pub(super) fn restart(&mut self) {
        self.counts.bytes.clear();
    }
}

impl Counts {
    fn new(now: Instant, pause: Duration) -> Self {
        Self { pause, counted_at: now, bytes: VecDeque::new() }
    }

    fn is_too_slow(&mut self, now: Instant, within: Option<u64>) -> bool {
        let stood_still = now.duration_since(self.counted_at) >= 2 * self.pause;
        self.counted_at = now;
        let Some(came) = within.filter(|_| !stood_still) else {
            self.bytes.clear();
            return false;
        };
        self.bytes.push_back(came);
        if self.bytes.len() <= INTERVALS as usize {
            return false;
        }
        let before = self.bytes.pop_front().unwrap_or(came);
        let least = FRAME_RATE_MIN as f64 * (self.pause * INTERVALS).as_secs_f64();
        ((came - before) as f64) < least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the tick at which a frame with this rate, in bytes per second, counts as too slow.
    fn slow_at(bytes: u64) -> Option<u64> {
        let start = Instant::now();
        let mut counts = Counts::new(start, SECOND);
        (1..=20).find(|&n| counts.is_too_slow(start + SECOND * n as u32, Some(n * bytes)))
    }

    #[test]
    fn less_than_a_kibibyte_a_second_over_five_intervals_is_too_slow() {
        assert_eq!(slow_at(0), Some(6));
        assert_eq!(slow_at(24), Some(6), "heartbeats");
        assert_eq!(slow_at(FRAME_RATE_MIN - 1), Some(6));
        assert_eq!(slow_at(FRAME_RATE_MIN), None);
    }

    #[test]
    fn between_frames_nothing_need_come() {
        let start = Instant::now();
        let mut counts = Counts::new(start, SECOND);
        assert!((1..=20).all(|n| !counts.is_too_slow(start + SECOND * n, None)));
    }

    #[test]
    fn a_node_that_stood_still_itself_counts_anew() {
        let mut now = Instant::now();
        let mut counts = Counts::new(now, SECOND);
        for _ in 0..5 {
            now += SECOND;
            assert!(!counts.is_too_slow(now, Some(4)));
        }
        now += 9 * SECOND;
        assert!(!counts.is_too_slow(now, Some(4)));
        for _ in 0..5 {
            now += SECOND;
            assert!(!counts.is_too_slow(now, Some(4)));
        }
        assert!(counts.is_too_slow(now + SECOND, Some(4)));
    }
}
