//! The memory of all listings together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes that all listings together hold, unless a flag says otherwise. Smaller: fewer slow
/// readers have full pages. Larger: that many slow readers take that much memory.
pub const LISTING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Least bytes of a page. Smaller: more system calls than bytes are worth.
const PAGE_BYTES_MIN: usize = 4 * 1024;

/// Most bytes of a page. Smaller: more hand-overs between threads where it is read from files. Larger: each slow client
/// holds more memory, and each step keeps the thread's other connections waiting for longer.
pub(super) const PAGE_BYTES_MAX: usize = 64 * 1024;

/// A page has at most this part of what is free, so that pages shrink as readers that take nothing add up, and
/// thousands of them have room.
const PAGE_PART: usize = 2048;

/// The memory of all listings of a server. A clone is the same.
#[derive(Clone, Debug)]
pub struct ListingRoom {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// Bytes of it that a listing holds. Dropping it gives them back.
pub(super) type Held = OwnedSemaphorePermit;

impl ListingRoom {
    /// Returns room of `bytes` bytes, none of which is held.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }

    /// Returns how many bytes are held now.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes - self.free.available_permits()
    }

    /// Returns how many bytes a page should have now.
    pub(super) fn page_bytes(&self) -> usize {
        (self.free.available_permits() / PAGE_PART).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    }

    /// Returns `bytes` bytes once they are free, or all that there are where that is less. Whoever came first is served
    /// first. Cancel safe.
    pub(super) async fn hold(self, bytes: usize) -> Held {
        let bytes = bytes.min(self.bytes) as u32;
        self.free.acquire_many_owned(bytes).await.expect("it is never closed")
    }
}

impl Default for ListingRoom {
    fn default() -> Self {
        Self::new(LISTING_BYTES_MAX)
    }
}
