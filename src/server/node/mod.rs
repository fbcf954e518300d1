//! A running node: the driver around the state machines of [`acklog_protocol`].
//!
//! Each node has one *core task*, an event loop. It owns the state machine, the writing end of the
//! log and the sessions. In each iteration it takes everything that waits in its queues, steps the
//! machine through it, flushes the log once, and carries out the effects: that is how batches arise
//! automatically. It holds the node's only timer, and it never waits for a session or an HTTP
//! thread.
//!
//! HTTP talks to it through cloneable handles, and receives outcomes in batches: see [`Appender`].
//! What the node does is told to any number of listeners: see [`EventHub`].

mod appender;
mod commands;
mod completions;
mod driver;
mod events;
mod faults;
mod line_appender;
mod line_batch;
mod log_watch;
mod master;
mod measures;
mod peer_place;
mod protocol_log;
mod read_positions;
mod secondary;
mod sessions;
mod timer;

use std::time::Instant;

use acklog_protocol::Wait;
use acklog_types::{Batch, IdempotencyKey, KeyHash, LogEnd, Share, record_bytes};
pub use appender::{Appender, NoOutcome};
pub use events::{EventHub, EventItem, EventListener, Heard, ITEMS_MAX, KeptEvent};
pub use faults::NodeFaults;
pub use line_appender::{LineAppender, LineOutcome, LineOutcomes};
#[cfg(test)]
pub(super) use master::tests::options as options_of_tests;
pub use master::{MasterHandle, start_master};
pub use measures::{MasterMeasures, SecondaryMeasures};
pub use peer_place::PeerPlace;
pub use read_positions::{ReadLevel, ReadPositions, ReaderThread, WakeUp};
pub use secondary::{MasterAddress, SecondaryHandle, start_secondary};
use thiserror::Error;

use crate::contract::wall_clock_us;

/// Most events or commands handled in one event-loop iteration: more would delay the effects of the
/// first ones.
const ITERATION_EVENTS_MAX: usize = 256;

/// Capacity of each of a core task's queues: one iteration's worth, so that the next one is ready
/// when an iteration ends. A sender that finds it full waits.
const MAILBOX: usize = ITERATION_EVENTS_MAX;

/// The error of a request to a node whose core task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct NodeStopped;

/// A batch to append, as a client submits it; most have a single message.
#[derive(Debug)]
pub struct ClientAppend {
    /// The messages; each at most `--max-message-bytes`, and the records of several together at
    /// most [`BATCH_BYTES_MAX`](acklog_types::BATCH_BYTES_MAX), checked by the caller.
    pub batch: Batch,
    /// The client's idempotency key for the batch; none where it gave none. Boxed, since most have
    /// none.
    pub key: Option<Box<HashedKey>>,
    /// The end that the log must have for the batch to be taken; none if any will do.
    pub expected_end: Option<LogEnd>,
    /// The write concern and timeout that the client asked for.
    pub wait: Wait,
    /// The memory that the batch is charged for, until the core task has taken it.
    pub share: Option<Share>,
}

impl ClientAppend {
    /// Returns the size of its records, in bytes.
    fn record_bytes(&self) -> usize {
        record_bytes(self.key.as_deref().map(HashedKey::key), &self.batch)
    }
}

/// An idempotency key with its hash, which is computed on the HTTP thread: the core task has no
/// time for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedKey {
    key: IdempotencyKey,
    hash: KeyHash,
}

impl HashedKey {
    /// Returns the key itself.
    pub(crate) fn key(&self) -> &IdempotencyKey {
        &self.key
    }
}

impl From<IdempotencyKey> for HashedKey {
    fn from(key: IdempotencyKey) -> Self {
        Self { hash: KeyHash::of(key.as_str()), key }
    }
}

/// Returns the time, as the state machines take it. Tokio's clock, so that tests may pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the wall-clock time of a moment that is past, in milliseconds since 1970; 0 for a clock
/// before that.
pub fn wall_clock_ms_at(past: Instant) -> u64 {
    let age = now().saturating_duration_since(past);
    wall_clock_ms().saturating_sub(age.as_millis() as u64)
}

/// Returns milliseconds since 1970; 0 for a clock before that.
fn wall_clock_ms() -> u64 {
    wall_clock_us() / 1000
}
