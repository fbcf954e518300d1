//! The handling of clients' commands by a master's core task.

use std::time::Instant;

use acklog_protocol::{
    Admission, AppendRequest, FirstUse, LeaderInput, Machine, Outcome, Refusal, Wait,
};
use acklog_types::{Batch, IdRange, IdempotencyKey, MESSAGE_TARGET, MessageId, WaiterId};
use tracing::{Level, debug, enabled};

use super::comparisons::{Compared, compare, log_replay};
use super::large_appends::{LargeAppend, RECORD_WORK, is_large};
use super::leader::LeaderDriver;
use crate::server::node::completions::Released;
use crate::server::node::driver::Core;
use crate::server::node::line_batch::StreamTurn;
use crate::server::node::{ClientAppend, HashedKey, wall_clock_ms};

/// Bytes of a message that a log line shows.
const PREVIEW_BYTES: usize = 64;

/// Most bytes of the records of a batch that the core task compares itself: it takes less time than
/// passing it to another thread. Larger ones would delay other clients.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;

impl Core<LeaderDriver> {
    /// Passes the result of a comparison to the machine.
    pub(super) fn compared(&mut self, now: Instant, compared: Compared) {
        match compared {
            Compared::Batch { waiter, first, turn, compared } => {
                self.batch_compared(now, waiter, first, turn, compared);
            }
            Compared::Log(session, is_same) => {
                self.role.comparisons.forget_log(session);
                self.machine.step(now, LeaderInput::Compared { session, is_same }.into());
            }
        }
    }

