//! The pauses between attempts at one request to the master.

use std::time::Duration;

use crate::backoff::Retry;

/// First pause after a request to the master failed; the pauses end at [`RETRY_PAUSE_MAX`].
/// Shorter: a hot loop against a master that refuses. Longer: one lost frame delays the catch-up.
pub(super) const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(20);

/// Longest pause between two attempts at the same request: one heartbeat interval of the default
/// cluster. Shorter: more load on a master that is in trouble. Longer: it is noticed later that the
/// trouble is over.
pub(super) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Creates the pauses between attempts at one request to the master.
pub(super) fn request_retry() -> Retry {
    Retry::new(RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX)
}
