//! The appends of a stream that are on no connection: new ones, and those that are sent again.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::entry::StreamedAppend;
use crate::error::Cause;
use crate::retry::{Failure, RetryPauses};

/// The appends that wait to be sent.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: mpsc::UnboundedReceiver<StreamedAppend>,
    /// Whether no more appends come.
    is_closed: bool,
    /// What is sent next, in this order.
    unsent: VecDeque<StreamedAppend>,
    /// What was refused for now, and when it is sent again.
    refused: Vec<StreamedAppend>,
    retry_at: Instant,
    pauses: RetryPauses,
}

impl Waiting {
    pub(super) fn new(queue: mpsc::UnboundedReceiver<StreamedAppend>) -> Self {
        Self {
            queue,
            is_closed: false,
            unsent: VecDeque::new(),
            refused: Vec::new(),
            retry_at: Instant::now(),
            pauses: RetryPauses::new(),
        }
    }

    /// Waits until there is something to send; returns whether there is.
    pub(super) async fn has_work(&mut self) -> bool {
        while self.unsent.is_empty() && !self.is_over() {
            self.grow().await;
        }
        !self.unsent.is_empty()
    }

    /// Returns whether something can be sent at once.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty() && self.refused.is_empty() && self.queue.is_empty()
    }

    /// Returns whether nothing waits and nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed && self.unsent.is_empty() && self.refused.is_empty()
    }

    /// Waits until something more can be sent, or nothing more comes. Cancel safe.
    pub(super) async fn grow(&mut self) {
        tokio::select! {
            append = self.queue.recv(), if self.unsent.is_empty() && !self.is_closed => {
                match append {
                    Some(append) => self.unsent.push_back(append),
                    None => self.is_closed = true,
                }
            }
            () = sleep_until(self.retry_at), if !self.refused.is_empty() => {
                let refused = std::mem::take(&mut self.refused);
                self.send_first(refused);
            }
            else => pending().await,
        }
    }

    /// Takes what is sent next.
    pub(super) fn next(&mut self) -> Option<StreamedAppend> {
        self.unsent.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// Keeps an append that was refused for now, to send it again after a pause.
    pub(super) fn refused(&mut self, mut append: StreamedAppend, failure: Failure) {
        append.noted(failure);
        if self.refused.is_empty() {
            self.retry_at = Instant::now() + self.pauses.pause();
        }
        self.refused.push(append);
    }

    /// Notes that a node stores messages: the next pause is short again.
    pub(super) const fn stored(&mut self) {
        self.pauses = RetryPauses::new();
    }

    /// Sends these before all others, each in its place among those that are sent again.
    pub(super) fn send_first(&mut self, appends: Vec<StreamedAppend>) {
        if appends.is_empty() {
            return;
        }
        self.unsent.extend(appends);
        self.unsent.make_contiguous().sort_by_key(|append| append.number);
    }

    /// Answers what was not sent in time, and this much more.
    pub(super) fn end_overdue(&mut self, more: Duration) {
        self.take_queue();
        let now = Instant::now();
        let is_overdue = |append: &StreamedAppend| append.is_overdue(now, more);
        let (mut late, kept): (VecDeque<_>, _) = self.unsent.drain(..).partition(is_overdue);
        self.unsent = kept;
        late.extend(self.refused.extract_if(.., |append| is_overdue(append)));
        let no_time = || Failure::of_cause(Cause::NoTime, false);
        late.into_iter().for_each(|append| append.fail_late(no_time()));
    }

    /// Answers everything that waits.
    pub(super) fn fail_all(&mut self, cause: Cause) {
        self.take_queue();
        let cause = Arc::new(cause);
        let all = self.unsent.drain(..).chain(self.refused.drain(..));
        all.for_each(|append| append.fail(Cause::Stream(Arc::clone(&cause))));
    }

    /// Takes in what came; the sender's window bounds it.
    fn take_queue(&mut self) {
        while let Ok(append) = self.queue.try_recv() {
            self.unsent.push_back(append);
        }
    }
}
