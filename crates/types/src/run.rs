//! Runs of consecutive messages: with or without their bytes.

use crate::IdRange;

/// Something that stands for a run of consecutive messages: bare ids inside the deciding code, ids with their
/// encoded records around it.
pub trait Run: Clone {
    /// The ids of the run.
    fn range(&self) -> IdRange;

    /// The size of the run's records, in bytes.
    fn bytes(&self) -> usize;

    /// The part of the run inside `part`.
    ///
    /// # Panics
    /// When `part` is not inside the run.
    fn slice(&self, part: IdRange) -> Self;

    /// Returns the run in memory of its own, so that keeping it keeps nothing beside it.
    #[must_use]
    fn detached(self) -> Self;
}

/// Bare ids: a run whose bytes are elsewhere. Each message counts as one byte.
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
