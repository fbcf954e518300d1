//! The readers of a scenario, and what each received so far.

use std::collections::BTreeMap;

use acklog_judge::{FollowedRow, History};
use acklog_types::NodeName;

use super::action::FollowStep;
use super::backend::{Backend, ReaderEvent, ReceivedMessage, Shown, Trouble};
use super::sent::{SentMessages, list};

/// All readers, by their names.
#[derive(Debug, Default)]
pub(super) struct Readers {
    readers: BTreeMap<String, Reader>,
}

/// A reader. It follows one log, however many nodes it follows one after the other.
#[derive(Debug)]
struct Reader {
    /// Judges what it receives.
    history: History,
    /// Its number in the history.
    number: usize,
    /// Nodes that it followed, by their numbers in the history.
    nodes: Vec<NodeName>,
    /// Number of the node that it follows now.
    node: usize,
    /// Number of appends that the history knows.
    known: usize,
    received: Shown,
    /// Number of messages before its last resume point.
    whole: usize,
    /// Reason why it receives nothing more.
    ended: Option<String>,
}

impl Readers {
    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// Forgets all readers: the cluster ends.
    pub(super) fn clear(&mut self) {
        self.readers.clear();
    }

    /// Begins a reader, or lets a known one go on at another node.
    ///
    /// # Errors
    /// When one that is known is given another beginning, or the backend fails.
    pub(super) fn follow(
        &mut self,
        step: &FollowStep,
        backend: &mut impl Backend,
    ) -> Result<(), Trouble> {
        let FollowStep { reader, node, from, concern } = step;
        match self.readers.get_mut(reader) {
            Some(_) if from.is_some() || concern.is_some() => {
                let it = "goes on behind what it received, under its read concern";
                return Err(Trouble::failed(format!("{reader} follows already: it {it}")));
            }
            Some(known) => known.goes_to(node),
            None => {
                let new = Reader::new(node, from.unwrap_or_default());
                self.readers.insert(reader.clone(), new);
            }
        }
        backend.follow(step)
    }

    /// Takes in what the readers received since the last call, and judges it.
    ///
    /// # Errors
    /// When one of them lost a message, received one twice or another one than was sent.
    pub(super) fn take(
        &mut self,
        sent: &SentMessages,
        backend: &mut impl Backend,
    ) -> Result<(), Trouble> {
        for (name, reader) in &mut self.readers {
            reader.learn(sent);
            let events = backend.take_received(name);
            events.into_iter().for_each(|event| reader.take(event));
            if let Some(violation) = reader.history.violations().first().first() {
                return Err(Trouble::failed(format!("{name}, a reader: {violation}")));
            }
        }
        Ok(())
    }

    /// Checks that a reader received exactly these texts.
    ///
    /// # Errors
    /// When it did not, with what it received.
    pub(super) fn received(&self, name: &str, texts: &[String]) -> Result<(), String> {
        let reader =
            self.readers.get(name).ok_or_else(|| format!("no reader is named {name:?}"))?;
        if reader.received.iter().map(|(_, text)| text).eq(texts) {
            return Ok(());
        }
        let ended = reader.ended.iter().map(|why| format!(", and cannot go on: {why}"));
        Err(format!("{name} received {}{}", list(&reader.received), ended.collect::<String>()))
    }
}

impl Reader {
    fn new(node: &NodeName, from: u64) -> Self {
        let mut history = History::of_readers(from);
        let number = history.add_follower(0, from);
        let (nodes, received) = (Vec::new(), Shown::new());
        let mut reader =
            Self { history, number, nodes, node: 0, known: 0, received, whole: 0, ended: None };
        reader.goes_to(node);
        reader
    }

    fn goes_to(&mut self, node: &NodeName) {
        let known = self.nodes.iter().position(|known| known == node);
        self.node = known.unwrap_or_else(|| {
            self.history.add_node(node.as_str());
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        });
    }

