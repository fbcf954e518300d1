//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Longest wait for a condition; a good run needs a small part of it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until the condition holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        pause();
    }
}

/// Lets others work before something is asked once more.
pub fn pause() {
    std::thread::park_timeout(Duration::from_millis(10));
}
