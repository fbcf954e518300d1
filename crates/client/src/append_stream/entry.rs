//! One append of a stream, from the moment when it is sent until it is answered.

use std::time::Duration;

use acklog_api::{AppendLine, Appended, Outcome};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::error::{Cause, Error};
use crate::retry::{Failure, combined, nodes_part};

/// An append that is not answered yet.
#[derive(Debug)]
pub(super) struct StreamedAppend {
    /// Its place in the order in which appends were sent.
    pub(super) number: u64,
    /// Its line, but for the time limit and the end.
    line: Vec<u8>,
    deadline: Option<Instant>,
    /// The fate of the message by the attempts so far.
    outcome: Outcome,
    /// The cause of the last failure that a node told, or that lost the answer.
    last: Option<Cause>,
    answer: oneshot::Sender<Result<Appended, Error>>,
    /// Its part of the window.
    _room: OwnedSemaphorePermit,
}

/// Returns a line without its end: the time limit depends on when it is sent.
pub(super) fn unfinished(line: &AppendLine<'_>) -> Vec<u8> {
    // Cannot fail: it is text and numbers.
    let mut line = serde_json::to_vec(line).unwrap_or_default();
    line.pop();
    line
}

impl StreamedAppend {
    pub(super) const fn new(
        number: u64,
        line: Vec<u8>,
        deadline: Option<Instant>,
        answer: oneshot::Sender<Result<Appended, Error>>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let outcome = Outcome::Refused;
        Self { number, line, deadline, outcome, last: None, answer, _room: room }
    }

    /// Adds the line as it is sent now. `retries`: an answer that comes too late to be told is of
    /// no use, so the node gets a part of the time only.
    pub(super) fn write(&self, now: Instant, retries: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line);
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(now);
            let millis = match retries {
                true => nodes_part(left),
                false => left.as_millis() as u64,
            };
            out.extend_from_slice(format!(",\"timeoutMs\":{millis}").as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    /// Returns whether its time has passed, and this much more.
    pub(super) fn is_overdue(&self, now: Instant, more: Duration) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline + more)
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Notes the failure of an attempt.
    pub(super) fn noted(&mut self, failure: Failure) {
        self.outcome = combined(self.outcome.clone(), failure.outcome);
        self.last = Some(failure.cause);
    }

    /// Answers it as if it had been sent alone.
    pub(super) fn succeed(self, appended: Appended) {
        // Nobody may wait for it.
        let _ = self.answer.send(Ok(Appended { line: None, ..appended }));
    }

    /// Answers it with the failure of the last attempt.
    pub(super) fn refuse(mut self, failure: Failure) {
        self.outcome = combined(self.outcome, failure.outcome);
        self.fail(failure.cause);
    }

    /// Answers it, since its time has passed: with what the last attempt came to, or with this
    /// failure where there was none.
    pub(super) fn fail_late(mut self, failure: Failure) {
        self.outcome = combined(self.outcome, failure.outcome);
        let cause = self.last.take().unwrap_or(failure.cause);
        self.fail(cause);
    }

    /// Answers it with an error that says nothing new about the message.
    pub(super) fn fail(self, cause: Cause) {
        // Nobody may wait for it.
        let _ = self.answer.send(Err(Error { cause, outcome: self.outcome }));
    }
}
