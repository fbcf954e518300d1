//! The end of a node's list of messages, put together from what the node tells piece by piece.

use std::collections::VecDeque;

/// The newest messages of a node that are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct ListTail {
    /// The id of the first text.
    from: u64,
    texts: VecDeque<String>,
}

impl ListTail {
    /// Takes the messages from an id on, and keeps the last `max` of all. Where others were left
    /// out before them, those from before are forgotten; where they begin lower, the list was cut
    /// there, or is another one.
    pub(super) fn take(&mut self, from: u64, messages: Vec<String>, max: usize) {
        self.cut(from);
        self.texts.extend(messages);
        let too_many = self.texts.len().saturating_sub(max);
        self.texts.drain(..too_many);
        self.from = self.from.saturating_add(too_many as u64);
    }

    /// Forgets all messages from an id on. Where that is neither one of those that are kept nor the
    /// next one, it forgets all, and the list goes on there.
    pub(super) fn cut(&mut self, end: u64) {
        let kept = end.checked_sub(self.from).and_then(|kept| usize::try_from(kept).ok());
        match kept.filter(|kept| *kept <= self.texts.len()) {
            Some(kept) => self.texts.truncate(kept),
            None => (self.from, self.texts) = (end, VecDeque::new()),
        }
    }

    /// Returns the id of the first message that is kept.
    pub(super) const fn from(&self) -> u64 {
        self.from
    }

    /// Returns the id behind the last message.
    pub(super) fn end(&self) -> u64 {
        self.from.saturating_add(self.texts.len() as u64)
    }

    /// Returns the messages that are kept, in the order of the log.
    pub(super) const fn texts(&self) -> &VecDeque<String> {
        &self.texts
    }

    /// Returns a message, if it is kept.
    pub(super) fn text(&self, id: u64) -> Option<&str> {
        let at = usize::try_from(id.checked_sub(self.from)?).ok()?;
        self.texts.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_and_bounded() {
        let mut list = ListTail::default();
        let mut take = |from: u64, texts: std::ops::Range<u64>| {
            list.take(from, texts.map(|id| format!("m{id}")).collect(), 200);
            (list.from(), list.texts().len(), list.texts().back().cloned())
        };
        assert_eq!(take(0, 0..3), (0, 3, Some("m2".to_owned())));
        assert_eq!(take(3, 3..5), (0, 5, Some("m4".to_owned())));
        assert_eq!(take(2, 7..8), (0, 3, Some("m7".to_owned())), "it was cut");
        assert_eq!(take(10, 10..310), (110, 200, Some("m309".to_owned())), "some were left out");
        assert_eq!(take(0, 0..0), (0, 0, None), "another log");
        assert_eq!((list.text(0), list.end()), (None, 0));
    }
}
