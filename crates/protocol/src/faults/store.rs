//! The faults that a secondary meets when it stores messages.

use std::time::Duration;

use acklog_types::Faults;

use super::draws::{Draw, Draws};
use crate::frame::FrameKind;

/// Draws the faults of the runs and pages that a secondary receives, and of its answers.
#[derive(Debug)]
pub(crate) struct StoreFaults {
    faults: Faults,
    draws: Draws,
}

impl StoreFaults {
    /// Creates these faults, drawn from their own seed or else from `seed`.
    pub(crate) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, draws: Draws::new(faults.seed.unwrap_or(seed)) }
    }

    /// Returns whether these faults delay differently than `other`.
    pub(crate) fn delays_otherwise(&self, other: &Faults) -> bool {
        self.faults.store_delay != other.store_delay
    }

    /// Draws the delay before the messages of the next frame of that kind are stored.
    pub(crate) fn store_delay(&mut self, kind: FrameKind) -> Duration {
        self.draws.delay(None, Draw::StoreDelay(kind), self.faults.store_delay)
    }

    /// Draws whether the next stored run is answered with an error.
    pub(crate) fn answers_with_error(&mut self) -> bool {
        self.draws.happens(None, Draw::Error, self.faults.error_rate)
    }
}
