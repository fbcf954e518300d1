//! A small HTTP/1.1 client for a node: one connection, kept open from request to request.
//!
//! Whatever goes wrong becomes one line that a person can act on: the `detail` of a node's
//! refusal, or the URL that cannot be reached.

use std::future::Future;
use std::time::Duration;

use acklog_api::{headers, paths, query};
use acklog_types::escaped;
use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::NodeUrl;
use crate::server::net::keep_alive;

/// How long a node may leave a reader without a byte. Reading waits for no other node, so a node
/// that is silent for so long hangs.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer that is taken as a whole: health of 255 secondaries is far below it.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What a node answered, read as a whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Whether the node asks for the same request once more, later.
    pub(super) retry_after: bool,
    /// Where the node says that the new message is.
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none: then it is no node that answers.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).context("the answer is no JSON: is this a node?")
    }

    /// The body as one line of JSON: as the node wrote it where it is one line already.
    ///
    /// # Errors
    /// When it is no JSON: then it is no node that answers.
    pub(super) fn json_line(&self) -> anyhow::Result<String> {
        let parsed = self.json()?;
        match str::from_utf8(&self.body).map(str::trim) {
            Ok(line) if !line.contains('\n') => Ok(line.to_owned()),
            _ => Ok(parsed.to_string()),
        }
    }

    /// What a refusal says, in one line.
    pub(super) fn detail(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let said = ["detail", "title"].iter().find_map(|field| problem.get(field)?.as_str());
        escaped(said.unwrap_or(&format!("the node answered {}", self.status))).into_owned()
    }
}

/// A node, or none of several, can be reached: nothing was sent.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Unreachable(String);

impl Unreachable {
    fn new(url: &NodeUrl, reason: impl std::fmt::Display) -> Self {
        Self(format!("cannot reach {url}: {reason}"))
    }

    /// Returns all of them as one; `None` where there is none.
    pub(super) fn of_all(all: Vec<Self>) -> Option<Self> {
        let texts: Vec<String> = all.into_iter().map(|one| one.0).collect();
        (!texts.is_empty()).then(|| Self(texts.join("; ")))
    }
}

/// A node that took a request and let the time for its answer pass.
#[derive(Debug, Error)]
#[error("{0} does not answer")]
pub(super) struct Silent(NodeUrl);

/// A client of one node.
pub(super) struct Client {
    url: NodeUrl,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Whether a request was sent whose answer has not begun to come.
    is_waiting: watch::Sender<bool>,
}

impl Client {
    pub(super) fn new(url: NodeUrl) -> Self {
        Self { url, connection: None, is_waiting: watch::Sender::new(false) }
    }

    /// The same client, which says here whether a request was sent whose answer has not begun to come.
    pub(super) fn telling(self, is_waiting: watch::Sender<bool>) -> Self {
        Self { is_waiting, ..self }
    }

    /// The node's URL.
    pub(super) fn url(&self) -> &NodeUrl {
        &self.url
    }

