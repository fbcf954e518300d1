//! Whether what was sent is acknowledged in the end.
//!
//! Linux has a time limit of its own for that (`TCP_USER_TIMEOUT`). It also ends connections on which
//! the peer takes one piece after the other: while the peer's window has no room for the next packet,
//! its time runs from the first probe of the window, not from the last bytes that were taken
//! (`tcp_probe_timer` in its source). So here is looked at what was taken.

use std::time::Duration;

use tokio::time::Instant;

/// Watches what one connection's peer takes.
#[derive(Debug)]
pub(super) struct AckWatchdog {
    patience: Duration,
    /// The bytes that were taken at the last look, and since when that is so; none where all were.
    seen: Option<(u64, Instant)>,
}

impl AckWatchdog {
    /// Watches a connection that is given up where nothing was taken for this long.
    pub(super) const fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Takes in a look. `taken`: bytes that the peer's kernel has taken, where it has not taken all.
    /// Returns whether that is so for too long.
    pub(super) fn is_stuck(&mut self, now: Instant, taken: Option<u64>) -> bool {
        match (taken, self.seen) {
            (Some(taken), Some((before, since))) if taken == before => {
                now.duration_since(since) >= self.patience
            }
            (taken, _) => {
                self.seen = taken.map(|taken| (taken, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_of_which_none_is_taken_for_the_whole_time_are_stuck() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut acked = AckWatchdog::new(5 * second);
        // A byte in four seconds.
        assert!((0..60).all(|n| !acked.is_stuck(start + n * second, Some(u64::from(n / 4)))));
        let stuck = (60..).find(|&n| acked.is_stuck(start + n * second, Some(14)));
        assert_eq!(stuck, Some(61), "the last byte was taken in second 56");
        assert!(!acked.is_stuck(start + 70 * second, None), "all was taken");
        assert!(!acked.is_stuck(start + 99 * second, Some(14)), "these have just been sent");
    }
}
