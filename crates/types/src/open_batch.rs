//! Which batch a message belongs to, and where a reader can resume.

use crate::{InBatch, MessageId};

/// A reader's place between two messages: between two batches, or within one. A reader resumes
/// between batches only.
///
/// ```
/// use acklog_types::{InBatch, MessageId, OpenBatch};
///
/// let mut batch = OpenBatch::default();
/// assert_eq!(batch.next(MessageId::new(4), InBatch::More), Some(MessageId::new(4)));
/// assert!(!batch.is_resume_point());
/// assert_eq!(batch.next(MessageId::new(5), InBatch::Last), Some(MessageId::new(4)));
/// assert!(batch.is_resume_point());
/// assert_eq!(batch.next(MessageId::new(6), InBatch::Last), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenBatch {
    first: Option<MessageId>,
}

impl OpenBatch {
    /// Creates a place within the batch of this first message; none: between batches.
    pub const fn new(first: Option<MessageId>) -> Self {
        Self { first }
    }

    /// Moves behind the next message. Returns the first message of its batch; none if it was sent
    /// alone.
    pub fn next(&mut self, id: MessageId, in_batch: InBatch) -> Option<MessageId> {
        let is_last = in_batch == InBatch::Last;
        let batch = self.first.or((!is_last).then_some(id));
        self.first = batch.filter(|_| !is_last);
        batch
    }

    /// Returns the first message of the batch that goes on with the next message.
    pub const fn first(&self) -> Option<MessageId> {
        self.first
    }

    /// Returns whether a reader can resume here.
    pub const fn is_resume_point(&self) -> bool {
        self.first.is_none()
    }
}
