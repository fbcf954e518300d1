//! A client of one node: one HTTP/1.1 connection, kept open from request to request.

use std::time::Duration;

use acklog_api::{headers, paths, query};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Answer;
use crate::endpoint::{Dial, Endpoint};
use crate::lines::LINE_BYTES_MAX;

/// Time for which a node may leave a reader without a byte. Reading waits for no other node, so a
/// node that is silent for so long hangs. Shorter: a busy node is given up. Longer: the next node
/// is tried later.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer that is taken as a whole, in bytes: the longest message, and who has it. Health
/// of 255 secondaries is far below it.
pub(crate) const ANSWER_BYTES_MAX: usize = LINE_BYTES_MAX + 64 * 1024;

/// Longest refusal of a stream, in bytes: a problem is far below it. Smaller: its detail may not
/// fit. Larger: whoever answers in a node's place takes up more memory.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// A node, or none of several, can be reached: nothing was sent.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Unreachable(String);

impl Unreachable {
    fn new(endpoint: &Endpoint, reason: impl std::fmt::Display) -> Self {
        Self(format!("cannot reach {endpoint}: {reason}"))
    }

    /// Returns all of them as one; `None` where there is none.
    pub fn of_all(all: Vec<Self>) -> Option<Self> {
        let texts: Vec<String> = all.into_iter().map(|one| one.0).collect();
        (!texts.is_empty()).then(|| Self(texts.join("; ")))
    }
}

