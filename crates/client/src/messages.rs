//! Reading the log, message by message.

use std::collections::VecDeque;
use std::time::Duration;

use acklog_api::{Message, Outcome};
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::Dial;
use crate::error::{Cause, Error};
use crate::lines::{LineTooLong, Lines};
use crate::node::CallError;
use crate::nodes::{NodesClient, NodesError};
use crate::retry::{Failure, RetryPauses};

/// Messages that are asked for at once. Fewer: more requests. More: the client holds them all.
const PAGE_MESSAGES: u64 = 1000;

/// The messages of a log from an id on, in order, up to the end that the node shows. Made by
/// [`Client::read`](crate::Client::read).
///
/// The next node goes on from the same message where one breaks off.
#[derive(Debug)]
pub struct Messages<'a, D> {
    nodes: &'a mut NodesClient<D>,
    /// Time that fetching a page may take, all its attempts together.
    deadline: Duration,
    /// The id that comes next.
    next: u64,
    page: VecDeque<Message<'static>>,
    /// Whether the node had no more behind the page.
    is_last: bool,
}

impl<'a, D: Dial> Messages<'a, D> {
    pub(crate) const fn new(nodes: &'a mut NodesClient<D>, deadline: Duration, from: u64) -> Self {
        Self { nodes, deadline, next: from, page: VecDeque::new(), is_last: false }
    }

    /// Returns the next message, or `None` behind the end of what the node shows.
    ///
    /// # Errors
    /// When no node answers before the deadline of one request. Called again, it goes on from the
    /// same message.
    pub async fn next(&mut self) -> Result<Option<Message<'static>>, Error> {
        if self.page.is_empty() && !self.is_last {
            self.fetch().await?;
        }
        let message = self.page.pop_front();
        if let Some(message) = &message {
            self.next = message.id + 1;
        }
        Ok(message)
    }

    /// Fetches the next page, and tries again until the deadline.
    async fn fetch(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + self.deadline;
        let mut backoff = RetryPauses::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let failure = match timeout(left, self.try_page()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::of_cause(Cause::NoTime, false),
            };
            self.page.clear();
            if !failure.retry || Instant::now() >= deadline {
                return Err(Error { cause: failure.cause, outcome: Outcome::Refused });
            }
            self.nodes.rotate();
            let left: Duration = deadline.saturating_duration_since(Instant::now());
            sleep(backoff.pause().min(left)).await;
        }
    }

    async fn try_page(&mut self) -> Result<(), Failure> {
        let failure = |error: CallError| match error {
            CallError::Refused(answer) => Failure::of_answer(&answer),
            error => Failure::of_cause(NodesError::from(error).into(), true),
        };
        let Some(node) = self.nodes.current() else {
            return Err(Failure::of_cause(NodesError::Nobody.into(), false));
        };
        let mut body = node.list(self.next, PAGE_MESSAGES).await.map_err(failure)?;
        let (mut lines, page) = (Lines::default(), &mut self.page);
        while let Some(piece) = node.next_piece(&mut body).await.map_err(failure)? {
            let taken = lines.add(&piece, |line| {
                let message = serde_json::from_slice::<Message<'_>>(line).map_err(Wrong::Json)?;
                let Message { id, message } = message;
                page.push_back(Message { id, message: message.into_owned().into() });
                Ok::<_, Wrong>(())
            });
            taken.map_err(|wrong| match wrong {
                Wrong::Json(error) => Failure::of_cause(Cause::NotANode(error.into()), false),
                Wrong::Long => Failure::of_cause(Cause::CutOff, false),
            })?;
        }
        if !lines.is_complete() {
            return Err(Failure::of_cause(Cause::CutOff, true));
        }
        self.is_last = (self.page.len() as u64) < PAGE_MESSAGES;
        Ok(())
    }
}

/// The fault of a line.
enum Wrong {
    Json(serde_json::Error),
    Long,
}

impl From<LineTooLong> for Wrong {
    fn from(_: LineTooLong) -> Self {
        Self::Long
    }
}
