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
pub(in crate::server::http) const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Room in a piece for what stands around it, in bytes: the opening and the closing, and the
/// members of one message.
pub(super) const BESIDES_BYTES: usize = 128;

/// A page has at most this part of what is free, so that pages shrink as readers that take nothing add up, and
/// thousands of them have room.
const PAGE_PART: usize = 2048;

/// Most bytes that count as a page of usual size: the longest page, or a message that is no longer. What needs more is
/// a long message.
const USUAL_BYTES_MAX: usize = bytes_held(PAGE_BYTES_MAX, PAGE_BYTES_MAX);

/// This part of the room is for pages of usual size alone. Smaller: fewer of them have room beside slow readers of long
/// messages. Larger: fewer long messages are read at a time.
const USUAL_PART: usize = 4;

/// The memory of all listings of a server. A clone is the same.
///
/// Some dozen readers of long messages that take nothing use up all that they may have, and the next ones wait for up
/// to a minute. So a part of it is for pages of usual size alone; those that find no room there share the rest.
#[derive(Clone, Debug)]
pub struct ListingRoom {
    usual: Room,
    all: Room,
}

/// A number of bytes, and those of them that nobody holds.
#[derive(Clone, Debug)]
struct Room {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// Bytes of it that a listing holds. Dropping it gives them back.
pub(in crate::server::http) type Held = OwnedSemaphorePermit;

/// Returns the bytes that a page takes up: what was read, twice, since it is read into a buffer
/// first, and a piece of it as JSON.
pub(super) const fn bytes_held(read_bytes: usize, page_bytes: usize) -> usize {
    2 * read_bytes + 2 * page_bytes + BESIDES_BYTES
}

impl ListingRoom {
    /// Returns room of `bytes` bytes, none of which is held.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let usual = bytes / USUAL_PART;
        // A part without room for a page would be of no use.
        let usual = if usual < USUAL_BYTES_MAX { 0 } else { usual };
        Self { usual: Room::new(usual), all: Room::new(bytes - usual) }
    }

    /// Returns how many bytes are held now.
    #[cfg(test)]
    pub(in crate::server::http) fn held_bytes(&self) -> usize {
        self.usual.bytes + self.all.bytes - self.free_bytes()
    }

    fn free_bytes(&self) -> usize {
        self.usual.free.available_permits() + self.all.free.available_permits()
    }

    /// Returns how many bytes a page should have now.
    pub(super) fn page_bytes(&self) -> usize {
        (self.free_bytes() / PAGE_PART).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    }

    /// Returns `bytes` bytes once they are free, or all that there may be where that is less. Whoever came first is
    /// served first, but that a page of usual size may pass long messages. Cancel safe.
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
