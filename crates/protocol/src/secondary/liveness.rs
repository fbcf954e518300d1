//! The liveness of the master: the handshake's deadline and the liveness timeout.

use std::time::{Duration, Instant};

use crate::health::SILENT_AFTER;
use crate::master::HANDSHAKE_TIMEOUT;

/// The last contact with the master, and when the connection is given up.
#[derive(Debug)]
pub(super) struct Liveness {
    last_contact: Instant,
    /// The liveness timeout: without a byte for this long the connection is given up.
    timeout: Duration,
    /// The time by which the handshake must be done, whatever comes meanwhile; none once it is.
    handshake_deadline: Option<Instant>,
}

impl Liveness {
    /// Creates the liveness of a new connection.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_contact: now,
            timeout: HANDSHAKE_TIMEOUT,
            handshake_deadline: Some(now + HANDSHAKE_TIMEOUT),
        }
    }

    /// Ends the handshake: from here on the master sends heartbeats at this interval.
    pub(super) fn on_welcome(&mut self, heartbeat_interval: Duration) {
        self.handshake_deadline = None;
        self.timeout = heartbeat_interval * SILENT_AFTER;
    }

    /// Notes that the master was heard from.
    pub(super) fn note_contact(&mut self, now: Instant) {
        self.last_contact = now;
    }

    /// Returns whether the handshake took too long. Bytes that come now and then do not extend it.
    pub(super) fn is_handshake_late(&self, now: Instant) -> bool {
        self.handshake_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Returns whether the liveness timeout has passed since the last contact.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_at() <= now
    }

    /// Starts the liveness timeout again after a local stall: this node itself stood still
    /// (stopped, starved) for a heartbeat interval or longer beyond the timeout, and frames that
    /// the master sent meanwhile are not read yet. Returns how late this node is then. Call before
    /// [`is_silent`](Self::is_silent).
    pub(super) fn note_local_stall(&mut self, now: Instant) -> Option<Duration> {
        let late = now.checked_duration_since(self.silent_at())?;
        (late >= self.timeout / SILENT_AFTER).then(|| {
            self.last_contact = now;
            late
        })
    }

    /// Returns when the connection is given up, if nothing comes until then.
    pub(super) fn next_deadline(&self) -> Instant {
        self.handshake_deadline.into_iter().fold(self.silent_at(), Instant::min)
    }

    fn silent_at(&self) -> Instant {
        self.last_contact + self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(1);

    fn joined(now: Instant) -> Liveness {
        let mut liveness = Liveness::new(now);
        liveness.on_welcome(HEARTBEAT);
        liveness
    }

    #[test]
    fn the_handshake_is_late_whatever_comes_and_never_once_it_is_done() {
        let now = Instant::now();
        let mut liveness = Liveness::new(now);
        liveness.note_contact(now + HANDSHAKE_TIMEOUT / 2);
        assert_eq!(liveness.next_deadline(), now + HANDSHAKE_TIMEOUT);
        assert!(!liveness.is_handshake_late(now + HANDSHAKE_TIMEOUT / 2));
        assert!(liveness.is_handshake_late(now + HANDSHAKE_TIMEOUT));
        assert!(!liveness.is_silent(now + HANDSHAKE_TIMEOUT));
        liveness.on_welcome(HEARTBEAT);
        assert!(!liveness.is_handshake_late(now + HANDSHAKE_TIMEOUT));
    }

    #[test]
    fn a_master_is_silent_after_the_liveness_timeout_and_asking_changes_nothing() {
        let now = Instant::now();
        let mut liveness = joined(now);
        let silent_at = now + HEARTBEAT * SILENT_AFTER;
        assert_eq!(liveness.next_deadline(), silent_at);
        assert_eq!(liveness.note_local_stall(silent_at), None, "this node is in time");
        for _ in 0..2 {
            assert!(liveness.is_silent(silent_at));
        }
        liveness.note_contact(silent_at);
        assert!(!liveness.is_silent(silent_at));
    }

    #[test]
    fn a_node_that_stood_still_listens_again_before_it_judges_the_master() {
        let now = Instant::now();
        let mut liveness = joined(now);
        let late = now + HEARTBEAT * (SILENT_AFTER + 1);
        assert!(liveness.is_silent(late));
        assert_eq!(liveness.note_local_stall(late), Some(HEARTBEAT));
        assert!(!liveness.is_silent(late));
        assert!(liveness.is_silent(late + HEARTBEAT * SILENT_AFTER));
    }
}
