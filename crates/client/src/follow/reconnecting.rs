//! The task of a follower: connects, reads, and connects again.

use std::time::Duration;

use acklog_api::{Outcome, Problem, ProblemCode};
use acklog_types::WriteConcern;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::connection::{EventStream, FollowError, FollowRequest};
use super::events::FollowEvent;
use super::position::Position;
use super::{FollowLink, Followed, Handed};
use crate::endpoint::Dial;
use crate::error::{Cause, Error};
use crate::node::{CallError, NodeClient};
use crate::nodes::NodesError;
use crate::retry::{Failure, RetryPauses};

/// A follower of several nodes.
pub(super) struct Reconnecting<D> {
    pub(super) targets: Vec<D>,
    /// Time for the first connection, all attempts together. Each node is asked once at least.
    pub(super) deadline: Duration,
    pub(super) read_concern: Option<WriteConcern>,
    pub(super) position: Position,
    pub(super) link: watch::Sender<FollowLink>,
}

/// The end of one stream.
enum StreamEnd {
    /// The next node may go on, and this one may later if the failure says so.
    Failed(Failure),
    /// No node may go on.
    Final(Cause),
    /// Nobody takes messages any more.
    Unwanted,
}

impl From<FollowError> for StreamEnd {
    fn from(error: FollowError) -> Self {
        match error {
            // Another node may know more: a secondary knows some read concerns only.
            FollowError::Call(CallError::Refused(answer)) => {
                Self::Failed(Failure::of_answer(&answer))
            }
            FollowError::Call(error) => {
                Self::Failed(Failure::of_cause(NodesError::from(error).into(), true))
            }
            error => Self::Final(Cause::NoFollower(error.to_string())),
        }
    }
}

impl From<Failure> for StreamEnd {
    fn from(failure: Failure) -> Self {
        if failure.retry { Self::Failed(failure) } else { Self::Final(failure.cause) }
    }
}

impl<D: Dial> Reconnecting<D> {
    /// Follows until an error is final, or nobody takes messages any more.
    pub(super) async fn run(mut self, batches: mpsc::Sender<Vec<Handed>>) {
        if let Some(cause) = self.until_final(&batches).await {
            let error = Error { cause, outcome: Outcome::Refused };
            // Nobody may take messages any more.
            let _ = batches.send(vec![Err(error)]).await;
        }
    }

    /// Follows one node after the other, and returns the error that ends it; `None` when nobody
    /// takes messages any more.
    async fn until_final(&mut self, batches: &mpsc::Sender<Vec<Handed>>) -> Option<Cause> {
        let deadline = Instant::now() + self.deadline;
        let mut pauses = RetryPauses::new();
        loop {
            // Whether no node can be followed later either.
            let (mut causes, mut is_final) = (Vec::new(), true);
            for target in self.targets.clone() {
                let mut is_open = false;
                let failure = match self.follow(target, batches, &mut is_open).await {
                    StreamEnd::Failed(failure) => failure,
                    StreamEnd::Final(cause) => return Some(cause),
                    StreamEnd::Unwanted => return None,
                };
                if is_open {
                    pauses = RetryPauses::new();
                }
                if failure.retry {
                    is_final = false;
                    self.note_lost(&failure.cause);
                }
                causes.push(failure.cause);
            }
            let is_late = !self.position.was_open() && Instant::now() >= deadline;
            if is_late || is_final {
                return Some(Cause::of_all(causes));
            }
            sleep(pauses.pause()).await;
        }
    }

    /// Notes why there is no connection. The first reason stays: what comes later says that it is
    /// still so.
    fn note_lost(&self, cause: &Cause) {
        self.link.send_if_modified(|link| {
            let is_new = !matches!(link, FollowLink::Lost(_));
            if is_new {
                *link = FollowLink::Lost(cause.to_string());
            }
            is_new
        });
    }

    /// Follows a node until the stream ends.
    async fn follow(
        &mut self,
        target: D,
        batches: &mpsc::Sender<Vec<Handed>>,
        is_open: &mut bool,
    ) -> StreamEnd {
        let (node, mut stream) = loop {
            let mut node = NodeClient::new(target.clone());
            let (begin, last_event_id) = self.position.request();
            let request = FollowRequest { begin, last_event_id, read_concern: self.read_concern };
            let error = match EventStream::open(&mut node, &request).await {
                Ok(stream) => break (node, stream),
                Err(error) => error,
            };
            let Some(gap) = trimmed(&error).and_then(|start| self.position.trimmed(start)) else {
                return error.into();
            };
            if batches.send(vec![Ok((gap.into(), None))]).await.is_err() {
                return StreamEnd::Unwanted;
            }
        };
        loop {
            let events = match stream.next(&node).await {
                Ok(Some(events)) => events,
                Ok(None) => return ended(&node),
                Err(error) => return error.into(),
            };
            let mut batch = Vec::new();
            let end = self.take(events, &node, &mut batch, is_open).err();
            // Waits here while nothing is taken, and reads no further.
            if !batch.is_empty() && batches.send(batch).await.is_err() {
                return StreamEnd::Unwanted;
            }
            if let Some(failure) = end {
                return failure.into();
            }
        }
    }

    /// Adds what is to be handed out.
    ///
    /// # Errors
    /// When the stream ends with one of the events.
    fn take(
        &mut self,
        events: Vec<FollowEvent>,
        node: &NodeClient<D>,
        batch: &mut Vec<Handed>,
        is_open: &mut bool,
    ) -> Result<(), Failure> {
        let fatal = |cause| Failure::of_cause(cause, false);
        for event in events {
            match event {
                FollowEvent::Open(open) => {
                    self.position.opened(&open).map_err(fatal)?;
                    *is_open = true;
                    let url = node.target().endpoint().to_string();
                    let next = self.position.next().unwrap_or(open.next);
                    self.link.send_replace(FollowLink::Open { url, next });
                }
                FollowEvent::Message(message) => {
                    if self.position.message(&message).map_err(fatal)? {
                        let (id, text, batch_start) = (message.id, message.text, message.batch);
                        let item = Followed::Message { id, text, batch: batch_start };
                        batch.push(Ok((item, message.cursor)));
                    }
                }
                FollowEvent::Gap(gap) => {
                    let gap = self.position.gap(gap);
                    batch.extend(gap.map(|gap| Ok((gap.into(), None))));
                }
                FollowEvent::Error(problem) => {
                    let retry = problem.retry;
                    return Err(Failure::of_cause(Cause::Problem(problem), retry));
                }
                FollowEvent::CaughtUp(_) | FollowEvent::Tail(_) | FollowEvent::Other => {}
            }
        }
        Ok(())
    }
}

/// Returns the start of the log where a node refuses since it lies behind the place asked for.
fn trimmed(error: &FollowError) -> Option<u64> {
    let FollowError::Call(CallError::Refused(answer)) = error else { return None };
    let problem = answer.parsed::<Problem>().ok()?;
    problem.start.filter(|_| problem.code == ProblemCode::Trimmed)
}

/// Returns the end of a stream that a node ended: it stops, or something between ends connections.
fn ended<D: Dial>(node: &NodeClient<D>) -> StreamEnd {
    let cause = Cause::StreamEnded(node.target().endpoint().to_string());
    StreamEnd::Failed(Failure::of_cause(cause, true))
}
