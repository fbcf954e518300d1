//! The client for programs: appends with keys, waits, reads, and tries again by itself.

use std::time::Duration;

use acklog_api::{AckedMessage, AppendRequest, Appended, Health, Outcome, paths, query};
use acklog_types::WriteConcern;
use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{Answer, NotANode};
use crate::append_stream::{AppendStream, AppendStreamOptions};
use crate::endpoint::{Dial, Endpoint};
use crate::error::{Cause, Error};
use crate::follow::{Follow, FollowOptions};
use crate::messages::Messages;
use crate::node::CallError;
use crate::nodes::{NodesClient, NodesError};
use crate::options::AppendOptions;
use crate::retry::{DEADLINE, Failure, RetryPauses, combined, nodes_part};

/// Time that each of several nodes may take to say whether it is the master. Shorter: a busy master
/// is not found. Longer: a node that hangs holds up the search.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client of a cluster. It has one connection and one request under way at a time; a clone has a
/// connection of its own.
///
/// All methods try again, with growing pauses, until the deadline. Dropping a call leaves nothing
/// behind but its message, if it was an append.
#[derive(Debug)]
pub struct Client<D = Endpoint> {
    targets: Vec<D>,
    nodes: NodesClient<D>,
    deadline: Duration,
    /// Whether the node that is asked first is the master, as far as is known.
    is_master_found: bool,
}

impl Client<Endpoint> {
    /// Returns a client of the nodes of these URLs, separated by commas. The master is found among
    /// them. Nothing is sent yet.
    ///
    /// # Errors
    /// When one is no URL of a node, in words for people.
    pub fn new(urls: &str) -> Result<Self, String> {
        let targets: Result<Vec<Endpoint>, String> =
            urls.split(',').map(|url| url.trim().parse()).collect();
        Ok(Self::of(targets?))
    }
}

impl<D: Dial> Clone for Client<D> {
    fn clone(&self) -> Self {
        Self { deadline: self.deadline, ..Self::of(self.targets.clone()) }
    }
}

impl<D: Dial> Client<D> {
    /// Returns a client of nodes that are dialed in a way of their own.
    pub fn of(targets: Vec<D>) -> Self {
        let nodes = NodesClient::new(&targets);
        // A single node is taken as it is.
        let is_master_found = targets.len() == 1;
        Self { targets, nodes, deadline: DEADLINE, is_master_found }
    }

    /// Returns the same client, whose requests may take this long, all attempts together.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Appends a message and waits until its write concern holds.
    ///
    /// # Errors
    /// When it is refused, or the deadline passes first; [`Error::outcome`] tells whether the
    /// message may be in the log.
    pub async fn append(&mut self, text: &str, options: &AppendOptions) -> Result<Appended, Error> {
        self.append_request(AppendRequest::message(text), options).await
    }

    /// Appends messages with consecutive ids, together or not at all, and waits until their write
    /// concern holds.
    ///
    /// # Errors
    /// As [`Client::append`].
    pub async fn append_batch(
        &mut self,
        texts: &[String],
        options: &AppendOptions,
    ) -> Result<Appended, Error> {
        self.append_request(AppendRequest::batch(texts), options).await
    }

    async fn append_request(
        &mut self,
        request: AppendRequest<'_>,
        options: &AppendOptions,
    ) -> Result<Appended, Error> {
        let key = options.key.as_ref().map_or_else(random_key, ToString::to_string);
        let body = |left: Duration| {
            let timeout_ms = Some(nodes_part(left));
            let request = AppendRequest { timeout_ms, ..options.applied_to(request.clone()) };
            serde_json::to_vec(&request).unwrap_or_default().into()
        };
        let attempt = |left| (paths::MESSAGES.to_owned(), body(left));
        let answer = self.until_answered(Method::POST, Some(&key), true, attempt).await?;
        parsed(&answer)
    }

