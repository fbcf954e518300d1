//! Batches: messages that are appended together or not at all.

/// One or more messages that get consecutive ids and are atomic: a log has all of them or none.
///
/// A batch of a single message, the most frequent one, costs nothing beyond its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// All texts, concatenated.
    texts: String,
    /// The end of each text but the last one, in bytes.
    ends: Vec<usize>,
}

impl Batch {
    /// Returns a batch of one message.
    pub fn new(text: String) -> Self {
        Self { texts: text, ends: Vec::new() }
    }

    /// Appends a message.
    pub fn push(&mut self, text: &str) {
        self.ends.push(self.texts.len());
        self.texts.push_str(text);
    }

    /// Takes out the first `count` messages, of which there are more.
    ///
    /// # Panics
    /// When no message would be in one of the two.
    #[must_use]
    pub fn take_front(&mut self, count: usize) -> Self {
        let last = count.checked_sub(1).and_then(|last| self.ends.get(last).copied());
        let end = last.expect("a message in both");
        let texts = self.texts.split_off(end);
        let mut ends = self.ends.split_off(count);
        ends.iter_mut().for_each(|later| *later -= end);
        let mut front = std::mem::replace(self, Self { texts, ends });
        front.ends.truncate(count - 1);
        front
    }

    /// Returns the number of messages.
    #[expect(clippy::len_without_is_empty, reason = "no batch is empty")]
    pub fn len(&self) -> usize {
        self.ends.len() + 1
    }

    /// Returns the size of all texts in bytes, without the headers of their records.
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Iterates over the texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ends = self.ends.iter().copied().chain(std::iter::once(self.texts.len()));
        // Each end was once the length of the text, so it lies on a character boundary.
        starts.zip(ends).map(|(start, end)| self.texts.get(start..end).unwrap_or_default())
    }
}

impl From<&str> for Batch {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_put_in() {
        let texts = ["Msg1", "", "Повідомлення", "", "x"];
        for count in 1..=texts.len() {
            let mut batch = Batch::from(texts[0]);
            texts[1..count].iter().for_each(|text| batch.push(text));
            assert!(batch.iter().eq(texts[..count].iter().copied()));
            assert_eq!(batch.len(), count);
            for front in 1..count {
                let mut rest = batch.clone();
                assert!(rest.take_front(front).iter().eq(texts[..front].iter().copied()));
                assert!(rest.iter().eq(texts[front..count].iter().copied()));
            }
        }
    }
}
