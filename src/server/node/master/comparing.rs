//! Comparisons that read the log's files: of what a sender sends again with the batch that has its
//! idempotency key, and of a secondary's log with this one.
//!
//! What is in memory and small is compared at once. Anything else is read and compared on a thread
//! that may wait, so that neither the disk nor a batch of megabytes holds up the core task. The
//! sender or the secondary waits meanwhile; nobody else does.

use std::collections::BTreeMap;
use std::time::Instant;

use acklog_log::{LogReader, ReadError};
use acklog_protocol::{FirstUse, Input, Outcome, Receipt, Refusal, Wait};
use acklog_threads::{NoThread, ThreadPool};
use acklog_types::Unreadable;
use acklog_types::{
    Checksum, DiskFault, IdempotencyKey, LogEnd, MESSAGE_TARGET, MessageId, SessionId, WaiterId,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::task::Core;
use crate::server::node::{Append, SenderKey};

/// Threads that compare, at most. More would take the processor from those that send something new;
/// one alone would let a single read that hangs hold up all others.
const THREADS_MAX: usize = 2;

/// Bytes of the records of a batch that is compared by the core task itself, at most: it takes less
/// time than handing it over. Larger ones would be felt by other senders.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// The senders whose batches are being compared, and the secondaries whose logs are.
#[derive(Debug)]
pub(super) struct Comparing {
    threads: ThreadPool,
    /// Of their own, so that secondaries and senders never wait for each other.
    log_threads: ThreadPool,
    logs: BTreeMap<SessionId, AbortHandle>,
    senders: BTreeMap<WaiterId, Pending>,
    done: mpsc::UnboundedSender<Compared>,
    tasks: TaskTracker,
}

/// A sender that waits for a comparison.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The first message of the batch that has its key.
    first: MessageId,
    since: Instant,
    /// When the sender stops waiting; none: never.
    deadline: Option<Instant>,
    wait: Wait,
}

/// A comparison that is done.
#[derive(Debug)]
pub(super) enum Compared {
    /// What a sender sends, and what the batch that is there is to it.
    Batch(WaiterId, Result<(Append, FirstUse), ReadError>),
    /// Whether a secondary's log is the same as this one.
    Log(SessionId, Result<bool, Unreadable>),
}

impl Comparing {
    /// Returns one in which nobody waits, and where results come out: at most one for each sender.
    pub(super) fn new(tasks: TaskTracker) -> (Self, mpsc::UnboundedReceiver<Compared>) {
        let (done, results) = mpsc::unbounded_channel();
        let [threads, log_threads] =
            ["keys", "handshakes"].map(|n| ThreadPool::new(n, THREADS_MAX));
        let (logs, senders) = (BTreeMap::new(), BTreeMap::new());
        (Self { threads, log_threads, logs, senders, done, tasks }, results)
    }

