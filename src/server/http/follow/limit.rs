//! The limit on readers that wait or follow.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The readers of a node that may wait or follow at once. A clone is the same limit.
#[derive(Clone, Debug)]
pub(in crate::server::http) struct FollowerLimit {
    max: usize,
    free: Arc<Semaphore>,
}

/// One reader that waits or follows. Dropping it makes room for another.
#[derive(Debug)]
pub(in crate::server::http) struct Follower {
    _permit: OwnedSemaphorePermit,
}

impl FollowerLimit {
    /// Creates a limit of `max` readers.
    pub(in crate::server::http) fn new(max: usize) -> Self {
        Self { max, free: Arc::new(Semaphore::new(max)) }
    }

    /// Returns the most readers.
    pub(in crate::server::http) fn max(&self) -> usize {
        self.max
    }

    /// Returns the readers that wait or follow now.
    pub(in crate::server::http) fn count(&self) -> usize {
        self.max.saturating_sub(self.free.available_permits())
    }

    /// Counts one reader more; none where there are as many as may be.
    pub(in crate::server::http) fn enter(&self) -> Option<Follower> {
        self.free.clone().try_acquire_owned().ok().map(|_permit| Follower { _permit })
    }
}
