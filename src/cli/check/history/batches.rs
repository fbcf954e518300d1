//! What was sent as one is there as one, or not at all.

use super::{History, Kind, quoted};

impl History {
    /// Where a message stands in its batch, from 0 on, and how many messages that has.
    fn place_in_batch(&self, content: u64) -> (u64, u64) {
        let before = self.batches.range(..=content).next_back();
        let inside = before.filter(|&(first, count)| content < first + count);
        inside.map_or((0, 1), |(first, count)| (content - first, *count))
    }

    /// The message that must come next, where this one is of a batch that has more.
    fn rest_of_batch(&self, content: u64) -> Option<u64> {
        let (place, count) = self.place_in_batch(content);
        (place + 1 < count).then_some(content + 1)
    }

    /// A message is seen for the first time: it goes on with the batch of the one before, or begins one.
    pub(super) fn check_order_in_batch(&mut self, node: usize, id: u64, content: u64) {
        let before = id.checked_sub(1).and_then(|before| self.content(before));
        let wanted = before.and_then(|before| self.rest_of_batch(before));
        let expected = match wanted {
            Some(wanted) if wanted != content => {
                format!("{}, the next one of a batch", quoted(&self.text(wanted)))
            }
            None if self.place_in_batch(content).0 > 0 => {
                let one_before = quoted(&self.text(content - 1));
                format!("{one_before} of the same batch before it")
            }
            _ => return,
        };
        let seen = self.quoted(content);
        self.add(Kind::Batch, node, Some(id), expected, seen);
    }

    /// A list came to its end, before message `end`, and not because of a limit: no batch is shown in part.
    pub(super) fn check_last_batch(&mut self, node: usize, end: u64) {
        let last = end.checked_sub(1).and_then(|last| self.content(last));
        if let Some(wanted) = last.and_then(|last| self.rest_of_batch(last)) {
            let expected = format!("{} as well, of the same batch", quoted(&self.text(wanted)));
            let seen = format!("a list that ends before id {end}");
            self.add(Kind::Batch, node, Some(end), expected, seen);
        }
    }
}
