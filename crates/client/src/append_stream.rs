//! Many appends over one connection, each answered by itself.

mod connection;
mod entry;
mod in_flight;
mod sending;
mod waiting;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use acklog_api::{AppendLine, AppendRequest, Appended, Outcome};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use self::entry::StreamedAppend;
use self::sending::Sending;
use crate::endpoint::Dial;
use crate::error::{Cause, Error};
use crate::options::AppendOptions;
use crate::retry::DEADLINE;

/// Most bytes that wait for their answers. Less: a large message holds up others. More: a program
/// whose node hangs takes more memory.
const WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Bytes that an append counts for on top of its line, so that at most 8,192 wait at once: half of
/// what a node takes before it stops reading. Fewer bytes: memory beyond the window. More: a node
/// far away waits for the next lines.
const APPEND_BYTES: u32 = 2048;

/// The options of a stream of appends.
#[derive(Clone, Copy, Debug)]
pub struct AppendStreamOptions {
    /// Longest wait of each append for its answer, attempts together; none: as long as it takes.
    pub timeout: Option<Duration>,
    /// Whether an append that is refused for now, or timed out at the node, is sent again until its
    /// time has passed. It then stands behind others in the log that were sent after it. What was
    /// not answered when a connection broke is always sent again. Without these repetitions the
    /// request ends as soon as everything is sent and the stream is finished, not with the last
    /// answer: proxies that hold answers back then pass them on.
    pub retries: bool,
    /// Longest time without a node that takes the stream. After it, what waits fails. Where all
    /// nodes refuse the stream for good and none took it before, it fails at once.
    pub patience: Duration,
}

impl Default for AppendStreamOptions {
    fn default() -> Self {
        Self { timeout: Some(DEADLINE), retries: true, patience: DEADLINE }
    }
}

/// A stream of appends over one connection. Made by
/// [`Client::append_stream`](crate::Client::append_stream).
///
/// Ids grow in the order in which messages are sent. Each has a key, so that what was not answered
/// when a connection broke is sent again, to the next node if need be, and is stored once.
///
/// [`AppendStream::finish`] waits for all answers. Dropping the stream ends the connection at once:
/// what was not answered may be in the log.
#[derive(Debug)]
pub struct AppendStream {
    appends: mpsc::UnboundedSender<StreamedAppend>,
    /// Room for bytes that wait for their answers.
    window: Arc<Semaphore>,
    /// The beginning of the keys that are drawn.
    key_prefix: u64,
    next: AtomicU64,
    timeout: Option<Duration>,
    task: AbortOnDropHandle<()>,
}

/// The answer to one append of a stream, which comes later.
#[derive(Debug)]
#[must_use = "the answer says whether the message is in the log"]
pub struct PendingAppend {
    answer: oneshot::Receiver<Result<Appended, Error>>,
}

impl AppendStream {
    /// Begins a stream; the first append connects.
    pub(crate) fn new<D: Dial>(targets: Vec<D>, options: AppendStreamOptions) -> Self {
        let (appends, queue) = mpsc::unbounded_channel();
        let task = tokio::spawn(Sending::new(targets, options, queue).run());
        Self {
            appends,
            window: Arc::new(Semaphore::new(WINDOW_BYTES as usize)),
            key_prefix: rand::random(),
            next: AtomicU64::new(0),
            timeout: options.timeout,
            task: AbortOnDropHandle::new(task),
        }
    }

    /// Sends a message. Waits while too much waits for its answers. Cancel safe: what was not
    /// returned was not sent.
    ///
    /// # Errors
    /// When the stream has failed.
    pub async fn send(&self, text: &str, options: &AppendOptions) -> Result<PendingAppend, Error> {
        self.send_request(AppendRequest::message(text), options).await
    }

    /// Sends messages that get consecutive ids, together or not at all. As [`AppendStream::send`].
    ///
    /// # Errors
    /// As [`AppendStream::send`].
    pub async fn send_batch(
        &self,
        texts: &[String],
        options: &AppendOptions,
    ) -> Result<PendingAppend, Error> {
        self.send_request(AppendRequest::batch(texts), options).await
    }

    /// Waits until everything that was sent is answered, and ends the connection.
    pub async fn finish(self) {
        let Self { appends, task, .. } = self;
        drop(appends);
        // It ends by itself, or with the runtime.
        let _ = task.await;
    }

    async fn send_request(
        &self,
        request: AppendRequest<'_>,
        options: &AppendOptions,
    ) -> Result<PendingAppend, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = match &options.key {
            Some(key) => key.as_str().into(),
            None => format!("{:016x}-{number}", self.key_prefix).into(),
        };
        let request = options.applied_to(request);
        let line = entry::unfinished(&AppendLine { request, key: Some(key) });
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX).saturating_add(APPEND_BYTES);
        let room = Arc::clone(&self.window).acquire_many_owned(bytes.min(WINDOW_BYTES)).await;
        let room = room.map_err(|_| gone())?;
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let (sender, answer) = oneshot::channel();
        let append = StreamedAppend::new(number, line, deadline, sender, room);
        self.appends.send(append).map_err(|_| gone())?;
        Ok(PendingAppend { answer })
    }
}

impl Future for PendingAppend {
    type Output = Result<Appended, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = Pin::new(&mut self.answer).poll(context);
        answered.map(|answer| answer.unwrap_or_else(|_| Err(gone())))
    }
}

/// Returns the error of an append whose stream was dropped, or whose runtime ended.
fn gone() -> Error {
    Error { cause: Cause::StreamDropped, outcome: Outcome::Unknown }
}

#[cfg(test)]
mod tests;