    /// Tells the history what was sent since the last call.
    fn learn(&mut self, sent: &SentMessages) {
        for append in sent.appends_from(self.known) {
            self.history.sent_batch(&append.batch());
            self.known += 1;
        }
    }

    fn take(&mut self, event: ReaderEvent) {
        match event {
            ReaderEvent::Resumed => {
                self.ended = None;
                self.received.truncate(self.whole);
                self.history.follower_goes_to(self.number, self.node);
            }
            ReaderEvent::Message(ReceivedMessage { id, text, batch, is_resume_point }) => {
                let row = FollowedRow { id, text: &text, batch, is_resume_point };
                self.history.followed(self.number, row);
                self.received.push((id, text));
                if is_resume_point {
                    self.whole = self.received.len();
                }
            }
            ReaderEvent::Ended(why) => self.ended = Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::action::AppendStep;
    use crate::scenario::backend::Ticket;

    /// A reader of a log to which these batches were sent.
    fn reader(batches: &[&[&str]]) -> Reader {
        let mut sent = SentMessages::default();
        for texts in batches {
            let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            let (label, write_concern, timeout, key) = (texts[0].clone(), None, None, None);
            let append =
                AppendStep { label, texts, write_concern, timeout, key, expected_end: None };
            sent.note(append, Ticket(0));
        }
        let mut reader = Reader::new(&"bonnie".parse().unwrap(), 0);
        reader.learn(&sent);
        reader
    }

    fn message(id: u64, text: &str, batch: Option<u64>, is_resume_point: bool) -> ReaderEvent {
        ReaderEvent::Message(ReceivedMessage { id, text: text.to_owned(), batch, is_resume_point })
    }

    /// Lets a reader receive these, and returns what is wrong.
    fn receive(reader: &mut Reader, events: impl IntoIterator<Item = ReaderEvent>) -> String {
        events.into_iter().for_each(|event| reader.take(event));
        reader.history.violations().first().first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn a_batch_that_was_cut_comes_again_as_a_whole_and_counts_once() {
        let mut reader = reader(&[&["a"], &["b", "c"]]);
        let cut = [message(0, "a", None, true), message(1, "b", Some(1), false)];
        assert_eq!(receive(&mut reader, cut), "");
        reader.goes_to(&"clyde".parse().unwrap());
        let rest = [message(1, "b", Some(1), false), message(2, "c", Some(1), true)];
        assert_eq!(receive(&mut reader, [ReaderEvent::Resumed].into_iter().chain(rest)), "");
        let texts: Vec<_> = reader.received.iter().map(|(id, text)| (*id, text.as_str())).collect();
        assert_eq!(texts, [(0, "a"), (1, "b"), (2, "c")]);
    }

    #[test]
    fn what_is_lost_repeated_or_torn_is_found() {
        let lost = [message(0, "a", None, true), message(2, "c", Some(1), true)];
        let repeated = [message(0, "a", None, true), message(0, "a", None, true)];
        let torn = [message(0, "a", None, true), message(1, "b", Some(1), true)];
        let invented = [message(0, "a", None, true), message(1, "x", None, true)];
        for (events, seen) in [
            (lost, "id 1 next for its follower"),
            (repeated, "id 1 next for its follower"),
            (torn, "no id to resume from within a batch"),
            (invented, "x"),
        ] {
            let found = receive(&mut reader(&[&["a"], &["b", "c"]]), events);
            assert!(found.contains("bonnie") && found.contains(seen), "{seen}: {found}");
        }
    }

    #[test]
    fn two_messages_with_one_text_are_two() {
        let mut reader = reader(&[&["a"], &["a"]]);
        let both = [message(0, "a", None, true), message(1, "a", None, true)];
        assert_eq!(receive(&mut reader, both), "");
        assert!(receive(&mut reader, [message(2, "a", None, true)]).contains("bonnie"));
    }
}
