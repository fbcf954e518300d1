//! What must hold in every moment of every schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acklog_log::{LogReader, ReadError};
use acklog_protocol::{Outcome, Receipt};
use acklog_types::{Batch, IdempotencyKey, LogEnd, LogId, MessageId, NodeName, Run, WaiterId};

/// Watches a cluster from outside. Each method panics, with the facts, when something that must hold does not.
#[derive(Debug, Default)]
pub struct Checker {
    /// The log that the master has now.
    log: Option<LogId>,
    /// What the master accepted, by id, for each log that there ever was.
    truths: BTreeMap<LogId, Vec<Accepted>>,
    /// How far each node's visible log was compared with the truth.
    seen: BTreeMap<NodeName, LogEnd>,
    /// The largest visible end that each node ever had of each log, also in earlier lives.
    held: BTreeMap<(LogId, NodeName), LogEnd>,
    /// The messages of the master's log that have a key.
    keys: BTreeMap<String, MessageId>,
    /// Where they are, in the order in which the master forgets them.
    keyed: BTreeSet<MessageId>,
    /// How many keyed messages the master remembers.
    window: usize,
    /// Senders without an answer.
    waiting: BTreeMap<WaiterId, Sent>,
    /// Answers so far.
    released: usize,
    /// Whether nodes may have messages that they cannot read.
    reads_may_fail: bool,
}

/// A message as it was accepted.
#[derive(Debug)]
struct Accepted {
    text: String,
    /// The next one belongs to the same batch.
    has_more: bool,
}

/// What a sender asked for; of a batch, the first message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    /// How many nodes must have it: what was asked for, as a number when it was taken.
    pub(super) wanted: u16,
    pub(super) deadline: Option<Duration>,
}

