//! What senders ask of a master's core task.

use std::time::Instant;

use tracing::debug;

use super::task::Core;
use crate::node::{Append, SenderKey};
use crate::protocol::{FirstUse, Outcome, Refusal, Wait};
use crate::types::{Batch, IdRange, IdempotencyKey, MessageId, WaiterId};

/// Bytes of a message that a log line shows.
const PREVIEW_BYTES: usize = 64;

/// Most bytes of messages that wait for the disk. Less would refuse bursts that a disk takes within a second; more
/// would hold memory, and senders in doubt, for a disk that hangs.
const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Core {
    /// Appends a batch, or lets its sender join the one that has its key. Returns whether something was appended.
    pub(super) fn append(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: &Append,
        accepted_ms: u64,
    ) -> bool {
        let Append { batch, key, wait } = append;
        if let Some(key) = key
            && self.is_known(now, waiter, key, batch, *wait)
        {
            return false;
        }
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
                    1 => debug!(%id, key, text, "accepted a message"),
                    messages => {
                        let id = IdRange::new(id.before(), id.before().plus(messages as u64));
                        debug!(%id, key, text, "accepted a batch");
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

    /// Whether the sender's key is one of the last keyed messages'. Then nothing is appended, and the sender joins that
    /// message or is refused.
    fn is_known(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        key: &SenderKey,
        batch: &Batch,
        wait: Wait,
    ) -> bool {
        let SenderKey { key, hash } = key;
        let Some(first) = self.machine.find_key(*hash) else { return false };
        let records = match self.reader.read_appended(first) {
            Ok(records) => records,
            Err(error) => {
                // The log tells a fault by itself as well.
                let detail = error.to_string();
                self.refuse(waiter, Refusal::KeyUnreadable { first, detail });
                return true;
            }
        };
        match FirstUse::of(&records, key, batch) {
            FirstUse::SameMessage => {
                debug!(id = %first, %key, "sent before, under the same key");
                self.join(now, waiter, first, wait, true);
            }
            FirstUse::OtherMessage => self.refuse(waiter, Refusal::KeyReused { first }),
            FirstUse::OtherKey => return false,
        }
        true
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

    fn refuse(&mut self, waiter: WaiterId, refusal: Refusal) {
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
