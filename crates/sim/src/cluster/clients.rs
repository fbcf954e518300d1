//! Requests of clients to the simulated master, and its responses.

use std::time::Duration;

use acklog_judge::AckWait;
use acklog_protocol::{
    Admission, AppendRequest, FirstUse, ForgetError, Input, LeaderInput, Outcome, Refusal, Wait,
};
use acklog_types::{
    Batch, IdempotencyKey, KeyHash, LogEnd, MessageId, NodeName, UnreadBatch, WaiterId,
    WriteConcern, record_bytes,
};

use super::Cluster;

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
        self.send(&text.into(), None, Wait::until(write_concern, timeout), None)
    }

    /// Sends a batch to the master, perhaps one that was sent before under the same key, and
    /// perhaps on condition that the log ends there.
    ///
    /// # Errors
    /// When the master refuses it.
    pub fn send(
        &mut self,
        batch: &Batch,
        key: Option<&IdempotencyKey>,
        wait: Wait,
        expected_end: Option<LogEnd>,
    ) -> Result<(WaiterId, MessageId), Refusal> {
        let request = AppendRequest {
            wait,
            key: key.map(|key| KeyHash::of(key.as_str())),
            expected_end,
            messages: batch.len() as u64,
            bytes: record_bytes(key, batch),
        };
        let (now, wanted, before) = (self.instant(), self.wanted(wait), self.master_health());
        let waiter = WaiterId::new(self.client_numbers.next());
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
        match admitted.inspect_err(|refusal| self.judge_refusal(wanted, key, refusal))? {
            Admission::Append(id) => {
                let is_met = expected_end.is_none_or(|end| end == id.before());
                assert!(is_met, "message {id} is taken, and expects the end {expected_end:?}");
                before.iter().for_each(|before| self.judge_taken(wanted, before));
                self.store(waiter, self.ack_wait(id, wanted, wait), batch, key);
                Ok((waiter, id))
            }
            Admission::Compare(_) | Admission::Waits => {
                let first = replays.expect("it waits for the batch that has its key");
                self.waits(waiter, self.ack_wait(first, wanted, wait), "sent before, as");
                Ok((waiter, first))
            }
        }
    }

    /// Sends messages to the master as lines of an append stream, each with a client of its own: as
    /// many of them as may wait now. Returns the first client and its message, and the number of
    /// clients.
    ///
    /// # Errors
    /// When the master refuses them.
    pub fn send_lines(
        &mut self,
        texts: &[String],
        wait: Wait,
    ) -> Result<(WaiterId, MessageId, usize), Refusal> {
        let (now, wanted, before) = (self.instant(), self.wanted(wait), self.master_health());
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let room = master.machine.get_ref().room_to_wait(wait);
        let texts = texts.get(..room.max(1)).unwrap_or(texts);
        let mut batch = Batch::from(texts.first().map_or("", String::as_str));
        texts.iter().skip(1).for_each(|text| batch.push(text));
        let request = AppendRequest {
            wait,
            key: None,
            expected_end: None,
            messages: batch.len() as u64,
            bytes: record_bytes(None, &batch),
        };
        let mut waiters = texts.iter().map(|_| WaiterId::new(self.client_numbers.next()));
        let first = waiters.next().expect("there is a line");
        waiters.for_each(drop);
        let taken = master.machine.get_mut().append_series(now, first, request);
        let id = taken.inspect_err(|refusal| self.judge_refused_lines(wanted, refusal))?;
        before.iter().for_each(|before| self.judge_taken(wanted, before));
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        assert_eq!(master.log.writer.append_each(self.now.as_millis() as u64, &batch), id);
        for (n, text) in (0..).zip(texts) {
            let (waiter, id) = (WaiterId::new(first.get() + n), id.get() + n);
            let wait = self.ack_wait(MessageId::new(id), wanted, wait);
            self.checker.accepted(waiter, wait, &text.as_str().into(), None);
            self.note(&format!("sender {waiter}: {} becomes id={id}", shortened(text)));
        }
        self.sync(None);
        self.drain(None);
        Ok((first, id, texts.len()))
    }

    /// Cancels what waits of a stream that ended: its clients are `count` from `first` on.
    pub fn cancel_lines(&mut self, first: WaiterId, count: u64) {
        let clients = (first.get()..first.get() + count).map(WaiterId::new);
        clients.for_each(|waiter| self.checker.canceled(waiter));
        self.step_master(LeaderInput::CancelSeries { first, count }.into());
        self.drain(None);
    }

    /// Appends to the log of the master a batch that it admitted.
    fn store(
        &mut self,
        waiter: WaiterId,
        wait: AckWait,
        batch: &Batch,
        key: Option<&IdempotencyKey>,
    ) {
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let id = master.log.writer.append(self.now.as_millis() as u64, key, batch);
        assert_eq!(id.get(), wait.id);
        self.checker.accepted(waiter, wait, batch, key);
        for (at, text) in batch.iter().enumerate() {
            let (text, id) = (shortened(text), id.get() + at as u64);
            self.note(&format!("sender {waiter}: {text} becomes id={id}"));
        }
        self.sync(None);
        self.drain(None);
    }

    /// Waits for a stored message.
    ///
    /// # Errors
    /// When the master refuses that.
    pub fn wait(&mut self, id: MessageId, wait: Wait) -> Result<WaiterId, Refusal> {
        let waiter = WaiterId::new(self.client_numbers.next());
        let (now, wanted) = (self.instant(), self.wanted(wait));
        let Some(master) = &mut self.master else { unreachable!("there is always a master") };
        let joined = master.machine.get_mut().join(now, waiter, id, wait);
        joined.inspect_err(|refusal| self.judge_refusal(wanted, None, refusal))?;
        self.waits(waiter, self.ack_wait(id, wanted, wait), "waits again for");
        Ok(waiter)
    }

    /// Notes that a client waits for a stored message.
    fn waits(&mut self, waiter: WaiterId, wait: AckWait, why: &str) {
        self.checker.joined(waiter, wait);
        self.note(&format!("sender {waiter}: {why} id={}", wait.id));
        self.drain(None);
    }

    fn ack_wait(&self, id: MessageId, nodes: u64, wait: Wait) -> AckWait {
        AckWait { id: id.get(), nodes, since: self.now, timeout: wait.timeout }
    }

    /// Cancels a wait: its client hung up.
    pub fn cancel(&mut self, waiter: WaiterId) {
        self.checker.canceled(waiter);
        self.step_master(LeaderInput::Cancel(waiter).into());
        self.drain(None);
    }

    /// Makes the master forget a secondary.
    ///
    /// # Errors
    /// When the master refuses that, with its reason.
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

    /// Begins the stop of the master: it answers clients as soon as their messages are durable.
    pub fn shut_down_master(&mut self) {
        self.stop_master(Input::Shutdown);
    }

    /// Ends the stop of the master: it answers all clients at once.
    pub fn give_up_master(&mut self) {
        self.stop_master(LeaderInput::GiveUp.into());
    }

    fn stop_master(&mut self, input: Input<LeaderInput>) {
        self.stopping = true;
        self.step_master(input);
        self.drain(None);
    }

    /// Checks the response to a client, and keeps it for [`Cluster::take_answers`] if that was
    /// asked for.
    ///
    /// # Panics
    /// When the response is not true.
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
            let reported = self.positions.of(name);
            let has_acked = reported.is_some_and(|end| receipt.id.end() <= end);
            assert!(has_acked, "{name} reported {reported:?}: {receipt:?}");
        }
        let nodes: Vec<_> = receipt.acked_by.iter().map(NodeName::as_str).collect();
        let (id, w, nodes) = (receipt.id, receipt.write_concern, nodes.join(", "));
        let replayed = if receipt.replayed { " (replayed)" } else { "" };
        let line = format!("sender {waiter}: {what}, id={id} w={w} acked by [{nodes}]{replayed}");
        self.note(&line);
    }
}

/// Shortens a text for a trace: the beginning of a long one, and its length.
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
