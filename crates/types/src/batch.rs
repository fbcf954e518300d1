//! A batch: messages that are appended as a whole.

/// One or more messages that get consecutive ids and share one fate: all of them are in a log, or none is.
///
/// Most are of a single message, which costs nothing beyond its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// All texts, one behind the other.
    texts: String,
    /// Where each of them but the last ends.
    ends: Vec<usize>,
}

impl Batch {
    /// A batch of one message.
    pub fn new(text: String) -> Self {
        Self { texts: text, ends: Vec::new() }
    }

    /// Adds a message at the end.
    pub fn push(&mut self, text: &str) {
        self.ends.push(self.texts.len());
        self.texts.push_str(text);
    }

    /// The number of messages.
    #[expect(clippy::len_without_is_empty, reason = "no batch is empty")]
    pub fn len(&self) -> usize {
        self.ends.len() + 1
    }

    /// The messages' bytes, without what a log needs beside them.
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ends = self.ends.iter().copied().chain(std::iter::once(self.texts.len()));
        // The ends are lengths that the text once had: they lie between characters.
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
        }
    }
}
