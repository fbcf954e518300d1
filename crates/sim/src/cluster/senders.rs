//! What clients ask of the simulated master, and what it answers.

use acklog_protocol::{Admission, AppendRequest, FirstUse, Wait};
use acklog_types::{Batch, IdempotencyKey, KeyHash, UnreadBatch, record_bytes};

use super::*;

impl Cluster {
    /// Sends a message to the master.
    ///
    /// # Errors
    /// When the master refuses it.
    pub fn append(
        &mut self,
        text: &str,
        write_concern: Option<WriteConcern>,
        timeout: Option<Duration>,
    ) -> Result<(WaiterId, MessageId), Refusal> {
        self.send(&text.into(), None, Wait { write_concern, timeout })
    }

    /// Sends a batch to the master, perhaps one that was sent before under the same key.
    ///
    /// # Errors
    /// When the master refuses it.
    pub fn send(
        &mut self,
        batch: &Batch,
        key: Option<&IdempotencyKey>,
        wait: Wait,
    ) -> Result<(WaiterId, MessageId), Refusal> {
        let request = AppendRequest {
            wait,
            key: key.map(|key| KeyHash::of(key.as_str())),
            messages: batch.len() as u64,
            bytes: record_bytes(key, batch),
        };
        let (now, wanted, before) = (self.instant(), self.wanted(wait), self.master_health());
        let waiter = WaiterId::new(self.next_number + 1);
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let mut admitted = master.machine.get_mut().append(now, waiter, request);
        let mut replays = None;
        while let Ok(Admission::Compare(first)) = admitted {
            let records = master.log.reader.read_appended(first);
            let found = records.map_err(UnreadBatch::from).map(|records| {
                key.map_or(FirstUse::OtherKey, |key| FirstUse::of(&records, key, batch))
            });
            replays = Some(first).filter(|_| found != Ok(FirstUse::OtherKey));
            admitted = master.machine.get_mut().key_compared(now, waiter, found);
        }
        // A sender whose key tells that nothing is to be stored has no number.
        if !matches!(admitted, Err(Refusal::KeyReused { .. } | Refusal::KeyUnreadable { .. })) {
            self.number();
        }
        match admitted.inspect_err(|refusal| self.judge_refusal(wanted, key, refusal))? {
            Admission::Append(id) => {
                before.iter().for_each(|before| self.judge_taken(wanted, before));
                self.store(waiter, self.sent(id, wanted, wait), batch, key);
                Ok((waiter, id))
            }
            Admission::Compare(_) | Admission::Waits => {
                let first = replays.expect("it waits for the batch that has its key");
                self.waits(waiter, self.sent(first, wanted, wait), "sent before, as");
                Ok((waiter, first))
            }
        }
    }

    /// Puts a batch that the master took into its log.
    fn store(&mut self, waiter: WaiterId, sent: Sent, batch: &Batch, key: Option<&IdempotencyKey>) {
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let id = sent.id;
        assert_eq!(master.log.writer.append(self.now.as_millis() as u64, key, batch), id);
        self.checker.accepted(waiter, sent, batch, key);
        for (at, text) in batch.iter().enumerate() {
            let (text, id) = (shortened(text), id.get() + at as u64);
            self.note(&format!("sender {waiter}: {text} becomes id={id}"));
        }
        self.sync(None);
        self.drain(None);
    }

    /// Waits for a message that is there already.
    ///
    /// # Errors
    /// When the master refuses that.
    pub fn wait(&mut self, id: MessageId, wait: Wait) -> Result<WaiterId, Refusal> {
        let waiter = WaiterId::new(self.number());
        let (now, wanted) = (self.instant(), self.wanted(wait));
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let joined = master.machine.get_mut().join(now, waiter, id, wait);
        joined.inspect_err(|refusal| self.judge_refusal(wanted, None, refusal))?;
        self.waits(waiter, self.sent(id, wanted, wait), "waits again for");
        Ok(waiter)
    }