    /// Returns whether no sender waits.
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Returns when the next sender's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.senders.values().filter_map(|pending| pending.deadline).min()
    }

    /// Forgets a sender that hung up. Returns whether it waited here.
    pub(super) fn cancel(&mut self, waiter: WaiterId) -> bool {
        self.senders.remove(&waiter).is_some()
    }

    fn begin(
        &mut self,
        now: Instant,
        log: LogReader,
        waiter: WaiterId,
        append: Append,
        first: MessageId,
    ) {
        let deadline = append.wait.timeout.and_then(|timeout| now.checked_add(timeout));
        let wait = append.wait;
        self.senders.insert(waiter, Pending { first, since: now, deadline, wait });
        let compared = self.threads.run(move || compare(&log, append, first));
        let done = self.done.clone();
        self.tasks.spawn(async move {
            let result = compared.await.unwrap_or_else(|no_thread: NoThread| Err(no_thread.into()));
            // Fails when the node has stopped.
            let _ = done.send(Compared::Batch(waiter, result));
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

    fn take_due(&mut self, now: Instant) -> Vec<(WaiterId, Pending)> {
        let is_due = |pending: &Pending| pending.deadline.is_some_and(|deadline| deadline <= now);
        self.senders.extract_if(.., |_, pending| is_due(pending)).collect()
    }
}

fn compare(
    log: &LogReader,
    append: Append,
    first: MessageId,
) -> Result<(Append, FirstUse), ReadError> {
    let records = log.read_appended(first)?;
    let key = append.key.as_deref().map(SenderKey::key);
    let first_use =
        key.map_or(FirstUse::OtherKey, |key| FirstUse::of(&records, key, &append.batch));
    Ok((append, first_use))
}

impl Core {
    /// Closes a session, and forgets what was to be found out for it.
    pub(super) fn hang_up(&mut self, session: SessionId) {
        self.sessions.close(session);
        self.comparing.forget_log(session);
    }

    /// Lets a sender with a key join the batch that has it, refuses it, or lets it wait until that
    /// is known. Returns what it sends where no batch has the key, so that it is to be appended.
    ///
    /// `compared` names the batch that is known to have another key of the same hash.
    pub(super) fn find_first(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: Append,
        compared: Option<MessageId>,
    ) -> Option<Append> {
        let Some(key) = &append.key else { return Some(append) };
        let first = self.machine.find_key(key.hash).filter(|&first| Some(first) != compared);
        let Some(first) = first else { return Some(append) };
        let size = self.reader.size_in_memory(first);
        if size.is_none_or(|bytes| bytes > AT_ONCE_BYTES_MAX) {
            self.comparing.begin(now, self.reader.clone(), waiter, append, first);
            return None;
        }
        let wait = append.wait;
        match compare(&self.reader, append, first) {
            Ok((append, FirstUse::OtherKey)) => return Some(append),
            Ok((append, first_use)) => self.settle(now, waiter, &append, first, first_use),
            Err(error) => self.answer_unread(waiter, first, wait, error),
        }
        None
    }

    /// A comparison is done. Returns whether something was appended.
    pub(super) fn compared(&mut self, now: Instant, compared: Compared, accepted_ms: u64) -> bool {
        let (waiter, result) = match compared {
            Compared::Batch(waiter, result) => (waiter, result),
            Compared::Log(session, is_same) => {
                self.comparing.logs.remove(&session);
                self.machine.step(now, Input::Compared { session, is_same });
                return false;
            }
        };
        let Some(Pending { first, wait, since, .. }) = self.comparing.senders.remove(&waiter)
        else {
            debug!(%waiter, "a comparison is done, and its sender no longer waits");
            return false;
        };
        let (mut append, first_use) = match result {
            Ok(compared) => compared,
            Err(error) => {
                self.answer_unread(waiter, first, wait, error);
                return false;
            }
        };
        let waited = now.saturating_duration_since(since);
        append.wait.timeout = append.wait.timeout.map(|timeout| timeout.saturating_sub(waited));
        if first_use == FirstUse::OtherKey {
            // Meanwhile a batch with the sender's own key may have come.
            return match self.find_first(now, waiter, append, Some(first)) {
                Some(append) => self.append_new(now, waiter, append, accepted_ms),
                None => false,
            };
        }
        self.settle(now, waiter, &append, first, first_use);
        false
    }

    fn settle(
        &mut self,
        now: Instant,
        waiter: WaiterId,
        append: &Append,
        first: MessageId,
        first_use: FirstUse,
    ) {
        if first_use == FirstUse::OtherMessage {
            return self.refuse(waiter, Refusal::KeyReused { first });
        }
        let key = append.key.as_deref().map(SenderKey::key).map(IdempotencyKey::as_str);
        debug!(target: MESSAGE_TARGET, id = %first, key, "sent before, under the same key");
        let Wait { write_concern, timeout } = append.wait;
        self.join(now, waiter, first, Wait { write_concern, timeout }, true);
    }

    /// Answers the senders whose own time is up before the comparison was done.
    pub(super) fn expire_comparing(&mut self, now: Instant) {
        for (waiter, pending) in self.comparing.take_due(now) {
            self.answer_uncompared(waiter, pending.first, pending.wait, Outcome::TimedOut);
        }
    }

    /// Answers the senders whose comparison is not done: the node stops now.
    pub(super) fn give_up_comparing(&mut self) {
        for (waiter, pending) in std::mem::take(&mut self.comparing.senders) {
            self.answer_uncompared(waiter, pending.first, pending.wait, Outcome::ShuttingDown);
        }
    }

    /// Answers a sender that its message may be the one that has its key: that is not known.
    fn answer_uncompared(
        &mut self,
        waiter: WaiterId,
        first: MessageId,
        wait: Wait,
        outcome: impl FnOnce(Receipt) -> Outcome,
    ) {
        match self.machine.receipt_of_unknown(first, wait) {
            Ok(receipt) => self.releases.push(waiter, outcome(receipt)),
            Err(refusal) => self.refuse(waiter, refusal),
        }
    }

    /// Answers a sender that the message which has its key cannot be read: for the moment, or since it is damaged.
    fn answer_unread(&mut self, waiter: WaiterId, first: MessageId, wait: Wait, error: ReadError) {
        match error {
            ReadError::Passing { detail } => {
                let fault = DiskFault::Stalled { detail };
                let failed = |receipt| Outcome::DiskFailed(receipt, fault);
                self.answer_uncompared(waiter, first, wait, failed);
            }
            ReadError::Damaged { detail, .. } => {
                self.refuse(waiter, Refusal::KeyUnreadable { first, detail });
            }
        }
    }
}
