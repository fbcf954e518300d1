//! The target of a load: connections of any kind, and their failures.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;

/// A failure of a request or of a connection. Failures with the same text are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestFailure {
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server answered with a failure. The connection stays usable.
    #[error("{kind}")]
    Refused {
        /// Kind under which it is counted.
        kind: String,
        /// Further detail; only that of the first of a kind is shown.
        detail: Option<String>,
    },
    /// The answer took longer than [`BenchLoad::timeout`](super::load::BenchLoad::timeout).
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer")]
    HungUp,
    /// Any other failure after which the connection is unusable.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for RequestFailure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::HungUp,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// A connection that sends one request at a time.
pub trait LoadConnection: Send + 'static {
    /// Sends the next request and waits for its answer. Not cancel safe: when it takes too long, it
    /// is dropped together with the connection.
    ///
    /// # Errors
    /// When the answer is not a success, or does not come.
    fn send(&mut self) -> impl Future<Output = Result<(), RequestFailure>> + Send;

    /// Returns whether the connection takes another request. Asked before each request; when it
    /// does not, the client connects again at once, and nothing counts as failed.
    fn is_open(&self) -> bool {
        true
    }
}

/// A server, or cluster, to connect to.
pub trait LoadTarget: Send + Sync + 'static {
    /// Its connections.
    type Connection: LoadConnection;

    /// Longest time to connect.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Opens a connection.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, RequestFailure>> + Send;
}
