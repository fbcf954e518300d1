//! The failure detector: a peer's status by the time since its last sign of life.

use std::time::{Duration, Instant};

use super::status::Status;

/// Heartbeat intervals without a sign of life after which a secondary is suspected. Fewer: one late
/// heartbeat is enough. More: a failure shows later.
const SUSPECTED_AFTER: u32 = 2;

/// Heartbeat intervals without a sign of life after which a peer is given up: a secondary is
/// unhealthy to its master, and a secondary drops its connection. Fewer: a short stall of a peer or
/// a network ends connections. More: a dead connection is noticed later.
pub(super) const SILENT_AFTER: u32 = 5;

/// The last contact with a connected peer, and its status.
#[derive(Debug)]
pub(super) struct PeerLiveness {
    interval: Duration,
    last_seen: Instant,
    status: Status,
}

impl PeerLiveness {
    /// Creates the liveness of a peer that was heard from now.
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        Self { interval, last_seen: now, status: Status::Healthy }
    }

    /// Returns when the peer was heard from last.
    pub(super) fn last_seen(&self) -> Instant {
        self.last_seen
    }

    /// Returns the peer's status as of the last call of [`hear`](Self::hear) or
    /// [`update`](Self::update).
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Notes a sign of life. Returns the status before, if that changes it.
    pub(super) fn hear(&mut self, now: Instant) -> Option<Status> {
        self.last_seen = now;
        let before = std::mem::replace(&mut self.status, Status::Healthy);
        (before != Status::Healthy).then_some(before)
    }

    /// Updates the status to the time. Returns it, if it changed.
    pub(super) fn update(&mut self, now: Instant) -> Option<Status> {
        let silent = now.saturating_duration_since(self.last_seen);
        let status = if silent >= self.interval * SILENT_AFTER {
            Status::Unhealthy
        } else if silent >= self.interval * SUSPECTED_AFTER {
            Status::Suspected
        } else {
            Status::Healthy
        };
        (std::mem::replace(&mut self.status, status) != status).then_some(status)
    }

    /// Returns when silence changes the status next.
    pub(super) fn next_change(&self) -> Option<Instant> {
        match self.status {
            Status::Healthy => Some(self.last_seen + self.interval * SUSPECTED_AFTER),
            Status::Suspected => Some(self.last_seen + self.interval * SILENT_AFTER),
            Status::Unhealthy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_makes_suspected_then_unhealthy_and_a_word_healthy_again() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut health = PeerLiveness::new(start, second);
        assert_eq!(health.update(start + second), None);
        assert_eq!(health.next_change(), Some(start + 2 * second));
        assert_eq!(health.update(start + 2 * second), Some(Status::Suspected));
        assert_eq!(health.next_change(), Some(start + 5 * second));
        assert_eq!(health.update(start + 5 * second), Some(Status::Unhealthy));
        assert_eq!(health.next_change(), None);
        assert_eq!(health.hear(start + 6 * second), Some(Status::Unhealthy));
        assert_eq!(health.hear(start + 7 * second), None);
        assert_eq!(health.status(), Status::Healthy);
    }
}