    /// A sender waits for a message that is there.
    fn waits(&mut self, waiter: WaiterId, sent: Sent, why: &str) {
        self.checker.joined(waiter, sent);
        self.note(&format!("sender {waiter}: {why} id={}", sent.id));
        self.drain(None);
    }

    fn sent(&self, id: MessageId, wanted: u64, wait: Wait) -> Sent {
        let wanted = u16::try_from(wanted).expect("no cluster has more nodes");
        Sent { id, wanted, since: self.now, timeout: wait.timeout }
    }

    /// A sender hangs up.
    pub fn cancel(&mut self, waiter: WaiterId) {
        self.checker.canceled(waiter);
        self.tell_master(LeaderInput::Cancel(waiter).into());
        self.drain(None);
    }

    /// Asks the master to forget a secondary.
    ///
    /// # Errors
    /// As the master's.
    pub fn forget(&mut self, name: &NodeName) -> Result<(), ForgetError> {
        let before = self.master_health();
        let forgotten = match &mut self.master {
            Some(master) => master.machine.get_mut().forget(name).map(|_| ()),
            None => Ok(()),
        };
        if let (Ok(()), Some(before)) = (&forgotten, &before) {
            self.judge_forgotten(name, before);
        }
        self.drain(None);
        forgotten
    }

    /// Lets the master stop: it answers everybody whose message is durable, the others when theirs are.
    pub fn shut_down_master(&mut self) {
        self.stop_master(Input::Shutdown);
    }

    /// Lets the master stop now: it answers everybody.
    pub fn give_up_master(&mut self) {
        self.stop_master(LeaderInput::GiveUp.into());
    }

    fn stop_master(&mut self, input: Input<LeaderInput>) {
        self.stopping = true;
        self.tell_master(input);
        self.drain(None);
    }

    /// A sender is answered.
    ///
    /// # Panics
    /// When the answer is not true.
    pub(super) fn release(&mut self, waiter: WaiterId, outcome: &Outcome) {
        self.look();
        self.note_positions();
        let positions = &self.positions;
        let is_liar = |name: &str| positions.is_named_liar(name);
        self.checker.released(self.now, waiter, outcome, is_liar);
        if let Some(answers) = &mut self.answers {
            answers.push((waiter, outcome.clone(), self.now));
        }
        let (what, receipt) = match outcome {
            Outcome::Committed(receipt) => ("committed", receipt),
            Outcome::TimedOut(receipt) => ("timed out", receipt),
            Outcome::ShuttingDown(receipt) => ("shutting down", receipt),
            Outcome::DiskFailed(receipt, _) => ("the disk failed", receipt),
            Outcome::TooManyWaiting(receipt) => ("too many wait", receipt),
            Outcome::Refused(refusal) => panic!("refused after it was accepted: {refusal}"),
        };
        let is_judged =
            |name: &&NodeName| **name != self.master_name && !self.positions.is_liar(name);
        for name in receipt.acked_by.iter().filter(is_judged) {
            let told = self.positions.of(name);
            let has_told = told.is_some_and(|told| receipt.id.end() <= told);
            assert!(has_told, "{name} told {told:?}: {receipt:?}");
        }
        let nodes: Vec<_> = receipt.acked_by.iter().map(NodeName::as_str).collect();
        let (id, w, nodes) = (receipt.id, receipt.write_concern, nodes.join(", "));
        let replayed = if receipt.replayed { " (replayed)" } else { "" };
        let line = format!("sender {waiter}: {what}, id={id} w={w} acked by [{nodes}]{replayed}");
        self.note(&line);
    }
}

/// A text as a trace shows it: the beginning of a long one, and its length.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_one_short_line_of_a_trace() {
        assert_eq!(shortened("Msg1\n"), r#""Msg1\n""#);
        let long = shortened(&"é".repeat(5000));
        assert_eq!(long, format!("\"{}\"… (10000 bytes)", "é".repeat(40)));
    }
}
