//! A bound on the readers that follow a node.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most readers that follow at once. Fewer: some are refused. More: more memory and descriptors.
pub(super) const FOLLOWERS_MAX: usize = 1024;

/// The readers that may follow at once. A clone is the same limit.
#[derive(Clone, Debug)]
pub(super) struct FollowerLimit {
    max: usize,
    free: Arc<Semaphore>,
}

/// One reader that follows. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Follower {
    _permit: OwnedSemaphorePermit,
}

impl FollowerLimit {
    /// Creates a limit of `max` readers.
    pub(super) fn new(max: usize) -> Self {
        Self { max, free: Arc::new(Semaphore::new(max)) }
    }

    /// Returns the most readers.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Counts one reader more; none where there are as many as may be.
    pub(super) fn enter(&self) -> Option<Follower> {
        self.free.clone().try_acquire_owned().ok().map(|_permit| Follower { _permit })
    }
}
