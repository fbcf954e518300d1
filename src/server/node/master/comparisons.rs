//! Comparisons that read the log's files: of a retried batch with the one stored under its
//! idempotency key, and of a secondary's log with this one.
//!
//! The machine asks for them, and gets the result. Small batches in memory are compared at once.
//! Anything else is read and compared here, on a thread that may wait, so that neither the disk nor
//! a batch of megabytes delays the core task. Only the client or the secondary concerned waits
//! meanwhile.

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

use crate::server::node::line_batch::StreamTurn;
use crate::server::node::{ClientAppend, HashedKey};

/// Most threads that compare. More would take the processor from those that serve new messages; one
/// alone would let a single read that hangs delay all others.
const THREADS_MAX: usize = 2;

/// The comparisons in progress.
#[derive(Debug)]
pub(super) struct Comparisons {
    threads: ThreadPool,
    /// Threads of their own, so that secondaries and clients never wait for each other.
    log_threads: ThreadPool,
    logs: BTreeMap<SessionId, AbortHandle>,
    done: mpsc::UnboundedSender<Compared>,
    tasks: TaskTracker,
}

/// The result of a comparison.
#[derive(Debug)]
pub(super) enum Compared {
    /// The client's append, and how the batch that begins with `first` relates to it.
    Batch {
        waiter: WaiterId,
        first: MessageId,
        /// The turn of its stream, where it is a line of one.
        turn: Option<StreamTurn>,
        compared: Result<(ClientAppend, FirstUse), ReadError>,
    },
    /// Whether a secondary's log is the same as this one.
    Log(SessionId, Result<bool, Unreadable>),
}

impl Comparisons {
    /// Creates an idle set, and the receiver of the results: at most one for each client.
    pub(super) fn new(tasks: TaskTracker) -> (Self, mpsc::UnboundedReceiver<Compared>) {
        let (done, results) = mpsc::unbounded_channel();
        let [threads, log_threads] =
            ["keys", "handshakes"].map(|n| ThreadPool::new(n, THREADS_MAX));
        (Self { threads, log_threads, logs: BTreeMap::new(), done, tasks }, results)
    }

    /// Starts to compare a client's batch with the one that begins with `first`. The turn of its
    /// stream, where it is a line of one, is held meanwhile.
    pub(super) fn begin(
        &self,
        log: LogReader,
        waiter: WaiterId,
        append: ClientAppend,
        first: MessageId,
        turn: Option<StreamTurn>,
    ) {
        let compared = self
            .threads
            .run(move || compare(&log, &append, first).map(|first_use| (append, first_use)));
        let done = self.done.clone();
        self.tasks.spawn(async move {
            let compared =
                compared.await.unwrap_or_else(|no_thread: NoThread| Err(no_thread.into()));
            // Fails when the node has stopped.
            let _ = done.send(Compared::Batch { waiter, first, turn, compared });
        });
    }

    /// Starts to compare a secondary's log with this one, as [`LogReader::compare_below`] does.
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

    /// Cancels the comparison for a connection that is gone, if it has not begun.
    pub(super) fn forget_log(&mut self, session: SessionId) {
        if let Some(task) = self.logs.remove(&session) {
            task.abort();
        }
    }
}

/// Compares a client's batch with the one that begins with `first`.
pub(super) fn compare(
    log: &LogReader,
    append: &ClientAppend,
    first: MessageId,
) -> Result<FirstUse, ReadError> {
    let records = log.read_appended(first)?;
    let key = append.key.as_deref().map(HashedKey::key);
    Ok(key.map_or(FirstUse::OtherKey, |key| FirstUse::of(&records, key, &append.batch)))
}

/// Logs that a batch was stored before.
pub(super) fn log_replay(append: &ClientAppend, first: MessageId, first_use: Option<&FirstUse>) {
    if first_use == Some(&FirstUse::SameMessage) {
        let key = append.key.as_deref().map(HashedKey::key).map(IdempotencyKey::as_str);
        debug!(target: MESSAGE_TARGET, id = %first, key, "sent before, under the same key");
    }
}
