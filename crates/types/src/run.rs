//! Runs of consecutive messages, with or without their bytes.

use crate::IdRange;

/// A run of consecutive messages: as ids on the control path, as ids with encoded records on the
/// data path.
pub trait Run: Clone {
    /// Returns the ids of the run.
    fn range(&self) -> IdRange;

    /// Returns the size of the run's records, in bytes.
    fn bytes(&self) -> usize;

    /// Returns the part of the run with the ids `part`.
    ///
    /// # Panics
    /// When `part` is not inside the run.
    fn slice(&self, part: IdRange) -> Self;

    /// Returns the run in memory of its own, so that it keeps no larger allocation alive.
    #[must_use]
    fn detached(self) -> Self;
}

/// A run of ids, whose bytes are elsewhere. Each message counts as one byte.
impl Run for IdRange {
    fn range(&self) -> IdRange {
        *self
    }

    fn bytes(&self) -> usize {
        self.len() as usize
    }

    fn slice(&self, part: IdRange) -> Self {
        assert!(
            self.start() <= part.start() && part.end() <= self.end(),
            "{part} is not inside {self}"
        );
        part
    }

    fn detached(self) -> Self {
        self
    }
}
