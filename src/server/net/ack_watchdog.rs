//! Detects a peer whose kernel acknowledges nothing of what it was sent.
//!
//! Linux has a timeout of its own for that (`TCP_USER_TIMEOUT`). It also ends connections on which
//! the peer reads slowly: while the peer's window has no room for the next packet, the timeout runs
//! from the first probe of the window, not from the last bytes that were acknowledged
//! (`tcp_probe_timer` in its source). So the acknowledged bytes are watched here.

use std::time::Duration;

use tokio::time::Instant;

/// Watches how much one connection's peer acknowledges.
#[derive(Debug)]
pub(super) struct AckWatchdog {
    patience: Duration,
    /// The bytes that were acknowledged at the last check, and the time since which that number
    /// holds; none where all were acknowledged.
    seen: Option<(u64, Instant)>,
}

impl AckWatchdog {
    /// Creates a watchdog that reports a connection as stuck after `patience` without progress.
    pub(super) const fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Records a check. `taken` is the number of bytes that the peer's kernel has acknowledged,
    /// where it has not acknowledged all. Returns whether that number has not changed for too long.
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