impl Checker {
    /// Watches a cluster whose master remembers the last `window` keyed messages.
    pub(super) fn new(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    /// A batch got its ids: they are dense and each is given once.
    pub(super) fn accepted(&mut self, waiter: WaiterId, sent: Sent, batch: &Batch) {
        let truth = self.log.and_then(|log| self.truths.get_mut(&log)).expect("a master runs");
        assert_eq!(sent.id.get(), truth.len() as u64, "ids are given in order without gaps");
        truth.extend(
            batch.iter().enumerate().map(|(at, text)| Accepted {
                text: text.to_owned(),
                has_more: at + 1 < batch.len(),
            }),
        );
        self.joined(waiter, sent);
    }

    /// A sender waits for a message that got its id before.
    pub(super) fn joined(&mut self, waiter: WaiterId, sent: Sent) {
        let before = self.waiting.insert(waiter, sent);
        assert!(before.is_none(), "waiter {waiter} was used before");
    }

    /// A sender gave up.
    pub(super) fn canceled(&mut self, waiter: WaiterId) {
        self.waiting.remove(&waiter);
    }

    /// A sender was answered: once, at the right time, and the nodes named really had the message by then.
    /// What liars told is not known, and they do not count.
    pub(super) fn released(
        &mut self,
        now: Duration,
        waiter: WaiterId,
        outcome: &Outcome,
        is_liar: impl Fn(&NodeName) -> bool + Copy,
    ) {
        let sent = self.waiting.remove(&waiter);
        let Some(sent) = sent else { panic!("waiter {waiter} was answered twice or never asked") };
        self.released += 1;
        match outcome {
            Outcome::Committed(receipt) => {
                self.receipt_is_true(&sent, receipt, is_liar);
                let (acked, wanted) = (receipt.acked_by.len(), sent.wanted);
                assert!(acked >= usize::from(wanted), "{wanted} nodes asked for, {receipt:?}");
            }
            Outcome::TimedOut(receipt) => {
                self.receipt_is_true(&sent, receipt, is_liar);
                let is_over = sent.deadline.is_some_and(|deadline| deadline <= now);
                assert!(is_over, "timed out before its time: {receipt:?}");
                assert!(receipt.acked_by.len() < usize::from(receipt.write_concern));
            }
            Outcome::ShuttingDown(receipt) | Outcome::TooManyWaiting(receipt) => {
                self.receipt_is_true(&sent, receipt, is_liar);
            }
            Outcome::DiskFailed(receipt, _) => {
                self.receipt_is_true(&sent, receipt, is_liar);
                assert!(!receipt.stored, "it is stored, so the disk is no reason: {receipt:?}");
            }
            Outcome::Refused(refusal) => panic!("refused after it was accepted: {refusal}"),
        }
    }

    fn receipt_is_true(&self, sent: &Sent, receipt: &Receipt, is_liar: impl Fn(&NodeName) -> bool) {
        assert_eq!(receipt.id, sent.id, "answered with another message's id");
        assert_eq!(receipt.write_concern, sent.wanted, "another write concern than asked for");
        for (n, name) in receipt.acked_by.iter().enumerate() {
            if is_liar(name) {
                continue;
            }
            let held = self.log.and_then(|log| self.held.get(&(log, name.clone())));
            let held = held.copied().unwrap_or_default();
            assert!(receipt.id.end() <= held, "{name} never had the message of {receipt:?}");
            let before = receipt.acked_by.get(..n).unwrap_or_default();
            assert!(!before.contains(name), "{name} counted twice: {receipt:?}");
        }
    }

    /// Compares what a node shows with what the master accepted, as far as it is new: the same messages under the same
    /// ids, without gaps, and never fewer than before. `as_name` is the name under which the node registers.
    pub(super) fn look_at(
        &mut self,
        name: &NodeName,
        as_name: &NodeName,
        id: Option<LogId>,
        log: &LogReader,
    ) {
        let end = log.durable_end();
        let Some(id) = id else {
            assert_eq!(end, LogEnd::ZERO, "{name} has messages of no log");
            return;
        };
        let truth = self.truths.get(&id).expect("a log that a master had");
        let last = end.last_id().and_then(|last| truth.get(last.get() as usize));
        let is_inside = last.is_some_and(|last| last.has_more);
        assert!(!is_inside, "{name} shows a part of a batch: it shows {end} messages");
        let seen = self.seen.entry(name.clone()).or_default();
        assert!(*seen <= end, "{name} showed {seen} messages and now {end}");
        while *seen < end {
            let records = match log.read(*seen, end, usize::MAX) {
                Ok(records) => records,
                // Its disk lacks something for the moment: compared when it can be read.
                Err(ReadError::Passing { .. }) => break,
                Err(_) if self.reads_may_fail => break,
                Err(error) => panic!("{name} shows what cannot be read: {error}"),
            };
            assert!(!records.range().is_empty(), "{name} shows a gap at {seen}");
            for record in records.iter() {
                let text = truth.get(record.id.get() as usize).map(|accepted| &*accepted.text);
                assert_eq!(text, Some(record.text), "{name} shows another message {}", record.id);
            }
            *seen = records.range().end();
        }
        let held = self.held.entry((id, as_name.clone())).or_default();
        *held = end.max(*held);
    }

    /// From now on whatever a node shows is read anew, and can be read.
    pub(super) fn begin_again(&mut self) {
        self.seen.clear();
        self.reads_may_fail = false;
    }

    /// A node's disk was put back to what it was before: it shows less than it did.
    pub(super) fn put_back(&mut self, name: &NodeName) {
        self.seen.remove(name);
    }

    /// A node starts with an empty log.
    pub(super) fn started_empty(&mut self, name: &NodeName) {
        self.seen.remove(name);
    }

    /// A node comes back with what is on its disk: all that it ever showed, and so all that it ever acked.
    pub(super) fn came_back(&mut self, name: &NodeName, end: LogEnd) {
        let shown = self.seen.remove(name).unwrap_or_default();
        assert!(
            shown <= end,
            "{name} showed {shown} messages and came back from its disk with {end}"
        );
    }

    /// From now on a node's disk may be damaged: what cannot be read is compared when it is repaired.
    pub(super) fn let_reads_fail(&mut self) {
        self.reads_may_fail = true;
    }

    /// The master starts with this log, of which it has the messages before `end`. Answers of the life before went down
    /// with it. What it had taken and not shown may be gone: those ids are given again.
    pub(super) fn master_started(&mut self, master: &NodeName, log: LogId, end: LogEnd) {
        self.log = Some(log);
        self.waiting.clear();
        let truth = self.truths.entry(log).or_default();
        match truth.is_empty() {
            true => self.started_empty(master),
            false => self.came_back(master, end),
        }
        let truth = self.truths.entry(log).or_default();
        assert!(end.get() <= truth.len() as u64, "the master has messages that nobody sent");
        truth.truncate(end.get() as usize);
        self.keys.retain(|_, id| id.end() <= end);
        self.keyed.retain(|id| id.end() <= end);
    }

    /// A message got an id under a key: none of those that the master remembers has it already.
    pub(super) fn took_key(&mut self, key: &IdempotencyKey, id: MessageId) {
        let before = self.message_of(key);
        assert_eq!(before, None, "the message of key {key} is there twice, also as {id}");
        self.keys.insert(key.to_string(), id);
        self.keyed.insert(id);
    }

    /// Number of messages accepted in this log.
    pub fn accepted_count(&self) -> u64 {
        self.log.and_then(|log| self.truths.get(&log)).map_or(0, Vec::len) as u64
    }

    /// Number of senders that were answered.
    pub fn released_count(&self) -> usize {
        self.released
    }

    /// Whether a sender waits for a number of nodes that is `nodes` at most.
    pub(super) fn waits_for_at_most(&self, nodes: u16) -> bool {
        self.waiting.values().any(|sent| sent.wanted <= nodes)
    }

    /// The senders that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&WaiterId, &Sent)> {
        self.waiting.iter()
    }

    /// Number of senders that wait for more nodes than the master.
    pub(super) fn waiting_for_secondaries(&self) -> usize {
        self.waiting.values().filter(|sent| sent.wanted > 1).count()
    }

    /// The message that has this key, if it is one of those that the master remembers.
    pub(super) fn message_of(&self, key: &IdempotencyKey) -> Option<MessageId> {
        let id = self.keys.get(key.as_str()).copied()?;
        let is_remembered = self.keyed.range(id..).take(self.window + 1).count() <= self.window;
        is_remembered.then_some(id)
    }

