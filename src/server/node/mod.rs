//! A node at work: the shell around the state machines of [`acklog_protocol`].
//!
//! Each node has one *core task*. It owns the state machine, the writing end of the log and the sessions, takes all
//! that waits in its mailboxes, lets the machine step through it, flushes the log once, and carries out the effects:
//! that is how batches arise by themselves. It holds the node's only sleep, and it never waits for a session or an HTTP
//! thread.
//!
//! HTTP talks to it through cloneable handles, and is answered in batches: see [`Appender`].

mod alarm;
mod commands;
mod driver;
mod faults;
mod master;
mod news;
mod protocol_log;
mod releases;
mod secondary;
mod sessions;

use std::time::{Instant, SystemTime};

use acklog_protocol::Wait;
use acklog_types::{Batch, IdempotencyKey, KeyHash, Share};
pub use faults::NodeFaults;
pub use master::{MasterHandle, start_master};
pub use releases::{Appender, Unanswered};
pub use secondary::{MasterAddress, SecondaryHandle, start_secondary};
use thiserror::Error;

/// Events or commands taken in one turn of a core task at most: more would delay the effects of the first ones.
const TURN_MAX: usize = 256;

/// Room of each of a core task's mailboxes: a turn's worth, so that the next one is ready when a turn ends. Who finds
/// it full waits.
const MAILBOX: usize = TURN_MAX;

/// The node's core task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// A batch to append; most have a single message.
#[derive(Debug)]
pub struct Append {
    /// The messages; each at most `--max-message-bytes`, and the records of several together at most
    /// [`BATCH_BYTES_MAX`](acklog_types::BATCH_BYTES_MAX), checked by the caller.
    pub batch: Batch,
    /// The sender's name for the batch; none where it does not send it again. Boxed, since most have none.
    pub key: Option<Box<SenderKey>>,
    /// What the sender waits for.
    pub wait: Wait,
    /// The memory that the batch counts for, until the core task has taken it.
    pub share: Option<Share>,
}

/// An idempotency key with its hash, which is made where the sender is served: the core task has no time for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderKey {
    key: IdempotencyKey,
    hash: KeyHash,
}

impl SenderKey {
    /// Returns the key itself.
    pub(crate) fn key(&self) -> &IdempotencyKey {
        &self.key
    }
}

impl From<IdempotencyKey> for SenderKey {
    fn from(key: IdempotencyKey) -> Self {
        Self { hash: KeyHash::of(key.as_str()), key }
    }
}

/// The time, as the state machines take it. Tokio's clock, so that tests may hold it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Milliseconds since 1970; 0 for a clock before that.
fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