    /// Waits until so many nodes have a message, and returns it. Only a master knows.
    ///
    /// # Errors
    /// When there is no such message, no cluster has so many nodes, or the deadline passes first.
    pub async fn wait(
        &mut self,
        id: u64,
        write_concern: WriteConcern,
    ) -> Result<AckedMessage<'static>, Error> {
        let attempt = |left: Duration| {
            let path = format!(
                "{}?{}={write_concern}&{}={}",
                paths::message(id),
                query::WRITE_CONCERN,
                query::TIMEOUT_MS,
                nodes_part(left)
            );
            (path, Bytes::new())
        };
        let answer = self.until_answered(Method::GET, None, true, attempt).await?;
        let AckedMessage { id, message, write_concern, acked_by } =
            serde_json::from_slice(&answer.body).map_err(not_a_node)?;
        Ok(AckedMessage { id, message: message.into_owned().into(), write_concern, acked_by })
    }

    /// Returns the messages from an id on that the first node that can be reached has.
    pub const fn read(&mut self, from: u64) -> Messages<'_, D> {
        Messages::new(&mut self.nodes, self.deadline, from)
    }

    /// Begins a stream of appends, over a connection of its own. The first append connects.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn append_stream(&self, options: AppendStreamOptions) -> AppendStream {
        AppendStream::new(self.targets.clone(), options)
    }

    /// Begins to follow the log at the first node that can be reached, over a connection of its
    /// own.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn follow(&self, options: FollowOptions) -> Follow {
        Follow::new(self.targets.clone(), self.deadline, options)
    }

    /// Returns what the first node that can be reached reports about itself.
    ///
    /// # Errors
    /// When none can be reached before the deadline.
    pub async fn health(&mut self) -> Result<Health, Error> {
        let attempt = |_| (paths::HEALTH.to_owned(), Bytes::new());
        let answer = self.until_answered(Method::GET, None, false, attempt).await?;
        parsed(&answer)
    }

    /// Has the master be asked first, where it answers.
    async fn find_master(&mut self) {
        for _ in 0..self.targets.len() {
            let Some(node) = self.nodes.current() else { return };
            let (path, patience) = (paths::HEALTH, Some(PROBE_TIMEOUT));
            let health = node.call(Method::GET, path, None, Bytes::new(), patience).await;
            if let Ok(Ok(Health::Master(_))) = health.map(|answer| answer.parsed()) {
                self.is_master_found = true;
                return;
            }
            self.nodes.rotate();
        }
    }

    /// Sends requests until one is a success, a refusal is final, or no time is left. What only a
    /// master answers goes to it, where it is found.
    async fn until_answered(
        &mut self,
        method: Method,
        key: Option<&str>,
        is_of_master: bool,
        attempt: impl Fn(Duration) -> (String, Bytes),
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.deadline;
        let mut backoff = RetryPauses::new();
        let mut error = Error { cause: Cause::NoTime, outcome: Outcome::Refused };
        loop {
            if is_of_master && !self.is_master_found {
                let _ = timeout_at(deadline, self.find_master()).await;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            let (path, body) = attempt(left);
            let failure = match self.nodes.call(method.clone(), &path, key, body, Some(left)).await
            {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) => Failure::of_answer(&answer),
                Err(error) => self.unanswered(error),
            };
            let outcome = combined(error.outcome, failure.outcome);
            error = Error { cause: failure.cause, outcome };
            if !failure.retry {
                return Err(error);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(backoff.pause().min(left)).await;
        }
    }

    /// Returns what an attempt without an answer comes to. Each request here may be repeated:
    /// an append has a key.
    fn unanswered(&mut self, error: NodesError) -> Failure {
        let is_unsent = matches!(
            error,
            NodesError::Call(CallError::Unreachable(_)) | NodesError::Refused { .. }
        );
        if !is_unsent {
            // Perhaps it hangs.
            self.nodes.rotate();
        }
        self.is_master_found = self.targets.len() == 1;
        let retry = !matches!(error, NodesError::Nobody);
        let outcome = if is_unsent || !retry { Outcome::Refused } else { Outcome::Unknown };
        Failure { cause: error.into(), retry, outcome }
    }
}

/// Returns the answer's body as a type of the contract.
fn parsed<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    answer.parsed().map_err(not_a_node)
}

/// Returns the error where something else than a node answers: what happened is not known.
fn not_a_node(error: impl Into<NotANode>) -> Error {
    Error { cause: Cause::NotANode(error.into()), outcome: Outcome::Unknown }
}

fn random_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests;
