//! A piece of a listing on its way to a client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use acklog_threads::lock;
use bytes::Bytes;

use super::room::Held;

/// Rendered bytes. They are charged to the listings' memory until the last byte is written.
struct Piece {
    bytes: Vec<u8>,
    taken: Arc<Taken>,
    _held: Option<Arc<Held>>,
}

/// Whether the last piece of a listing is written, so that the next one is made only then.
#[derive(Debug)]
pub(super) struct Taken {
    is_taken: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

/// Creates a piece, and the value that reports when it is written.
pub(super) fn piece(bytes: Vec<u8>, held: Option<Arc<Held>>) -> (Bytes, Arc<Taken>) {
    let taken = Arc::new(Taken { is_taken: AtomicBool::new(false), waiting: Mutex::default() });
    (Bytes::from_owner(Piece { bytes, taken: taken.clone(), _held: held }), taken)
}

impl Taken {
    /// Ready once the piece is dropped.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = lock(&self.waiting);
        if self.is_taken.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        *waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let waiting = {
            let mut waiting = lock(&self.taken.waiting);
            self.taken.is_taken.store(true, Ordering::Relaxed);
            waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