    /// Senders without an answer.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use acklog_log::{LogWriter, in_memory};

    use super::*;

    const LOG: LogId = LogId::new(7);

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    /// A checker that saw the master accept these texts, from senders 0, 1, …
    fn checker(texts: &[&str]) -> Checker {
        let mut checker = Checker::default();
        checker.master_started(&name("master"), LOG, LogEnd::ZERO);
        for (n, text) in texts.iter().enumerate() {
            let sent = Sent {
                id: MessageId::new(n as u64),
                wanted: 2,
                deadline: Some(Duration::from_secs(9)),
            };
            checker.accepted(WaiterId::new(n as u64), sent, &(*text).into());
        }
        checker
    }

    fn log(texts: &[&str]) -> (LogWriter, LogReader) {
        let (mut writer, reader) = in_memory();
        texts.iter().for_each(|text| {
            writer.append(0, None, &(*text).into());
        });
        writer.flush();
        (writer, reader)
    }

    fn look(checker: &mut Checker, node: &str, texts: &[&str]) {
        checker.look_at(&name(node), &name(node), Some(LOG), &log(texts).1);
    }

    fn receipt(id: u64, write_concern: u16, nodes: &[&str]) -> Receipt {
        let acked_by = nodes.iter().map(|node| name(node)).collect();
        Receipt { id: MessageId::new(id), write_concern, acked_by, stored: true, replayed: false }
    }

    fn release(checker: &mut Checker, outcome: Outcome) {
        checker.released(Duration::from_secs(1), WaiterId::new(0), &outcome, |_| false);
    }

    #[test]
    fn what_is_true_passes() {
        let mut checker = checker(&["a", "b"]);
        look(&mut checker, "master", &["a", "b"]);
        look(&mut checker, "bonnie", &["a"]);
        release(&mut checker, Outcome::Committed(receipt(0, 2, &["master", "bonnie"])));
        assert_eq!((checker.released_count(), checker.waiting_count()), (1, 1));
    }

    #[test]
    #[should_panic(expected = "shows another message")]
    fn other_content_under_an_id_is_caught() {
        look(&mut checker(&["a", "b"]), "bonnie", &["a", "c"]);
    }

    #[test]
    #[should_panic(expected = "shows another message")]
    fn a_doubled_message_is_caught() {
        look(&mut checker(&["a", "b"]), "bonnie", &["a", "a", "b"]);
    }

    #[test]
    #[should_panic(expected = "shows a part of a batch")]
    fn a_part_of_a_batch_is_caught() {
        let mut checker = checker(&["a"]);
        let mut batch = Batch::from("b");
        batch.push("c");
        let sent = Sent { id: MessageId::new(1), wanted: 1, deadline: None };
        checker.accepted(WaiterId::new(1), sent, &batch);
        look(&mut checker, "bonnie", &["a", "b"]);
    }

    #[test]
    #[should_panic(expected = "showed 2 messages and now 1")]
    fn a_shrinking_log_is_caught() {
        let mut checker = checker(&["a", "b"]);
        look(&mut checker, "bonnie", &["a", "b"]);
        look(&mut checker, "bonnie", &["a"]);
    }

    #[test]
    #[should_panic(expected = "bonnie never had the message")]
    fn an_ack_of_a_node_that_never_had_it_is_caught() {
        let mut checker = checker(&["a"]);
        look(&mut checker, "master", &["a"]);
        release(&mut checker, Outcome::Committed(receipt(0, 2, &["master", "bonnie"])));
    }

    #[test]
    #[should_panic(expected = "another write concern than asked for")]
    fn a_write_concern_that_is_lowered_in_the_answer_too_is_caught() {
        let mut checker = checker(&["a"]);
        look(&mut checker, "master", &["a"]);
        release(&mut checker, Outcome::Committed(receipt(0, 1, &["master"])));
    }

    #[test]
    #[should_panic(expected = "2 nodes asked for")]
    fn a_lowered_write_concern_is_caught() {
        let mut checker = checker(&["a"]);
        look(&mut checker, "master", &["a"]);
        release(&mut checker, Outcome::Committed(receipt(0, 2, &["master"])));
    }

    #[test]
    #[should_panic(expected = "answered twice")]
    fn a_second_answer_is_caught() {
        let mut checker = checker(&["a"]);
        look(&mut checker, "master", &["a"]);
        look(&mut checker, "bonnie", &["a"]);
        release(&mut checker, Outcome::Committed(receipt(0, 2, &["master", "bonnie"])));
        release(&mut checker, Outcome::Committed(receipt(0, 2, &["master", "bonnie"])));
    }

    #[test]
    #[should_panic(expected = "timed out before its time")]
    fn an_early_end_of_waiting_is_caught() {
        let mut checker = checker(&["a"]);
        look(&mut checker, "master", &["a"]);
        release(&mut checker, Outcome::TimedOut(receipt(0, 2, &["master"])));
    }
}
