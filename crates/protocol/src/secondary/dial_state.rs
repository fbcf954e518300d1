//! The way to the master: pauses between attempts to connect, and why the last one failed.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::backoff::Backoff;
use crate::line::LongFrameLosses;
use crate::status::SecondaryPhase;

/// First pause after a lost connection or a failed attempt to connect. Shorter: a hot loop against
/// a master that is down. Longer: a secondary that starts a moment before its master waits for it.
const DIAL_PAUSE_FIRST: Duration = Duration::from_millis(50);

/// State of dialing that outlives a connection.
#[derive(Debug)]
pub(super) struct DialState {
    backoff: Backoff,
    /// Connections in a row that ended before the first page came.
    page_losses: LongFrameLosses,
    /// Phase after the last handshake, if it was refused; none once a later one was accepted, or
    /// the master could not be reached.
    refusal: Option<SecondaryPhase>,
    /// Reason why the last connection failed or ended; none once a later handshake was accepted.
    last_error: Option<String>,
}

impl DialState {
    /// Creates the state of a node that never dialed, with pauses up to `reconnect_delay`.
    pub(super) fn new(reconnect_delay: Duration) -> Self {
        Self {
            backoff: Backoff::new(DIAL_PAUSE_FIRST, reconnect_delay),
            page_losses: LongFrameLosses::default(),
            refusal: None,
            last_error: None,
        }
    }

    /// Returns the pause before the next attempt, after one more failure.
    pub(super) fn back_off(&mut self, rng: &mut ChaCha8Rng) -> Duration {
        self.backoff.pause(rng)
    }

    /// Notes that the master could not be reached.
    pub(super) fn on_unreachable(&mut self, reason: String) {
        self.refusal = None;
        self.last_error = Some(reason);
    }

    /// Notes why a connection ended.
    pub(super) fn on_error(&mut self, reason: String) {
        self.last_error = Some(reason);
    }

    /// Notes that the master refused the handshake. `phase`: what `/health` shows from here on.
    pub(super) fn on_refusal(&mut self, phase: SecondaryPhase, reason: String) {
        self.refusal = Some(phase);
        self.last_error = Some(reason);
    }

    /// Notes that the master accepted the handshake.
    pub(super) fn on_welcome(&mut self) {
        self.refusal = None;
        self.last_error = None;
        self.backoff.reset();
    }

    /// Notes that a page came.
    pub(super) fn on_page(&mut self) {
        self.page_losses.passed();
    }

    /// Notes that a connection ended between the handshake and the first page. Returns whether the
    /// path's MTU is suspected now; once for each series of such connections.
    pub(super) fn lost_first_page(&mut self) -> bool {
        self.page_losses.lost()
    }

    /// Returns the phase after a refusal; none without one.
    pub(super) fn refusal(&self) -> Option<SecondaryPhase> {
        self.refusal
    }

    /// Returns why the last connection failed or ended; none while one is accepted.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_refusal_is_remembered_until_the_master_accepts_or_is_unreachable() {
        let mut state = DialState::new(Duration::from_secs(1));
        let refused = Some(SecondaryPhase::Refused);
        state.on_refusal(SecondaryPhase::Refused, "the cluster is full".to_owned());
        state.on_error("cut".to_owned());
        assert_eq!((state.refusal(), state.last_error()), (refused, Some("cut")));
        state.on_unreachable("no route".to_owned());
        assert_eq!((state.refusal(), state.last_error()), (None, Some("no route")));
        state.on_refusal(SecondaryPhase::Refused, "the cluster is full".to_owned());
        state.on_welcome();
        assert_eq!((state.refusal(), state.last_error()), (None, None));
    }

    #[test]
    fn the_mtu_is_suspected_after_three_connections_in_a_row_without_a_page() {
        let mut state = DialState::new(Duration::from_secs(1));
        assert!(!state.lost_first_page() && !state.lost_first_page());
        state.on_page();
        let suspected = std::array::from_fn(|_| state.lost_first_page());
        assert_eq!(suspected, [false, false, true, false]);
    }

    #[test]
    fn pauses_grow_to_the_reconnect_delay_and_begin_again_after_a_welcome() {
        let (delay, mut rng) = (Duration::from_secs(1), ChaCha8Rng::seed_from_u64(1));
        let mut state = DialState::new(delay);
        assert!(state.back_off(&mut rng) <= DIAL_PAUSE_FIRST);
        let longest = (0..20).map(|_| state.back_off(&mut rng)).max();
        assert!(longest > Some(delay / 2) && longest <= Some(delay));
        state.on_welcome();
        assert!(state.back_off(&mut rng) <= DIAL_PAUSE_FIRST);
    }
}
