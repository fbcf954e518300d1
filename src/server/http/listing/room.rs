//! The memory of all listings together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Default of the most bytes that all listings together hold. Smaller: fewer slow readers have full
/// pages. Larger: that many slow readers take up that much memory.
pub const LISTING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Shortest page, in bytes. Smaller: more system calls than the bytes are worth.
const PAGE_BYTES_MIN: usize = 4 * 1024;

/// Longest page, in bytes. Smaller: more switches between threads where it is read from files.
/// Larger: each slow client holds more memory, and each step keeps the thread's other connections
/// waiting for longer.
pub(in crate::server::http) const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a piece besides texts: the opening and the closing, and the members of one message.
pub(super) const BESIDES_BYTES: usize = 128;

/// A page has at most this part of the free memory, so that pages shrink as blocked readers add up,
/// and thousands of them fit.
const PAGE_PART: usize = 2048;

/// Most memory of a page of usual size: the longest page, or a message that is no longer. What
/// needs more is a long message.
const USUAL_BYTES_MAX: usize = bytes_held(PAGE_BYTES_MAX, PAGE_BYTES_MAX);

/// This part of the memory is for pages of usual size alone. Smaller: fewer of them fit beside slow
/// readers of long messages. Larger: fewer long messages are read at a time.
const USUAL_PART: usize = 4;

/// The memory of all listings of a server. A clone is the same memory.
///
/// Some dozens of blocked readers of long messages use up all that they may have, and the next ones
/// wait for up to a minute. So a part of it is for pages of usual size alone; those that find none
/// there share the rest.
#[derive(Clone, Debug)]
pub struct ListingRoom {
    usual: Room,
    all: Room,
}

/// A number of bytes, and those of them that are free.
#[derive(Clone, Debug)]
struct Room {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// Memory that a listing holds. Dropping it frees it.
pub(in crate::server::http) type Held = OwnedSemaphorePermit;

/// Returns the memory of a page: its records twice, since they are read into a buffer first, and a
/// piece of it as JSON.
pub(super) const fn bytes_held(read_bytes: usize, page_bytes: usize) -> usize {
    2 * read_bytes + 2 * page_bytes + BESIDES_BYTES
}

impl ListingRoom {
    /// Creates a budget of `bytes` bytes, all of which are free.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let usual = bytes / USUAL_PART;
        // A part that is too small for a page would be of no use.
        let usual = if usual < USUAL_BYTES_MAX { 0 } else { usual };
        Self { usual: Room::new(usual), all: Room::new(bytes - usual) }
    }

    /// Returns the number of bytes that are held.
    #[cfg(test)]
    pub(in crate::server::http) fn held_bytes(&self) -> usize {
        self.usual.bytes + self.all.bytes - self.free_bytes()
    }

    fn free_bytes(&self) -> usize {
        self.usual.free.available_permits() + self.all.free.available_permits()
    }

    /// Returns the size that a page should have now, in bytes.
    pub(super) fn page_bytes(&self) -> usize {
        (self.free_bytes() / PAGE_PART).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    }

    /// Holds `bytes` bytes once they are free, or the whole budget where that is less. Requests are
    /// served in their order, but a page of usual size may overtake long messages. Cancel safe.
    pub(in crate::server::http) async fn hold(self, bytes: usize) -> Held {
        if bytes > USUAL_BYTES_MAX || self.usual.bytes == 0 {
            return self.all.hold(bytes).await;
        }
        tokio::select! {
            biased;
            held = self.usual.hold(bytes) => held,
            held = self.all.hold(bytes) => held,
        }
    }
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }

    async fn hold(&self, bytes: usize) -> Held {
        let bytes = bytes.min(self.bytes) as u32;
        self.free.clone().acquire_many_owned(bytes).await.expect("it is never closed")
    }
}

impl Default for ListingRoom {
    fn default() -> Self {
        Self::new(LISTING_BYTES_MAX)
    }
}