    /// Asks for `path` and takes the whole answer.
    ///
    /// # Errors
    /// When the node cannot be reached or falls silent.
    pub(super) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, Bytes::new(), Some(READ_TIMEOUT)).await
    }

    /// Asks for a list of messages; the list is still to be read.
    ///
    /// # Errors
    /// When the node refuses, cannot be reached or falls silent.
    pub(super) async fn list(&mut self, from: u64, limit: u64) -> anyhow::Result<Incoming> {
        self.list_as(from, limit, headers::APPLICATION_JSON).await
    }

    /// As [`Client::list`], in the form that `accept` names.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub(super) async fn list_as(
        &mut self,
        from: u64,
        limit: u64,
        accept: &'static str,
    ) -> anyhow::Result<Incoming> {
        let path = format!("{}?{}={from}&{}={limit}", paths::MESSAGES, query::FROM, query::LIMIT);
        let (header, patience) = (Some((ACCEPT, accept)), Some(READ_TIMEOUT));
        let (response, _) = self.send(Method::GET, &path, header, Bytes::new(), patience).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            _ => Err(self.refusal(response).await),
        }
    }

    /// Sends a request and takes the whole answer, which may take as long as the node likes,
    /// unless `patience` is given. Connecting has limits of its own.
    ///
    /// # Errors
    /// [`Unreachable`] when the node cannot be reached, [`Silent`] when it lets the patience pass; others when it goes
    /// away.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        patience: Option<Duration>,
    ) -> anyhow::Result<Answer> {
        self.call_with(method, path, None, body.into(), patience).await
    }

    /// As [`Client::call`], with an idempotency key.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) async fn call_with(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
        patience: Option<Duration>,
    ) -> anyhow::Result<Answer> {
        let header = key.map(|key| (HeaderName::from_static(headers::IDEMPOTENCY_KEY), key));
        let (response, deadline) = self.send(method, path, header, body, patience).await?;
        self.by(deadline, self.whole(response)).await?
    }

    /// Sends a request; returns the head of the answer, and until when the rest of it may take.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(HeaderName, &str)>,
        body: Bytes,
        patience: Option<Duration>,
    ) -> anyhow::Result<(Response<Incoming>, Option<Instant>)> {
        let head = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.url.authority())
            .header(CONTENT_TYPE, headers::APPLICATION_JSON);
        let head = match header {
            Some((name, value)) => head.header(name, value),
            None => head,
        };
        let mut request = head.body(Full::new(body))?;
        loop {
            let (mut connection, fresh) = match self.connection.take() {
                Some(kept) if !kept.is_closed() => (kept, false),
                _ => (self.connect().await?, true),
            };
            let deadline = patience.map(|patience| Instant::now() + patience);
            let lost = || format!("{} closed the connection without an answer", self.url);
            if let Err(error) = self.by(deadline, connection.ready()).await? {
                if fresh {
                    return Err(error).with_context(lost);
                }
                continue;
            }
            self.is_waiting.send_replace(true);
            let answered = self.by(deadline, connection.try_send_request(request)).await;
            self.is_waiting.send_replace(false);
            match answered? {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok((response, deadline));
                }
                // A kept connection that the node had closed: nothing was sent, so that sending
                // it again cannot make the message stand in the log twice.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(error.into_error()).with_context(lost),
                },
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Unreachable> {
        let unreachable = |reason: String| Unreachable::new(&self.url, reason);
        let stream = self.url.dial().await.map_err(|it| unreachable(self.url.advised(&it)))?;
        // Without this a small request can wait for the answer to the one before.
        let _ = stream.set_nodelay(true);
        // A wait for other nodes has no end of its own; a line that is cut in the meantime has to be noticed.
        keep_alive::watch(&stream);
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (connection, driver) = handshake.map_err(|error| unreachable(error.to_string()))?;
        // Its errors come out of the request that they break.
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn whole(&self, response: Response<Incoming>) -> anyhow::Result<Answer> {
        let (status, headers) = (response.status(), response.headers());
        let retry_after = headers.contains_key(RETRY_AFTER);
        let location =
            headers.get(LOCATION).map(|at| String::from_utf8_lossy(at.as_bytes()).into());
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.with_context(|| format!("{} broke off its answer", self.url))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            if bytes.len() > ANSWER_BYTES_MAX {
                bail!("{} answers with more than {ANSWER_BYTES_MAX} bytes", self.url);
            }
        }
        Ok(Answer { status, retry_after, location, body: bytes.into() })
    }

    /// The next bytes of an answer that is read piece by piece; `None` at its end.
    ///
    /// # Errors
    /// When the answer breaks off or the node falls silent.
    pub(super) async fn next_piece(&self, body: &mut Incoming) -> anyhow::Result<Option<Bytes>> {
        while let Some(frame) =
            timeout(READ_TIMEOUT, body.frame()).await.map_err(|_| Silent(self.url.clone()))?
        {
            let frame = frame.with_context(|| format!("{} broke off its answer", self.url))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads the rest of an answer that is a refusal and returns what it says.
    async fn refusal(&self, response: Response<Incoming>) -> anyhow::Error {
        match timeout(READ_TIMEOUT, self.whole(response)).await {
            Ok(Ok(answer)) => anyhow::Error::msg(answer.detail()),
            Ok(Err(error)) => error,
            Err(_) => Silent(self.url.clone()).into(),
        }
    }

    /// What comes of `work` by then.
    async fn by<T>(
        &self,
        deadline: Option<Instant>,
        work: impl Future<Output = T>,
    ) -> Result<T, Silent> {
        match deadline {
            Some(deadline) => {
                timeout_at(deadline, work).await.map_err(|_| Silent(self.url.clone()))
            }
            None => Ok(work.await),
        }
    }
}

#[cfg(test)]
mod tests;
