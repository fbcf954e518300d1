//! Comparisons that read the log's files: of what a sender sends again with the batch that has its
//! idempotency key, and of a secondary's log with this one.
//!
//! The machine asks for them, and is told the result. What is in memory and small is compared at once. Anything else is
//! read and compared here, on a thread that may wait, so that neither the disk nor a batch of megabytes holds up the
//! core task. The sender or the secondary waits meanwhile; nobody else does.

use std::collections::BTreeMap;

use acklog_log::{LogReader, ReadError};
use acklog_protocol::FirstUse;
use acklog_threads::{NoThread, ThreadPool};
use acklog_types::{
    Checksum, IdempotencyKey, LogEnd, MESSAGE_TARGET, MessageId, SessionId, Unreadable, WaiterId,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::server::node::{ClientAppend, SenderKey};

/// Threads that compare, at most. More would take the processor from those that send something new;
/// one alone would let a single read that hangs hold up all others.
const THREADS_MAX: usize = 2;

/// The comparisons under way.
#[derive(Debug)]
pub(super) struct Comparisons {
    threads: ThreadPool,
    /// Of their own, so that secondaries and senders never wait for each other.
    log_threads: ThreadPool,
    logs: BTreeMap<SessionId, AbortHandle>,
    done: mpsc::UnboundedSender<Compared>,
    tasks: TaskTracker,
}

/// A comparison that is done.
#[derive(Debug)]
pub(super) enum Compared {
    /// What a sender sends, and what the batch that begins with `first` is to it.
    Batch {
        waiter: WaiterId,
        first: MessageId,
        compared: Result<(ClientAppend, FirstUse), ReadError>,
    },
    /// Whether a secondary's log is the same as this one.
    Log(SessionId, Result<bool, Unreadable>),
}

impl Comparisons {
    /// Returns one in which nothing is compared, and where results come out: at most one for each sender.
    pub(super) fn new(tasks: TaskTracker) -> (Self, mpsc::UnboundedReceiver<Compared>) {
        let (done, results) = mpsc::unbounded_channel();
        let [threads, log_threads] =
            ["keys", "handshakes"].map(|n| ThreadPool::new(n, THREADS_MAX));
        (Self { threads, log_threads, logs: BTreeMap::new(), done, tasks }, results)
    }

    /// Compares a sender's batch with the one that begins with `first`.
    pub(super) fn begin(
        &self,
        log: LogReader,
        waiter: WaiterId,
        append: ClientAppend,
        first: MessageId,
    ) {
        let compared = self
            .threads
            .run(move || compare(&log, &append, first).map(|first_use| (append, first_use)));
        let done = self.done.clone();
        self.tasks.spawn(async move {
            let compared =
                compared.await.unwrap_or_else(|no_thread: NoThread| Err(no_thread.into()));
            // Fails when the node has stopped.
            let _ = done.send(Compared::Batch { waiter, first, compared });
        });
    }

    /// Compares a secondary's log with this one, as [`LogReader::compare_below`].
    pub(super) fn begin_log(
        &mut self,
        log: LogReader,
        session: SessionId,
        end: LogEnd,
        told: Checksum,
    ) {
        let compared = self.log_threads.run(move || log.compare_below(end, told));
        let done = self.done.clone();
        let task = self.tasks.spawn(async move {
            let is_same = compared.await.unwrap_or_else(|no_thread| Err(no_thread.into()));
            let is_same = is_same.map_err(|error| {
                warn!(%session, %end, %error, "a secondary's log cannot be compared");
                Unreadable::from(&error)
            });
            let _ = done.send(Compared::Log(session, is_same));
        });
        self.logs.insert(session, task.abort_handle());
    }

    /// Forgets a connection that is gone: what was not begun for it is not done.
    pub(super) fn forget_log(&mut self, session: SessionId) {
        if let Some(task) = self.logs.remove(&session) {
            task.abort();
        }
    }
}

/// Compares a sender's batch with the one that begins with `first`.
pub(super) fn compare(
    log: &LogReader,
    append: &ClientAppend,
    first: MessageId,
) -> Result<FirstUse, ReadError> {
    let records = log.read_appended(first)?;
    let key = append.key.as_deref().map(SenderKey::key);
    Ok(key.map_or(FirstUse::OtherKey, |key| FirstUse::of(&records, key, &append.batch)))
}

/// Logs that a batch is there already.
pub(super) fn log_replay(append: &ClientAppend, first: MessageId, first_use: Option<&FirstUse>) {
    if first_use == Some(&FirstUse::SameMessage) {
        let key = append.key.as_deref().map(SenderKey::key).map(IdempotencyKey::as_str);
        debug!(target: MESSAGE_TARGET, id = %first, key, "sent before, under the same key");
    }
}