/// The reason why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nothing was sent.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The node took the request and let the time for its answer pass.
    #[error("{0} does not answer")]
    Silent(Endpoint),
    /// The connection broke before an answer; the request may have been carried out.
    #[error("{0} closed the connection without an answer")]
    Lost(Endpoint, #[source] hyper::Error),
    /// The connection broke in the middle of the answer.
    #[error("{0} broke off its answer")]
    BrokenOff(Endpoint, #[source] hyper::Error),
    /// The answer is longer than any to such a request: than so many bytes.
    #[error("{0} answers with more than {1} bytes")]
    TooLong(Endpoint, usize),
    /// The path or a header cannot be sent.
    #[error("the request cannot be sent")]
    BadRequest(#[from] hyper::http::Error),
    /// The node refuses; the answer says why.
    #[error("{}", .0.detail())]
    Refused(Box<Answer>),
}

/// A client of one node. Dropping it, or a call of it, closes the connection.
#[derive(Debug)]
pub struct NodeClient<D = Endpoint> {
    target: D,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Whether a request was sent whose answer has not begun to come.
    is_waiting: watch::Sender<bool>,
}

impl<D: Dial> NodeClient<D> {
    /// Returns a client that connects with its first request.
    pub fn new(target: D) -> Self {
        Self { target, connection: None, is_waiting: watch::Sender::new(false) }
    }

    /// Returns the same client, which reports here whether a request was sent whose answer has not
    /// begun to come.
    pub fn telling(self, is_waiting: watch::Sender<bool>) -> Self {
        Self { is_waiting, ..self }
    }

    /// Returns what is dialed.
    pub fn target(&self) -> &D {
        &self.target
    }

    /// Asks for `path` and takes the whole answer.
    ///
    /// # Errors
    /// When the node cannot be reached or falls silent.
    pub async fn get(&mut self, path: &str) -> Result<Answer, CallError> {
        self.call(Method::GET, path, None, Bytes::new(), Some(READ_TIMEOUT)).await
    }

    /// Asks for a listing, one message a line; it is still to be read.
    ///
    /// # Errors
    /// When the node refuses, cannot be reached or falls silent.
    pub async fn list(&mut self, from: u64, limit: u64) -> Result<Incoming, CallError> {
        self.list_as(from, limit, headers::APPLICATION_NDJSON).await
    }

    /// As [`NodeClient::list`], in the form that `accept` names.
    ///
    /// # Errors
    /// As [`NodeClient::list`].
    pub async fn list_as(
        &mut self,
        from: u64,
        limit: u64,
        accept: &'static str,
    ) -> Result<Incoming, CallError> {
        let path = format!("{}?{}={from}&{}={limit}", paths::MESSAGES, query::FROM, query::LIMIT);
        Ok(self.stream(&path, &[(ACCEPT, accept)], READ_TIMEOUT).await?.into_body())
    }

    /// Asks for something that is still to be read; its head may take this long.
    ///
    /// # Errors
    /// As [`NodeClient::list`].
    pub(crate) async fn stream(
        &mut self,
        path: &str,
        headers: &[(HeaderName, &str)],
        patience: Duration,
    ) -> Result<Response<Incoming>, CallError> {
        let patience = Some(patience);
        let (response, _) = self.send(Method::GET, path, headers, Bytes::new(), patience).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => {
                let refusal = whole(self.target.endpoint(), response, REFUSAL_BYTES_MAX);
                match timeout(READ_TIMEOUT, refusal).await {
                    Ok(answer) => Err(CallError::Refused(Box::new(answer?))),
                    Err(_) => Err(self.silent()),
                }
            }
        }
    }

    /// Sends a request, with an idempotency key where one is given, and takes the whole answer,
    /// which may take as long as the node likes, unless `patience` is given. Connecting has limits
    /// of its own.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when the node cannot be reached, [`CallError::Silent`] when it
    /// lets the patience pass; others when it goes away.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: impl Into<Bytes>,
        patience: Option<Duration>,
    ) -> Result<Answer, CallError> {
        let key = key.map(|key| (HeaderName::from_static(headers::IDEMPOTENCY_KEY), key));
        let sent = self.send(method, path, key.as_slice(), body.into(), patience);
        let (response, deadline) = sent.await?;
        self.by(deadline, whole(self.target.endpoint(), response, ANSWER_BYTES_MAX)).await?
    }

    /// Sends a request with further headers, and takes the whole answer, which may take this long
    /// and have so many bytes.
    ///
    /// # Errors
    /// As [`NodeClient::call`].
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        (headers, body): (&[(HeaderName, &str)], Bytes),
        (patience, answer_max): (Duration, usize),
    ) -> Result<Answer, CallError> {
        let sent = self.send(method, path, headers, body, Some(patience));
        let (response, deadline) = sent.await?;
        self.by(deadline, whole(self.target.endpoint(), response, answer_max)).await?
    }

    /// Sends a request; returns the head of the answer, and until when the rest of it may take.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Bytes,
        patience: Option<Duration>,
    ) -> Result<(Response<Incoming>, Option<Instant>), CallError> {
        let mut head = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.target.endpoint().authority())
            .header(CONTENT_TYPE, headers::APPLICATION_JSON);
        for (name, value) in headers {
            head = head.header(name, *value);
        }
        let mut request = head.body(Full::new(body))?;
        loop {
            let (mut connection, fresh) = match self.connection.take() {
                Some(kept) if !kept.is_closed() => (kept, false),
                _ => {
                    let (sender, driver) = connect(&self.target).await?;
                    // Its errors come out of the request that they break.
                    tokio::spawn(driver);
                    (sender, true)
                }
            };
            let deadline = patience.map(|patience| Instant::now() + patience);
            if let Err(error) = self.by(deadline, connection.ready()).await? {
                if fresh {
                    return Err(self.lost(error));
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
                    _ => return Err(self.lost(error.into_error())),
                },
            }
        }
    }

    /// Returns the next bytes of an answer that is read piece by piece; `None` at its end.
    ///
    /// # Errors
    /// When the answer breaks off or the node falls silent.
    pub async fn next_piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, CallError> {
        self.next_piece_within(body, READ_TIMEOUT).await
    }

    /// As [`NodeClient::next_piece`], of an answer that may be silent for this long.
    pub(crate) async fn next_piece_within(
        &self,
        body: &mut Incoming,
        patience: Duration,
    ) -> Result<Option<Bytes>, CallError> {
        while let Some(frame) = timeout(patience, body.frame()).await.map_err(|_| self.silent())? {
            let frame = frame.map_err(|error| self.broken_off(error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Returns what comes of `work` by then.
    async fn by<T>(
        &self,
        deadline: Option<Instant>,
        work: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        match deadline {
            Some(deadline) => timeout_at(deadline, work).await.map_err(|_| self.silent()),
            None => Ok(work.await),
        }
    }

    fn silent(&self) -> CallError {
        CallError::Silent(self.target.endpoint().clone())
    }

    fn lost(&self, error: hyper::Error) -> CallError {
        CallError::Lost(self.target.endpoint().clone(), error)
    }

    fn broken_off(&self, error: hyper::Error) -> CallError {
        CallError::BrokenOff(self.target.endpoint().clone(), error)
    }
}

/// Connects to a node. The connection must be polled for anything to happen on it.
///
/// # Errors
/// When the node cannot be reached.
pub(crate) async fn connect<D: Dial, B: Body + 'static>(
    target: &D,
) -> Result<(SendRequest<B>, Connection<TokioIo<TcpStream>, B>), Unreachable>
where
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let unreachable = |reason: String| Unreachable::new(target.endpoint(), reason);
    let stream = target.dial().await.map_err(|error| unreachable(target.reason(&error)))?;
    // Without this a small request can wait for the answer to the one before.
    let _ = stream.set_nodelay(true);
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    handshake.map_err(|error| unreachable(error.to_string()))
}

/// Takes the rest of an answer of at most `max` bytes.
///
/// # Errors
/// When it breaks off, or is longer.
pub(crate) async fn whole(
    endpoint: &Endpoint,
    response: Response<Incoming>,
    max: usize,
) -> Result<Answer, CallError> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CallError::BrokenOff(endpoint.clone(), error))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > max {
            return Err(CallError::TooLong(endpoint.clone(), max));
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: bytes.into() })
}

#[cfg(test)]
mod tests;
