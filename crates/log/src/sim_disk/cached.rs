//! A model of a disk's cache: all changes are visible at once, few are durable, and a crash draws
//! which survive.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Something that changes step by step, and that a crash can leave half changed.
pub(super) trait Image: Clone {
    /// One step.
    type Change;

    /// Applies a change completely.
    fn apply(&mut self, change: &Self::Change);

    /// Applies the parts of a change for which `survives` returns true. It is called once for each
    /// part that the disk writes atomically.
    fn apply_torn(&mut self, change: &Self::Change, survives: impl FnMut() -> bool);
}

/// An image as it is visible, and what of it would be left after a crash.
#[derive(Clone, Debug)]
pub(super) struct Cached<I: Image> {
    /// With all changes.
    seen: I,
    /// Without those in `changes`.
    safe: I,
    /// The changes since `safe`, in order.
    changes: Vec<(I::Change, SyncState)>,
}

/// The progress of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    /// The next sync makes it durable.
    Dirty,
    /// A sync of it failed: no later sync tries again.
    Dropped,
    /// It is on the disk, but must not be applied before an earlier change that is not.
    Synced,
}

impl<I: Image> Cached<I> {
    /// Returns an image that is on the disk as it is.
    pub(super) fn new(image: I) -> Self {
        Self { safe: image.clone(), seen: image, changes: Vec::new() }
    }

    /// Returns the image that is visible while the machine runs.
    pub(super) fn seen(&self) -> &I {
        &self.seen
    }

    /// Changes the visible image. A sync makes the change durable.
    pub(super) fn change(&mut self, change: I::Change) {
        self.seen.apply(&change);
        self.changes.push((change, SyncState::Dirty));
    }

    /// Changes the visible image and the disk.
    pub(super) fn change_disk(&mut self, change: I::Change) {
        self.seen.apply(&change);
        self.changes.push((change, SyncState::Synced));
        self.settle();
    }

    /// Makes all dirty changes durable.
    pub(super) fn sync(&mut self) {
        self.mark(SyncState::Synced);
        self.settle();
    }

    /// Fails a sync: dirty changes stay visible, and are never written.
    pub(super) fn fail_sync(&mut self) {
        self.mark(SyncState::Dropped);
    }

    /// Applies a crash: each part of what was not synced survives with probability `rate`.
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
