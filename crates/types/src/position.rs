//! Positions in the log: ids of messages, ends, and ranges of ids.
//!
//! All ranges are half open. `LogEnd` is an *end*: the id of the first message that is not
//! included. `MessageId` is the id of one message.

use std::fmt;

/// The id of a message, which is its position in the log: 0, 1, 2, … without gaps. The master
/// assigns it and never reuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

/// An exclusive position in the log: the id of the first message that is *not* included, and so the
/// number of messages before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogEnd(u64);

impl MessageId {
    /// Returns the id of the message at this position.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// Returns the id as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the end right behind this message.
    pub const fn end(self) -> LogEnd {
        LogEnd(self.0 + 1)
    }

    /// Returns the end right before this message.
    pub const fn before(self) -> LogEnd {
        LogEnd(self.0)
    }
}

impl LogEnd {
    /// The end of an empty log.
    pub const ZERO: Self = Self(0);

    /// Returns the end of a log of `count` messages.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// Returns the number of messages before this end.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the id of the first message that this end does not include.
    pub const fn next_id(self) -> MessageId {
        MessageId(self.0)
    }

    /// Returns the id of the last message before this end; none at the log's beginning.
    pub fn last_id(self) -> Option<MessageId> {
        self.0.checked_sub(1).map(MessageId)
    }

    /// Returns the end of the log after `count` more messages.
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A range of consecutive ids, `start..end`.
///
/// Displayed as `3` (one message), `3..=5` (several) or `none` (empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    start: LogEnd,
    end: LogEnd,
}

impl IdRange {
    /// Returns the ids from `start` up to, but not including, `end`.
    ///
    /// # Panics
    /// When `end` lies before `start`, which is a bug of the caller.
    pub fn new(start: LogEnd, end: LogEnd) -> Self {
        assert!(start <= end, "a range ends before it starts: {start}..{end}");
        Self { start, end }
    }

    /// Returns an empty range at position `at`.
    pub const fn empty(at: LogEnd) -> Self {
        Self { start: at, end: at }
    }

    /// Returns the position before the first id.
    pub const fn start(self) -> LogEnd {
        self.start
    }

    /// Returns the exclusive end.
    pub const fn end(self) -> LogEnd {
        self.end
    }

    /// Returns the number of ids in the range.
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Returns whether the range has no ids.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Returns the part of the range at or above `from`. If nothing is left, it is empty and lies
    /// at the range's end.
    pub fn from(self, from: LogEnd) -> Self {
        Self { start: self.start.max(from).min(self.end), end: self.end }
    }

    /// Returns the part of the range below `until`. If nothing is left, it is empty and lies at the
    /// range's start.
    pub fn until(self, until: LogEnd) -> Self {
        Self { start: self.start, end: self.end.min(until).max(self.start) }
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0 => f.write_str("none"),
            1 => self.start.fmt(f),
            _ => write!(f, "{}..={}", self.start, self.end.0 - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_like_the_ids_it_holds() {
        let range = |a, b| IdRange::new(LogEnd::new(a), LogEnd::new(b)).to_string();
        assert_eq!(range(3, 3), "none");
        assert_eq!(range(3, 4), "3");
        assert_eq!(range(3, 6), "3..=5");
    }

    #[test]
    fn cutting_a_range_outside_itself_leaves_nothing() {
        let range = IdRange::new(LogEnd::new(3), LogEnd::new(6));
        assert_eq!(range.from(LogEnd::new(9)), IdRange::empty(LogEnd::new(6)));
        assert_eq!(range.until(LogEnd::new(1)), IdRange::empty(LogEnd::new(3)));
        assert_eq!(range.from(LogEnd::new(4)).until(LogEnd::new(5)).to_string(), "4");
    }
}
