//! A number of bytes that several holders share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit on the bytes that all holders together may hold at once. A clone is the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    used: AtomicUsize,
}

/// Bytes of a budget that are held. Dropping a share gives them back.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// Returns a budget of `max` bytes, none of which is held.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, used: AtomicUsize::new(0) }))
    }

    /// Returns the number of bytes that are held now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Makes `held` a share of `bytes` bytes of this budget, whatever it was before. Returns
    /// whether there is capacity; without it, nothing changes.
    pub fn hold(&self, held: &mut Option<Share>, bytes: usize) -> bool {
        match held {
            Some(share) if Arc::ptr_eq(&share.budget.0, &self.0) => {
                let more = bytes.saturating_sub(share.bytes);
                let has_room = self.take(more);
                share.bytes += if has_room { more } else { 0 };
                has_room
            }
            _ => {
                let has_room = self.take(bytes);
                if has_room {
                    *held = Some(Share { budget: self.clone(), bytes });
                }
                has_room
            }
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let room = |used: usize| used.checked_add(bytes).filter(|&used| used <= self.0.max);
        // Relaxed is enough: no other memory is read depending on this number.
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }
}

impl Share {
    /// Gives back what is held beyond `bytes` bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.0.used.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_shrinks_gives_the_rest_back() {
        let (budget, mut held) = (Budget::new(10), None);
        assert!(budget.hold(&mut held, 10));
        let mut share = held.unwrap();
        share.shrink_to(3);
        assert!(budget.used() == 3 && budget.hold(&mut None, 7));
        share.shrink_to(4);
        assert_eq!(budget.used(), 3, "it does not grow");
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_share_grows_and_moves_and_is_given_back() {
        let (small, large) = (Budget::new(10), Budget::new(100));
        let mut held = None;
        assert!(small.hold(&mut held, 4) && small.hold(&mut held, 10));
        assert!(!small.hold(&mut held, 11));
        assert_eq!((small.used(), large.used()), (10, 0));
        assert!(!large.hold(&mut held, 101));
        assert_eq!((small.used(), large.used()), (10, 0));
        assert!(large.hold(&mut held, 100));
        assert_eq!((small.used(), large.used()), (0, 100));
        assert!(!large.hold(&mut None, usize::MAX));
        drop(held);
        assert_eq!(large.used(), 0);
    }
}