    /// Takes an append, or defers a large one. Returns how much work it was.
    pub(super) fn take_append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: ClientAppend,
    ) -> usize {
        let work = append_work(&append);
        if is_large(work) {
            self.role.large.push(LargeAppend::Single(waiter, append));
            return 0;
        }
        self.role.large.note_small(now);
        self.append(now, waiter, append);
        work
    }

    /// Asks the machine about an append, and carries out its decision.
    pub(super) fn append(&mut self, now: Instant, waiter: WaiterId, append: ClientAppend) {
        let admitted = self.machine.get_mut().append(now, waiter, append_request(&append));
        if let Some((_, refusal)) = self.admitted(now, waiter, append, None, admitted) {
            self.refuse(waiter, refusal);
        }
    }

    /// Asks the machine about a line that is no plain one, in a turn of its stream, and carries out
    /// its decision. Returns the append where it is refused, and why.
    pub(super) fn append_line(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: ClientAppend,
        turn: &StreamTurn,
    ) -> Option<(ClientAppend, Refusal)> {
        let admitted = self.machine.get_mut().append_line(now, waiter, append_request(&append));
        self.admitted(now, waiter, append, Some(turn), admitted)
    }

    /// Carries out the machine's decision about a batch. A comparison is done at once where the
    /// stored batch is in memory and small. Returns the batch where it is refused, and why.
    fn admitted(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: ClientAppend,
        turn: Option<&StreamTurn>,
        mut admitted: Result<Admission, Refusal>,
    ) -> Option<(ClientAppend, Refusal)> {
        loop {
            let first = match admitted {
                Ok(Admission::Append(id)) => {
                    self.write(id, &append);
                    return None;
                }
                Ok(Admission::Compare(first)) => first,
                Ok(Admission::Waits) => return None,
                Err(refusal) => return Some((append, refusal)),
            };
            let size = self.reader.size_in_memory(first);
            if size.is_none_or(|bytes| bytes > AT_ONCE_BYTES_MAX) {
                let log = self.reader.clone();
                self.role.comparisons.begin(log, waiter, append, first, turn.cloned());
                return None;
            }
            let found = compare(&self.reader, &append, first);
            log_replay(&append, first, found.as_ref().ok());
            let found = found.map_err(Into::into);
            admitted = self.machine.get_mut().key_compared(now, waiter, found);
        }
    }

    /// Passes the result of a comparison on another thread to the machine.
    pub(super) fn batch_compared(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        first: MessageId,
        turn: Option<StreamTurn>,
        compared: Result<(ClientAppend, FirstUse), acklog_log::ReadError>,
    ) {
        match compared {
            Ok((append, first_use)) => {
                log_replay(&append, first, Some(&first_use));
                let admitted = self.machine.get_mut().key_compared(now, waiter, Ok(first_use));
                let refused = self.admitted(now, waiter, append, turn.as_ref(), admitted);
                match (refused, turn) {
                    (Some((append, refusal)), Some(turn)) => {
                        self.refuse_compared(waiter, append, turn, refusal);
                    }
                    (Some((_, refusal)), None) => self.refuse(waiter, refusal),
                    (None, _) => {}
                }
            }
            Err(error) => {
                let decided = self.machine.get_mut().key_compared(now, waiter, Err(error.into()));
                if let Err(refusal) = decided {
                    self.refuse(waiter, refusal);
                }
            }
        }
    }

    /// Appends a batch that was admitted.
    fn write(&mut self, id: MessageId, append: &ClientAppend) {
        let accepted_ms = *self.role.accepted_ms.get_or_insert_with(wall_clock_ms);
        let (key, batch) = (append.key.as_deref().map(HashedKey::key), &append.batch);
        let appended = self.writer.append(accepted_ms, key, batch);
        assert_eq!(appended, id, "the log is the machine's");
        self.appended = true;
        let key = key.map(IdempotencyKey::as_str);
        let text = preview(batch.iter().next().unwrap_or_default());
        match batch.len() {
            1 => debug!(target: MESSAGE_TARGET, %id, key, text, "accepted a message"),
            messages => {
                let id = IdRange::new(id.before(), id.before().plus(messages as u64));
                debug!(target: MESSAGE_TARGET, %id, key, text, "accepted a batch");
            }
        }
    }

    /// Appends messages that were admitted, each on its own.
    pub(super) fn write_each(&mut self, id: MessageId, messages: &Batch) {
        let accepted_ms = *self.role.accepted_ms.get_or_insert_with(wall_clock_ms);
        let appended = self.writer.append_each(accepted_ms, messages);
        assert_eq!(appended, id, "the log is the machine's");
        self.appended = true;
        if enabled!(target: MESSAGE_TARGET, Level::DEBUG) {
            for (n, text) in messages.iter().enumerate() {
                let id = id.before().plus(n as u64).next_id();
                debug!(target: MESSAGE_TARGET, %id, text = preview(text), "accepted a message");
            }
        }
    }

    /// Lets a client wait for a stored message.
    pub(super) fn join(&mut self, now: Instant, waiter: WaiterId, id: MessageId, wait: Wait) {
        if let Err(refusal) = self.machine.get_mut().join(now, waiter, id, wait) {
            self.refuse(waiter, refusal);
        }
    }

    fn refuse(&mut self, waiter: WaiterId, refusal: Refusal) {
        self.refuse_series(waiter, 1, refusal);
    }

    /// Refuses the clients of `count` lines, from this one on.
    pub(super) fn refuse_series(&mut self, waiter: WaiterId, count: u64, refusal: Refusal) {
        debug!(%refusal, count, "refused a sender");
        self.role.completions.push(Released { waiter, count, outcome: Outcome::Refused(refusal) });
    }
}

/// Returns the request to the machine for an append.
pub(super) fn append_request(append: &ClientAppend) -> AppendRequest {
    AppendRequest {
        wait: append.wait,
        key: append.key.as_ref().map(|key| key.hash),
        expected_end: append.expected_end,
        messages: append.batch.len() as u64,
        bytes: append.record_bytes(),
    }
}

/// Returns how much work an append is for the core task, in bytes that take as long to copy.
pub(super) fn append_work(append: &ClientAppend) -> usize {
    append.record_bytes() + RECORD_WORK * append.batch.len()
}

/// Returns the beginning of a message, for a log line.
fn preview(text: &str) -> &str {
    let end = text.floor_char_boundary(PREVIEW_BYTES);
    text.get(..end).unwrap_or_default()
}
