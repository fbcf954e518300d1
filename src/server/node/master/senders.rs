//! What senders ask of a master's core task.

use std::time::Instant;

use acklog_protocol::{Outcome, Refusal, Wait};
use acklog_types::{Batch, IdRange, IdempotencyKey, MESSAGE_TARGET, MessageId, WaiterId};
use tracing::debug;

use super::task::Core;
use crate::server::node::Append;

/// Bytes of a message that a log line shows.
const PREVIEW_BYTES: usize = 64;

/// Most bytes of messages that wait for the disk. Less would refuse bursts that a disk takes within a second; more
/// would hold memory, and senders in doubt, for a disk that hangs.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Core {
    /// Takes an append: lets its sender join the batch that has its key, or wait until it is known
    /// whether one has it, or appends it. Returns whether something was appended.
    pub(super) fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: Append,
        accepted_ms: u64,
    ) -> bool {
        match self.find_first(now, waiter, append, None) {
            Some(append) => self.append_new(now, waiter, append, accepted_ms),
            None => false,
        }
    }

    /// Appends a batch that is not there yet. Returns whether it was taken.
    pub(super) fn append_new(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: Append,
        accepted_ms: u64,
    ) -> bool {
        let Append { batch, key, wait, share: _ } = &append;
        let bytes = self.writer.backlog_bytes();
        let accepted = if bytes > BACKLOG_BYTES_MAX {
            Err(Refusal::DiskBehind { bytes })
        } else {
            let hash = key.as_ref().map(|key| key.hash);
            self.machine.append(now, waiter, *wait, hash, batch.len() as u64)
        };
        match accepted {
            Ok(id) => {
                let key = key.as_ref().map(|key| &key.key);
                let appended = self.writer.append(accepted_ms, key, batch);
                assert_eq!(appended, id, "the log is the machine's");
                let key = key.map(IdempotencyKey::as_str);
                let text = preview(batch);
                match batch.len() {
                    1 => debug!(target: MESSAGE_TARGET, %id, key, text, "accepted a message"),
                    messages => {
                        let id = IdRange::new(id.before(), id.before().plus(messages as u64));
                        debug!(target: MESSAGE_TARGET, %id, key, text, "accepted a batch");
                    }
                }
                true
            }
            Err(refusal) => {
                self.refuse(waiter, refusal);
                false
            }
        }
    }

    /// Lets a sender wait for a message that is there.
    pub(super) fn join(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        id: MessageId,
        wait: Wait,
        is_replay: bool,
    ) {
        if let Err(refusal) = self.machine.join(now, waiter, id, wait, is_replay) {
            self.refuse(waiter, refusal);
        }
    }

    pub(super) fn refuse(&mut self, waiter: WaiterId, refusal: Refusal) {
        debug!(%refusal, "refused a sender");
        self.releases.push(waiter, Outcome::Refused(refusal));
    }
}

/// The beginning of the first message, for a log line.
fn preview(batch: &Batch) -> &str {
    let text = batch.iter().next().unwrap_or_default();
    let end = text.floor_char_boundary(PREVIEW_BYTES);
    text.get(..end).unwrap_or_default()
}
