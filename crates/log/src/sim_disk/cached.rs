//! What a cache does to changes on their way to a disk: all are visible at once, few are safe, and a crash draws.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Something that changes step by step and that a crash catches half changed.
pub(super) trait Image: Clone {
    /// One step.
    type Change;

    /// Does a change as a whole.
    fn apply(&mut self, change: &Self::Change);

    /// Does those parts of a change that `survives` says to: it is asked once for each part that the disk writes by
    /// itself.
    fn apply_torn(&mut self, change: &Self::Change, survives: impl FnMut() -> bool);
}

/// An image as it is seen, and how much of it would be there after a crash.
#[derive(Clone, Debug)]
pub(super) struct Cached<I: Image> {
    /// With all changes.
    seen: I,
    /// Without those in `changes`.
    safe: I,
    /// Since `safe`, in order.
    changes: Vec<(I::Change, SyncState)>,
}

/// How far a change got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    /// The next sync takes it.
    Dirty,
    /// A sync of it failed: no later one tries again.
    Dropped,
    /// It is on the disk, but stands here behind one that is not, which must not be done over it.
    Synced,
}

impl<I: Image> Cached<I> {
    /// An image that is on the disk as it is.
    pub(super) fn new(image: I) -> Self {
        Self { safe: image.clone(), seen: image, changes: Vec::new() }
    }

    /// What everybody sees while the machine runs.
    pub(super) fn seen(&self) -> &I {
        &self.seen
    }

    /// Changes what is seen; a sync makes it safe.
    pub(super) fn change(&mut self, change: I::Change) {
        self.seen.apply(&change);
        self.changes.push((change, SyncState::Dirty));
    }

    /// Changes what is seen and what is on the disk.
    pub(super) fn change_disk(&mut self, change: I::Change) {
        self.seen.apply(&change);
        self.changes.push((change, SyncState::Synced));
        self.settle();
    }

    /// Makes all that is dirty safe.
    pub(super) fn sync(&mut self) {
        self.mark(SyncState::Synced);
        self.settle();
    }

    /// A sync that fails: what is dirty stays visible, and nobody will ever write it.
    pub(super) fn fail_sync(&mut self) {
        self.mark(SyncState::Dropped);
    }

    /// What was not synced survives in part: each part of it with a chance of `rate`.
    pub(super) fn crash(&mut self, rate: f64, rng: &mut ChaCha8Rng) {
        for (change, standing) in self.changes.drain(..) {
            match standing {
                SyncState::Synced => self.safe.apply(&change),
                SyncState::Dirty | SyncState::Dropped => {
                    self.safe.apply_torn(&change, || rng.random_bool(rate));
                }
            }
        }
        self.seen = self.safe.clone();
    }

    fn mark(&mut self, reached: SyncState) {
        let dirty = self.changes.iter_mut().filter(|(_, standing)| *standing == SyncState::Dirty);
        dirty.for_each(|(_, standing)| *standing = reached);
    }

    fn settle(&mut self) {
        let is_synced = |(_, standing): &&(I::Change, SyncState)| *standing == SyncState::Synced;
        let count = self.changes.iter().take_while(is_synced).count();
        for (change, _) in self.changes.drain(..count) {
            self.safe.apply(&change);
        }
    }
}
